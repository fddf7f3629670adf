//! The `voice-agent` command. Exit codes: 0 ok, 1 failed, 2 done but for what is named on standard error, 64 bad usage or configuration.

mod call;
mod check;
mod key;
mod out;
mod privacy;
mod reach;
mod recordings;
mod region;
mod replay;
mod serve;
mod validate;

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};

use crate::config::{ConfigError, Env, Loaded, load};

pub use call::CallArgs;
pub use region::RegionArgs;
pub use validate::ValidateArgs;

/// Done, but for what was named.
const EXIT_INCOMPLETE: u8 = 2;
/// Bad usage or configuration (EX_USAGE of sysexits.h).
const EXIT_USAGE: u8 = 64;

/// A voice agent server that operates itself in production.
#[derive(Debug, Parser)]
#[command(name = "voice-agent", version, about)]
struct Command {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Run the server.
    Serve {
        #[command(flatten)]
        config: ConfigArgs,
    },
    /// Check the configuration, and say what an operator should know about it.
    CheckConfig {
        #[command(flatten)]
        config: ConfigArgs,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// Call a running server, as a caller with a microphone would.
    Call {
        #[command(flatten)]
        config: ConfigArgs,
        #[command(flatten)]
        call: CallArgs,
    },
    /// Everything about somebody in one archive; nothing of somebody any more; and whether a certificate of that is genuine.
    Privacy {
        #[command(flatten)]
        config: ConfigArgs,
        #[command(subcommand)]
        verb: privacy::Verb,
    },
    /// The recordings, and whether the log of who looked at them is whole.
    Recordings {
        #[command(flatten)]
        config: ConfigArgs,
        #[command(subcommand)]
        verb: recordings::Verb,
    },
    /// Say which region's Redis takes changes, or change it.
    Region(RegionArgs),
    /// Execute the ten criteria of spec.md against a deployment, and keep the evidence.
    Validate {
        #[command(flatten)]
        config: ConfigArgs,
        #[command(flatten)]
        validate: Box<ValidateArgs>,
    },
    /// Run a session's log of inputs through the core again, and print its timeline.
    Replay {
        #[command(flatten)]
        config: ConfigArgs,
        #[command(flatten)]
        replay: replay::ReplayArgs,
    },
}

#[derive(Debug, Args)]
struct ConfigArgs {
    /// The configuration's TOML file; without, the defaults and the environment.
    #[arg(long, env = "VOICE_AGENT_CONFIG", value_name = "FILE")]
    config: Option<PathBuf>,
}

impl ConfigArgs {
    fn load(&self) -> Result<Loaded, ConfigError> {
        // An empty variable is how a deployment switches it off.
        let file = self.config.as_deref().filter(|path| !path.as_os_str().is_empty());
        load(file, &Env::of_process())
    }
}

/// Runs the command of these arguments (the program's name first).
pub fn run(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let command = match Command::try_parse_from(arguments) {
        Ok(command) => command,
        Err(error) => {
            let usage = error.use_stderr();
            // Help goes to standard output, errors to standard error; if that is closed, nobody reads either.
            let _nobody_reads = error.print();
            return if usage { ExitCode::from(EXIT_USAGE) } else { ExitCode::SUCCESS };
        }
    };
    let result = match command.verb {
        Verb::Serve { config } => config.load().map_err(Into::into).and_then(serve::run),
        Verb::CheckConfig { config, json } => check::run(config.load(), json),
        Verb::Call { config, call } => {
            config.load().map_err(Into::into).and_then(|loaded| call::run(&loaded.config, &call))
        }
        Verb::Privacy { config, verb } => {
            config.load().map_err(Into::into).and_then(|loaded| privacy::run(loaded, &verb))
        }
        Verb::Recordings { config, verb } => {
            config.load().map_err(Into::into).and_then(|loaded| recordings::run(loaded, &verb))
        }
        Verb::Replay { config, replay } => replay::run(&replay, || config.load()),
        Verb::Region(region) => region::run(&region),
        Verb::Validate { config, validate } => {
            config.load().map_err(Into::into).and_then(|loaded| validate::run(loaded.config, *validate))
        }
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => fail(&error),
    }
}

/// What a command ends with when it does not succeed.
#[derive(Debug, thiserror::Error)]
enum Failure {
    /// The settings cannot work.
    #[error("configuration: {0}")]
    Config(#[from] ConfigError),
    /// The arguments do not make sense.
    #[error("{0}")]
    Usage(String),
    /// It was done, but not all of it.
    #[error("{0}")]
    Incomplete(String),
    /// It went wrong.
    #[error("{0:#}")]
    Failed(#[from] anyhow::Error),
}

fn fail(failure: &Failure) -> ExitCode {
    // A reader who has heard enough (`voice-agent … | head`) is no failure.
    if let Failure::Failed(error) = failure
        && error.downcast_ref::<std::io::Error>().is_some_and(|io| io.kind() == std::io::ErrorKind::BrokenPipe)
    {
        return ExitCode::SUCCESS;
    }
    out::error(&format!("voice-agent: {failure}"));
    match failure {
        Failure::Config(_) | Failure::Usage(_) => ExitCode::from(EXIT_USAGE),
        Failure::Incomplete(_) => ExitCode::from(EXIT_INCOMPLETE),
        Failure::Failed(_) => ExitCode::FAILURE,
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_arguments_fit_together() {
        Command::command().debug_assert();
    }

    #[test]
    fn bad_usage_is_64_and_help_is_0() {
        let code = |arguments: &[&str]| format!("{:?}", run(arguments.iter().map(Into::into)));
        assert_eq!(code(&["voice-agent", "dance"]), format!("{:?}", ExitCode::from(64)));
        assert_eq!(code(&["voice-agent", "--version"]), format!("{:?}", ExitCode::SUCCESS));
        assert_eq!(code(&["voice-agent", "replay", "x"]), format!("{:?}", ExitCode::FAILURE));
        let missing = ["voice-agent", "check-config", "--config", "/nonexistent.toml"];
        assert_eq!(code(&missing), format!("{:?}", ExitCode::from(64)));
        assert_eq!(code(&["voice-agent", "call"]), format!("{:?}", ExitCode::from(64)));
        let no_wav = ["voice-agent", "call", "--wav", "/dev/null"];
        assert_eq!(code(&no_wav), format!("{:?}", ExitCode::from(64)));
    }
}
