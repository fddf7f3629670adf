//! What the clients of OpenAI's API, and of the servers that speak it, have in common: the account with its warm
//! connections, and what a refusal means.
//!
//! Connections speak HTTP/1.1, one request at a time each: a request that is given up closes its connection, which is the
//! surest way to make the provider stop, and no lost packet of one caller's answer holds up another's. So that the next
//! turn pays no handshake for that, spare connections are kept open ([`Account::keep_warm`]).

mod account;
pub mod refusal;
#[cfg(test)]
pub(crate) mod testing;
mod warm;

pub(crate) use account::Exchange;
pub use account::{Account, AccountConfig, AccountError, BASE_URL};
