//! The subcommands.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

mod replay;
mod serve;

/// Bad usage or configuration, as `sysexits.h` numbers it.
pub const USAGE: u8 = 64;

/// A voice agent server that operates itself in production.
#[derive(Debug, Parser)]
#[command(name = "voice-agent", version, about)]
pub struct Cli {
    /// The configuration file; without, the defaults and the environment hold.
    #[arg(long, global = true, env = "VOICE_AGENT_CONFIG", value_name = "FILE")]
    config: Option<PathBuf>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Answers callers until it is told to stop.
    Serve,
    /// Runs a session's log of inputs through the core again, and prints its timeline.
    Replay(replay::Args),
}

/// Runs the command line of this process.
pub fn run() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            // Help and version are answers, not errors. What cannot be printed has no reader.
            let _unread = error.print();
            return if error.use_stderr() { ExitCode::from(USAGE) } else { ExitCode::SUCCESS };
        }
    };
    match cli.command {
        Command::Serve => serve::run(cli.config.as_deref()),
        Command::Replay(args) => replay::run(&args),
    }
}

/// Tells why a command failed, on standard error.
fn fail(code: u8, error: impl std::fmt::Display) -> ExitCode {
    use std::io::Write as _;
    // Without a reader of standard error nobody is there to be told.
    let _unread = writeln!(std::io::stderr().lock(), "voice-agent: {error}");
    ExitCode::from(code)
}
