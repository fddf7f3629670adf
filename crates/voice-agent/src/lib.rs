//! The wires: everything between a `voice_core` session and the world.

pub mod answer_cache;
pub mod app;
pub mod audio;
mod blocking;
pub mod cli;
pub mod config;
pub mod driver;
pub mod embedded;
pub mod failover;
pub mod http;
pub mod ledger;
pub mod llm;
pub mod model;
pub mod openai;
pub mod providers;
pub mod readiness;
pub mod served;
pub mod sessions;
pub mod store;
pub mod stt;
pub mod tasks;
pub mod telemetry;
pub mod tools;
pub mod transport;
pub mod tts;
pub mod turn;
pub mod vad;
