//! A test alert, from Alertmanager to whoever is told.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use axum::Router;
use axum::extract::State;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

use super::criterion::{Evidence, Halt};
use super::deployment::Deployment;
use super::prometheus::Prometheus;
use super::web::Web;

/// The alert's name.
const NAME: &str = "VoiceTest";
/// The brief's four, which must be loaded.
const NEEDED: [&str; 4] = ["VoiceLatencyHigh", "VoiceLatencyCritical", "VoiceCostExceeded", "VoiceSTTErrorsHigh"];
/// Longest wait for a notification: `group_wait`, and `group_interval` where there was one before.
const UNTIL_TOLD: Duration = Duration::from_secs(200);
/// The alert ends by itself after so long, in seconds, should nobody end it.
const LASTS_S: i64 = 300;

/// Alerting active: the alerts are loaded, and one arrives.
pub(super) async fn alerting(of: &Deployment, evidence: &mut Evidence) -> Result<(), Halt> {
    let Some(url) = &of.args.alertmanager else {
        return Err(Halt::NotRun("--alertmanager does not say who tells of alerts".to_owned()));
    };
    let alertmanager = Web::new(&of.client, url);
    loaded(&of.prometheus()?, evidence).await?;
    let hook = match &of.args.alert_webhook {
        Some(address) => Some(Hook::open(address).await?),
        None => None,
    };
    let status = alertmanager.get("/api/v2/status", &[]).await.context("Alertmanager")?;
    let ways = ways(status["config"]["original"].as_str().unwrap_or_default());
    let others = alertmanager.get("/api/v2/alerts", &[("active", "true")]).await.context("Alertmanager")?;
    let others = others.as_array().into_iter().flatten().flat_map(|other| needed(&ways, &receivers(other)).into_keys());
    let shared = others.collect();
    let before = Told::of(&alertmanager.text("/metrics", &[]).await?);
    let from = Sent { alertmanager: &alertmanager, hook: hook.as_ref(), ways, shared, before };
    send(of, &alertmanager, LASTS_S).await?;
    let began = Instant::now();
    let arrived = told(of, &from, evidence).await;
    // Whoever was paged is to see it end.
    send(of, &alertmanager, 0).await?;
    let arrived = arrived?;
    evidence.check(arrived, format!("not everybody was told within {} s", began.elapsed().as_secs()));
    Ok(())
}

/// The brief's alerts are there and work; Prometheus knows an Alertmanager.
async fn loaded(prometheus: &Prometheus, evidence: &mut Evidence) -> Result<()> {
    let rules = prometheus.rules().await?;
    let alerts: Vec<&Value> = rules.iter().filter(|rule| rule["type"] == "alerting").collect();
    let missing: Vec<&str> =
        NEEDED.into_iter().filter(|name| !alerts.iter().any(|alert| alert["name"] == *name)).collect();
    evidence.check(missing.is_empty(), format!("these alerts are not loaded: {}", missing.join(", ")));
    let firing: Vec<&str> =
        alerts.iter().filter(|alert| alert["state"] == "firing").filter_map(|alert| alert["name"].as_str()).collect();
    evidence.note(format!("{} alerts are loaded; firing now: {}", alerts.len(), firing.join(", ")));
    let told = prometheus.alertmanagers().await?;
    evidence.check(told > 0, "Prometheus tells no Alertmanager");
    evidence.note(format!("Prometheus tells {told} Alertmanagers"));
    Ok(())
}

/// Posts the alert, which ends so many seconds from now.
async fn send(of: &Deployment, alertmanager: &Web, lasts_s: i64) -> Result<()> {
    let ends = jiff::Timestamp::now() + jiff::SignedDuration::from_secs(lasts_s);
    let region = of.settings.as_ref().and_then(|settings| settings["region"].as_str()).unwrap_or("validation");
    let alert = json!([{
        "labels": {"alertname": NAME, "severity": of.args.alert_severity, "region": region, "validation": of.run},
        "annotations": {
            "summary": "A test alert", "description": format!("voice-agent validate, run {}: nothing is wrong", of.run),
        },
        "startsAt": of.began.to_string(),
        "endsAt": ends.to_string(),
    }]);
    alertmanager.post("/api/v2/alerts", &alert).await.context("Alertmanager")
}

