//! The `voice-agent` command.
fn main() {}
