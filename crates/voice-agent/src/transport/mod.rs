//! How callers reach a session.

pub mod browser;