/// What a test alert is seen by.
struct Sent<'a> {
    alertmanager: &'a Web,
    hook: Option<&'a Hook>,
    ways: Ways,
    /// By what others are told of other alerts meanwhile; the watchdog is always one.
    shared: BTreeSet<String>,
    before: Told,
}

/// Waits until the alert has arrived: at the webhook that is open here, and, by Alertmanager's own count of answered requests, by every way on which its
/// receivers are told. One may be slow or ill while another is told.
async fn told(of: &Deployment, sent: &Sent<'_>, evidence: &mut Evidence) -> Result<bool> {
    let began = Instant::now();
    let filter = format!("validation=\"{}\"", of.run);
    let (mut wanted, mut delivered) = (Counts::new(), Counts::new());
    while began.elapsed() < UNTIL_TOLD {
        sleep(Duration::from_millis(500)).await;
        let alerts = sent.alertmanager.get("/api/v2/alerts", &[("filter", &filter)]).await.context("Alertmanager")?;
        if wanted.is_empty() && alerts[0].is_object() {
            let names = receivers(&alerts[0]);
            wanted = needed(&sent.ways, &names);
            let names = names.join(", ");
            ensure!(!wanted.is_empty(), "{NAME} is for {names:?}, and Alertmanager's configuration says not by what");
            evidence.note(format!("{NAME} ({}) is for: {names}; by {}", of.args.alert_severity, said(&wanted)));
            if sent.hook.is_none() {
                // Without a webhook of one's own there is only a count, and whom it was about is seen where nobody else is counted.
                let why = format!(
                    "others are told by {} too, and a count cannot tell them apart: give --alert-webhook",
                    said(&wanted)
                );
                evidence.check(wanted.keys().any(|way| !sent.shared.contains(way)), why);
            }
        }
        let now = Told::of(&sent.alertmanager.text("/metrics", &[]).await?);
        delivered = now.since(&sent.before);
        let here = sent.hook.is_none_or(|hook| hook.has(&of.run));
        if here && is_covered(&wanted, &delivered) {
            let by = sent.hook.map_or("", |_| "at the webhook that validate opened, and ");
            let after = began.elapsed().as_secs_f64();
            evidence.note(format!("arrived {by}by Alertmanager's count ({}) after {after:.1} s", said(&delivered)));
            let failed = now.given_up - sent.before.given_up;
            evidence.check(failed <= 0.0, format!("{failed} notifications failed meanwhile"));
            return Ok(true);
        }
    }
    evidence.note(format!("delivered by Alertmanager's count: {:?}", said(&delivered)));
    Ok(false)
}

/// Receivers, and the integrations by which each is told.
type Ways = BTreeMap<String, Vec<String>>;
/// How often, by integration.
type Counts = BTreeMap<String, f64>;

/// What Alertmanager's own configuration says, in the one form in which it prints it.
fn ways(config: &str) -> Ways {
    let (mut ways, mut inside, mut receiver) = (Ways::new(), false, "");
    for line in config.lines() {
        if !line.starts_with([' ', '-']) {
            inside = line == "receivers:";
        }
        if !inside {
            continue;
        }
        if let Some(name) = line.strip_prefix("- name: ") {
            receiver = name.trim_matches(['"', '\'']);
        } else if let Some(way) = line.strip_prefix("  ").and_then(|rest| rest.strip_suffix("_configs:"))
            && !way.starts_with(' ')
        {
            ways.entry(receiver.to_owned()).or_default().push(way.to_owned());
        }
    }
    ways
}

/// Whom Alertmanager tells of an alert.
fn receivers(alert: &Value) -> Vec<String> {
    let all = alert["receivers"].as_array().into_iter().flatten();
    all.filter_map(|one| Some(one["name"].as_str()?.to_owned())).collect()
}

