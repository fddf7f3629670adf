//! The binary's other commands: `call`, `replay` and `privacy export`.

use std::path::{Path, PathBuf};

use serde_json::Value;
use voice_agent::vault::Header;

use super::process::{Home, Process, clean, eventually, fixture, run};

const OPERATOR: &str = "an operator of the test";
const PRIVACY: &str = "who answers for people's rights in the test";

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

/// A call from the command line in which this fixture is said: its report.
pub(super) async fn call(server: &Process, what: &str) -> Value {
    let wav = fixture(what).display().to_string();
    let url = server.url("");
    let arguments = ["call", "--url", &url, "--wav", &wav, "--user", "ada", "--json"].map(str::to_owned).to_vec();
    let output = run(arguments).await;
    assert_eq!(output.status.code(), Some(0), "{}{}", text(&output.stdout), text(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

#[tokio::test]
async fn a_call_from_the_command_line_is_answered_logged_and_replayed_bit_for_bit() {
    let logs = tempfile::tempdir().unwrap();
    let home = Home::with([("INPUT_LOG_DIR", logs.path().to_str().unwrap()), ("ADMIN_TOKEN", OPERATOR)]).await;
    let server = home.start().await;
    let report = call(&server, "voice_review_the_proposal.wav").await;
    let reply = report["reply"].as_str().unwrap().to_lowercase();
    assert!(reply.contains("added") && reply.contains("proposal"), "{report}");
    assert_eq!(report["tools"], serde_json::json!(["add_task"]));
    assert!(report["transcript"][0].as_str().unwrap().to_lowercase().contains("proposal"), "{report}");
    assert!(report["latency_ms"].is_u64() && report["heard_ms"].as_u64() > Some(500), "{report}");
    let turn = &report["turn"];
    let stages = turn["stages"].as_object().unwrap();
    let sum: u64 = stages.values().map(|ms| ms.as_u64().unwrap()).sum();
    let latency_ms = turn["latency_ms"].as_u64().unwrap();
    assert!(sum >= latency_ms, "the stages are the latency, and what came after it: {turn}");
    let before: u64 =
        ["endpointing", "stt", "llm", "tool", "tts"].iter().map(|name| stages[*name].as_u64().unwrap()).sum();
    assert!(before <= latency_ms, "{turn}");

    // The log has everything once the session is over.
    eventually("it is over", async || server.metric("voice_agent_active_sessions").await == 0.0).await;
    let sealed = only_log(logs.path());
    let download = async || {
        let name = sealed.file_name().unwrap().to_str().unwrap();
        let path = format!("/api/admin/sessions/{}/log", name.split('-').next().unwrap());
        server.get(&path, OPERATOR).await.text().await.unwrap()
    };
    eventually("the log is whole", async || download().await.contains("hang_up")).await;
    it_is_sealed_and_replayed_with_the_servers_settings(&sealed, &home.path().join("data")).await;
    a_sealed_log_without_its_end_is_said_to_have_none(&sealed, &home.path().join("data")).await;
    a_sealed_log_without_a_whole_piece_is_said_to_be_cut(&sealed, &home.path().join("data")).await;
    let log = logs.path().join("downloaded.jsonl");
    std::fs::write(&log, download().await).unwrap();
    let file = log.display().to_string();
    let events = run(vec!["replay".to_owned(), "--json".to_owned(), file]).await;
    let lines: Vec<Value> = text(&events.stdout).lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert!(lines.iter().any(|line| line["in"]["input"] == "final_transcript"), "the inputs are there");
    tampered_logs_are_noticed(&log).await;
    a_cut_log_is_said_to_be_cut(&log).await;
    mode_is_private(&sealed);
}

/// Nobody reads it without the key, and the command finds that, also beside the running server.
async fn it_is_sealed_and_replayed_with_the_servers_settings(log: &Path, data_dir: &Path) {
    let bytes = std::fs::read(log).unwrap();
    for word in ["proposal", "final_transcript", "at_ms"] {
        assert!(!bytes.windows(word.len()).any(|part| part == word.as_bytes()), "{word}");
    }
    let replay = async |data_dir: &Path| {
        let mut command = clean(env!("CARGO_BIN_EXE_voice-agent"));
        command.arg("replay").arg(log).env("DATA_DIR", data_dir);
        tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap()
    };
    eventually("its end is sealed", async || !text(&replay(data_dir).await.stdout).contains("has no end")).await;
    let (here, elsewhere) = (replay(data_dir).await, replay(tempfile::tempdir().unwrap().path()).await);
    assert_eq!(here.status.code(), Some(0), "{}{}", text(&here.stdout), text(&here.stderr));
    assert!(text(&here.stdout).trim_end().ends_with("bit for bit the same"), "{}", text(&here.stdout));
    assert_eq!(elsewhere.status.code(), Some(1), "without the store there is no key");
    assert!(text(&elsewhere.stderr).contains("set DATA_DIR or REDIS_URL"), "{}", text(&elsewhere.stderr));
}

/// What a killed process left is the same as far as it goes, and said not to have an end.
async fn a_sealed_log_without_its_end_is_said_to_have_none(log: &Path, data_dir: &Path) {
    let bytes = std::fs::read(log).unwrap();
    let file = log.with_extension("endless");
    std::fs::write(&file, &bytes[..bytes.len() - 1]).unwrap();
    let mut command = clean(env!("CARGO_BIN_EXE_voice-agent"));
    command.arg("replay").arg("--quiet").arg(&file).env("DATA_DIR", data_dir);
    let output = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
    std::fs::remove_file(log.with_extension("endless")).unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    assert!(text(&output.stdout).contains("the log has no end"), "{}", text(&output.stdout));
}

/// A process that died before it had a whole piece leaves a log of which nothing can be read: it is not told as empty.
async fn a_sealed_log_without_a_whole_piece_is_said_to_be_cut(log: &Path, data_dir: &Path) {
    let bytes = std::fs::read(log).unwrap();
    let mut pieces = bytes.as_slice();
    Header::read(&mut pieces).unwrap();
    let file = log.with_extension("stump");
    // The header, and some bytes of the first piece.
    std::fs::write(&file, &bytes[..bytes.len() - pieces.len() + 10]).unwrap();
    let mut command = clean(env!("CARGO_BIN_EXE_voice-agent"));
    command.arg("replay").arg(&file).env("DATA_DIR", data_dir);
    let output = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
    std::fs::remove_file(log.with_extension("stump")).unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).contains("cut off within its first sealed piece"), "{}", text(&output.stderr));
}

async fn a_cut_log_is_said_to_be_cut(log: &Path) {
    let whole = std::fs::read_to_string(log).unwrap();
    let file = log.with_extension("cut");
    std::fs::write(&file, &whole[..whole.trim_end().len() - 10]).unwrap();
    let output = run(vec!["replay".to_owned(), "--quiet".to_owned(), file.display().to_string()]).await;
    assert_eq!(output.status.code(), Some(0));
    assert!(text(&output.stdout).contains("the last line is half"), "{}", text(&output.stdout));

    // A hole in the middle is none that a killed process leaves.
    std::fs::write(&file, whole.replacen("\n", "\n\n", 2)).unwrap();
    let output = run(vec!["replay".to_owned(), "--quiet".to_owned(), file.display().to_string()]).await;
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).contains("line 2 is no input"), "{}", text(&output.stderr));
}

