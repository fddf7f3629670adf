//! Call sheets: what happened, and what follows, in a few lines each.

mod call;

mod answering;
mod listening;
mod saving;
mod speaking;
