//! The commands, as a shell would run them.

use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;

use crate::server::TestServer;

fn run(arguments: &[&str], variables: &[(&str, &str)]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_voice-agent"));
    command.env_clear().env("HOME", "/nonexistent").envs(variables.iter().copied());
    command.args(arguments).output().unwrap()
}

/// Half a second of a tone, and as much silence.
fn write_wav(path: &Path) {
    let spec = hound::WavSpec {
        channels: 1,
        sample_rate: 16_000,
        bits_per_sample: 16,
        sample_format: hound::SampleFormat::Int,
    };
    let mut wav = hound::WavWriter::create(path, spec).unwrap();
    for at in 0..16_000_i16 {
        let sample = if at < 8_000 { 8_000 * (1 - 2 * (at / 40 % 2)) } else { 0 };
        wav.write_sample(sample).unwrap();
    }
    wav.finalize().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_hears_the_answer_and_measures_it() {
    let server = TestServer::with(|config| config.greeting = String::new()).await;
    let folder = tempfile::tempdir().unwrap();
    let wav = folder.path().join("speech.wav");
    write_wav(&wav);
    let url = format!("http://{}", server.addr());
    let arguments = ["call", "--url", &url, "--wav", wav.to_str().unwrap(), "--json"].map(str::to_owned);
    let output = tokio::task::spawn_blocking(move || {
        let mut arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        let one = run(&arguments, &[]);
        arguments.extend(["--calls", "3"]);
        (one, run(&arguments, &[]))
    });
    let (one, three) = output.await.unwrap();
    assert!(one.status.success(), "{}", String::from_utf8_lossy(&one.stderr));
    let report: Value = serde_json::from_slice(&one.stdout).unwrap();
    assert_eq!(report["transcript"][0], "add a task");
    assert_eq!(report["reply"], "Added.");
    assert_eq!(report["turn"]["latency_ms"], 300);
    assert!(report["latency_ms"].is_u64());

    let table: Value = serde_json::from_slice(&three.stdout).unwrap();
    assert_eq!(table["calls"].as_array().unwrap().len(), 3);
    assert_eq!(table["summary"]["server"]["p95_ms"], 300);
    assert_eq!(table["summary"]["failed"], 0);
}

#[test]
fn bad_settings_end_it_with_64_before_any_port_opens() {
    for (name, value, says) in [
        ("HTTP_ADDR", "everywhere", "http.addr"),
        ("LIMITS_MAX_SESSIONS", "0", "limits.max_sessions"),
        ("REDIS_URL", "voice-redis:6379", "REDIS_URL"),
        ("STT_CHAIN", "deepgram", "stt.chain"),
        ("LOG_LEVEL", "blah", "error, warn, info, debug, trace"),
        ("METRICS_ADDR", "127.0.0.1:8080", "metrics.addr"),
        ("LIMITS_MAX_SESSION", "5", "did you mean LIMITS_MAX_SESSIONS?"),
        ("RECORDING_ENABLED", "maybe", "RECORDING_ENABLED"),
    ] {
        let checked = run(&["check-config"], &[(name, value)]);
        assert_eq!(checked.status.code(), Some(64), "{name}: {}", String::from_utf8_lossy(&checked.stdout));
        let output = run(&["serve"], &[(name, value)]);
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(64), "{name}: {stderr}");
        assert!(stderr.contains(says), "{stderr}");
    }
    assert_eq!(run(&["check-config"], &[]).status.code(), Some(0));
    assert_eq!(run(&["no-such-command"], &[]).status.code(), Some(64));
    let nobody = run(&["call", "--url", "http://127.0.0.1:9", "--wav", "/nonexistent.wav"], &[]);
    assert_eq!(nobody.status.code(), Some(1));
    let stderr = String::from_utf8(nobody.stderr).unwrap();
    assert_eq!(stderr.matches("No such file").count(), 1, "the cause once: {stderr}");
}