fn only_log(folder: &Path) -> PathBuf {
    let mut files: Vec<PathBuf> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert_eq!(files.len(), 1, "{files:?}");
    files.remove(0)
}

/// What a caller said stands in it.
fn mode_is_private(log: &Path) {
    use std::os::unix::fs::PermissionsExt as _;
    assert_eq!(std::fs::metadata(log).unwrap().permissions().mode() & 0o777, 0o600);
}

async fn tampered_logs_are_noticed(log: &Path) {
    let whole = std::fs::read_to_string(log).unwrap();
    let lines: Vec<&str> = whole.lines().collect();
    let at = lines.iter().position(|line| line.contains("\"final_transcript\"")).unwrap();
    let proposal = lines[at].find("roposal").unwrap();
    let mut other = lines[at].to_owned();
    other.replace_range(proposal..proposal + 7, "arcel");
    let cases = [
        (tampered(&lines, at, Some(&other)), format!("line {}", at + 1)),
        // A lost line shows in the next one whose outputs differ.
        (tampered(&lines, at, None), "line ".to_owned()),
        (tampered(&lines, at, Some("{\"at_ms\": }")), format!("line {} is no input", at + 1)),
        (tampered(&lines, 0, Some("[]")), "line 1 is no header".to_owned()),
    ];
    for (content, said) in cases {
        let file = log.with_extension("tampered");
        std::fs::write(&file, content).unwrap();
        let output = run(vec!["replay".to_owned(), "--quiet".to_owned(), file.display().to_string()]).await;
        assert_eq!(output.status.code(), Some(1), "{said}");
        assert!(text(&output.stderr).contains(&said), "{said} in {}", text(&output.stderr));
    }
}

fn tampered(lines: &[&str], at: usize, by: Option<&str>) -> String {
    let mut lines: Vec<&str> = lines.to_vec();
    match by {
        Some(by) => lines[at] = by,
        None => {
            lines.remove(at);
        }
    }
    lines.join("\n") + "\n"
}

