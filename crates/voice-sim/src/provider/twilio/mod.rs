//! Twilio: SMS and the control of calls by REST; and a judge for what is sent into a media stream.

#[cfg(test)]
mod media;
mod rest;
mod sms;

pub use sms::Sms;

pub(crate) use rest::router;
pub(crate) use sms::Telephone;
