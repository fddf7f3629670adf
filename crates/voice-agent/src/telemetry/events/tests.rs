use voice_core::cost::Quantity;
use voice_core::ids::{CommitId, ReplyId, SpeechId, TurnId, UtteranceId};
use voice_core::output::HushEnd;

use super::*;
use crate::telemetry::OpenPause;

fn after(observations: &[Observation]) -> String {
    let events = Events::new(Metrics::new("rules", &["add_task"]));
    let labels = SessionLabels::embedded("s", "browser", "rules");
    let mut open = OpenPause::default();
    for observation in observations {
        events.observe(observation, &labels);
        open.observe(observation).into_iter().for_each(|pause| events.paused(&pause, &labels));
    }
    events.metrics().exposition().unwrap()
}

#[test]
fn every_observation_moves_its_metric() {
    let stages = Stages { llm: 700, stt: 200, ..Stages::default() };
    let text = after(&[
        Observation::EndOfTurn { turn: TurnId(1), endpointing_ms: Some(300), reopened: false },
        Observation::EndOfTurn { turn: TurnId(1), endpointing_ms: Some(400), reopened: true },
        Observation::SttFinished { utterance: UtteranceId(1), rung: RungId(0), duration_ms: 200 },
        Observation::Latency { turn: TurnId(1), latency_ms: 900, stages, cause: Some(PauseCause::Llm) },
        Observation::TurnFinished { turn: TurnId(1), cost: NanoUsd(1) },
        Observation::ProviderFailed { stage: Stage::Stt, rung: RungId(0), kind: ProviderErrorKind::Timeout },
        Observation::SpeculationDiscarded { reply: ReplyId(1), wasted: NanoUsd(7) },
        Observation::FalseInterruption { speech: SpeechId(1), held_ms: 200 },
        Observation::Hushed { speech: SpeechId(1), held_ms: 160, end: HushEnd::Nothing },
        Observation::ToolFinished { name: "add_task".to_owned(), duration_ms: 1, failed: false },
        Observation::ToolFinished { name: "drop_database".to_owned(), duration_ms: 1, failed: true },
        Observation::DeadlineMissed { state: "llm_first" },
        Observation::CommitFailed { commit: CommitId(1) },
        Observation::CommitConflicted { commit: CommitId(2) },
    ]);
    for line in [
        "voice_turns_total{channel=\"browser\"} 1",
        "voice_stt_duration_seconds_count{provider=\"embedded\"} 1",
        "voice_latency_seconds_sum{channel=\"browser\"} 0.9",
        "voice_latency_seconds_bucket{le=\"0.8\",channel=\"browser\"} 0",
        "voice_turn_stage_seconds_sum{stage=\"llm\"} 0.7",
        "voice_pauses_total{cause=\"llm\"} 1",
        "voice_transcription_errors_total{provider=\"embedded\",error_type=\"timeout\"} 1",
        "voice_provider_errors_total{stage=\"stt\",provider=\"embedded\",error_type=\"timeout\"} 1",
        "voice_speculation_discarded_total 1",
        "voice_speculation_wasted_nanousd_total 7",
        "voice_interruptions_total{kind=\"false\"} 1",
        "voice_hush_seconds_sum{end=\"nothing\"} 0.16",
        "voice_hush_seconds_count{end=\"speech\"} 0",
        "voice_tool_calls_total{tool=\"add_task\",outcome=\"ok\"} 1",
        "voice_tool_calls_total{tool=\"unknown\",outcome=\"failed\"} 1",
        "voice_deadlines_missed_total{state=\"llm_first\"} 1",
        "voice_store_errors_total 1",
        "voice_store_conflicts_total 1",
    ] {
        assert!(text.lines().any(|found| found == line), "no line {line:?} in\n{text}");
    }
    assert!(!text.contains("drop_database"));
}

#[test]
fn a_pause_that_the_way_made_long_is_counted_once_and_under_that() {
    let (turn, out) = (TurnId(1), Stages { llm: 700, ..Stages::default() });
    let heard = Stages { network: 800, playout: 90, ..out };
    let text = after(&[
        Observation::Latency { turn, latency_ms: 700, stages: out, cause: None },
        Observation::FirstHeard { turn, after_ms: 890, stages: heard, cause: Some(PauseCause::Network) },
        Observation::TurnFinished { turn, cost: NanoUsd(1) },
    ]);
    for line in [
        "voice_latency_seconds_sum{channel=\"browser\"} 0.7",
        "voice_turn_stage_seconds_sum{stage=\"network\"} 0.8",
        "voice_turn_stage_seconds_sum{stage=\"playout\"} 0.09",
        "voice_turn_stage_seconds_count{stage=\"network\"} 1",
        "voice_turn_stage_seconds_count{stage=\"llm\"} 1",
        "voice_pauses_total{cause=\"network\"} 1",
        "voice_pauses_total{cause=\"llm\"} 0",
    ] {
        assert!(text.lines().any(|found| found == line), "no line {line:?} in\n{text}");
    }
}

