//! Latency and cost, over the window.

use std::time::Duration;

use super::criterion::{Evidence, Halt};
use super::deployment::Deployment;
use super::prometheus::{Prometheus, range};

/// The target of the P95, in seconds: a bound of the histogram, so that the share below it is exact.
const LATENCY_S: f64 = 0.8;
/// Answers below which a P95 is only the slowest one.
const FEWEST_ANSWERS: f64 = 20.0;
/// The target of a minute, in dollars. What is below the range is cheaper than it was planned, and no failure.
const MINUTE_USD: [f64; 2] = [0.03, 0.07];

/// P95 latency: over all instances, for each channel that had calls.
pub(super) async fn latency(of: &Deployment, evidence: &mut Evidence) -> Result<(), Halt> {
    let prometheus = of.prometheus()?;
    let window = range(of.args.window);
    reaches_back(&prometheus, of.args.window, evidence).await?;
    let answers = format!("sum by (channel) (increase(voice_latency_seconds_count[{window}]))");
    let mut total = 0.0;
    for sample in prometheus.query(&answers).await? {
        let channel = sample.label("channel");
        if sample.value < 0.5 || sample.value.is_nan() {
            evidence.note(format!("{channel}: no answers"));
            continue;
        }
        total += sample.value;
        let of_channel = format!("channel=\"{channel}\"");
        let p95 = quantile(0.95, &of_channel, &window);
        let p95 = prometheus.number(&p95).await?.unwrap_or(f64::INFINITY);
        let p50 = prometheus.number(&quantile(0.5, &of_channel, &window)).await?.unwrap_or(f64::INFINITY);
        let below = format!(
            "sum(increase(voice_latency_seconds_bucket{{le=\"{LATENCY_S}\",{of_channel}}}[{window}])) / \
             sum(increase(voice_latency_seconds_count{{{of_channel}}}[{window}]))"
        );
        let share = prometheus.number(&below).await?.unwrap_or(0.0);
        evidence.note(format!(
            "{channel}: P95 {p95:.3} s, P50 {p50:.3} s, {:.2} % within {LATENCY_S} s, of {:.0} answers",
            share * 100.0,
            sample.value
        ));
        evidence.check(p95 < LATENCY_S, format!("the P95 of {channel} is {p95:.3} s, not below {LATENCY_S} s"));
    }
    evidence.check(total >= FEWEST_ANSWERS, format!("{total:.0} answers are too few for a P95"));
    // As the brief has it: each instance and channel by itself.
    let worst = format!("max(histogram_quantile(0.95, rate(voice_latency_seconds_bucket[{window}])))");
    if let Some(worst) = prometheus.number(&worst).await? {
        evidence.note(format!("the slowest instance and channel by itself: P95 {worst:.3} s"));
    }
    Ok(())
}

fn quantile(share: f64, labels: &str, window: &str) -> String {
    format!("histogram_quantile({share}, sum by (le) (rate(voice_latency_seconds_bucket{{{labels}}}[{window}])))")
}

/// Of a window's points so many at least must have been scraped: a Prometheus may be restarted meanwhile.
const WATCHED: f64 = 0.98;

/// How far apart those points are.
const fn step(window: Duration) -> u64 {
    if window.as_secs() < 7_200 { 15 } else { 60 }
}

/// A window that is longer than what was watched, or has holes, says less than it seems to.
async fn reaches_back(prometheus: &Prometheus, window: Duration, evidence: &mut Evidence) -> Result<(), Halt> {
    let step = step(window);
    let seen = format!("count_over_time(count(voice_ready)[{}:{step}s])", range(window));
    let seen = prometheus.number(&seen).await?.unwrap_or(0.0);
    // Points, and as many as there can be; the first may lie before the window.
    let share = (seen * step as f64 / window.as_secs_f64()).min(1.0);
    let instances = prometheus.number("count(voice_ready == 1)").await?.unwrap_or(0.0);
    evidence.note(format!(
        "watched for {:.1} % of {}; {instances:.0} instances are ready now",
        share * 100.0,
        said(window)
    ));
    evidence
        .check(share >= WATCHED, format!("the metrics do not cover {}: {:.1} % of it", said(window), share * 100.0));
    Ok(())
}

fn said(window: Duration) -> String {
    if window < Duration::from_secs(7_200) {
        format!("{} minutes", window.as_secs() / 60)
    } else {
        format!("{} hours", window.as_secs() / 3_600)
    }
}

/// Cost per minute: what the cost tracker adds up, of ended calls and of all that was spent.
pub(super) async fn cost(of: &Deployment, evidence: &mut Evidence) -> Result<(), Halt> {
    let prometheus = of.prometheus()?;
    let window = range(of.args.window);
    let sum = |metric: &str| format!("sum(increase({metric}[{window}]))");
    let number = async |expression: String| Ok::<f64, Halt>(prometheus.number(&expression).await?.unwrap_or(0.0));
    let spent = number(sum("voice_cost_per_call_usd_sum")).await?;
    let minutes = number(sum("voice_session_duration_seconds_sum")).await? / 60.0;
    let calls = number(sum("voice_cost_per_call_usd_count")).await?;
    let all_spent = number(sum("voice_spend_nanousd_total")).await? / 1e9;
    let connected = number(sum("voice_connected_milliseconds_total")).await? / 60_000.0;
    evidence.check(calls >= 0.5, "no call ended in the window");
    for (what, usd, minutes) in [
        (format!("{calls:.0} ended calls"), spent, minutes),
        ("all that was spent, by connected minutes".to_owned(), all_spent, connected),
    ] {
        if minutes <= 0.0 {
            evidence.check(false, format!("{what}: no minutes"));
            continue;
        }
        let a_minute = usd / minutes;
        evidence.note(format!("{what}: ${usd:.4} in {minutes:.1} minutes, ${a_minute:.4} a minute"));
        judge(a_minute, &what, evidence);
    }
    for stage in prometheus.query(&format!("sum by (stage) (increase(voice_spend_nanousd_total[{window}]))")).await? {
        evidence.note(format!("{}: ${:.4}", stage.label("stage"), stage.value / 1e9));
    }
    Ok(())
}

fn judge(a_minute: f64, what: &str, evidence: &mut Evidence) {
    let [least, most] = MINUTE_USD;
    evidence.check(a_minute <= most, format!("{what}: ${a_minute:.4} a minute is above ${most}"));
    evidence.check(a_minute > 0.0, format!("{what}: nothing was metered"));
    if a_minute > 0.0 && a_minute < least {
        evidence.note(format!("cheaper than the ${least}-{most} that were planned"));
    }
}

#[cfg(test)]
mod tests {
    use super::super::criterion::{Criterion, Status};
    use super::*;

    #[test]
    fn a_minute_may_be_cheap_and_neither_dear_nor_free() {
        let status = |usd| {
            let mut evidence = Evidence::default();
            judge(usd, "calls", &mut evidence);
            evidence.finding(Criterion::Cost, Ok(()), 0.0).status
        };
        assert_eq!([0.02, 0.03, 0.07].map(status), [Status::Passed; 3]);
        assert_eq!([0.071, 0.0].map(status), [Status::Failed; 2]);
    }

    #[test]
    fn instances_are_summed_before_the_quantile() {
        assert_eq!(
            quantile(0.95, "channel=\"phone\"", "600s"),
            "histogram_quantile(0.95, sum by (le) (rate(voice_latency_seconds_bucket{channel=\"phone\"}[600s])))"
        );
    }
}
