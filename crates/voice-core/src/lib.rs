//! The call without wires: a voice session is a value that is told what happened and when, and says what to do.
//!
//! No socket, clock, environment or I/O inside: times are milliseconds since the session's start, and arrive as
//! arguments. That is what makes a session something that can be saved, moved, replayed and simulated.

pub mod chat;
pub mod ids;
pub mod provider;