#[test]
fn a_sessions_end_is_booked_once_with_its_cost() {
    let events = Events::new(Metrics::new("rules", &[]));
    let labels = SessionLabels::embedded("s", "browser", "rules");
    let usage = Usage {
        stage: Stage::Tts,
        provider: "embedded".to_owned(),
        model: "hibari".to_owned(),
        quantity: Quantity::AudioMs(1),
        reply: None,
        utterance: None,
        wasted: true,
    };
    events.spent(&usage, NanoUsd(5), true);
    let (outcome, reason) = (Outcome::Completed, EndReason::Goodbye);
    let cost = NanoUsd(13_920_500);
    events.session_ended(&labels, SessionEnd { outcome, reason, duration_ms: 61_000, connected_ms: 60_000, cost });
    let text = events.metrics().exposition().unwrap();
    for line in [
        "voice_spend_nanousd_total{stage=\"tts\",provider=\"embedded\",wasted=\"true\"} 5",
        "voice_session_duration_seconds_sum{channel=\"browser\",outcome=\"completed\"} 61.0",
        "voice_cost_per_call_usd_sum{channel=\"browser\"} 0.0139205",
        "voice_connected_milliseconds_total{channel=\"browser\"} 60000",
    ] {
        assert!(text.lines().any(|found| found == line), "no line {line:?}");
    }
}

#[test]
fn the_log_has_numbers_and_the_protocols_words() {
    use crate::telemetry::logging::tests::logged;

    let events = Events::new(Metrics::new("rules", &[]));
    let labels = SessionLabels::embedded("s", "browser", "rules");
    let stages = Stages { llm: 700, stt: 200, ..Stages::default() };
    let log = logged(|| {
        let cause = Some(PauseCause::Llm);
        events.paused(&Pause { turn: TurnId(3), latency_ms: 900, stages, cause }, &labels);
        events.observe(&Observation::TurnFinished { turn: TurnId(3), cost: NanoUsd(1_500_000) }, &labels);
        let (outcome, reason, cost) = (Outcome::Dropped, EndReason::HungUp, NanoUsd(1_500_000));
        events.session_ended(&labels, SessionEnd { outcome, reason, duration_ms: 61_000, connected_ms: 60_000, cost });
    });
    let lines: Vec<serde_json::Value> = log.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let [answered, finished, ended] = lines.as_slice() else { panic!("three lines, not\n{log}") };
    assert_eq!((&answered["turn"], &answered["latency_ms"]), (&3.into(), &900.into()));
    assert_eq!((&answered["llm_ms"], &answered["stt_ms"], &answered["tts_ms"]), (&700.into(), &200.into(), &0.into()));
    assert_eq!(answered["cause"], "llm");
    assert_eq!((&finished["turn"], &finished["cost_usd"]), (&3.into(), &0.0015.into()));
    assert_eq!((&ended["reason"], &ended["cost_usd"]), (&"hung_up".into(), &0.0015.into()));
}

#[test]
fn the_series_of_the_configured_providers_are_there_before_anything_happens() {
    let events = Events::new(Metrics::new("rules", &[]));
    let stt = vec![Rung::new("deepgram", "nova-3"), Rung::new("whisper", "whisper-1")];
    let llm = vec![Rung::new("openai", "a"), Rung::new("openai", "b"), Rung::new("embedded", "rules")];
    events.chains(&Chains { stt, llm, ..Chains::default() });
    let text = events.exposition().unwrap();
    for series in [
        "voice_transcription_errors_total{provider=\"whisper\",error_type=\"auth\"} 0",
        "voice_provider_errors_total{stage=\"llm\",provider=\"openai\",error_type=\"quota\"} 0",
        "voice_stt_failovers_total{from=\"whisper\",to=\"deepgram\",reason=\"timeout\"} 0",
        "voice_llm_failovers_total{from=\"a\",to=\"embedded\",reason=\"auth\"} 0",
    ] {
        assert!(text.lines().any(|line| line == series), "no {series}");
    }
    assert!(!text.contains("from=\"a\",to=\"a\""));
}

#[test]
fn a_stage_without_the_embedded_provider_does_not_say_that_it_is_well() {
    let events = Events::new(Metrics::new("rules", &[]));
    let chains = Chains { stt: vec![Rung::new("deepgram", "nova-3")], ..Chains::default() };
    let health = |stage, usable| ProviderHealth { stage, rung: RungId(0), usable, hedge_ms: 0, gap_ms: None };
    events.chains(&chains);
    let gone = |stage, _| (stage == Stage::Stt).then_some(ProviderErrorKind::NotServed);
    events.providers(&chains, &[health(Stage::Stt, false), health(Stage::Tts, true)], gone);
    let text = events.exposition().unwrap();
    let of_stt: Vec<&str> = text.lines().filter(|line| line.starts_with("voice_provider_up{stage=\"stt\"")).collect();
    assert_eq!(of_stt, ["voice_provider_up{stage=\"stt\",provider=\"deepgram\"} 0"]);
    assert!(text.contains("voice_provider_up{stage=\"tts\",provider=\"embedded\"} 1"));
    assert!(text.contains("voice_model_not_served{stage=\"stt\",provider=\"deepgram\",place=\"first\"} 1"));
    assert!(text.contains("voice_model_not_served{stage=\"tts\",provider=\"embedded\",place=\"first\"} 0"));
}
