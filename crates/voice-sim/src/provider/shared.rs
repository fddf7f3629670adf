//! What all servers share, and how a request begins.

use std::time::Duration;

use axum::body::Body;
use axum::http::header::{CONTENT_TYPE, RETRY_AFTER};
use axum::http::{HeaderMap, HeaderValue, Response, StatusCode};
use serde_json::Value;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use super::code::Vocabulary;
use super::elevenlabs::Requests;
use super::fault::{FaultKind, Faults, Now};
use super::journal::{End, Journal, Key, Record};
use super::latency::{Latencies, Step};
use super::net::{Wire, Wires};
use super::openai::rules::Rules;
use super::pagerduty::Alerts;
use super::script::Script;
use super::service::Service;
use super::twilio::Telephone;

/// A request that hangs is let go of in the end.
const LONGEST_HANG: Duration = Duration::from_secs(600);

/// What all servers share.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) script: Script,
    pub(crate) journal: Journal,
    pub(crate) faults: Faults,
    pub(crate) latencies: Latencies,
    pub(crate) vocabulary: Vocabulary,
    pub(crate) rules: Rules,
    pub(crate) cartesia_contexts: super::cartesia::Places,
    pub(crate) elevenlabs_requests: Requests,
    pub(crate) telephone: Telephone,
    pub(crate) alerts: Alerts,
    pub(crate) stop: CancellationToken,
    pub(crate) wires: Wires,
}

impl Shared {
    pub(crate) fn new(script: Script) -> Result<Self, String> {
        let mut vocabulary = Vocabulary::default();
        vocabulary.add(&script.words)?;
        for fault in &script.faults {
            fault.check()?;
        }
        Ok(Self {
            journal: Journal::new(),
            faults: Faults::new(script.faults.clone()),
            latencies: Latencies::new(script.seed, &script.latencies),
            vocabulary,
            rules: Rules::new(&script.rules)?,
            cartesia_contexts: super::cartesia::Places::default(),
            elevenlabs_requests: Requests::default(),
            telephone: Telephone::default(),
            alerts: Alerts::default(),
            stop: CancellationToken::new(),
            wires: Wires::default(),
            script,
        })
    }

    /// What happens before the first byte of an answer: the latency, and the faults at `connect`. A fault that leaves something to be
    /// answered comes back; from the others nobody does.
    pub(crate) async fn connect(
        &self,
        service: Service,
        model: Option<&str>,
        wire: &Wire,
        record: &Record,
    ) -> Result<(), FaultKind> {
        sleep(Duration::from_millis(self.latencies.roll(Step::Connect))).await;
        let closed = self.faults.is_closed(service.provider()).then_some(FaultKind::Refuse);
        let Some(kind) = closed.or_else(|| self.faults.take(service, model, Now::Connect)) else { return Ok(()) };
        record.note("fault", format!("{kind}@connect"));
        match kind {
            FaultKind::Refuse | FaultKind::Cut => self.leave(wire, record, kind).await,
            FaultKind::Hang => self.hang(wire, record, "hang@connect").await,
            _ => {}
        }
        record.end(kind.status().map_or(End::Done, |(status, _)| End::Refused(status)));
        Err(kind)
    }

    /// Never answers; the client goes, or the connection is cut in the end.
    pub(crate) async fn hang(&self, wire: &Wire, record: &Record, fault: &str) {
        sleep(LONGEST_HANG).await;
        record.end(End::Fault(fault.to_owned()));
        wire.cut();
    }

    /// Cuts the connection; whoever awaits this is dropped with it.
    pub(crate) async fn leave(&self, wire: &Wire, record: &Record, kind: FaultKind) {
        record.end(End::Fault(kind.to_string()));
        wire.cut();
        sleep(Duration::from_secs(5)).await;
    }
}

/// A JSON answer.
pub(crate) fn json_response(status: u16, body: &Value) -> Response<Body> {
    let mut response = Response::new(Body::from(body.to_string()));
    *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

/// The same with the seconds after which to come again, if they are told.
pub(crate) fn with_retry_after(mut response: Response<Body>, seconds: Option<u64>) -> Response<Body> {
    if let Some(seconds) = seconds {
        response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(seconds));
    }
    response
}

/// The same with one more header.
pub(crate) fn with_header(mut response: Response<Body>, name: &'static str, value: &str) -> Response<Body> {
    if let Ok(value) = HeaderValue::from_str(value) {
        response.headers_mut().insert(name, value);
    }
    response
}

/// Whether a key is the right one.
pub(crate) fn check_key(given: Option<&str>, right: &str) -> Key {
    match given {
        None => Key::Missing,
        Some(given) if given == right => Key::Right,
        Some(_) => Key::Wrong,
    }
}

/// A header as text; none when it is missing or no text.
pub(crate) fn header<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

/// A request's id in the shape of a UUID.
pub(crate) fn request_id(record: &Record) -> String {
    format!("00000000-0000-4000-8000-{:012x}", record.id())
}
