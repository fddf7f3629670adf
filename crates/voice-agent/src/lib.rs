//! The wires: everything between a `voice_core::Session` and the world.
