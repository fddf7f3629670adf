//! The browser's voice: docs/protocol.md over a WebSocket.

mod leg;
mod pings;
mod wire;

pub use leg::{Leg, serve};
pub use wire::{CallerMessage, Violation, decode_audio, decode_text, encode, error_event, pong_event};

/// The subprotocol.
pub const SUBPROTOCOL: &str = "voice-agent.v1";
/// Bytes of a caller's frame: 20 ms at 16 kHz.
pub const CALLER_FRAME_BYTES: usize = 640;
/// Bytes of an agent's frame: 20 ms at 24 kHz.
pub const AGENT_FRAME_BYTES: usize = 960;
