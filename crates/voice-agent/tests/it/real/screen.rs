//! A tab of a real Chromium is shared with the real server, which reads it and makes tasks of it.

use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use voice_agent::model::runtime::{Runtime, default_models_dir};
use voice_agent::screen::ocr::Ocr;
use voice_agent::screen::picture::Picture;
use voice_agent::screen::reading::Reading;
use voice_sim::provider::{ProviderServers, Rule, Script, Service};

use super::browser::{PATIENCE, can_browse, root, script};
use super::phone::write_wav;
use super::process::{Home, Process};

/// What came of saying, or typing, this about that page.
pub(super) async fn shared(server: &Process, shows: &str, words: &str, aloud: bool, env: &[(&str, &str)]) -> Value {
    let pictures = root().join("target/shared-screen");
    let mut command = script("shared-screen.mjs", server, &pictures, &pictures.join("played.wav"));
    if aloud {
        let wav = pictures.join(format!("{shows}.wav"));
        // What the caller says, by the embedded voice.
        write_wav(&wav, &voice_agent::embedded::say(&default_models_dir(), words, 16_000).unwrap());
        command.env("WAV", wav);
    } else {
        command.env("TEXT", words);
    }
    let child = command.envs(env.iter().copied()).env("SHOWS", shows).spawn().unwrap();
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

    tasks_come_of_the_three_pages(&server, &[]).await;

    // An answer that is begun anew, on other words, looks again.
    let seen = server.metric("voice_screen_looks_total{result=\"seen\"}").await;
    assert!(seen >= 3.0, "{seen}");
    // How large it was is logged, and not what was there.
    let looks = server.logged("looked at the caller's screen");
    assert!(looks.len() as f64 == seen && looks.iter().all(|line| line["width"] == 1280), "{looks:#?}");
}

/// By voice, with the embedded models alone: notes, an issue and a mail, each in a call of its own.
pub(super) async fn tasks_come_of_the_three_pages(server: &Process, env: &[(&str, &str)]) {
    let notes = shared(server, "notes", "Add the three action items on my screen.", true, env).await;
    assert_eq!(titles(&notes), ["Write the press release", "Order the banners", "Call the venue"], "{notes:#}");
    // The next of each: the pages name no year.
    let friday = due(&notes, 0).and_then(|due| due.parse::<jiff::civil::Date>().ok()).map(|date| date.weekday());
    assert_eq!(friday, Some(jiff::civil::Weekday::Friday), "{notes:#}");
    assert_eq!(due(&notes, 1), None, "{notes:#}");
    assert!(due(&notes, 2).is_some_and(|due| due.ends_with("-12-10")), "{notes:#}");

    let issue = shared(server, "issue", "Create a task from this.", true, env).await;
    assert_eq!(titles(&issue), ["PAY-482: Refunds are sent twice after a timeout"], "{issue:#}");
    assert_eq!((due(&issue, 0), &issue["tasks"][0]["priority"]), (Some("2026-12-04"), &json!("high")), "{issue:#}");

    let mail = shared(server, "mail", "Create a task from this.", true, env).await;
    assert_eq!(titles(&mail), ["Review the contract"], "{mail:#}");
    assert!(due(&mail, 0).is_some_and(|due| due.ends_with("-12-03")), "{mail:#}");
}

fn due(report: &Value, task: usize) -> Option<&str> {
    report["tasks"][task]["due"].as_str()
}

pub(super) fn titles(report: &Value) -> Vec<&str> {
    report["tasks"].as_array().unwrap().iter().filter_map(|task| task["title"].as_str()).collect()
}

#[tokio::test]
async fn a_language_model_that_sees_is_sent_the_picture_once_and_only_then() {
    if !can_browse() {
        return;
    }
    let home = Home::new().await;
    let (providers, env) = model_that_sees().await;
    let server = home.start_as("sees", env).await;

    let report = shared(&server, "mail", "Create a task from this.", false, &[]).await;
    assert_eq!(titles(&report), ["Review the contract"], "{report:#}");
    saw_the_mail(&providers);
}

/// A language model that looks, and makes a task of what it sees; and the settings of a server that asks it.
pub(super) async fn model_that_sees() -> (ProviderServers, Vec<(&'static str, String)>) {
    let rules = vec![
        // "From this" may be heard as "for this".
        Rule::user("a task f").calls("look_at_screen", &json!({})),
        Rule::user("The caller's screen").calls("add_task", &json!({"title": "Review the contract", "say": "Added."})),
    ];
    let providers = ProviderServers::start(Script { rules, ..Script::default() }).await.unwrap();
    let chains = [("STT_CHAIN", "embedded"), ("TTS_CHAIN", "embedded"), ("LLM_CHAIN", "openai")];
    let env = providers.env().into_iter().filter(|(name, _)| name.starts_with("OPENAI"));
    let env = env.chain(chains.map(|(name, value)| (name, value.to_owned()))).collect();
    (providers, env)
}

/// It was sent one picture, and that was of the mail.
pub(super) fn saw_the_mail(providers: &ProviderServers) {
    let requests: Vec<Value> =
        providers.journal().of(Service::Chat).iter().map(|entry| (*entry.request).clone()).collect();
    let pictures: Vec<&str> = requests.iter().filter_map(picture_of).collect();
    let [url] = pictures.as_slice() else { panic!("{} pictures in {} requests", pictures.len(), requests.len()) };
    // It is the page that was shared: what is written there says so.
    let webp = STANDARD.decode(url.strip_prefix("data:image/webp;base64,").expect("WebP")).unwrap();
    let picture = Picture::new(webp.into()).unwrap();
    assert_eq!(picture.size(), (1280, 720));
    let image = picture.decode().unwrap();
    let runtime = Runtime::load(&default_models_dir()).unwrap();
    let reading = Reading::of(
        &image,
        Ocr::load(&runtime).unwrap().read(&image, Instant::now() + Duration::from_secs(60)).unwrap(),
    );
    assert_eq!(reading.title().as_deref(), Some("Contract for the new office"));
    assert_eq!(providers.journal().warnings(), Vec::<String>::new());
}

/// The picture that a request carries.
fn picture_of(request: &Value) -> Option<&str> {
    let contents = request["messages"].as_array()?.iter().filter_map(|message| message["content"].as_array());
    contents.flatten().find_map(|part| part["image_url"]["url"].as_str())
}
