//! `Messages.json` and `Calls/{sid}.json`.

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{ConnectInfo, Path, Query, State};
use axum::http::{HeaderMap, Response};
use axum::routing::{get, post};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::sms::{Sms, rfc2822, segments};
use crate::provider::fault::{FaultKind, Now};
use crate::provider::journal::{End, Key, Opening, Record};
use crate::provider::net::Wire;
use crate::provider::service::Service;
use crate::provider::shared::{Shared, header, json_response, with_retry_after};

/// The longest message, in characters.
const LONGEST_BODY: usize = 1_600;
/// What a message may be sent with.
const MESSAGE: [&str; 14] = [
    "To",
    "From",
    "MessagingServiceSid",
    "Body",
    "MediaUrl",
    "StatusCallback",
    "ValidityPeriod",
    "ProvideFeedback",
    "MaxPrice",
    "Attempt",
    "SmartEncoded",
    "ShortenUrls",
    "SendAt",
    "ScheduleType",
];
/// What a call may be changed with.
const CALL: [&str; 8] =
    ["Status", "Twiml", "Url", "Method", "FallbackUrl", "StatusCallback", "StatusCallbackMethod", "TimeLimit"];

/// An error: the HTTP status, Twilio's code, and what it says.
type Problem = (u16, u32, &'static str);

const NO_ACCESS: Problem = (401, 20003, "Authenticate");
const NOT_FOUND: Problem = (404, 20404, "The requested resource was not found");

pub(crate) fn router(shared: Arc<Shared>) -> Router {
    const ACCOUNT: &str = "/2010-04-01/Accounts/{account}";
    Router::new()
        .route(&format!("{ACCOUNT}/Messages.json"), get(list).post(send))
        .route(&format!("{ACCOUNT}/Messages/{{sid}}"), get(fetch))
        .route(&format!("{ACCOUNT}/Calls/{{sid}}"), post(change).get(describe))
        .with_state(shared)
}

/// A form, or a query.
type Form = Vec<(String, String)>;

fn value<'a>(form: &'a Form, name: &str) -> Option<&'a str> {
    form.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
}

/// Opens the entry, and lets in whoever may.
async fn enter(
    shared: &Shared,
    method: &str,
    path: &str,
    account: &str,
    wire: &Wire,
    headers: &HeaderMap,
    form: &Form,
) -> Result<Record, Response<Body>> {
    let keys = &shared.script.keys;
    let key = match header(headers, "authorization") {
        None => Key::Missing,
        Some(given) => {
            let right = STANDARD.encode(format!("{}:{}", keys.twilio_sid, keys.twilio_token));
            if given.strip_prefix("Basic ") == Some(right.as_str()) { Key::Right } else { Key::Wrong }
        }
    };
    let (method, path) = (method.to_owned(), path.replace(account, "{account}"));
    let record = shared.journal.open(Opening { service: Service::Twilio, method, path, connection: wire.number, key });
    record.request(&json!(form));
    if let Err(kind) = shared.connect(Service::Twilio, None, wire, &record).await {
        let (status, seconds) = kind.status().unwrap_or((500, None));
        let code = match status {
            401 => 20003,
            404 => 20404,
            429 => 20429,
            status => u32::from(status) + 20_000,
        };
        return Err(with_retry_after(refuse((status, code, "the service failed"), &record), seconds));
    }
    if key != Key::Right {
        return Err(refuse(NO_ACCESS, &record));
    }
    if account != keys.twilio_sid {
        return Err(refuse(NOT_FOUND, &record));
    }
    Ok(record)
}

fn refuse((status, code, message): Problem, record: &Record) -> Response<Body> {
    record.status(status);
    record.end(End::Refused(status));
    let more = format!("https://www.twilio.com/docs/errors/{code}");
    json_response(status, &json!({"code": code, "message": message, "more_info": more, "status": status}))
}

/// Answers what was done, unless a fault is on now that it was.
async fn finish(shared: &Shared, status: u16, body: Value, wire: &Wire, record: &Record) -> Response<Body> {
    let mut body = body;
    let fault = shared.faults.take(Service::Twilio, None, Now::Open(0));
    if let Some(kind) = fault {
        record.note("fault", format!("{kind}@start"));
    }
    match fault {
        Some(FaultKind::Hang) => shared.hang(wire, record, "hang@start").await,
        Some(FaultKind::Cut) => shared.leave(wire, record, FaultKind::Cut).await,
        Some(FaultKind::Unknown) => body["x_new_field"] = json!([1, null]),
        Some(kind) if kind.status().is_some() => {
            let (status, _) = kind.status().unwrap_or((500, None));
            return refuse((status, 20_500, "the service failed"), record);
        }
        _ => {}
    }
    let text = match fault {
        Some(FaultKind::Empty) => String::new(),
        Some(FaultKind::Malformed) => "{\"sid\": \"S".to_owned(),
        _ => body.to_string(),
    };
    record.status(status);
    record.sent(text.len(), true);
    record.end(End::Done);
    json_response(status, &Value::Null).map(|_| Body::from(text))
}