/// How often each integration has to deliver until these are told.
fn needed(ways: &Ways, receivers: &[String]) -> Counts {
    let mut needed = Counts::new();
    for way in receivers.iter().filter_map(|receiver| ways.get(receiver)).flatten() {
        *needed.entry(way.clone()).or_default() += 1.0;
    }
    needed
}

/// Whether all was delivered that is wanted; of nothing nobody is told.
fn is_covered(wanted: &Counts, delivered: &Counts) -> bool {
    let is_told = |(way, times): (&String, &f64)| delivered.get(way).is_some_and(|delivered| delivered >= times);
    !wanted.is_empty() && wanted.iter().all(is_told)
}

fn said(counts: &Counts) -> String {
    counts.keys().map(String::as_str).collect::<Vec<_>>().join(", ")
}

/// What Alertmanager says of its notifications, by integration: which requests were answered, and which of them refused. Its
/// `alertmanager_notifications_total` is no evidence: it counts a notification when its first try begins, not when one succeeds.
#[derive(Debug, Default)]
struct Told {
    answered: Counts,
    refused: Counts,
    /// Notifications that are not tried again.
    given_up: f64,
}

impl Told {
    fn of(metrics: &str) -> Self {
        let mut told = Self::default();
        for line in metrics.lines() {
            let Some((series, value)) = line.rsplit_once(' ') else { continue };
            let (name, labels) = series.split_once('{').unwrap_or_default();
            let value: f64 = value.parse().unwrap_or(0.0);
            let counts = match name {
                "alertmanager_notification_requests_total" => &mut told.answered,
                "alertmanager_notification_requests_failed_total" => &mut told.refused,
                "alertmanager_notifications_failed_total" => {
                    // A failure is counted for each of its reasons.
                    told.given_up += value;
                    continue;
                }
                _ => continue,
            };
            if let Some((integration, _)) =
                labels.split_once("integration=\"").and_then(|(_, rest)| rest.split_once('"'))
            {
                *counts.entry(integration.to_owned()).or_default() += value;
            }
        }
        told
    }

    fn delivered(&self, integration: &str) -> f64 {
        let of = |counts: &Counts| counts.get(integration).copied().unwrap_or(0.0);
        of(&self.answered) - of(&self.refused)
    }

    /// What was delivered since then.
    fn since(&self, before: &Self) -> Counts {
        let more = |name: &String| self.delivered(name) - before.delivered(name);
        self.answered.keys().map(|name| (name.clone(), more(name))).filter(|(_, more)| *more > 0.0).collect()
    }
}

/// A webhook of Alertmanager's, open for as long as it is looked at.
struct Hook {
    arrived: Arc<Mutex<Vec<String>>>,
    stop: CancellationToken,
}

impl Hook {
    async fn open(address: &str) -> Result<Self> {
        let listener = TcpListener::bind(address).await.with_context(|| format!("--alert-webhook {address}"))?;
        let (arrived, stop) = (Arc::default(), CancellationToken::new());
        let router = Router::new().fallback(take).with_state(Arc::clone(&arrived));
        let serving = axum::serve(listener, router).with_graceful_shutdown(stop.clone().cancelled_owned());
        // It ends with the token; what a connection of Alertmanager's runs into is Alertmanager's to count.
        tokio::spawn(async move { serving.await });
        Ok(Self { arrived, stop })
    }

    fn has(&self, run: &str) -> bool {
        self.arrived.lock().unwrap_or_else(PoisonError::into_inner).iter().any(|arrived| arrived == run)
    }
}

