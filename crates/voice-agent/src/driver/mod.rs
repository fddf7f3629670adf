//! The one loop of a session: inputs → core → outputs. One task per session.

pub mod api;
