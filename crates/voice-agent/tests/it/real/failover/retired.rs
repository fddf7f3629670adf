//! A model that its provider serves no more is known before a caller finds out, and costs nobody any time.

use voice_core::provider::Stage;
use voice_sim::drill::Says;
use voice_sim::provider::Service;

use super::super::process::{Home, eventually};
use super::lane::{Lane, SETTINGS, Setting, environment, rehearsal};

/// The rehearsal servers do not serve it.
const RETIRED: &str = "gpt-3.5-turbo";
/// It is the first of the chain, and rests as long as it would in production.
const CHAIN: [Setting; 2] =
    [("OPENAI_MODELS", "gpt-3.5-turbo,gpt-4o-mini"), ("FAILOVER_MAX_RETRY_AFTER_MS", "3600000")];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_retired_model_is_told_by_readiness_and_skipped() {
    let home = Home::with(SETTINGS).await;
    let mut lane = Lane::start_with(&home, "retired", &CHAIN, |_, value| value).await;
    eventually("readiness says so before anybody has called", async || {
        let (status, body) = lane.server.readiness().await;
        let told = body["reasons"].to_string().contains("openai/gpt-3.5-turbo is not served by its provider");
        status == 200 && body["status"] == "degraded" && told
    })
    .await;
    let told = lane.server.logged("the provider does not serve this model");
    assert!(told.iter().any(|line| line["model"] == "openai/gpt-3.5-turbo"), "{told:?}");
    let outcome = lane.hear(Says::Task).await;
    assert_eq!((outcome.heard.as_str(), outcome.tasks.len()), ("added buy milk", 1), "{outcome:?}");
    assert!(lane.reasons(Stage::Llm, &outcome.session).is_empty(), "nobody gave way to anybody");
    let asked = lane.providers.journal().of(Service::Chat);
    assert!(!asked.is_empty() && asked.iter().all(|entry| entry.model.as_deref() != Some(RETIRED)), "{asked:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_retired_model_is_told_by_check_config() {
    let home = Home::with(SETTINGS).await;
    let providers = rehearsal().await;
    let settings = environment(&providers, &home, &CHAIN, |_, value| value);
    let checked = home.run(&["check-config"], settings).await;
    let said = String::from_utf8(checked.stdout).unwrap();
    assert!(checked.status.success(), "{said}");
    assert!(said.contains("warning: openai/gpt-3.5-turbo is not served by its provider (any more)"), "{said}");
    assert!(!said.contains("gpt-4o-mini is not served") && !said.contains("could not be asked"), "{said}");
}
