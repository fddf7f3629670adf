//! The `voice-agent` command. Exit codes: 0 ok, 1 failed, 64 bad usage or configuration.

mod call;
mod check;
mod out;
mod serve;

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};
use futures_util::future::BoxFuture;

use crate::app::Shared;
use crate::config::{Config, ConfigError, Env, Loaded, load};
use crate::sessions::SpawnSession;
use crate::telemetry::Traces;

pub use call::CallArgs;

/// Bad usage or configuration (EX_USAGE of sysexits.h).
const EXIT_USAGE: u8 = 64;

/// Loads what sessions need (the models) and gives what starts a session's task. The ports are open already, and say
/// that the instance is starting.
pub type Prepare = fn(Shared, Traces) -> BoxFuture<'static, anyhow::Result<SpawnSession>>;
/// Speaks a text: PCM16 mono at 16 kHz.
pub type Say = fn(&Config, &str) -> anyhow::Result<Vec<i16>>;
/// Runs a log of a session's inputs through the core again, and gives what is to be printed.
pub type Replay = fn(&Path) -> anyhow::Result<String>;

/// What the commands do beyond this room.
#[derive(Debug, Clone, Copy)]
pub struct Wiring {
    /// For `serve`.
    pub prepare: Prepare,
    /// For `call --say`.
    pub say: Say,
    /// For `replay`.
    pub replay: Replay,
    /// The language model's label in metrics.
    pub llm_model: &'static str,
}

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
    /// Run a session's log of inputs through the core again, and print its timeline.
    Replay {
        /// The log, from the folder that INPUT_LOG_DIR names.
        file: PathBuf,
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
pub fn run(arguments: impl IntoIterator<Item = OsString>, wiring: Wiring) -> ExitCode {
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
        Verb::Serve { config } => config.load().map_err(Into::into).and_then(|loaded| serve::run(loaded, wiring)),
        Verb::CheckConfig { config, json } => check::run(config.load(), json),
        Verb::Call { config, call } => {
            config.load().map_err(Into::into).and_then(|loaded| call::run(&loaded.config, &call, wiring.say))
        }
        Verb::Replay { file } => (wiring.replay)(&file).and_then(|text| out::line(&text)).map_err(Into::into),
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
        let wiring = Wiring {
            prepare: |_, _| Box::pin(async { anyhow::bail!("no models in this test") }),
            say: |_, _| anyhow::bail!("no voice in this test"),
            replay: |_| anyhow::bail!("no log in this test"),
            llm_model: "rules",
        };
        let code = |arguments: &[&str]| format!("{:?}", run(arguments.iter().map(Into::into), wiring));
        assert_eq!(code(&["voice-agent", "dance"]), format!("{:?}", ExitCode::from(64)));
        assert_eq!(code(&["voice-agent", "--version"]), format!("{:?}", ExitCode::SUCCESS));
        assert_eq!(code(&["voice-agent", "replay", "x"]), format!("{:?}", ExitCode::FAILURE));
        let missing = ["voice-agent", "check-config", "--config", "/nonexistent.toml"];
        assert_eq!(code(&missing), format!("{:?}", ExitCode::from(64)));
        assert_eq!(code(&["voice-agent", "call"]), format!("{:?}", ExitCode::from(64)));
    }
}
