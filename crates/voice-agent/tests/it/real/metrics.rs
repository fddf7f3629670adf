//! Every metric of the contract is there before the first call, and a call moves those that it should.

use serde_json::{Value, json};
use voice_core::timeline::PauseCause;

use super::contract::METRICS;
use super::phone::{Phone, wav};
use super::process::{Home, Process, eventually, fixture};

/// What the caller's loudspeaker keeps back before it plays, in milliseconds.
const LAG_MS: u64 = 300;

#[tokio::test]
async fn the_metrics_are_there_before_the_first_call_and_move_with_it() {
    let home = Home::new().await;
    let server = home.start().await;
    let before = server.exposition().await;
    for (name, kind, labels, _) in METRICS {
        assert!(before.contains(&format!("# HELP {name} ")), "no HELP of {name}");
        assert!(before.contains(&format!("# TYPE {name} {kind}\n")), "no TYPE of {name}");
        let sample = if *kind == "histogram" { format!("{name}_count") } else { (*name).to_owned() };
        let first = before.lines().find(|line| {
            line.strip_prefix(&sample).is_some_and(|rest| rest.starts_with(['{', ' '])) && line.ends_with(" 0")
        });
        let first = first.unwrap_or_else(|| panic!("no {sample} that is 0 before the first call"));
        assert!(labels.iter().all(|label| first.contains(&format!("{label}=\""))), "{first}");
    }

    let ada = server.session(&json!({"user_id": "ada"})).await;
    assert_eq!(server.metric("voice_agent_active_sessions").await, 1.0);
    let mut phone = Phone::call(&server, &ada).await;
    phone.lag_ms = LAG_MS;
    phone.until_greeted().await;
    phone.say(&wav(&fixture("voice_review_the_proposal.wav")));
    phone.until("the turn is over", |phone| phone.last("turn").is_some() && phone.is_quiet()).await;
    phone.send(&json!({"type": "end"})).await;
    assert_eq!(phone.until_closed().await, 1000);
    assert_eq!(phone.last("ended").unwrap()["outcome"], "completed");
    eventually("the session is over", async || server.metric("voice_agent_active_sessions").await == 0.0).await;
    let closed = "voice_connections_closed_total{code=\"1000\"}";
    eventually("the connection is counted", async || server.metric(closed).await == 1.0).await;

    for series in [
        "voice_latency_seconds_count{channel=\"browser\"}",
        "voice_cost_per_call_usd_count{channel=\"browser\"}",
        "voice_session_duration_seconds_count{channel=\"browser\",outcome=\"completed\"}",
        "voice_turns_total{channel=\"browser\"}",
        "voice_sessions_started_total{kind=\"new\"}",
        "voice_tool_calls_total{tool=\"add_task\",outcome=\"ok\"}",
        "voice_tool_duration_seconds_count{tool=\"add_task\"}",
    ] {
        assert_eq!(server.metric(series).await, 1.0, "{series}");
    }
    let model = "voice_llm_duration_seconds_count{model=\"rules\"}";
    for series in [
        model,
        "voice_stt_duration_seconds_count{provider=\"embedded\"}",
        "voice_tts_duration_seconds_count{provider=\"embedded\"}",
        "voice_connected_milliseconds_total{channel=\"browser\"}",
        "voice_store_commit_seconds_count",
        "voice_model_wait_seconds_count{model=\"moonshine\"}",
        "voice_turn_stage_seconds_count{stage=\"stt\"}",
    ] {
        assert!(server.metric(series).await >= 1.0, "{series}");
    }
    the_turn_says_what_the_metrics_have(&server, phone.last("turn").unwrap()).await;
    for series in ["voice_transcription_errors_total", "voice_stt_failovers_total", "voice_pauses_total"] {
        assert!(before.contains(series));
    }
}

/// What the turn said of itself is what the histograms have, from the caller's last word to the caller's ear.
async fn the_turn_says_what_the_metrics_have(server: &Process, turn: &Value) {
    let latency_ms = turn["latency_ms"].as_f64().unwrap();
    let sum = server.metric("voice_latency_seconds_sum{channel=\"browser\"}").await;
    assert!((sum - latency_ms / 1_000.0).abs() < 0.001, "{sum} and {turn}");
    let (mut all_ms, mut pauses) = (0.0, 0.0);
    for stage in PauseCause::ALL.map(PauseCause::as_str) {
        let ms = turn["stages"][stage].as_f64().unwrap();
        let sum = server.metric(&format!("voice_turn_stage_seconds_sum{{stage=\"{stage}\"}}")).await;
        assert!((sum - ms / 1_000.0).abs() < 0.001, "{stage}: {sum} and {turn}");
        all_ms += ms;
        pauses += server.metric(&format!("voice_pauses_total{{cause=\"{stage}\"}}")).await;
    }
    assert!(all_ms - latency_ms >= LAG_MS as f64 - 5.0, "the loudspeaker's own {LAG_MS} ms are in it: {turn}");
    assert_eq!(pauses > 0.0, all_ms > 800.0, "{turn}");
    assert_eq!(turn["cause"].is_string(), all_ms > 800.0, "{turn}");
}
