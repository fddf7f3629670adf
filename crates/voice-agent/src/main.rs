//! The `voice-agent` command.

use std::process::ExitCode;

fn main() -> ExitCode {
    voice_agent::cli::run(std::env::args_os())
}
