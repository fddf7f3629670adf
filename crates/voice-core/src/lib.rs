//! The call without wires: a voice session is a value that is told what happened and when, and says what to do.
//!
//! No socket, clock, environment or I/O inside: times are milliseconds since the session's start, and arrive as
//! arguments. That is what makes a session something that can be saved, moved, replayed and simulated.

pub mod agents;
pub mod ceiling;
pub mod chat;
pub mod chunker;
pub mod config;
pub mod consent;
pub mod cost;
pub mod failover;
pub mod ids;
pub mod input;
pub mod log;
mod observation;
pub mod output;
pub mod phrases;
pub mod playout;
pub mod provider;
pub mod session;
pub mod snapshot;
pub mod timeline;

pub use config::CoreConfig;
pub use input::Input;
pub use output::{ClientEvent, Observation, Output};
pub use session::Session;
