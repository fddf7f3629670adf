//! A real Chromium with a WAV as its microphone: who speaks over the agent, and who only coughs.

use serde_json::Value;

use super::browser::{PATIENCE, can_browse, root, script, transcribe};
use super::interruption::{with_a_long_list, words};
use super::phone::{wav, write_wav};
use super::process::{Home, Process, fixture};
use crate::server::Session;

/// A browser, its sound and a build without optimisation on one small machine: what takes long here has not failed.
pub(super) const PATIENT: [(&str, &str); 2] = [("DEADLINE_TTS_MS", "15000"), ("DEADLINE_STT_MS", "15000")];

/// What the page calls a user that it made a name for.
const USER: &str = "web-0123456789abcdef0123456789abcdef";

/// A call whose caller makes this sound while the agent reads the list, and what became of it.
pub(super) struct Call {
    report: Value,
    /// What left the loudspeaker, as somebody who listens has it.
    pub(super) played: Vec<i16>,
    /// The server's history of the session.
    history: Vec<String>,
}

impl Call {
    pub(super) async fn with(server: &Process, expect: &str, sound: &[i16], env: &[(&str, &str)]) -> Self {
        with_a_long_list(server, USER).await;
        let folder = root().join("target/talk-over").join(expect);
        let (played, microphone) = (folder.join("played.wav"), folder.join("microphone.wav"));
        let mut command = script("talk-over.mjs", server, &folder, &played);
        write_wav(&microphone, sound);
        command.envs(env.iter().copied()).env("WAV", &microphone).env("EXPECT", expect).env("USER_ID", USER);
        let output = tokio::time::timeout(PATIENCE, command.output()).await.expect("the script ends").unwrap();
        let report: Value = serde_json::from_slice(&output.stdout).expect("the script ends with a line of JSON");
        assert_eq!(report["ok"], true, "{report:#}");
        let text = |field: &str| report["session"][field].as_str().unwrap().to_owned();
        let session = Session { id: text("sessionId"), token: text("token"), body: Value::Null };
        let history = server.history(&session).await;
        Self { played: wav(&played), history, report }
    }

    fn all(&self, kind: &str) -> Vec<&Value> {
        self.report["events"].as_array().unwrap().iter().filter(|event| event["type"] == kind).collect()
    }

    /// The whole text of the reply that read the list, as the server sent it.
    fn list(&self) -> Vec<String> {
        // The greeting was the first.
        let reply = &self.all("speech_started")[1]["reply_id"];
        let texts = self.all("agent_text").into_iter().filter(|event| event["reply_id"] == *reply);
        words(&texts.map(|event| event["text"].as_str().unwrap().trim()).collect::<Vec<_>>().join(" "))
    }

    /// What history has of that reply.
    pub(super) fn kept(&self) -> Vec<String> {
        let asked = self.history.iter().position(|line| line == "user: What's on my list?").unwrap();
        words(self.history[asked + 1].strip_prefix("assistant: ").unwrap())
    }

    /// The caption of that reply on the page: what was heard of it, and what was not.
    pub(super) fn shown(&self) -> (Vec<String>, Option<Vec<String>>) {
        let lines = self.report["lines"].as_array().unwrap();
        let asked = lines.iter().position(|line| line["text"] == "What's on my list?").unwrap();
        let line = &lines[asked + 1];
        assert_eq!(line["who"], "agent");
        (words(line["text"].as_str().unwrap()), line["unheard"].as_str().map(words))
    }
}

/// Whether a word is long enough to be told from others by ear.
pub(super) fn is_telling(word: &str) -> bool {
    word.len() >= 6 && word.chars().all(char::is_alphabetic)
}

#[tokio::test]
async fn who_speaks_over_the_agent_stops_it_and_sees_what_was_not_heard() {
    if !can_browse() {
        return;
    }
    let home = Home::with(PATIENT).await;
    let server = home.start().await;
    let call = Call::with(&server, "interruption", &wav(&fixture("voice_review_the_proposal.wav")), &[]).await;

    let (heard, unheard) = call.shown();
    let unheard = unheard.expect("the page shows what was not heard");
    assert!(heard.len() >= 3 && unheard.len() >= 5, "{heard:?} | {unheard:?}");
    assert_eq!([heard.clone(), unheard.clone()].concat(), call.list(), "no word is lost between them");
    assert_eq!(call.kept(), heard, "history holds what was heard, and no more");
    assert!(!call.all("clear").is_empty(), "the agent was silenced, and did not only come to its end");
    let said = call.history.iter().find(|line| line.to_lowercase().contains("proposal"));
    assert!(said.is_some_and(|line| line.starts_with("user: ")), "{:#?}", call.history);
    assert_eq!(server.metric("voice_interruptions_total{kind=\"real\"}").await, 1.0);
    // The loudspeaker gave what history says, and nothing of the rest.
    let spoken = transcribe(&call.played);
    let told = heard.iter().find(|word| is_telling(word));
    assert!(told.is_some_and(|word| spoken.contains(word.as_str())), "{told:?} in {spoken:?}");
    let lost: Vec<&String> = unheard[3..].iter().filter(|word| is_telling(word) && !heard.contains(word)).collect();
    assert!(lost.len() >= 3 && lost.iter().all(|word| !spoken.contains(word.as_str())), "{lost:?} in {spoken:?}");
}

#[tokio::test]
async fn who_coughs_hears_the_rest_and_nothing_is_lost() {
    if !can_browse() {
        return;
    }
    let home = Home::with(PATIENT).await;
    let server = home.start().await;
    let pause = vec![0; 16_000 * 3 / 2];
    let sound = [wav(&fixture("cough.wav")), pause, wav(&fixture("voice_right.wav"))].concat();
    let call = Call::with(&server, "cough", &sound, &[]).await;

    let resumed = call.all("speech_resumed");
    assert!(resumed.iter().all(|event| event["from_ms"].as_u64().unwrap() > 1_000), "{resumed:?}");
    let (heard, unheard) = call.shown();
    assert_eq!(unheard, None, "the page says that all was heard");
    assert_eq!(heard, call.list());
    assert_eq!(call.kept(), heard, "nothing is missing in the history");
    assert!(call.all("heard").is_empty());
    // By ear, too: after the cough the list was read to its end.
    let end = call.played.iter().rposition(|sample| sample.unsigned_abs() > 300).unwrap();
    let spoken = transcribe(&call.played[end.saturating_sub(16_000 * 4)..=end]);
    assert!(spoken.contains("weekend") || spoken.contains("family"), "{spoken:?}");
    assert_eq!(server.metric("voice_interruptions_total{kind=\"real\"}").await, 0.0);
}
