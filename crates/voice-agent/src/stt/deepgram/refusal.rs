//! How Deepgram says no: refused upgrades, closed connections, errors in the stream. Pure.

use jiff::Timestamp;
use jiff::fmt::rfc2822;
use serde::Deserialize;
use voice_core::provider::{ProviderErrorKind, ProviderFailure};

/// A model that is not served today is not served in a minute either.
const UNKNOWN_MODEL_RETRY_MS: u64 = 3_600_000;
/// Longer than this nobody is told to wait.
const MAX_RETRY_MS: u64 = 24 * 3_600_000;
/// Most characters of a code that goes to the log.
const MAX_CODE_CHARS: usize = 48;

/// What Deepgram says of a model that it does not serve, or not to us, in lower case. That a message speaks of a model is not
/// enough: so does one about a parameter that the model does not know.
const NO_MODEL: [&str; 9] = [
    "no such model",
    "requested model",
    "unknown model",
    "invalid model",
    "unsupported model",
    "model not found",
    "model is deprecated",
    "model is no longer",
    "query parameter: model",
];

/// An upgrade that was refused.
#[derive(Debug, Clone, Copy)]
pub struct RefusedUpgrade<'a> {
    /// The HTTP status.
    pub status: u16,
    /// The header `Retry-After`.
    pub retry_after: Option<&'a str>,
    /// The header `dg-error`.
    pub dg_error: Option<&'a str>,
    /// As much of the body as came.
    pub body: &'a [u8],
}

/// What a refusal means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// The failure.
    pub failure: ProviderFailure,
    /// It is about the key terms: without them it may do.
    pub about_terms: bool,
    /// The provider's code, fit for a log line; empty when there is none.
    pub code: String,
}

/// Both shapes of an error body.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Body {
    err_code: Option<String>,
    err_msg: Option<String>,
    category: Option<String>,
    message: Option<String>,
    details: Option<serde_json::Value>,
}

/// Reads a refused upgrade. `now` is for a `Retry-After` that is a date.
pub fn refusal(refused: RefusedUpgrade<'_>, now: Timestamp) -> Refusal {
    // The body is a help, not a condition: a proxy's is HTML, and it may be cut.
    let body: Body = serde_json::from_slice(refused.body).unwrap_or_default();
    let is_of_model = body.details.as_ref().is_some_and(|details| {
        details["parameter"].as_str().is_some_and(|parameter| parameter.eq_ignore_ascii_case("model"))
    });
    let details = body.details.map(|details| details.to_string());
    let said = [refused.dg_error, body.err_code.as_deref(), body.err_msg.as_deref(), body.category.as_deref()];
    let said = said.into_iter().chain([body.message.as_deref(), details.as_deref()]).flatten();
    let said = said.collect::<Vec<_>>().join(" ").to_ascii_lowercase();
    let is_wrong_request = matches!(refused.status, 400 | 403);
    let about_terms = matches!(refused.status, 413 | 414 | 431) || is_wrong_request && said.contains("keyterm");
    let is_of_model = is_of_model || NO_MODEL.iter().any(|words| said.contains(words));
    let failure = if is_wrong_request && is_of_model && !about_terms {
        unknown_model()
    } else {
        let retry_after_ms = refused.retry_after.and_then(|value| retry_after_ms(value, now));
        ProviderFailure { kind: status_kind(refused.status), retry_after_ms }
    };
    let code = body.err_code.or(body.category).or_else(|| refused.dg_error.map(str::to_owned));
    Refusal { failure, about_terms, code: loggable(&code.unwrap_or_default()) }
}

fn unknown_model() -> ProviderFailure {
    ProviderFailure { kind: ProviderErrorKind::NotServed, retry_after_ms: Some(UNKNOWN_MODEL_RETRY_MS) }
}

const fn status_kind(status: u16) -> ProviderErrorKind {
    match status {
        401 | 403 => ProviderErrorKind::Auth,
        402 => ProviderErrorKind::Quota,
        408 => ProviderErrorKind::Timeout,
        429 => ProviderErrorKind::RateLimited,
        400..=499 => ProviderErrorKind::BadRequest,
        500..=599 => ProviderErrorKind::Unavailable,
        _ => ProviderErrorKind::Protocol,
    }
}

/// `Retry-After`, which is seconds or a date.
fn retry_after_ms(value: &str, now: Timestamp) -> Option<u64> {
    let value = value.trim();
    let ms = match value.parse::<u64>() {
        Ok(seconds) => seconds.saturating_mul(1_000),
        Err(_) => {
            let date = rfc2822::parse(value).ok()?.timestamp();
            u64::try_from(date.as_millisecond().saturating_sub(now.as_millisecond())).unwrap_or(0)
        }
    };
    Some(ms.min(MAX_RETRY_MS))
}

/// What a close frame means.
pub fn closed(code: u16, reason: &str) -> ProviderFailure {
    let kind = match (code, net_code(reason)) {
        (_, Some(kind)) => kind,
        // Going away, restarting, overloaded: another connection may do.
        (1011..=1013, None) => ProviderErrorKind::Unavailable,
        // What we sent was not taken: data of the wrong kind, undecodable, against a rule, too big.
        (1003 | 1007..=1009, None) => ProviderErrorKind::BadRequest,
        (1002, None) => ProviderErrorKind::Protocol,
        _ => ProviderErrorKind::Disconnected,
    };
    kind.into()
}

/// What an `Error` in the stream means, by its code and its variant.
pub fn stated(code: &str, variant: &str) -> ProviderFailure {
    let kind = net_code(code).or_else(|| net_code(variant)).unwrap_or_else(|| {
        let is_ours = ["schema", "deserial", "invalid", "unparsable", "bad"];
        let said = format!("{code} {variant}").to_ascii_lowercase();
        let is_ours = is_ours.iter().any(|word| said.contains(word));
        if is_ours { ProviderErrorKind::BadRequest } else { ProviderErrorKind::Unavailable }
    });
    kind.into()
}

/// The documented codes.
fn net_code(text: &str) -> Option<ProviderErrorKind> {
    let codes = [
        ("DATA-", ProviderErrorKind::BadRequest),
        ("MESSAGE-", ProviderErrorKind::BadRequest),
        ("BIG-", ProviderErrorKind::BadRequest),
        // The service said nothing for too long.
        ("NET-0000", ProviderErrorKind::Stalled),
        // We said nothing for too long: another connection will do.
        ("NET-0001", ProviderErrorKind::Disconnected),
    ];
    codes.into_iter().find(|(code, _)| text.contains(code)).map(|(_, kind)| kind)
}

/// A provider's code or id, so that it can do no harm in a log line.
pub(super) fn loggable(text: &str) -> String {
    let is_plain = |c: &char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.' | ' ');
    text.chars().filter(is_plain).take(MAX_CODE_CHARS).collect()
}

#[cfg(test)]
#[path = "tests/refusal.rs"]
mod tests;
