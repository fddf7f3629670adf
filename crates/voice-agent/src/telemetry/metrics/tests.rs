use super::Metrics;

const CONTRACT: &[(&str, &str, &[&str], &str)] = &[
    ("voice_latency_seconds", "histogram", &["channel"], "0.2 0.3 0.4 0.5 0.6 0.7 0.8 1.0 1.5 2.0"),
    ("voice_stt_duration_seconds", "histogram", &["provider"], "0.05 0.1 0.15 0.2 0.3 0.5 1.0"),
    ("voice_llm_duration_seconds", "histogram", &["model"], "0.1 0.2 0.3 0.4 0.5 0.7 1.0 2.0"),
    ("voice_tts_duration_seconds", "histogram", &["provider"], "0.02 0.05 0.1 0.15 0.2 0.3 0.5"),
    ("voice_cost_per_call_usd", "histogram", &["channel"], "0.01 0.02 0.03 0.05 0.07 0.1 0.15 0.2"),
    ("voice_transcription_errors_total", "counter", &["provider", "error_type"], ""),
    (
        "voice_session_duration_seconds",
        "histogram",
        &["channel", "outcome"],
        "30.0 60.0 120.0 300.0 600.0 1200.0 1800.0",
    ),
    ("voice_agent_active_sessions", "gauge", &[], ""),
    ("voice_stt_failovers_total", "counter", &["from", "to", "reason"], ""),
    ("voice_llm_failovers_total", "counter", &["from", "to", "reason"], ""),
    ("voice_tts_failovers_total", "counter", &["from", "to", "reason"], ""),
    ("voice_pauses_total", "counter", &["cause"], ""),
    ("voice_spend_nanousd_total", "counter", &["stage", "provider", "wasted"], ""),
    ("voice_tool_calls_total", "counter", &["tool", "outcome"], ""),
    ("voice_connections_closed_total", "counter", &["code"], ""),
    ("voice_build_info", "gauge", &["version"], ""),
];

#[test]
fn every_code_that_we_close_with_is_counted_by_its_name() {
    use crate::transport::close;
    for code in [close::ENDED, close::GOING_AWAY, close::LOST, close::TOO_SLOW, close::FLOOD, close::HANDED_OVER] {
        assert!(super::CLOSE_CODES.contains(&code), "{code}");
    }
}

#[test]
fn every_metric_of_the_contract_is_there_before_the_first_call() {
    let text = Metrics::new("rules", &["add_task"]).exposition().unwrap();
    for (name, kind, labels, buckets) in CONTRACT {
        assert!(text.contains(&format!("# TYPE {name} {kind}\n")), "no TYPE of {name}");
        assert!(text.contains(&format!("# HELP {name} ")), "no HELP of {name}");
        let sample = if *kind == "histogram" { format!("{name}_bucket") } else { (*name).to_owned() };
        let line = text
            .lines()
            .find(|line| line.strip_prefix(&sample).is_some_and(|rest| rest.starts_with(['{', ' '])))
            .unwrap_or_else(|| panic!("no sample of {name}"));
        for label in *labels {
            assert!(line.contains(&format!("{label}=\"")), "{name} has no label {label}: {line}");
        }
        let series = line.split("le=").next().unwrap();
        let found: Vec<&str> = text
            .lines()
            .filter(|line| line.starts_with(series) && line.contains("le=\""))
            .filter_map(|line| line.split("le=\"").nth(1)?.split('"').next())
            .filter(|bound| *bound != "+Inf")
            .collect();
        if *kind == "histogram" {
            let all: Vec<&str> = buckets.split(' ').collect();
            assert!(found.starts_with(&all), "{name}: {found:?}");
        }
    }
}

#[test]
fn every_counter_and_only_a_counter_ends_in_total() {
    let text = Metrics::new("rules", &["add_task"]).exposition().unwrap();
    assert!(!text.contains("# EOF") && !text.contains("# UNIT"));
    for line in text.lines().filter_map(|line| line.strip_prefix("# TYPE ")) {
        let (name, kind) = line.split_once(' ').unwrap();
        assert!(name.starts_with("voice_"), "{name}");
        assert_eq!(name.ends_with("_total"), kind == "counter", "{name} is a {kind}");
    }
}
