//! A test alert, from Alertmanager to whoever is told.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context as _, Result};
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
    if hook.is_none() {
        // Without a webhook of one's own there is only a count, and whom it was about is seen when there is nobody else.
        let others = alertmanager.get("/api/v2/alerts", &[("active", "true")]).await.context("Alertmanager")?;
        let others = others.as_array().map_or(0, Vec::len);
        let why =
            format!("{others} other alerts are told of too, and a count cannot tell them apart: give --alert-webhook");
        evidence.check(others == 0, why);
    }
    let before = Told::of(&alertmanager.text("/metrics", &[]).await?);
    send(of, &alertmanager, LASTS_S).await?;
    let began = Instant::now();
    let arrived = told(of, &alertmanager, hook.as_ref(), &before, evidence).await;
    // Whoever was paged is to see it end.
    send(of, &alertmanager, 0).await?;
    let arrived = arrived?;
    evidence.check(arrived, format!("nobody was told within {} s", began.elapsed().as_secs()));
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

/// Waits until the alert has arrived: at the webhook that is open here, or by Alertmanager's own count of what it delivered.
async fn told(
    of: &Deployment,
    alertmanager: &Web,
    hook: Option<&Hook>,
    before: &Told,
    evidence: &mut Evidence,
) -> Result<bool> {
    let began = Instant::now();
    let filter = format!("validation=\"{}\"", of.run);
    let mut receivers = String::new();
    while began.elapsed() < UNTIL_TOLD {
        sleep(Duration::from_millis(500)).await;
        let alerts = alertmanager.get("/api/v2/alerts", &[("filter", &filter)]).await.context("Alertmanager")?;
        if receivers.is_empty() && alerts[0].is_object() {
            let names = alerts[0]["receivers"].as_array().into_iter().flatten();
            receivers = names.filter_map(|one| one["name"].as_str()).collect::<Vec<_>>().join(", ");
            evidence.note(format!("{NAME} ({}) is for: {receivers}", of.args.alert_severity));
        }
        let now = Told::of(&alertmanager.text("/metrics", &[]).await?);
        let delivered = now.since(before);
        let here = hook.is_none_or(|hook| hook.has(&of.run));
        if here && !delivered.is_empty() {
            let by = hook.map_or("", |_| "at the webhook that validate opened, and ");
            evidence.note(format!(
                "arrived {by}by Alertmanager's count ({delivered}) after {:.1} s",
                began.elapsed().as_secs_f64()
            ));
            let failed = now.failed() - before.failed();
            evidence.check(failed <= 0.0, format!("{failed} notifications failed meanwhile"));
            return Ok(true);
        }
    }
    Ok(false)
}

/// What Alertmanager says of its notifications, by integration: what it tried, and what of that failed.
#[derive(Debug, Default)]
struct Told {
    tried: BTreeMap<String, f64>,
    failed: BTreeMap<String, f64>,
}

impl Told {
    fn of(metrics: &str) -> Self {
        let mut told = Self::default();
        for line in metrics.lines() {
            let Some((series, value)) = line.rsplit_once(' ') else { continue };
            let (name, labels) = series.split_once('{').unwrap_or_default();
            let counts = match name {
                "alertmanager_notifications_total" => &mut told.tried,
                "alertmanager_notifications_failed_total" => &mut told.failed,
                _ => continue,
            };
            if let Some((integration, _)) =
                labels.split_once("integration=\"").and_then(|(_, rest)| rest.split_once('"'))
            {
                // A failure is counted for each of its reasons.
                *counts.entry(integration.to_owned()).or_default() += value.parse().unwrap_or(0.0);
            }
        }
        told
    }

    fn failed(&self) -> f64 {
        self.failed.values().sum()
    }

    fn delivered(&self, integration: &str) -> f64 {
        let of = |counts: &BTreeMap<String, f64>| counts.get(integration).copied().unwrap_or(0.0);
        of(&self.tried) - of(&self.failed)
    }

    /// The integrations that delivered something since then.
    fn since(&self, before: &Self) -> String {
        let more = |name: &&String| self.delivered(name) > before.delivered(name);
        self.tried.keys().filter(more).map(String::as_str).collect::<Vec<_>>().join(", ")
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

    #[test]
    fn what_was_delivered_is_what_grew() {
        let metrics = |webhook, failed| {
            format!(
                "# HELP x\nalertmanager_notifications_total{{integration=\"webhook\"}} {webhook}\n\
                 alertmanager_notifications_total{{integration=\"pagerduty\"}} 1\n\
                 alertmanager_notifications_failed_total{{integration=\"webhook\",reason=\"clientError\"}} {failed}\n"
            )
        };
        let (before, after, refused) = (metrics(2, 0), metrics(4, 1), metrics(3, 1));
        let (before, after, refused) = (Told::of(&before), Told::of(&after), Told::of(&refused));
        assert_eq!((before.since(&before), after.since(&before)), (String::new(), "webhook".to_owned()));
        assert_eq!((refused.since(&before), refused.failed() - before.failed()), (String::new(), 1.0));
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
