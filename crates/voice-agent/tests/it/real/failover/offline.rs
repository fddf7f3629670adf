//! No paid provider answers, whichever way: the voice goes on, with the embedded models behind the shipped chains.

use serde_json::Value;
use voice_sim::provider::Fault;

use super::super::commands::call;
use super::super::process::{Home, eventually};
use super::lane::Lane;

/// The chains as they are shipped, and time enough for embedded models that are built without optimisation.
const SHIPPED: [(&str, &str); 6] = [
    ("STT_CHAIN", "deepgram,whisper,embedded"),
    ("LLM_CHAIN", "openai,embedded"),
    ("TTS_CHAIN", "cartesia,elevenlabs,embedded"),
    ("DEADLINE_STT_MS", "20000"),
    ("DEADLINE_LLM_FIRST_MS", "20000"),
    ("DEADLINE_TTS_MS", "20000"),
];

/// A caller says a task aloud, and hears that it is kept, while every stage's paid providers have this fault.
async fn the_voice_goes_on(fault: &str) {
    // A voice's connections are open before anybody has something for it to say.
    let places = [("stt", ""), ("llm", ""), ("models", ""), ("tts", "@start")];
    let home = Home::with(SHIPPED).await;
    let lane = Lane::start(&home, "offline").await;
    for (service, place) in places {
        lane.providers.fault(format!("{service}={fault}{place}").parse::<Fault>().unwrap()).unwrap();
    }
    let report = call(&lane.server, "voice_review_the_proposal.wav").await;
    let reply = report["reply"].as_str().unwrap().to_lowercase();
    assert!(reply.contains("added") && reply.contains("proposal"), "{report}");
    assert!(report["heard_ms"].as_u64() > Some(500), "it was spoken: {report}");
    let ada = lane.server.user("ada").await;
    assert_eq!(lane.server.tasks(&ada).await.len(), 1, "once");
    for stage in ["stt", "llm", "tts"] {
        eventually(&format!("the log says of {stage} who serves it"), async || {
            let to_embedded = |line: &Value| line["stage"] == stage && line["to"] == "embedded";
            lane.server.logged("failed over").iter().any(to_embedded)
        })
        .await;
    }
    assert_eq!(lane.server.readiness().await.0, 200, "new callers are taken");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_voice_goes_on_when_every_paid_provider_refuses() {
    the_voice_goes_on("503").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_voice_goes_on_when_every_paid_provider_is_silent() {
    the_voice_goes_on("hang").await;
}
