//! The telephone's voice: Twilio's Media Streams over a WebSocket. docs/phone.md says how to connect a number.

mod frames;
mod leg;
mod marks;
mod number;
mod once;
mod reader;
mod signature;
mod ticket;
mod wire;

pub use frames::{CallerAudio, CallerFrame, FRAME_BYTES};
pub use leg::{Leg, Line};
pub use marks::{Ledger, MARK_EVERY_MS, Position};
pub use number::PhoneNumber;
pub use once::{Once, Seen};
pub use signature::{SETTINGS_HEADER, SIGNATURE_HEADER, SignatureError, stream_url, stream_urls, verify, webhook_urls};
pub use ticket::{Ticket, TicketError, Tickets, USED_TTL};
pub use wire::{
    CALL_TOKEN, CallSid, Incoming, Malformed, MessageSid, StreamEvent, StreamSid, StreamStart, clear_message, decode,
    mark_message, media_message,
};
