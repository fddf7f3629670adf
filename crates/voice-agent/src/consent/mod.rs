//! Consent to recording in the world: which way a session has, what its callers were told, and what they decided, written down.

mod ledger;
mod objection;
mod policy;

pub use ledger::{Decisions, nameless, write};
pub use objection::{ObjectionError, Objector, object};
pub use policy::{OPTED_OUT, Policy, WORDING};
