//! PagerDuty: Events v2 at `/v2/enqueue`.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{ConnectInfo, DefaultBodyLimit, State};
use axum::http::Response;
use axum::routing::post;
use serde::Serialize;
use serde_json::{Map, Value, json};

use super::fault::{FaultKind, Now};
use super::journal::{End, Opening, Record};
use super::lock;
use super::net::Wire;
use super::service::Service;
use super::shared::{Shared, check_key, json_response, with_retry_after};

/// The largest event, in bytes.
const LARGEST_EVENT: usize = 512 * 1024;
/// Alerts that are remembered.
const MOST_ALERTS: usize = 10_000;
const FIELDS: [&str; 9] =
    ["routing_key", "event_action", "dedup_key", "payload", "links", "images", "client", "client_url", "timestamp"];
const PAYLOAD: [&str; 8] =
    ["summary", "source", "severity", "timestamp", "component", "group", "class", "custom_details"];

/// An alert.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Alert {
    /// What it is merged by.
    pub dedup_key: String,
    /// `trigger`, `acknowledge` or `resolve`: the last that came.
    pub state: String,
    /// What it says.
    pub summary: String,
    /// How bad it is.
    pub severity: String,
    /// How often it was triggered while it was open.
    pub triggers: u32,
}

/// All alerts, and when events came.
#[derive(Debug, Default)]
pub(crate) struct Alerts(Mutex<(Vec<Alert>, VecDeque<u64>)>);

impl Alerts {
    pub(crate) fn all(&self) -> Vec<Alert> {
        lock(&self.0).0.clone()
    }

    /// Whether one more event within a minute is too many.
    fn is_too_much(&self, now_ms: u64, most: usize) -> bool {
        let (_, times) = &mut *lock(&self.0);
        times.retain(|at_ms| at_ms + 60_000 > now_ms);
        if times.len() >= most {
            return true;
        }
        times.push_back(now_ms);
        false
    }

    fn apply(&self, event: &Event) {
        let (alerts, _) = &mut *lock(&self.0);
        let has_room = alerts.len() < MOST_ALERTS;
        let open = alerts.iter_mut().rev().find(|alert| alert.dedup_key == event.dedup_key && alert.state != "resolve");
        match (open, event.action.as_str()) {
            (Some(alert), "trigger") => alert.triggers += 1,
            (Some(alert), action) => action.clone_into(&mut alert.state),
            (None, "trigger") if has_room => alerts.push(Alert {
                dedup_key: event.dedup_key.clone(),
                state: "trigger".to_owned(),
                summary: event.summary.clone(),
                severity: event.severity.clone(),
                triggers: 1,
            }),
            // Nothing is open that could be resolved.
            (None, _) => {}
        }
    }
}

/// An event that was understood.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
struct Event {
    action: String,
    dedup_key: String,
    summary: String,
    severity: String,
}

pub(crate) fn router(shared: Arc<Shared>) -> Router {
    Router::new().route("/v2/enqueue", post(enqueue)).layer(DefaultBodyLimit::max(2 * LARGEST_EVENT)).with_state(shared)
}

async fn enqueue(
    State(shared): State<Arc<Shared>>,
    ConnectInfo(wire): ConnectInfo<Wire>,
    body: Bytes,
) -> Response<Body> {
    let mut event: Value = serde_json::from_slice(&body).unwrap_or(Value::Null);
    let key = check_key(event["routing_key"].as_str(), &shared.script.keys.pagerduty);
    let (method, path) = ("POST".to_owned(), "/v2/enqueue".to_owned());
    let record =
        shared.journal.open(Opening { service: Service::PagerDuty, method, path, connection: wire.number, key });
    record.received(body.len(), true);
    let read = read(&event, body.len(), &shared.script.keys.pagerduty, &record);
    if let Some(object) = event.as_object_mut() {
        object.remove("routing_key");
    }
    record.request(&event);
    if let Err(kind) = shared.connect(Service::PagerDuty, None, &wire, &record).await {
        let (status, seconds) = kind.status().unwrap_or((500, None));
        return with_retry_after(refuse(status, "the service failed", &[], &record), seconds);
    }
    if shared.alerts.is_too_much(record.now_ms(), shared.script.limits.pagerduty_events) {
        return refuse(429, "rate limit exceeded", &[], &record);
    }
    let mut event = match read {
        Ok(event) => event,
        Err(errors) => return refuse(400, "Event object is invalid", &errors, &record),
    };
    if event.dedup_key.is_empty() {
        event.dedup_key = format!("{:032x}", record.id());
    }
    record.note(&event.action, event.dedup_key.as_str());
    shared.alerts.apply(&event);
    finish(
        &shared,
        &json!({"status": "success", "message": "Event processed", "dedup_key": event.dedup_key}),
        &wire,
        &record,
    )
    .await
}

