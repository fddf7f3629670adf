//! OpenAI: chat completions, the list of models, and transcription of files.

mod check;
mod chunk;
pub(super) mod manner;
mod messages;
mod multipart;
pub(super) mod rules;
mod tasks;
mod tools;
mod transcription;

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{ConnectInfo, DefaultBodyLimit, Path, State};
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::http::{HeaderMap, HeaderValue, Response};
use axum::routing::{get, post};
use serde_json::{Value, json};
use tokio::time::sleep;

use super::fault::FaultKind;
use super::flow;
use super::journal::{End, Key, Opening, Record};
use super::latency::Step;
use super::net::Wire;
use super::service::Service;
use super::shared::{Shared, check_key, header, json_response, with_header, with_retry_after};
use check::{Asked, Last};
use chunk::ChatStream;
use manner::Wording;
use rules::Reply;

/// Largest body that is taken: an image, or a file to transcribe (25 MB).
const LARGEST_BODY: usize = 26 * 1024 * 1024;

pub(crate) fn router(shared: Arc<Shared>) -> Router {
    Router::new()
        .route("/v1/chat/completions", post(chat))
        .route("/v1/models", get(models))
        .route("/v1/models/{model}", get(model))
        .route("/v1/audio/transcriptions", post(transcription::transcribe))
        .layer(DefaultBodyLimit::max(LARGEST_BODY))
        .with_state(shared)
}

/// An error of the API.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Problem {
    status: u16,
    pub(crate) message: String,
    kind: &'static str,
    param: Option<String>,
    code: Option<&'static str>,
    retry_after_s: Option<u64>,
}

impl Problem {
    fn new(status: u16, kind: &'static str, code: Option<&'static str>, message: &str) -> Self {
        Self { status, message: message.to_owned(), kind, param: None, code, retry_after_s: None }
    }

    /// A request that cannot be served.
    fn invalid(message: &str, param: Option<&str>) -> Self {
        Self { param: param.map(str::to_owned), ..Self::new(400, "invalid_request_error", None, message) }
    }

    /// Something is of the wrong kind.
    fn kind(param: &str, expected: &str) -> Self {
        let message = format!("Invalid type for '{param}': expected {expected}.");
        Self { code: Some("invalid_type"), ..Self::invalid(&message, Some(param)) }
    }

    fn unknown(param: &str) -> Self {
        Self {
            code: Some("unknown_parameter"),
            ..Self::invalid(&format!("Unknown parameter: '{param}'."), Some(param))
        }
    }

    fn model_not_found(model: &str) -> Self {
        let message = format!("The model `{model}` does not exist or you do not have access to it.");
        Self::new(404, "invalid_request_error", Some("model_not_found"), &message)
    }

    fn body(&self) -> Value {
        json!({"error": {"message": self.message, "type": self.kind, "param": self.param, "code": self.code}})
    }

    fn response(&self, record: &Record) -> Response<Body> {
        record.status(self.status);
        record.end(End::Refused(self.status));
        with_retry_after(headed(json_response(self.status, &self.body()), record), self.retry_after_s)
    }
}

/// What a fault's status says.
fn fault_problem(kind: FaultKind) -> Problem {
    let (status, retry_after_s) = kind.status().unwrap_or((500, None));
    let problem = match (kind, status) {
        (FaultKind::Quota, _) | (_, 402) => {
            Problem::new(429, "insufficient_quota", Some("insufficient_quota"), "You exceeded your current quota.")
        }
        (FaultKind::ModelNotFound, _) => Problem::model_not_found("that"),
        (_, 401) => Problem::new(401, "invalid_request_error", Some("invalid_api_key"), "Incorrect API key provided."),
        (_, 429) => {
            let message = "Rate limit reached: Limit 500, Used 500, Requested 1. Please try again in 1.574s.";
            Problem::new(429, "requests", Some("rate_limit_exceeded"), message)
        }
        (_, 503) => Problem::new(503, "server_error", Some("server_is_overloaded"), "The server is overloaded."),
        _ => Problem::new(status, "server_error", None, "The server had an error while processing your request."),
    };
    Problem { retry_after_s, ..problem }
}

fn headed(response: Response<Body>, record: &Record) -> Response<Body> {
    with_header(response, "x-request-id", &format!("req_{:032x}", record.id()))
}

/// Opens the entry of a request.
fn open(
    shared: &Shared,
    service: Service,
    method: &str,
    path: &str,
    wire: &Wire,
    headers: &HeaderMap,
) -> (Record, Key) {
    let given = header(headers, "authorization").map(|value| value.strip_prefix("Bearer ").unwrap_or(""));
    let key = check_key(given, &shared.script.keys.openai);
    let (method, path) = (method.to_owned(), path.to_owned());
    (shared.journal.open(Opening { service, method, path, connection: wire.number, key }), key)
}

