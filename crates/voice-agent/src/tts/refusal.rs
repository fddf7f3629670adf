//! What a provider's refusal means: its status, its code, and what it says of when to come back.

use reqwest::header::HeaderMap;
use voice_core::provider::{ProviderErrorKind, ProviderFailure};

/// For so long a model that is not served is not asked for again: it does not mend itself within a call.
const UNSERVED_MS: u64 = 3_600_000;
/// No provider is believed to be away for longer than this.
const MAX_RETRY_AFTER_MS: u64 = 3_600_000;

/// A refusal by HTTP status and, where there is one, the provider's own code, which knows better.
pub(super) fn failure(status: u16, code: Option<&str>, retry_after_ms: Option<u64>) -> ProviderFailure {
    let kind = code.and_then(kind_of_code).unwrap_or_else(|| kind_of_status(status));
    let unserved = (code == Some("model_not_found")).then_some(UNSERVED_MS);
    ProviderFailure { kind, retry_after_ms: unserved.or(retry_after_ms) }
}

/// The codes that say more than the status they come with: ElevenLabs sends `quota_exceeded` with 401.
fn kind_of_code(code: &str) -> Option<ProviderErrorKind> {
    Some(match code {
        "quota_exceeded" => ProviderErrorKind::Quota,
        "invalid_api_key" => ProviderErrorKind::Auth,
        "concurrency_limited"
        | "rate_limit_exceeded"
        | "concurrent_limit_exceeded"
        | "too_many_concurrent_requests"
        | "system_busy" => ProviderErrorKind::RateLimited,
        "model_not_found" => ProviderErrorKind::NotServed,
        "max_character_limit_exceeded" => ProviderErrorKind::BadRequest,
        _ => return None,
    })
}

const fn kind_of_status(status: u16) -> ProviderErrorKind {
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

/// What the headers say of when to come back: `retry-after-ms`, or `retry-after` in seconds or as a date.
pub(super) fn retry_after_ms(headers: &HeaderMap, now: jiff::Timestamp) -> Option<u64> {
    let header = |name: &str| headers.get(name)?.to_str().ok().map(str::trim);
    let exact = header("retry-after-ms").and_then(|value| number(value, 1.0));
    let coarse = || {
        let value = header("retry-after")?;
        number(value, 1_000.0).or_else(|| until(value, now))
    };
    exact.or_else(coarse).map(|ms| ms.min(MAX_RETRY_AFTER_MS))
}

fn number(value: &str, unit_ms: f64) -> Option<u64> {
    let value: f64 = value.parse().ok()?;
    // The cast saturates.
    (value >= 0.0).then(|| (value * unit_ms).ceil() as u64)
}

fn until(date: &str, now: jiff::Timestamp) -> Option<u64> {
    let date = jiff::fmt::rfc2822::parse(date).ok()?.timestamp();
    u64::try_from(date.duration_since(now).as_millis()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_knows_better_than_its_status() {
        let kind = |status, code| failure(status, code, None).kind;
        assert_eq!(kind(401, None), ProviderErrorKind::Auth);
        assert_eq!(kind(401, Some("invalid_api_key")), ProviderErrorKind::Auth);
        assert_eq!(kind(401, Some("quota_exceeded")), ProviderErrorKind::Quota);
        assert_eq!(kind(400, Some("system_busy")), ProviderErrorKind::RateLimited);
        assert_eq!(kind(500, Some("something_new")), ProviderErrorKind::Unavailable);
    }

    #[test]
    fn every_status_has_its_kind() {
        let kinds = [
            (400, ProviderErrorKind::BadRequest),
            (401, ProviderErrorKind::Auth),
            (402, ProviderErrorKind::Quota),
            (403, ProviderErrorKind::Auth),
            (404, ProviderErrorKind::BadRequest),
            (408, ProviderErrorKind::Timeout),
            (422, ProviderErrorKind::BadRequest),
            (429, ProviderErrorKind::RateLimited),
            (500, ProviderErrorKind::Unavailable),
            (503, ProviderErrorKind::Unavailable),
            (529, ProviderErrorKind::Unavailable),
            (301, ProviderErrorKind::Protocol),
            (200, ProviderErrorKind::Protocol),
        ];
        for (status, kind) in kinds {
            assert_eq!(failure(status, None, None), kind.into(), "{status}");
        }
    }

    #[test]
    fn a_model_that_is_not_served_is_not_asked_for_again_soon() {
        let gone = failure(404, Some("model_not_found"), Some(5));
        assert_eq!(gone, ProviderFailure { kind: ProviderErrorKind::NotServed, retry_after_ms: Some(UNSERVED_MS) });
    }

    #[test]
    fn when_to_come_back_is_said_in_three_ways() {
        let now: jiff::Timestamp = "2026-11-28T12:00:00Z".parse().unwrap();
        let after = |headers: &[(&'static str, &str)]| {
            let headers = headers.iter().map(|(name, value)| {
                (reqwest::header::HeaderName::from_static(name), reqwest::header::HeaderValue::from_str(value).unwrap())
            });
            retry_after_ms(&headers.collect(), now)
        };
        assert_eq!(after(&[]), None);
        assert_eq!(after(&[("retry-after", "2")]), Some(2_000));
        assert_eq!(after(&[("retry-after", "0.25")]), Some(250));
        assert_eq!(after(&[("retry-after-ms", "150"), ("retry-after", "2")]), Some(150));
        assert_eq!(after(&[("retry-after", "Sat, 28 Nov 2026 12:00:07 GMT")]), Some(7_000));
        assert_eq!(after(&[("retry-after", "Sat, 28 Nov 2026 11:00:00 GMT")]), None);
        assert_eq!(after(&[("retry-after", "999999999999")]), Some(MAX_RETRY_AFTER_MS));
        for nonsense in ["-1", "NaN", "soon", ""] {
            assert_eq!(after(&[("retry-after", nonsense)]), None, "{nonsense}");
        }
    }
}
