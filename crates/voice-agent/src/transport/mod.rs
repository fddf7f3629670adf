//! How callers reach a session.

pub mod browser;
pub mod close;
pub(crate) mod end;
mod inlet;
pub mod livekit;
mod rate;
pub mod twilio;

pub(crate) use inlet::{Counted, Received};
pub use rate::TokenBucket;

/// Largest message that is read at all, in bytes; beyond it the library gives up without reading on, and what lies unread in the socket may reset the
/// connection before the other side has read why it is closed.
pub(crate) const HARD_LIMIT: usize = 128 * 1024;
/// Bytes that are read of a socket at once: ten frames of audio. The library sets all of its buffer to zero before every read, and its own
/// 128 KiB cost a sixth of a call's processor time.
pub(crate) const READ_BYTES: usize = 4 * 1024;