/// A form's fields; none when the body is no form.
fn form(headers: &HeaderMap, body: &Bytes) -> Option<Form> {
    let is_form =
        header(headers, "content-type").is_some_and(|kind| kind.starts_with("application/x-www-form-urlencoded"));
    let uri = std::str::from_utf8(body).ok().filter(|_| is_form)?;
    decode_form(uri)
}

/// `a=b&c=d`, percent-decoded.
fn decode_form(text: &str) -> Option<Form> {
    let pairs = text.split('&').filter(|pair| !pair.is_empty());
    pairs.map(|pair| pair.split_once('=').and_then(|(name, value)| Some((percent(name)?, percent(value)?)))).collect()
}

fn percent(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'+' => b' ',
            b'%' => {
                let digits = [rest.next()?, rest.next()?];
                u8::from_str_radix(std::str::from_utf8(&digits).ok()?, 16).ok()?
            }
            byte => byte,
        });
    }
    String::from_utf8(bytes).ok()
}

async fn send(
    State(shared): State<Arc<Shared>>,
    ConnectInfo(wire): ConnectInfo<Wire>,
    Path(account): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Response<Body> {
    let form = form(&headers, &body);
    let path = format!("/2010-04-01/Accounts/{account}/Messages.json");
    let fields = form.clone().unwrap_or_default();
    let record = match enter(&shared, "POST", &path, &account, &wire, &headers, &fields).await {
        Ok(record) => record,
        Err(response) => return response,
    };
    record.received(body.len(), true);
    let Some(form) = form else { return refuse((400, 21_620, "the body is no form"), &record) };
    warn_of_unknown(&form, &MESSAGE, &record);
    match check(&form, &shared, record.id()) {
        Ok(sms) => {
            record.note("sms", format!("{} segments", sms.segments));
            let answer = sms.to_json(&account);
            shared.telephone.send(sms);
            finish(&shared, 201, answer, &wire, &record).await
        }
        Err(problem) => refuse(problem, &record),
    }
}

fn warn_of_unknown(form: &Form, known: &[&str], record: &Record) {
    for (name, _) in form.iter().filter(|(name, _)| !known.contains(&name.as_str())) {
        record.warn(format!("unknown field {name:?}"));
    }
}

/// A plus, and 8 to 15 digits that do not begin with 0.
fn is_number(text: &str) -> bool {
    let digits = text.strip_prefix('+').unwrap_or_default();
    (8..=15).contains(&digits.len()) && digits.chars().all(|c| c.is_ascii_digit()) && !digits.starts_with('0')
}

fn check(form: &Form, shared: &Shared, number: u64) -> Result<Sms, Problem> {
    let to = value(form, "To").ok_or((400, 21_604, "A 'To' phone number is required"))?;
    if !is_number(to) {
        return Err((400, 21_211, "The 'To' number is not a valid phone number"));
    }
    let from = match (value(form, "From"), value(form, "MessagingServiceSid")) {
        (Some(from), _) if from == shared.script.keys.twilio_number => from,
        (Some(from), _) if is_number(from) => {
            return Err((400, 21_606, "The 'From' phone number is not a valid, SMS-capable number of your account"));
        }
        (Some(_), _) => return Err((400, 21_212, "The 'From' number is not valid")),
        (None, Some(service)) if service.starts_with("MG") => service,
        (None, _) => return Err((400, 21_603, "A 'From' phone number is required")),
    };
    let body = value(form, "Body").unwrap_or_default();
    if body.is_empty() && value(form, "MediaUrl").is_none() {
        return Err((400, 21_602, "Message body is required"));
    }
    if body.chars().count() > LONGEST_BODY {
        return Err((400, 21_617, "The concatenated message body exceeds the 1600 character limit"));
    }
    let period = value(form, "ValidityPeriod").map(|period| period.parse::<u32>());
    if period.is_some_and(|period| !period.is_ok_and(|seconds| (1..=36_000).contains(&seconds))) {
        return Err((400, 21_626, "ValidityPeriod is from 1 to 36000"));
    }
    if value(form, "StatusCallback")
        .is_some_and(|url| !url.starts_with("http") || url.split('/').nth(2).is_none_or(|host| host.contains('_')))
    {
        return Err((400, 21_609, "The StatusCallback URL is not valid"));
    }
    if let Some(code) = shared.script.unreachable.get(to) {
        return Err((400, *code, "The message cannot be sent to this number"));
    }
    let (sid, body) = (format!("SM{number:032x}"), body.to_owned());
    let created = rfc2822(SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default());
    Ok(Sms { sid, from: from.to_owned(), to: to.to_owned(), segments: segments(&body), body, created })
}

async fn list(
    State(shared): State<Arc<Shared>>,
    ConnectInfo(wire): ConnectInfo<Wire>,
    Path(account): Path<String>,
    headers: HeaderMap,
    Query(query): Query<Form>,
) -> Response<Body> {
    let path = format!("/2010-04-01/Accounts/{account}/Messages.json");
    let record = match enter(&shared, "GET", &path, &account, &wire, &headers, &query).await {
        Ok(record) => record,
        Err(response) => return response,
    };
    let wanted = |name: &str, given: &str| value(&query, name).is_none_or(|wanted| wanted == given);
    let messages = shared.telephone.messages();
    let found = messages.iter().rev().filter(|sms| wanted("To", &sms.to) && wanted("From", &sms.from)).take(50);
    let found: Vec<Value> = found.map(|sms| sms.to_json(&account)).collect();
    let page = json!({"messages": found, "page": 0, "page_size": 50, "next_page_uri": null});
    finish(&shared, 200, page, &wire, &record).await
}

async fn fetch(
    State(shared): State<Arc<Shared>>,
    ConnectInfo(wire): ConnectInfo<Wire>,
    Path((account, sid)): Path<(String, String)>,
    headers: HeaderMap,
) -> Response<Body> {
    let path = format!("/2010-04-01/Accounts/{account}/Messages/{sid}");
    let record = match enter(&shared, "GET", &path, &account, &wire, &headers, &Vec::new()).await {
        Ok(record) => record,
        Err(response) => return response,
    };
    let messages = shared.telephone.messages();
    match messages.iter().find(|sms| sid.strip_suffix(".json") == Some(&sms.sid)) {
        Some(sms) => finish(&shared, 200, sms.to_json(&account), &wire, &record).await,
        None => refuse(NOT_FOUND, &record),
    }
}

/// The id of a call in a path.
fn call_of(sid: &str) -> Option<&str> {
    let sid = sid.strip_suffix(".json")?;
    let digits = sid.strip_prefix("CA")?;
    (digits.len() == 32 && digits.chars().all(|c| c.is_ascii_hexdigit())).then_some(sid)
}

async fn change(
    State(shared): State<Arc<Shared>>,
    ConnectInfo(wire): ConnectInfo<Wire>,
    Path((account, sid)): Path<(String, String)>,
    headers: HeaderMap,
    body: Bytes,
) -> Response<Body> {
    let path = format!("/2010-04-01/Accounts/{account}/Calls/{sid}");
    let fields = form(&headers, &body).unwrap_or_default();
    let record = match enter(&shared, "POST", &path, &account, &wire, &headers, &fields).await {
        Ok(record) => record,
        Err(response) => return response,
    };
    record.received(body.len(), true);
    warn_of_unknown(&fields, &CALL, &record);
    let Some(call) = call_of(&sid) else { return refuse(NOT_FOUND, &record) };
    if ["completed", "canceled"].contains(&shared.telephone.status(call).as_str()) {
        return refuse(NOT_FOUND, &record);
    }
    let (status, twiml, url) = (value(&fields, "Status"), value(&fields, "Twiml"), value(&fields, "Url"));
    match (status, twiml, url) {
        (Some(status @ ("completed" | "canceled")), None, None) => {
            shared.telephone.set_status(call, status);
            record.note("hang_up", call);
        }
        (None, Some(twiml), None) if twiml.contains("<Response") => record.note("redirect", call),
        (None, Some(_), None) => return refuse((400, 12_100, "The TwiML is not valid"), &record),
        (None, None, Some(url)) if url.starts_with("http") => record.note("redirect", call),
        _ => return refuse((400, 21_218, "One of Status, Twiml or Url is required"), &record),
    }
    let answer =
        json!({"sid": call, "account_sid": account, "status": shared.telephone.status(call), "direction": "inbound"});
    finish(&shared, 200, answer, &wire, &record).await
}

async fn describe(
    State(shared): State<Arc<Shared>>,
    ConnectInfo(wire): ConnectInfo<Wire>,
    Path((account, sid)): Path<(String, String)>,
    headers: HeaderMap,
) -> Response<Body> {
    let path = format!("/2010-04-01/Accounts/{account}/Calls/{sid}");
    let record = match enter(&shared, "GET", &path, &account, &wire, &headers, &Vec::new()).await {
        Ok(record) => record,
        Err(response) => return response,
    };
    let Some(call) = call_of(&sid) else { return refuse(NOT_FOUND, &record) };
    let answer =
        json!({"sid": call, "account_sid": account, "status": shared.telephone.status(call), "direction": "inbound"});
    finish(&shared, 200, answer, &wire, &record).await
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn forms_are_decoded() {
        let expected =
            vec![("To".to_owned(), "+15551234567".to_owned()), ("Body".to_owned(), "a b & c=d ü".to_owned())];
        assert_eq!(decode_form("To=%2B15551234567&Body=a+b+%26+c%3Dd+%C3%BC"), Some(expected));
        assert_eq!(
            (decode_form("a"), decode_form("a=%"), decode_form("a=%zz"), decode_form("a=%ff")),
            (None, None, None, None)
        );
    }

    #[test]
    fn numbers_and_calls() {
        assert!(
            is_number("+15551234567") && !is_number("15551234567") && !is_number("+0123456789") && !is_number("+1555")
        );
        let call = format!("CA{}", "0f".repeat(16));
        assert_eq!(call_of(&format!("{call}.json")), Some(call.as_str()));
        assert!(call_of(&call).is_none() && call_of("CA12.json").is_none());
    }

    proptest! {
        #[test]
        fn no_text_makes_the_form_panic(text in ".{0,100}") {
            let _any_answer = decode_form(&text);
        }
    }
}
