//! A provider that failed rests, is probed, and comes back; and when nobody of a stage is left, the caller is told.

use voice_core::phrases;
use voice_core::provider::Stage;
use voice_sim::drill::{Cell, Says, matrix};
use voice_sim::provider::code::{Vocabulary, Voice, split_words};
use voice_sim::provider::{Entry, Journal, Place};

use super::super::process::{Home, eventually};
use super::lane::{Lane, SETTINGS};

/// The stage's first provider, answering 503.
fn unavailable(stage: Stage) -> Cell {
    let cells = matrix(stage).unwrap();
    cells.into_iter().find(|cell| cell.fault.to_string().contains("503") && cell.fault.place == Place::Connect).unwrap()
}

/// Everybody is used again, and new callers are taken: without a whole stage they are not.
async fn all_is_well(lane: &Lane) {
    assert!(lane.drill.recover().await.unwrap().is_some());
    eventually("it is ready", async || lane.server.readiness().await.0 == 200).await;
}

/// Useful pieces that the stage's first provider has sent so far.
fn sent(journal: &Journal, cell: &Cell) -> u64 {
    let service = cell.fault.services[0];
    let entries = journal.of(service).into_iter();
    let of_model = |entry: &Entry| cell.fault.model.is_none() || entry.model == cell.fault.model;
    entries.filter(of_model).map(|entry| entry.sent.useful).sum()
}

async fn rests_and_comes_back(stage: Stage) {
    let home = Home::with(SETTINGS).await;
    let mut lane = Lane::start(&home, stage.as_str()).await;
    let cell = unavailable(stage);
    let first = cell.first();
    let up = format!("voice_provider_up{{stage=\"{}\",provider=\"{first}\"}}", stage.as_str());
    let probed = |lane: &Lane, well: bool| {
        let probes = lane.server.logged("a resting provider was probed");
        probes.iter().any(|line| line["provider"] == first && (line["outcome"] == "ok") == well)
    };
    assert_eq!(lane.server.metric(&up).await, 1.0);

    lane.drill.begin(&cell).await.unwrap();
    let heard = lane.drill.talk(Says::Task, "ada").await.unwrap();
    assert_eq!(split_words(&heard.caption).join(" "), "added buy milk");
    eventually("it rests", async || lane.server.metric(&up).await == 0.0).await;
    eventually("it is probed in vain", async || probed(&lane, false)).await;
    eventually("readiness names it, and stays", async || {
        let (status, body) = lane.server.readiness().await;
        status == 200 && body["status"] == "degraded" && body["reasons"].to_string().contains(first)
    })
    .await;

    assert!(lane.drill.recover().await.unwrap().is_some(), "it comes back");
    assert!(probed(&lane, true));
    let before = sent(lane.providers.journal(), &cell);
    let after = lane.call(Says::Task, None).await;
    assert_eq!((after.heard.as_str(), after.failovers), ("added buy milk", vec![]));
    assert_eq!(after.voices, [Voice::Cartesia]);
    assert!(sent(lane.providers.journal(), &cell) > before, "the first one serves again");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_recogniser_that_failed_rests_and_comes_back() {
    rests_and_comes_back(Stage::Stt).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_language_model_that_failed_rests_and_comes_back() {
    rests_and_comes_back(Stage::Llm).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_voice_that_failed_rests_and_comes_back() {
    rests_and_comes_back(Stage::Tts).await;
}

/// Nobody answers a TLS handshake on these ports.
fn by_tls(url: &str) -> String {
    url.replacen("http://", "https://", 1)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_tls_handshake_that_fails_costs_no_word() {
    let home = Home::with(SETTINGS).await;
    let ends = async {
        let change = |name: &str, value: String| match name {
            "DEEPGRAM_BASE_URL" | "CARTESIA_BASE_URL" => by_tls(&value),
            _ => value,
        };
        let mut lane = Lane::start_with(&home, "ends", &[], change).await;
        let heard = lane.drill.talk(Says::Task, "ada").await.unwrap();
        assert_eq!(split_words(&heard.caption).join(" "), "added buy milk", "{:?}", heard.events);
        let outcome = lane.hear(Says::Task).await;
        assert_eq!((outcome.heard.as_str(), outcome.voices), ("added buy milk", vec![Voice::ElevenLabs]));
        for (stage, provider) in [("stt", "deepgram"), ("tts", "cartesia")] {
            let failed = lane.server.logged("a provider failed");
            assert!(failed.iter().any(|line| line["stage"] == stage && line["provider"] == provider), "{failed:?}");
        }
    };
    let middle = async {
        let change = |name: &str, value: String| match name {
            "OPENAI_BASE_URL" => by_tls(&value),
            "STT_CHAIN" => "deepgram".to_owned(),
            "LLM_CHAIN" => "openai,embedded".to_owned(),
            _ => value,
        };
        let mut lane = Lane::start_with(&home, "middle", &[], change).await;
        let outcome = lane.hear(Says::Task).await;
        assert_eq!(outcome.tasks, ["Buy milk"], "{outcome:?}");
        assert!(outcome.heard.contains("milk") && outcome.heard == outcome.caption, "{outcome:?}");
        let failed = lane.server.logged("a provider failed");
        assert!(failed.iter().any(|line| line["stage"] == "llm" && line["provider"] == "openai"), "{failed:?}");
    };
    tokio::join!(ends, middle);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn when_nobody_of_a_stage_is_left_the_caller_is_told() {
    let home = Home::with(SETTINGS).await;
    let mut lane = Lane::start(&home, "nobody").await;
    // As it is heard: a word that is not common has only a number.
    let told = |phrase: &str| {
        let vocabulary = Vocabulary::default();
        Vocabulary::codes(phrase).into_iter().map(|code| vocabulary.write(code)).collect::<Vec<_>>().join(" ")
    };

    lane.providers.fault("stt=503".parse().unwrap()).unwrap();
    let deaf = lane.hear(Says::Task).await;
    all_is_well(&lane).await;
    assert_eq!((deaf.heard.clone(), deaf.tasks.clone()), (told(phrases::NOT_HEARD), vec![]), "{deaf:?}");

    lane.providers.fault("llm=503".parse().unwrap()).unwrap();
    let wordless = lane.hear(Says::Task).await;
    all_is_well(&lane).await;
    assert_eq!((wordless.heard.clone(), wordless.tasks.clone()), (told(phrases::APOLOGY), vec![]), "{wordless:?}");

    lane.providers.fault("tts=503@start".parse().unwrap()).unwrap();
    let mute = lane.hear(Says::Task).await;
    all_is_well(&lane).await;
    assert!(mute.fell_back && mute.heard.is_empty(), "{mute:?}");
    assert_eq!(
        (mute.caption.clone(), mute.tasks.clone()),
        (told("added buy milk"), vec!["buy milk".to_owned()]),
        "{mute:?}"
    );
    assert_eq!(lane.server.metric("voice_text_fallbacks_total{channel=\"browser\"}").await, 1.0);
    assert_eq!(lane.call(Says::Task, None).await.heard, "added buy milk", "all is well again");
}
