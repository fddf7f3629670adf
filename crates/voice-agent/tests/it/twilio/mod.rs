//! The telephone: a Media Streams client written from Twilio's description, and what it meets.

mod call;
pub(crate) mod client;
mod rules;
mod script;
mod sms;
mod webhook;
