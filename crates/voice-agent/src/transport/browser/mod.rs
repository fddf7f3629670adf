//! The browser's voice: docs/protocol.md over a WebSocket.

mod leg;
mod rate;
mod wire;

pub(crate) use leg::HARD_LIMIT;
pub use leg::{Leg, serve};
pub use rate::TokenBucket;
pub use wire::{CallerMessage, Violation, decode_audio, decode_text, encode, error_event, pong_event};

/// The subprotocol.
pub const SUBPROTOCOL: &str = "voice-agent.v1";
/// Bytes of a caller's frame: 20 ms at 16 kHz.
pub const CALLER_FRAME_BYTES: usize = 640;
/// Bytes of an agent's frame: 20 ms at 24 kHz.
pub const AGENT_FRAME_BYTES: usize = 960;

/// Close codes, as docs/protocol.md has them.
pub mod close {
    /// The session ended.
    pub const ENDED: u16 = 1000;
    /// The server is going away.
    pub const GOING_AWAY: u16 = 1001;
    /// Never sent: the connection was lost.
    pub const LOST: u16 = 1006;
    /// A message over the limit.
    pub const TOO_LARGE: u16 = 1009;
    /// A message that is not this protocol.
    pub const PROTOCOL: u16 = 4000;
    /// A newer connection took over.
    pub const REPLACED: u16 = 4001;
    /// The session does not exist any more.
    pub const NO_SESSION: u16 = 4002;
    /// The reader is too slow.
    pub const TOO_SLOW: u16 = 4003;
    /// Too many messages.
    pub const FLOOD: u16 = 4004;
    /// Idle for too long, or at the longest duration.
    pub const TIMED_OUT: u16 = 4005;
    /// An error ended the session.
    pub const FAILED: u16 = 4006;
}
