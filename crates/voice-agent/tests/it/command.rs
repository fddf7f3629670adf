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
fn what_serve_would_fail_at_does_not_work_for_check_config_either() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    std::fs::write(&file, "").unwrap();
    let (good, file) = (folder.path().display().to_string(), file.display().to_string());
    let inside = format!("{file}/data");
    let fine = [("MODELS_DIR", good.as_str()), ("DATA_DIR", good.as_str())];
    for (name, value, key) in [
        ("DATA_DIR", file.as_str(), "data_dir"),
        ("DATA_DIR", inside.as_str(), "data_dir"),
        ("DATA_DIR", "/proc/x", "data_dir"),
        ("INPUT_LOG_DIR", "/proc/x", "input_log.dir"),
        ("MODELS_DIR", "/nonexistent", "models_dir"),
        ("PUBLIC_URL", "https://user:pw@x.example", "public_url"),
        ("LLM_CHAIN", ",", "llm.chain"),
    ] {
        let variables = [fine[0], fine[1], (name, value)];
        let checked = run(&["check-config", "--json"], &variables);
        let said: Value = serde_json::from_slice(&checked.stdout).unwrap();
        assert_eq!(checked.status.code(), Some(64), "{name}={value}: {said}");
        assert_eq!(said["ok"], false);
        assert!(said["key"].as_str().unwrap().starts_with(key), "{said}");
        assert!(!said.to_string().contains("user:pw"), "{said}");
    }
    let checked = run(&["check-config"], &fine);
    assert_eq!(checked.status.code(), Some(0), "{}", String::from_utf8_lossy(&checked.stderr));
    let left: Vec<_> = std::fs::read_dir(folder.path()).unwrap().collect();
    assert_eq!(left.len(), 1, "only what was there before");
}

#[test]
fn a_callers_mistake_is_64_and_a_call_that_never_began_is_one_line() {
    let folder = tempfile::tempdir().unwrap();
    let wav = folder.path().join("speech.wav");
    write_wav(&wav);
    let call = |more: &[&str]| {
        let mut arguments = vec!["call", "--url", "http://127.0.0.1:9", "--wav", wav.to_str().unwrap()];
        arguments.extend(more);
        run(&arguments, &[])
    };
    for (option, value) in [("--time-zone", "Mars/X"), ("--user", "phone:+1")] {
        let mistaken = call(&[option, value]);
        assert_eq!(mistaken.status.code(), Some(64), "{option}");
        assert!(String::from_utf8_lossy(&mistaken.stderr).contains(option));
    }
    let dead = call(&[]);
    assert_eq!(dead.status.code(), Some(1));
    let said = String::from_utf8(dead.stdout).unwrap();
    assert!(said.starts_with("failed ") && said.lines().count() == 1, "{said}");
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
    assert_eq!(run(&["no-such-command"], &[]).status.code(), Some(64));
    let nobody = run(&["call", "--url", "http://127.0.0.1:9", "--wav", "/nonexistent.wav"], &[]);
    assert_eq!(nobody.status.code(), Some(64));
    let stderr = String::from_utf8(nobody.stderr).unwrap();
    assert_eq!(stderr.matches("No such file").count(), 1, "the cause once: {stderr}");
}

/// The lines `KEY: "value"` below `data:` in a manifest of a ConfigMap.
fn settings_of(manifest: &Path) -> Vec<(String, String)> {
    let text = std::fs::read_to_string(manifest).unwrap();
    let data = text.split_once("\ndata:\n").unwrap().1;
    let pairs = data.lines().filter(|line| !line.trim_start().starts_with('#'));
    pairs
        .map(|line| line.trim().split_once(": ").unwrap())
        .map(|(key, value)| (key.to_owned(), value.trim_matches('"').to_owned()))
        .collect()
}

#[test]
fn the_manifests_settings_are_taken() {
    let deploy = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../deploy/k8s");
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path().display().to_string();
    for overlay in ["base/voice-agent-config.yaml", "overlays/us-east-1/config.yaml", "overlays/us-west-2/config.yaml"]
    {
        let mut settings = settings_of(&deploy.join("base/voice-agent-config.yaml"));
        settings.extend(settings_of(&deploy.join("base/recording-storage.yaml")));
        settings.extend(settings_of(&deploy.join(overlay)));
        // What the image sets, and where the models would be.
        settings.extend(
            [
                ("HTTP_ADDR", "0.0.0.0:8080"),
                ("METRICS_ADDR", "0.0.0.0:9090"),
                ("DATA_DIR", &here),
                ("MODELS_DIR", &here),
            ]
            .map(|(key, value)| (key.to_owned(), value.to_owned())),
        );
        let variables: Vec<(&str, &str)> = settings.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
        assert!(variables.len() > 14, "{variables:?}");
        let checked = run(&["check-config", "--json"], &variables);
        let said: Value = serde_json::from_slice(&checked.stdout).unwrap();
        assert_eq!((checked.status.code(), &said["ok"]), (Some(0), &Value::Bool(true)), "{said}");
        assert_eq!(said["config"]["auth"]["mode"], "jwt");
        let region = variables.iter().rfind(|(key, _)| *key == "REGION").unwrap().1;
        assert_eq!(said["config"]["region"], region);
    }
}
