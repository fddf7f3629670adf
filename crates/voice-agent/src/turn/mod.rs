//! The end-of-turn score (the decision itself is the core's).

pub mod smart_turn;
pub mod text;
