//! A tab of a real Chromium is shared with the real server, which reads it and makes tasks of it.

use std::path::Path;

use serde_json::{Value, json};
use voice_agent::model::runtime::default_models_dir;

use super::browser::{PATIENCE, can_browse, root, script};
use super::process::{Home, Process};

/// What the caller says, by the embedded voice.
fn speak(words: &str, path: &Path) {
    let pcm = voice_agent::embedded::say(&default_models_dir(), words, 16_000).unwrap();
    let spec = hound::WavSpec {
        channels: 1,
        sample_rate: 16_000,
        bits_per_sample: 16,
        sample_format: hound::SampleFormat::Int,
    };
    let mut writer = hound::WavWriter::create(path, spec).unwrap();
    pcm.into_iter().for_each(|sample| writer.write_sample(sample).unwrap());
    writer.finalize().unwrap();
}

/// What came of saying this about that page.
async fn shared(server: &Process, shows: &str, words: &str) -> Value {
    let pictures = root().join("target/shared-screen");
    let mut command = script("shared-screen.mjs", server, &pictures, &pictures.join("played.wav"));
    let wav = pictures.join(format!("{shows}.wav"));
    speak(words, &wav);
    let child = command.env("SHOWS", shows).env("WAV", wav).spawn().unwrap();
    let output = tokio::time::timeout(PATIENCE, child.wait_with_output()).await.expect("the script ends").unwrap();
    let report: Value = serde_json::from_slice(&output.stdout).expect("a line of JSON");
    assert_eq!(report["ok"], true, "{report:#}");
    report
}

#[tokio::test]
async fn by_voice_tasks_come_of_a_shared_tab() {
    if !can_browse() {
        return;
    }
    let home = Home::new().await;
    let server = home.start().await;

    let notes = shared(&server, "notes", "Add the three action items on my screen.").await;
    assert_eq!(titles(&notes), ["Write the press release", "Order the banners", "Call the venue"], "{notes:#}");

    let issue = shared(&server, "issue", "Create a task from this.").await;
    assert_eq!(titles(&issue), ["PAY-482: Refunds are sent twice after a timeout"], "{issue:#}");
    let task = &issue["tasks"][0];
    assert_eq!((&task["due"], &task["priority"]), (&json!("2026-12-04"), &json!("high")), "{issue:#}");

    assert_eq!(server.metric("voice_screen_looks_total{result=\"seen\"}").await, 2.0);
    // How large it was is logged, and not what was there.
    let looks = server.logged("looked at the caller's screen");
    assert!(looks.len() == 2 && looks.iter().all(|line| line["width"] == 1280), "{looks:#?}");
}

fn titles(report: &Value) -> Vec<&str> {
    report["tasks"].as_array().unwrap().iter().filter_map(|task| task["title"].as_str()).collect()
}