fn check_access(key: Key) -> Result<(), Problem> {
    let (code, message) = match key {
        Key::Right => return Ok(()),
        Key::Wrong => (Some("invalid_api_key"), "Incorrect API key provided."),
        Key::Missing => (None, "You didn't provide an API key."),
    };
    Err(Problem::new(401, "invalid_request_error", code, message))
}

async fn chat(
    State(shared): State<Arc<Shared>>,
    ConnectInfo(wire): ConnectInfo<Wire>,
    headers: HeaderMap,
    body: Bytes,
) -> Response<Body> {
    let (record, key) = open(&shared, Service::Chat, "POST", "/v1/chat/completions", &wire, &headers);
    record.received(body.len(), true);
    let request: Value = serde_json::from_slice(&body).unwrap_or(Value::Null);
    record.request(&request);
    let model = request["model"].as_str();
    if let Some(model) = model {
        record.model(model);
    }
    if let Err(kind) = shared.connect(Service::Chat, model, &wire, &record).await {
        let problem = match (kind, model) {
            (FaultKind::ModelNotFound, Some(model)) => Problem::model_not_found(model),
            _ => fault_problem(kind),
        };
        return problem.response(&record);
    }
    let is_json = header(&headers, "content-type").is_some_and(|kind| kind.starts_with("application/json"));
    let asked = check_access(key).and_then(|()| {
        if !is_json || request.is_null() {
            return Err(Problem::invalid("We could not parse the JSON body of your request.", None));
        }
        check::check(&request, &shared.script.models)
    });
    match asked {
        Ok(asked) => complete(shared, asked, record).await,
        Err(problem) => problem.response(&record),
    }
}

/// Answers a good request.
async fn complete(shared: Arc<Shared>, asked: Asked, record: Record) -> Response<Body> {
    let reply = choose(&shared, &asked, &record);
    match &asked.last {
        Last::User(..) => record.note("user", asked.last_text()),
        Last::Tools(results) => record.note("tool_outputs", results.len().to_string()),
        Last::Nothing => {}
    }
    for call in &reply.calls {
        record.note("tool_call", call.name.as_str());
    }
    let id = format!("{:016x}", record.id());
    let first_ms = shared.latencies.roll(Step::Llm);
    record.status(200);
    if !asked.stream {
        sleep(Duration::from_millis(first_ms)).await;
        let whole = chunk::whole(&asked, &reply, &id);
        record.sent(whole.to_string().len(), true);
        record.end(End::Done);
        return headed(json_response(200, &whole), &record);
    }
    let stream = ChatStream::new(&asked, &reply, &id, first_ms, shared.latencies.roll(Step::Token));
    let head = headed(Response::new(Body::empty()), &record);
    let mut response = head.map(|_| flow::body(shared, record, stream));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/event-stream; charset=utf-8"));
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    response
}

/// By the test's rules, or by those that always hold. Tools that were not offered are not called.
fn choose(shared: &Shared, asked: &Asked, record: &Record) -> Reply {
    let mut reply = shared
        .rules
        .answer(asked)
        .unwrap_or_else(|| tasks::answer(asked, Wording { manner: shared.script.manner, brief: asked.brief }));
    reply.calls.retain(|call| {
        let offered = asked.tools.iter().any(|tool| tool.name == call.name);
        if !offered {
            record.warn(format!("a rule calls {}, which the request does not offer", call.name));
        }
        offered
    });
    reply
}

async fn models(
    State(shared): State<Arc<Shared>>,
    ConnectInfo(wire): ConnectInfo<Wire>,
    headers: HeaderMap,
) -> Response<Body> {
    list(&shared, None, &wire, &headers).await
}

async fn model(
    State(shared): State<Arc<Shared>>,
    ConnectInfo(wire): ConnectInfo<Wire>,
    Path(model): Path<String>,
    headers: HeaderMap,
) -> Response<Body> {
    list(&shared, Some(model), &wire, &headers).await
}

/// One model, or all.
async fn list(shared: &Shared, wanted: Option<String>, wire: &Wire, headers: &HeaderMap) -> Response<Body> {
    let (record, key) = open(shared, Service::Models, "GET", "/v1/models", wire, headers);
    if let Err(kind) = shared.connect(Service::Models, wanted.as_deref(), wire, &record).await {
        return fault_problem(kind).response(&record);
    }
    if let Err(problem) = check_access(key) {
        return problem.response(&record);
    }
    let one = |model: &str| json!({"id": model, "object": "model", "created": 1_790_000_000, "owned_by": "system"});
    let served = &shared.script.models;
    let body = match wanted {
        None => json!({"object": "list", "data": served.iter().map(|model| one(model)).collect::<Vec<_>>()}),
        Some(model) if served.contains(&model) => one(&model),
        Some(model) => return Problem::model_not_found(&model).response(&record),
    };
    record.status(200);
    record.sent(body.to_string().len(), true);
    record.end(End::Done);
    headed(json_response(200, &body), &record)
}
