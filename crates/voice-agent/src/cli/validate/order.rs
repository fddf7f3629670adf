//! Commands that the operator gives: how to kill an instance, to make a provider fail, to say a sentence.

use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use tokio::process::Command;

/// Longest that a command may take: a rollout is one.
const LONGEST: Duration = Duration::from_secs(600);
/// Bytes of a command's complaint that are told.
const TOLD: usize = 500;

/// Runs a command by `sh -c`, with these variables; what it prints.
///
/// # Errors
/// When it cannot be started, fails, or does not end in time.
pub(super) async fn run(what: &str, command: &str, variables: &[(&str, &str)]) -> Result<Vec<u8>> {
    let mut shell = Command::new("sh");
    shell.args(["-c", command]).envs(variables.iter().copied());
    shell.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    let running = shell.spawn().context("sh")?.wait_with_output();
    let Ok(ended) = tokio::time::timeout(LONGEST, running).await else {
        bail!("{what} did not end within {} s", LONGEST.as_secs());
    };
    let output = ended.with_context(|| what.to_owned())?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        let said: String = said.trim().chars().take(TOLD).collect();
        bail!("{what} failed ({}): {said}", output.status);
    }
    Ok(output.stdout)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_command_has_its_variables_and_its_failure_is_told() {
        let said = run("it", "printf %s \"$WORD\"", &[("WORD", "hello")]).await.unwrap();
        assert_eq!(said, b"hello");
        let error = run("--kill-command", "echo no such pod >&2; exit 3", &[]).await.unwrap_err();
        assert_eq!(error.to_string(), "--kill-command failed (exit status: 3): no such pod");
    }
}