impl Drop for Hook {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

/// Notes whose test alerts are in a notification.
async fn take(State(arrived): State<Arc<Mutex<Vec<String>>>>, body: String) {
    let body: Value = serde_json::from_str(&body).unwrap_or_default();
    let alerts = body["alerts"].as_array().into_iter().flatten();
    let runs = alerts.filter(|alert| alert["status"] == "firing");
    let runs = runs.filter_map(|alert| Some(alert["labels"]["validation"].as_str()?.to_owned()));
    arrived.lock().unwrap_or_else(PoisonError::into_inner).extend(runs);
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What Alertmanager 0.25 exports: a webhook and PagerDuty, the first of which was tried, answered, refused and given up so often.
    fn metrics(tried: u32, answered: u32, refused: u32, given_up: u32) -> Told {
        Told::of(&format!(
            "# HELP x\nalertmanager_notifications_total{{integration=\"webhook\"}} {tried}\n\
             alertmanager_notifications_failed_total{{integration=\"webhook\",reason=\"clientError\"}} {given_up}\n\
             alertmanager_notification_requests_total{{integration=\"webhook\"}} {answered}\n\
             alertmanager_notification_requests_failed_total{{integration=\"webhook\"}} {refused}\n\
             alertmanager_notification_requests_total{{integration=\"pagerduty\"}} 1\n"
        ))
    }

    fn counts(of: &[(&str, f64)]) -> Counts {
        of.iter().map(|(way, times)| ((*way).to_owned(), *times)).collect()
    }

    #[test]
    fn what_was_delivered_is_what_was_answered_and_not_refused() {
        let before = metrics(2, 2, 0, 0);
        assert_eq!(before.since(&before), Counts::new());
        assert_eq!(metrics(3, 4, 1, 0).since(&before), counts(&[("webhook", 1.0)]));
        let refused = metrics(3, 3, 1, 1);
        assert_eq!((refused.since(&before), refused.given_up - before.given_up), (Counts::new(), 1.0));
    }

    #[test]
    fn a_notification_that_has_only_begun_is_not_delivered() {
        let before = metrics(2, 2, 0, 0);
        // The receiver hangs, or refuses, and Alertmanager tries again and again.
        assert_eq!(metrics(3, 2, 0, 0).since(&before), Counts::new());
        assert_eq!(metrics(3, 9, 7, 0).since(&before), Counts::new());
    }

    #[test]
    fn every_receiver_is_told_by_its_way() {
        // As Alertmanager prints what it has loaded.
        let ways = ways(
            "global:\n  resolve_timeout: 5m\nroute:\n  receiver: webhook\n  routes:\n  - receiver: pagerduty\nreceivers:\n\
             - name: pagerduty\n  pagerduty_configs:\n  - send_resolved: true\n    routing_key_file: /x\n\
             - name: webhook\n  webhook_configs:\n  - send_resolved: true\n    url: <secret>\n- name: silence\n\
             templates:\n- name: of nobody\n  slack_configs:\n",
        );
        let names = |alert: &Value| needed(&ways, &receivers(alert));
        let alert = json!({"receivers": [{"name": "pagerduty"}, {"name": "webhook"}]});
        assert_eq!(names(&alert), counts(&[("pagerduty", 1.0), ("webhook", 1.0)]));
        assert_eq!(names(&json!({"receivers": [{"name": "silence"}, {"name": "of nobody"}]})), Counts::new());
        // The watchdog's webhook is told all the while: that pages nobody.
        assert!(!is_covered(&names(&alert), &counts(&[("webhook", 5.0)])));
        assert!(is_covered(&names(&alert), &counts(&[("pagerduty", 1.0), ("webhook", 1.0)])));
        assert!(!is_covered(&Counts::new(), &counts(&[("webhook", 1.0)])));
    }

    #[tokio::test]
    async fn a_notification_arrives_at_the_hook() {
        let hook = Hook::open("127.0.0.1:0").await.unwrap();
        let body = json!({"alerts": [
            {"status": "resolved", "labels": {"validation": "old"}}, {"status": "firing", "labels": {"validation": "run"}}]});
        take(State(Arc::clone(&hook.arrived)), body.to_string()).await;
        take(State(Arc::clone(&hook.arrived)), "not JSON".to_owned()).await;
        assert!(hook.has("run") && !hook.has("old"));
    }
}
