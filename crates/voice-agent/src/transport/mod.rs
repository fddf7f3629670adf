//! How callers reach a session.

pub mod browser;
pub mod close;
pub(crate) mod end;
pub mod livekit;
mod rate;
pub mod twilio;

pub use rate::TokenBucket;

/// Largest message that is read at all, in bytes; beyond it the library gives up without reading on.
pub(crate) const HARD_LIMIT: usize = 64 * 1024;
