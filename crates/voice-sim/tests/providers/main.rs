//! The provider servers, through plain sockets: what a client that has nothing to do with ours sees of them.

#![expect(clippy::expect_used, reason = "a test fails where it finds something else")]

mod client;
mod control;
mod fault;
mod llm;
mod phone;
mod stt;
mod tts;
