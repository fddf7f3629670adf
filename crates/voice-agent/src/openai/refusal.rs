//! What a refusal means: status, headers and error body to a [`ProviderFailure`].
//!
//! The format is OpenAI's ("Error codes" and "Rate limits" of its API documentation), and what compatible servers make of
//! it: an object, a bare string, a list with one object.

use jiff::Timestamp;
use reqwest::header::HeaderMap;
use serde_json::Value;
use voice_core::provider::{ProviderErrorKind, ProviderFailure};

/// What does not mend itself (a model that is not served, a region that is not allowed) is not asked again for so long.
const MENDED_BY_HAND_MS: u64 = 3_600_000;
/// Longer than this a provider's own word is not heeded: a day.
const LONGEST_MS: u64 = 24 * 3_600_000;

/// An error as the API words it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ErrorBody {
    message: String,
    /// `type`.
    kind: String,
    code: String,
}

impl ErrorBody {
    /// Reads a refusal's body; none when it is not the API that speaks (a proxy's page, say).
    pub fn parse(body: &[u8]) -> Option<Self> {
        Self::from_json(&serde_json::from_slice(body).ok()?)
    }

    /// Reads an error out of JSON: of a body, or of an event in a stream. None when there is no error in it.
    pub fn from_json(value: &Value) -> Option<Self> {
        match value {
            Value::Array(list) => Self::from_json(list.first()?),
            Value::Object(object) => match object.get("error") {
                Some(Value::String(message)) => Some(Self { message: message.clone(), ..Self::default() }),
                Some(error @ Value::Object(_)) => Some(Self::from_fields(error)),
                // Some servers leave the envelope out.
                None if value["object"] == "error" => Some(Self::from_fields(value)),
                _ => None,
            },
            _ => None,
        }
    }

    fn from_fields(error: &Value) -> Self {
        let text = |field: &str| match &error[field] {
            Value::String(text) => text.clone(),
            Value::Number(number) => number.to_string(),
            _ => String::new(),
        };
        Self { message: text("message"), kind: text("type"), code: text("code") }
    }

    /// The code, or else the type, for a log line: the provider's words, but only if they look like a word.
    pub fn label(&self) -> &str {
        let is_word = |text: &&str| {
            let is_letter = |byte: u8| byte.is_ascii_alphanumeric() || b"_-.".contains(&byte);
            !text.is_empty() && text.len() <= 64 && text.bytes().all(is_letter)
        };
        [self.code.as_str(), self.kind.as_str()].into_iter().find(is_word).unwrap_or_default()
    }

    /// Whether it says that there is no such model.
    pub fn is_model_not_found(&self) -> bool {
        self.is("model_not_found")
    }

    /// Whether it says that the answer came to its limit before anything could be said: so do models that think first.
    pub fn is_output_limit(&self) -> bool {
        self.message.contains("output limit was reached")
    }

    /// Whether it says that the API is not to be had from here.
    fn is_region(&self) -> bool {
        self.is("unsupported_country_region_territory")
    }

    fn is(&self, word: &str) -> bool {
        self.code == word || self.kind == word
    }

    fn is_quota(&self) -> bool {
        ["insufficient_quota", "credit_balance_exhausted", "billing_hard_limit_reached"]
            .iter()
            .any(|word| self.is(word))
    }

    /// The status that an error in the middle of a stream would have had.
    fn status(&self) -> u16 {
        let known = [
            ("model_not_found", 404),
            ("invalid_api_key", 401),
            ("authentication_error", 401),
            ("rate_limit_exceeded", 429),
            ("rate_limit_error", 429),
            ("slow_down", 429),
            ("context_length_exceeded", 400),
            ("invalid_request_error", 400),
        ];
        if let Some(status) = self.code.parse().ok().filter(|status| (400..600).contains(status)) {
            return status;
        }
        let unknown = if self.is_quota() { 429 } else { 500 };
        known.iter().find(|(word, _)| self.is(word)).map_or(unknown, |(_, status)| *status)
    }
}

/// What an answer of this status that is no success means. `now` is for a `Retry-After` that is a date.
pub fn failure(status: u16, headers: &HeaderMap, error: Option<&ErrorBody>, now: Timestamp) -> ProviderFailure {
    let message = error.map(|error| error.message.as_str()).unwrap_or_default();
    let wait_ms = told(headers, now).or_else(|| told_in_words(message)).map(|ms| ms.min(LONGEST_MS));
    classify(status, error, wait_ms)
}

