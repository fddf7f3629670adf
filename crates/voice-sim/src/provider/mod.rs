//! Provider servers: local servers that speak the wire formats of the paid providers, to rehearse whole calls against.
//!
//! They are written from the providers' documentation alone, never from the clients that are tested against them, and are strict where
//! the real ones are: see docs/rehearsal.md. What they answer is a function of what they really received: audio is coded
//! ([`code`]), so that an STT can read what it was sent and a test can read what a caller heard.
//!
//! ```no_run
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! use voice_sim::provider::{ProviderServers, Script};
//!
//! let servers = ProviderServers::start(Script::default()).await?;
//! servers.fault("llm/gpt-4o-mini=hang@start*1".parse()?)?;
//! for (name, value) in servers.env() { /* hand it to the server under test */ }
//! assert_eq!(servers.journal().chat_requests().len(), 0);
//! # Ok(()) }
//! ```

mod cartesia;
pub mod code;
mod control;
mod deepgram;
mod elevenlabs;
mod fault;
mod flow;
mod journal;
mod latency;
mod net;
mod openai;
mod pagerduty;
pub mod pcm;
mod script;
mod servers;
mod service;
mod shared;
mod socket;
mod speech;
mod twilio;

use std::sync::{Mutex, MutexGuard, PoisonError};

pub use fault::{Fault, FaultKind, Place};
pub use journal::{Counts, End, Entry, Journal, Key, Note};
pub use latency::{Latency, Step, parse_latencies};
pub use openai::manner::Manner;
pub use openai::rules::{Rule, RuleCall};
pub use pagerduty::Alert;
pub use script::{Keys, Limits, Script};
pub use servers::{ProviderServers, StartError};
pub use service::{Provider, Service};
pub use twilio::Sms;
pub use voice_caller::media::{MediaError, MediaStream};

/// What is locked is changed in single steps: a panic in another test leaves it whole.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
