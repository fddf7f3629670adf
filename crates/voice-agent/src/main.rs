//! The `voice-agent` command.

use std::process::ExitCode;

use voice_agent::cli::{Wiring, run};

fn main() -> ExitCode {
    let wiring = Wiring {
        prepare: |_, _| Box::pin(async { anyhow::bail!("this build has no session task") }),
        say: |_, _| anyhow::bail!("this build has no voice: use --wav"),
        replay: |_| anyhow::bail!("this build has no replay"),
        llm_model: "rules",
    };
    run(std::env::args_os(), wiring)
}