/// Answers, unless a fault is on now that the event was taken.
async fn finish(shared: &Shared, answer: &Value, wire: &Wire, record: &Record) -> Response<Body> {
    let mut answer = answer.clone();
    let fault = shared.faults.take(Service::PagerDuty, None, Now::Open(0));
    if let Some(kind) = fault {
        record.note("fault", format!("{kind}@start"));
    }
    match fault {
        Some(FaultKind::Hang) => shared.hang(wire, record, "hang@start").await,
        Some(FaultKind::Cut) => shared.leave(wire, record, FaultKind::Cut).await,
        Some(FaultKind::Unknown) => answer["x_new_field"] = json!([1]),
        Some(kind) if kind.status().is_some() => {
            return refuse(kind.status().map_or(500, |(status, _)| status), "the service failed", &[], record);
        }
        _ => {}
    }
    let text = match fault {
        Some(FaultKind::Empty) => String::new(),
        Some(FaultKind::Malformed) => "{\"status\": \"succ".to_owned(),
        _ => answer.to_string(),
    };
    record.status(202);
    record.sent(text.len(), true);
    record.end(End::Done);
    json_response(202, &Value::Null).map(|_| Body::from(text))
}

fn refuse(status: u16, message: &str, errors: &[String], record: &Record) -> Response<Body> {
    record.status(status);
    record.end(End::Refused(status));
    let word = if status == 429 { "throttle exceeded" } else { "invalid event" };
    json_response(status, &json!({"status": word, "message": message, "errors": errors}))
}

/// Reads an event.
///
/// # Errors
/// All that is wrong with it.
fn read(event: &Value, length: usize, right_key: &str, record: &Record) -> Result<Event, Vec<String>> {
    let Some(object) = event.as_object() else { return Err(vec!["the event is no JSON object".to_owned()]) };
    let mut errors = Vec::new();
    if length > LARGEST_EVENT {
        errors.push("the event is larger than 512 kB".to_owned());
    }
    if text(object, "routing_key") != Some(right_key) {
        errors.push("'routing_key' is invalid".to_owned());
    }
    for unknown in object.keys().filter(|key| !FIELDS.contains(&key.as_str())) {
        record.warn(format!("unknown field {unknown:?}"));
    }
    let action = text(object, "event_action").unwrap_or_default();
    let dedup_key = text(object, "dedup_key").unwrap_or_default();
    if !["trigger", "acknowledge", "resolve"].contains(&action) {
        errors.push("'event_action' is trigger, acknowledge or resolve".to_owned());
    }
    if dedup_key.chars().count() > 255 {
        errors.push("'dedup_key' is longer than 255 characters".to_owned());
    }
    let mut event = Event { action: action.to_owned(), dedup_key: dedup_key.to_owned(), ..Event::default() };
    if action == "trigger" {
        check_payload(object.get("payload"), &mut event, &mut errors, record);
        check_links(object.get("links"), &mut errors);
    } else if dedup_key.is_empty() {
        errors.push("'dedup_key' is required".to_owned());
    }
    if errors.is_empty() { Ok(event) } else { Err(errors) }
}

fn text<'a>(object: &'a Map<String, Value>, name: &str) -> Option<&'a str> {
    object.get(name).and_then(Value::as_str)
}

fn check_payload(payload: Option<&Value>, event: &mut Event, errors: &mut Vec<String>, record: &Record) {
    let Some(payload) = payload.and_then(Value::as_object) else {
        return errors.push("'payload' is missing".to_owned());
    };
    for unknown in payload.keys().filter(|key| !PAYLOAD.contains(&key.as_str())) {
        record.warn(format!("unknown field {unknown:?} of the payload"));
    }
    let summary = text(payload, "summary").unwrap_or_default();
    let severity = text(payload, "severity").unwrap_or_default();
    if summary.is_empty() || summary.chars().count() > 1_024 {
        errors.push("'payload.summary' has 1 to 1024 characters".to_owned());
    }
    if text(payload, "source").unwrap_or_default().is_empty() {
        errors.push("'payload.source' is missing".to_owned());
    }
    if !["critical", "error", "warning", "info"].contains(&severity) {
        errors.push("'payload.severity' is critical, error, warning or info".to_owned());
    }
    let looks_like_a_time = |time: &str| time.len() >= 16 && time.as_bytes()[4] == b'-' && time.contains('T');
    if payload.get("timestamp").is_some_and(|time| !time.as_str().is_some_and(looks_like_a_time)) {
        errors.push("'payload.timestamp' is a time by ISO 8601".to_owned());
    }
    (event.summary, event.severity) = (summary.to_owned(), severity.to_owned());
}

fn check_links(links: Option<&Value>, errors: &mut Vec<String>) {
    let Some(links) = links.filter(|links| !links.is_null()) else { return };
    let is_link = |link: &Value| link["href"].as_str().is_some_and(|href| href.starts_with("http"));
    if !links.as_array().is_some_and(|links| links.iter().all(is_link)) {
        errors.push("'links' is a list of {href, text}".to_owned());
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// Whatever comes is taken or refused; and only what names the right key is taken.
        #[test]
        fn any_event_is_answered(action in "trigger|resolve|x", key in "right|wrong", summary in ".{0,20}", payload in any::<bool>()) {
            let (_journal, record) = Record::of(Service::PagerDuty);
            let mut event = json!({"routing_key": key, "event_action": action, "dedup_key": "d"});
            if payload {
                event["payload"] = json!({"summary": summary, "source": "s", "severity": "info"});
            }
            let read = read(&event, 100, "right", &record);
            let good = key == "right" && (action == "resolve" || action == "trigger" && payload && !summary.is_empty());
            prop_assert_eq!(read.is_ok(), good);
        }
    }
}