/// What an error in the middle of a stream means.
pub fn failure_in_stream(error: &ErrorBody) -> ProviderFailure {
    let wait_ms = told_in_words(&error.message).map(|ms| ms.min(LONGEST_MS));
    classify(error.status(), Some(error), wait_ms)
}

fn classify(status: u16, error: Option<&ErrorBody>, wait_ms: Option<u64>) -> ProviderFailure {
    let said = |ask: fn(&ErrorBody) -> bool| error.is_some_and(ask);
    let kind = match status {
        401 => ProviderErrorKind::Auth,
        402 => ProviderErrorKind::Quota,
        400..=499 if said(ErrorBody::is_quota) => ProviderErrorKind::Quota,
        429 if said(|error| error.message.contains("Request too large")) => ProviderErrorKind::BadRequest,
        429 => ProviderErrorKind::RateLimited,
        408 | 409 | 425 | 499 | 500..=599 => ProviderErrorKind::Unavailable,
        // A 403 or 404 of something in between may be gone in a moment; the API's own may not.
        404 if error.is_some() => ProviderErrorKind::NotServed,
        400..=498 if said(ErrorBody::is_model_not_found) || said(ErrorBody::is_region) => ProviderErrorKind::NotServed,
        // The key has not the right to it: a scope is missing, say.
        403 if error.is_some() => ProviderErrorKind::Auth,
        400..=498 => ProviderErrorKind::BadRequest,
        _ => ProviderErrorKind::Protocol,
    };
    let retry_after_ms = match kind {
        ProviderErrorKind::RateLimited | ProviderErrorKind::Unavailable => wait_ms,
        ProviderErrorKind::NotServed => Some(MENDED_BY_HAND_MS),
        _ => None,
    };
    ProviderFailure { kind, retry_after_ms }
}

/// When to come back, by the headers: `retry-after-ms`, or `retry-after` in seconds or as a date. Milliseconds.
fn told(headers: &HeaderMap, now: Timestamp) -> Option<u64> {
    let header = |name| headers.get(name).and_then(|value| value.to_str().ok()).map(str::trim);
    let in_ms = header("retry-after-ms").and_then(|text| whole_ms(text, 1.0));
    let after = || {
        let text = header("retry-after")?;
        whole_ms(text, 1_000.0).or_else(|| until(text, now))
    };
    in_ms.or_else(after)
}

fn until(date: &str, now: Timestamp) -> Option<u64> {
    let at = jiff::fmt::rfc2822::parse(date).ok()?.timestamp();
    Some(u64::try_from(at.as_millisecond() - now.as_millisecond()).unwrap_or(0))
}

/// When to come back, by the message: "Please try again in 1.574s", "in 6m0s", "Please retry after 20 seconds". Milliseconds.
fn told_in_words(message: &str) -> Option<u64> {
    let after = ["try again in ", "retry after "].iter().find_map(|words| message.split_once(words))?.1;
    let (mut rest, mut total_ms) = (after, None);
    loop {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(rest.len());
        let (number, tail) = rest.split_at(digits);
        let tail = tail.trim_start_matches(' ');
        let letters = tail.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(tail.len());
        let Some(ms) = unit_ms(&tail[..letters]).and_then(|unit| whole_ms(number, unit)) else { return total_ms };
        total_ms = Some(total_ms.unwrap_or(0) + ms);
        rest = &tail[letters..];
    }
}

fn unit_ms(unit: &str) -> Option<f64> {
    Some(match unit {
        "ms" => 1.0,
        "s" | "sec" | "secs" | "second" | "seconds" => 1_000.0,
        "m" | "min" | "mins" | "minute" | "minutes" => 60_000.0,
        "h" | "hour" | "hours" => 3_600_000.0,
        "d" | "day" | "days" => 86_400_000.0,
        _ => return None,
    })
}

/// A number of units as milliseconds, rounded up; at most [`LONGEST_MS`].
fn whole_ms(number: &str, unit_ms: f64) -> Option<u64> {
    let ms = (number.parse::<f64>().ok().filter(|number| number.is_finite() && *number >= 0.0)? * unit_ms).ceil();
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it is between 0 and a day")]
    Some(ms.min(LONGEST_MS as f64) as u64)
}

#[cfg(test)]
mod tests;
