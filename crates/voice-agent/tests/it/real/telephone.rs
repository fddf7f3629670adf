//! One whole call by telephone, from the webhook to the hang-up, on the built binary with the models in it. The caller is Twilio's side
//! as its documentation has it (`voice-caller`), which shares no code with the server and refuses what Twilio would refuse.

use std::time::Duration;

use serde_json::Value;
use voice_agent::audio::resample::resample;
use voice_agent::embedded;
use voice_agent::model::runtime::default_models_dir;
use voice_caller::loud_ms;
use voice_caller::phone::{Call, RATE};

use super::super::twilio::client::{AUTH_TOKEN, PUBLIC_URL};
use super::phone::wav;
use super::process::{Home, Process, eventually, fixture};
use super::recording::{settings, telephone};

/// A machine that is busy makes one piece of an answer long after the other.
const PAUSE: Duration = Duration::from_secs(3);
const PATIENCE: Duration = Duration::from_secs(60);

/// Somebody's words, as a telephone carries them.
fn says(words: &str) -> Vec<i16> {
    by_phone(&embedded::say(&default_models_dir(), words, 16_000).unwrap())
}

fn by_phone(pcm: &[i16]) -> Vec<i16> {
    resample(pcm, 16_000, RATE).unwrap()
}

/// Listens until the agent has spoken for so long, in all.
async fn hears(call: &mut Call, least_ms: u64) {
    let mut heard_ms = 0;
    while heard_ms < least_ms {
        let more = call.hear_out(PAUSE, PATIENCE).await.unwrap();
        let more = more.unwrap_or_else(|| panic!("only {heard_ms} of {least_ms} ms were heard"));
        heard_ms += loud_ms(&more.pcm, RATE);
    }
}

/// Says this, and listens until the answer has been heard for so long.
async fn asks(call: &mut Call, said: &[i16], least_ms: u64) {
    call.begin(said).unwrap();
    hears(call, least_ms).await;
}

/// What tools have done, as the log has it.
fn tools(server: &Process) -> Vec<Value> {
    server.logged("tool finished").into_iter().map(|line| line["tool"].clone()).collect()
}

#[tokio::test]
async fn a_whole_call_by_telephone_from_the_announcement_to_the_hang_up() {
    let settings = settings();
    let [one, two, three, four] = settings.each_ref().map(|(name, value)| (*name, value.as_str()));
    let home = Home::with([one, two, three, four, ("TWILIO_AUTH_TOKEN", AUTH_TOKEN), ("PUBLIC_URL", PUBLIC_URL)]).await;
    let server = home.start().await;
    let twilio = telephone(&server);
    let mut call = Call::dial(twilio.clone()).await.unwrap();
    // The announcement and the greeting take some seven seconds.
    hears(&mut call, 5_000).await;
    asks(&mut call, &says("Stop recording."), 1_500).await;
    let decided = server.logged("decided about recording");
    let decided: Vec<&Value> = decided.iter().map(|line| &line["decision"]).collect();
    assert_eq!(decided, ["announced", "stopped"]);
    asks(&mut call, &by_phone(&wav(&fixture("voice_review_the_proposal.wav"))), 1_000).await;
    assert_eq!(tools(&server), ["add_task"]);

    // A key is answered with what the keys are; the caller speaks over that.
    call.press('0').await.unwrap();
    assert!(call.hear(Duration::from_secs(1), PATIENCE).await.unwrap(), "the keys are explained");
    let cut = call.speak_over(&says("What are my tasks?"), PATIENCE).await.unwrap().expect("the agent is silenced");
    assert_eq!(cut.more_ms, 0, "nothing comes of the agent while the caller speaks: {cut:?}");
    hears(&mut call, 1_000).await;
    assert_eq!(tools(&server), ["add_task", "list_tasks"]);
    // Another says again what was said last.
    call.press('#').await.unwrap();
    hears(&mut call, 1_000).await;

    call.hang_up().await;
    eventually("the session is over", async || server.metric("voice_agent_active_sessions").await == 0.0).await;
    eventually("it is counted as completed", async || {
        server.metric("voice_session_duration_seconds_count{channel=\"phone\",outcome=\"completed\"}").await == 1.0
    })
    .await;
    // The same number's text messages are about the same tasks.
    let texted = twilio.text("SM0123456789abcdef0123456789abcdef", "What are my tasks?").await.unwrap();
    assert!(texted.to_lowercase().contains("proposal"), "{texted}");
}
