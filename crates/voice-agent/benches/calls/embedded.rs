//! Whole calls with the embedded voice, through real sockets, by `voice-agent call`.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use futures_util::StreamExt as _;
use serde_json::Value;
use tokio::process::Command;

use crate::server::{BINARY, Server};

/// What is said. Spoken by the embedded voice, which is clearer than most callers.
pub(crate) const COMMANDS: [&str; 10] = [
    "Add a task to review the proposal by Friday.",
    "Add buy milk to my list.",
    "What are my tasks?",
    "Add a task to call the dentist tomorrow.",
    "How many tasks do I have?",
    "Remind me to water the plants on Monday.",
    "Add a task to book the flight to Berlin.",
    "What is due today?",
    "Add a high priority task to pay the rent.",
    "What can you do?",
];

/// A command as a WAV file.
pub(crate) struct Said {
    pub(crate) wav: PathBuf,
    pub(crate) pcm: Vec<i16>,
}

/// Speaks all commands, once.
pub(crate) fn speak(models_dir: &Path, folder: &Path) -> Result<Vec<Said>> {
    let speak = |(number, text): (usize, &&str)| {
        let pcm = voice_agent::embedded::say(models_dir, text, 16_000)?;
        let wav = folder.join(format!("{number}.wav"));
        let spec = hound::WavSpec {
            channels: 1,
            sample_rate: 16_000,
            bits_per_sample: 16,
            sample_format: hound::SampleFormat::Int,
        };
        let mut writer = hound::WavWriter::create(&wav, spec)?;
        for sample in &pcm {
            writer.write_sample(*sample)?;
        }
        writer.finalize()?;
        Ok(Said { wav, pcm })
    };
    COMMANDS.iter().enumerate().map(speak).collect()
}

/// What some calls gave, in milliseconds.
#[derive(Debug, Default)]
pub(crate) struct Calls {
    /// As the caller felt it.
    pub(crate) latency: Vec<f64>,
    /// As the server counted it.
    pub(crate) server: Vec<f64>,
    /// By stage.
    pub(crate) stages: Vec<(String, f64)>,
    /// What went wrong.
    pub(crate) failed: Vec<String>,
}

/// Makes `count` calls, so many at once.
pub(crate) async fn call(server: &Server, said: &[Said], count: usize, at_once: usize) -> Result<Calls> {
    let answers: Vec<Result<Value>> = futures_util::stream::iter(0..count)
        .map(|number| one(&server.url, &said[number % said.len()].wav, number))
        .buffer_unordered(at_once)
        .collect()
        .await;
    let mut calls = Calls::default();
    for answer in answers {
        let report = answer?;
        if let Some(error) = report["error"].as_str() {
            calls.failed.push(error.to_owned());
        }
        calls.latency.extend(report["latency_ms"].as_f64());
        calls.server.extend(report["turn"]["latency_ms"].as_f64());
        let stages = report["turn"]["stages"].as_object().into_iter().flatten();
        calls.stages.extend(stages.filter_map(|(stage, ms)| Some((stage.clone(), ms.as_f64()?))));
    }
    Ok(calls)
}

async fn one(url: &str, wav: &Path, number: usize) -> Result<Value> {
    let output = Command::new(BINARY)
        .args(["call", "--json", "--url", url, "--user", &format!("bench-{number}"), "--wav"])
        .arg(wav)
        .output()
        .await
        .context(BINARY)?;
    if output.stdout.is_empty() {
        bail!("the caller said nothing: {}", String::from_utf8_lossy(&output.stderr));
    }
    Ok(serde_json::from_slice(&output.stdout)?)
}
