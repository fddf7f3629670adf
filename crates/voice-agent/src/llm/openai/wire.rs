//! The wire format: a request encoded, the events of an answer decoded. Pure.
//!
//! Its source is OpenAI's API reference, "Chat completions" (create, and the streaming chunk object), and what servers that
//! call themselves compatible were seen to send instead.

mod calls;
mod decode;
mod encode;
#[cfg(test)]
mod tests;
mod think;

pub(super) use decode::CHARS_PER_TOKEN;
pub use decode::{AnswerDecoder, quantity};
pub use encode::{encode, encode_probe};
