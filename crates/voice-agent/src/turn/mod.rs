//! The end-of-turn score (the decision itself is the core's).