/// `privacy export` of ada's, by the server or, without one, beside the data. How it ends, and what it says.
async fn export(home: &Home, logs: &Path, to: &str, server: Option<&Process>) -> (Option<i32>, String, String) {
    let to = home.path().join(to).display().to_string();
    let mut arguments = ["privacy", "export", "--user", "ada", "--to", &to].map(str::to_owned).to_vec();
    if let Some(server) = server {
        arguments.extend(["--server".to_owned(), server.url("")]);
    }
    let mut command = clean(env!("CARGO_BIN_EXE_voice-agent"));
    command.args(arguments).env("DATA_DIR", home.path().join("data")).env("INPUT_LOG_DIR", logs);
    command.env("PRIVACY_TOKEN", PRIVACY);
    let output = tokio::task::spawn_blocking(move || command.output()).await.unwrap().unwrap();
    (output.status.code(), text(&output.stdout), text(&output.stderr))
}

#[tokio::test]
async fn an_archive_that_lacks_something_ends_its_command_with_2_and_says_what() {
    let logs = tempfile::tempdir().unwrap();
    let home = Home::with([("INPUT_LOG_DIR", logs.path().to_str().unwrap()), ("PRIVACY_TOKEN", PRIVACY)]).await;
    let server = home.start().await;
    let ada = server.user("ada").await;
    server.reply(&ada, "Add a task to buy milk").await;
    server.request(reqwest::Method::DELETE, &format!("/api/sessions/{}", ada.id), &ada.token).send().await.unwrap();
    eventually("it is over", async || server.metric("voice_agent_active_sessions").await == 0.0).await;
    let whole = export(&home, logs.path(), "whole.tar.gz", Some(&server)).await;
    assert_eq!((whole.0, whole.2.as_str()), (Some(0), ""), "nothing is missing");

    let damaged = format!("{}-20261129T120000000Z.jsonl", ada.id);
    std::fs::write(logs.path().join(format!("{damaged}.sealed")), "no sealed file").unwrap();
    let by_server = export(&home, logs.path(), "by-server.tar.gz", Some(&server)).await;
    drop(server);
    let alone = export(&home, logs.path(), "alone.tar.gz", None).await;
    for (code, said, errors) in [by_server, alone] {
        assert_eq!(code, Some(2), "{said}{errors}");
        assert!(errors.contains(&format!("missing: input-logs/{damaged}: ")), "{errors}");
        assert!(errors.contains("1 files or folders could not be read"), "{errors}");
        assert!(said.contains("bytes"), "the archive is there: {said}");
    }
    for name in ["by-server.tar.gz", "alone.tar.gz"] {
        let listed = std::process::Command::new("tar").arg("-tzf").arg(home.path().join(name)).output().unwrap();
        let names = text(&listed.stdout);
        assert!(listed.status.success() && names.contains("missing.json") && names.contains("tasks.json"), "{names}");
    }
}

#[tokio::test]
async fn a_call_to_nobody_fails_and_says_why() {
    let wav = fixture("add_a_task.wav").display().to_string();
    let nobody = ["call", "--url", "http://127.0.0.1:9", "--wav", &wav].map(str::to_owned).to_vec();
    let output = run(nobody).await;
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).contains("1 of 1 calls failed"), "{}", text(&output.stderr));
    let output = run(["call", "--wav", "/nonexistent.wav"].map(str::to_owned).to_vec()).await;
    assert_eq!(output.status.code(), Some(64));
    assert!(text(&output.stderr).contains("/nonexistent.wav"));
}

#[tokio::test]
async fn a_broken_configuration_is_64_before_any_port_opens() {
    let mut command = clean(env!("CARGO_BIN_EXE_voice-agent"));
    command.arg("serve").env("LIMITS_MAX_SESSIONS", "many");
    let output = tokio::task::spawn_blocking(move || command.output()).await.unwrap().unwrap();
    assert_eq!(output.status.code(), Some(64));
    assert!(text(&output.stderr).contains("LIMITS_MAX_SESSIONS"), "{}", text(&output.stderr));

    // Nobody can make a folder there. It would be found out at the first call, whose log would be lost.
    let mut command = clean(env!("CARGO_BIN_EXE_voice-agent"));
    command.arg("serve").env("DATA_DIR", tempfile::tempdir().unwrap().path()).env("INPUT_LOG_DIR", "/proc/nowhere");
    let output = tokio::task::spawn_blocking(move || command.output()).await.unwrap().unwrap();
    assert_eq!(output.status.code(), Some(64), "{}", text(&output.stderr));
    assert!(text(&output.stderr).contains("input_log.dir"), "{}", text(&output.stderr));
}
