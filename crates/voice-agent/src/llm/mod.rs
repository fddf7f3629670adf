//! The sixth step of the corridor: language models.
