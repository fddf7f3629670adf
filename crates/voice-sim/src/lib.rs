//! The rehearsal: a voice session under a virtual clock, with scripted callers, faulty providers, kills and restores, and
//! invariants that hold whatever happens. One seed is one call, bit for bit the same whenever it is run.

mod caller;
mod carry;
mod check;
mod consent;
mod device;
mod dice;
#[cfg(feature = "servers")]
pub mod drill;
mod ears;
mod gate;
mod heard;
mod kills;
mod line;
mod llm;
mod page;
mod page_link;
mod patience;
mod pauses;
mod profile;
#[cfg(feature = "servers")]
pub mod provider;
mod queue;
mod run;
mod rungs;
mod said;
mod see;
mod seen;
mod store;
mod stray;
mod thrift;
mod tts;
mod world;

pub use kills::{KillPoint, Killing, Kills};
pub use run::{Failure, Passed, Trace, log_seed, run_seed, trace_seed};
pub use seen::{Seen, Sights};
