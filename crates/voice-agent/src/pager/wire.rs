//! PagerDuty's Events API v2 as pure functions.

use std::time::Duration;

use serde_json::{Value, json};
use voice_core::provider::Stage;

/// After a 429 that does not say when, the next try is not before this: PagerDuty speaks of minutes.
const PATIENCE: Duration = Duration::from_secs(30);

/// Who tells, and of which house.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// The region.
    pub region: String,
    /// The process.
    pub instance: String,
    /// Where operators find it; empty: nowhere.
    pub url: String,
}

/// What an answer says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It is told.
    Taken,
    /// It will never be.
    Refused,
    /// It may be, at another time.
    Later(Option<Duration>),
}

/// What makes two events one alert: every instance of a region tells of the same thing.
pub(super) fn dedup_key(source: &Source, stage: Stage) -> String {
    let region: String = source.region.chars().take(128).collect();
    format!("voice-agent/{region}/{}-and-text", stage.as_str())
}

/// Something is wrong: nobody serves this stage, and text does not take its place, for this reason.
pub(super) fn trigger(key: &str, source: &Source, stage: Stage, reason: &str) -> Value {
    let (region, stage_name) = (&source.region, stage.as_str());
    let summary = match stage {
        Stage::Llm => format!(
            "voice-agent {region}: callers cannot speak to the agent, and nobody answers their texts ({reason})"
        ),
        Stage::Stt | Stage::Tts => {
            format!("voice-agent {region}: voice fails ({stage_name}), and callers cannot be texted ({reason})")
        }
    };
    let mut event = json!({
        "routing_key": key,
        "event_action": "trigger",
        "dedup_key": dedup_key(source, stage),
        "payload": {
            "summary": summary.chars().take(1_024).collect::<String>(),
            "source": format!("voice-agent {region}"),
            "severity": "critical",
            "component": stage_name,
            "group": "voice-agent",
            "class": reason,
            "custom_details": {"instance": source.instance, "region": region, "stage": stage_name, "reason": reason},
        },
        "client": "voice-agent",
    });
    if !source.url.is_empty() {
        event["client_url"] = source.url.as_str().into();
    }
    event
}

/// It is well again.
pub(super) fn resolve(key: &str, source: &Source, stage: Stage) -> Value {
    json!({"routing_key": key, "event_action": "resolve", "dedup_key": dedup_key(source, stage)})
}

/// What an answer says. `retry_after` is the header of that name, in seconds.
pub(super) fn verdict(status: u16, retry_after: Option<&str>) -> Verdict {
    let after = retry_after.and_then(|text| text.trim().parse().ok()).map(Duration::from_secs);
    match status {
        200..=299 => Verdict::Taken,
        429 => Verdict::Later(Some(after.unwrap_or(PATIENCE))),
        408 | 500..=599 => Verdict::Later(after),
        _ => Verdict::Refused,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source() -> Source {
        Source { region: "eu-1".to_owned(), instance: "i1".to_owned(), url: "https://voice.example.com".to_owned() }
    }

    #[test]
    fn an_event_has_pagerdutys_form() {
        let event = trigger("k".repeat(32).as_str(), &source(), Stage::Tts, "refused");
        assert_eq!(
            (&event["event_action"], &event["dedup_key"]),
            (&json!("trigger"), &json!("voice-agent/eu-1/tts-and-text"))
        );
        let payload = &event["payload"];
        assert_eq!(payload["summary"], "voice-agent eu-1: voice fails (tts), and callers cannot be texted (refused)");
        assert_eq!((&payload["severity"], &payload["component"]), (&json!("critical"), &json!("tts")));
        let resolved = resolve("k", &source(), Stage::Tts);
        assert_eq!((&resolved["event_action"], &resolved["dedup_key"]), (&json!("resolve"), &event["dedup_key"]));
        let long = Source { region: "x".repeat(5_000), ..source() };
        let event = trigger("k", &long, Stage::Llm, "x");
        assert!(event["payload"]["summary"].as_str().unwrap().len() <= 1_024);
        assert!(event["dedup_key"].as_str().unwrap().len() <= 255);
    }

    #[test]
    fn answers_say_whether_to_try_again() {
        for (status, after, expected) in [
            (202, None, Verdict::Taken),
            (400, None, Verdict::Refused),
            (404, Some("5"), Verdict::Refused),
            (429, None, Verdict::Later(Some(PATIENCE))),
            (429, Some("2"), Verdict::Later(Some(Duration::from_secs(2)))),
            (503, None, Verdict::Later(None)),
            (302, None, Verdict::Refused),
        ] {
            assert_eq!(verdict(status, after), expected, "{status}");
        }
    }
}
