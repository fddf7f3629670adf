//! Call sheets: what happened, and what follows, in a few lines each.

mod call;

mod ahead;
mod answering;
mod captions;
mod consent;
mod doubt;
mod failover;
mod first_heard;
mod frugal;
mod guess;
mod hush;
mod keys;
mod leaving;
mod listening;
mod memory;
mod partial;
mod patience;
mod rehearsed;
mod rehearsed_speech;
mod saving;
mod speaking;
