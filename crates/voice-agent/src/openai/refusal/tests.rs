use proptest::prelude::*;
use serde_json::json;

use super::*;

const HOUR_MS: u64 = 3_600_000;

fn now() -> Timestamp {
    "2026-11-25T12:00:00Z".parse().unwrap()
}

fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
    pairs.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect()
}

fn refused(status: u16, body: &Value) -> ProviderFailure {
    failure(status, &HeaderMap::new(), ErrorBody::from_json(body).as_ref(), now())
}

fn after(kind: ProviderErrorKind, retry_after_ms: u64) -> ProviderFailure {
    ProviderFailure { kind, retry_after_ms: Some(retry_after_ms) }
}

fn error(kind: &str, code: &str, message: &str) -> Value {
    json!({"error": {"message": message, "type": kind, "param": null, "code": code}})
}

#[test]
fn every_status_has_its_kind() {
    use ProviderErrorKind::{Auth, BadRequest, Protocol, Quota, RateLimited, Unavailable};
    let cases = [
        (400, BadRequest),
        (401, Auth),
        (402, Quota),
        (408, Unavailable),
        (409, Unavailable),
        (413, BadRequest),
        (422, BadRequest),
        (429, RateLimited),
        (499, Unavailable),
        (500, Unavailable),
        (503, Unavailable),
        (529, Unavailable),
        (204, Protocol),
        (302, Protocol),
        (600, Protocol),
    ];
    for (status, kind) in cases {
        assert_eq!(failure(status, &HeaderMap::new(), None, now()), kind.into(), "{status}");
    }
}

#[test]
fn the_apis_own_words_decide() {
    use ProviderErrorKind::{BadRequest, NotServed, Quota, RateLimited};
    let fixtures = [
        (include_str!("../fixtures/invalid_api_key.json"), 401, ProviderErrorKind::Auth.into()),
        (include_str!("../fixtures/model_not_found.json"), 404, after(NotServed, HOUR_MS)),
        (include_str!("../fixtures/unsupported_country.json"), 403, after(NotServed, HOUR_MS)),
        (include_str!("../fixtures/model_not_found.json"), 403, after(NotServed, HOUR_MS)),
        (include_str!("../fixtures/missing_scope.json"), 403, ProviderErrorKind::Auth.into()),
        (include_str!("../fixtures/rate_limit_exceeded.json"), 429, after(RateLimited, 1_574)),
        (include_str!("../fixtures/request_too_large.json"), 429, BadRequest.into()),
        (include_str!("../fixtures/insufficient_quota.json"), 429, Quota.into()),
        (include_str!("../fixtures/context_length_exceeded.json"), 400, BadRequest.into()),
        (include_str!("../fixtures/list_wrapped.json"), 429, RateLimited.into()),
        (include_str!("../fixtures/string.json"), 404, after(NotServed, HOUR_MS)),
    ];
    for (body, status, expected) in fixtures {
        let error = ErrorBody::parse(body.as_bytes());
        assert!(error.is_some(), "{body}");
        assert_eq!(failure(status, &HeaderMap::new(), error.as_ref(), now()), expected, "{body}");
    }
}

#[test]
fn money_that_is_gone_is_told_by_code_or_type() {
    for word in ["insufficient_quota", "credit_balance_exhausted"] {
        assert_eq!(refused(429, &error(word, "", "")), ProviderErrorKind::Quota.into());
        assert_eq!(refused(429, &error("", word, "")), ProviderErrorKind::Quota.into());
        assert_eq!(refused(403, &error("", word, "")), ProviderErrorKind::Quota.into());
    }
}

#[test]
fn what_a_proxy_says_is_not_the_apis_word() {
    for body in
        ["", "<html>not found</html>", "{}", "[]", "null", "7", r#"{"detail":"Not Found"}"#, r#"{"error":null}"#]
    {
        assert_eq!(ErrorBody::parse(body.as_bytes()), None, "{body}");
    }
    assert_eq!(failure(404, &HeaderMap::new(), None, now()), ProviderErrorKind::BadRequest.into());
}

#[test]
fn the_provider_says_when_to_come_back() {
    let limited = |pairs: &[(&'static str, &'static str)]| failure(429, &headers(pairs), None, now()).retry_after_ms;
    assert_eq!(limited(&[("retry-after", "2")]), Some(2_000));
    assert_eq!(limited(&[("retry-after", "0.25")]), Some(250));
    assert_eq!(limited(&[("retry-after-ms", "1574"), ("retry-after", "2")]), Some(1_574));
    assert_eq!(limited(&[("retry-after-ms", "soon"), ("retry-after", "2")]), Some(2_000));
    assert_eq!(limited(&[("retry-after", "Wed, 25 Nov 2026 12:00:30 GMT")]), Some(30_000));
    assert_eq!(limited(&[("retry-after", "Wed, 25 Nov 2026 11:00:00 GMT")]), Some(0));
    assert_eq!(limited(&[("retry-after", "9999999")]), Some(LONGEST_MS));
    for nonsense in ["", "-1", "NaN", "inf", "tomorrow"] {
        assert_eq!(limited(&[("retry-after", nonsense)]), None, "{nonsense}");
    }
    let overloaded = failure(503, &headers(&[("retry-after", "3")]), None, now());
    assert_eq!(overloaded, after(ProviderErrorKind::Unavailable, 3_000));
}

#[test]
fn the_message_says_when_to_come_back() {
    let cases = [
        ("Rate limit reached. Please try again in 1.574s. Visit https://example.com/1s", Some(1_574)),
        ("Please try again in 12ms.", Some(12)),
        ("Please try again in 6m0s.", Some(360_000)),
        ("Please try again in 1h2m3.5s, or ask for more", Some(3_723_500)),
        ("Please retry after 20 seconds.", Some(20_000)),
        ("Please try again in 1 minute", Some(60_000)),
        ("Please try again in 400d", Some(LONGEST_MS)),
        ("Please try again in a while", None),
        ("Please try again in 5", None),
        ("Please try again in ", None),
        ("Please try again in 1.2.3s", None),
        ("Try later", None),
    ];
    for (message, wait_ms) in cases {
        let body = error("tokens", "rate_limit_exceeded", message);
        let expected = ProviderFailure { kind: ProviderErrorKind::RateLimited, retry_after_ms: wait_ms };
        assert_eq!(refused(429, &body), expected, "{message}");
    }
}

#[test]
fn an_error_in_a_stream_is_read_like_a_refusal() {
    use ProviderErrorKind::{Auth, BadRequest, NotServed, Quota, RateLimited, Unavailable};
    let cases = [
        (error("server_error", "", "The server had an error"), Unavailable.into()),
        (error("tokens", "rate_limit_exceeded", "Please try again in 2s"), after(RateLimited, 2_000)),
        (error("insufficient_quota", "insufficient_quota", ""), Quota.into()),
        (error("invalid_request_error", "context_length_exceeded", ""), BadRequest.into()),
        (error("invalid_request_error", "model_not_found", ""), after(NotServed, HOUR_MS)),
        (error("", "invalid_api_key", ""), Auth.into()),
        (json!({"error": {"code": 502, "message": "bad gateway"}}), Unavailable.into()),
        (json!({"error": "out of memory"}), Unavailable.into()),
        (json!({"object": "error", "message": "too long", "type": "BadRequestError", "code": 400}), BadRequest.into()),
    ];
    for (body, expected) in cases {
        assert_eq!(failure_in_stream(&ErrorBody::from_json(&body).unwrap()), expected, "{body}");
    }
}

#[test]
fn a_label_is_a_word_and_nothing_else() {
    let label = |kind: &str, code: &str| ErrorBody::from_json(&error(kind, code, "secret")).unwrap().label().to_owned();
    assert_eq!(label("tokens", "rate_limit_exceeded"), "rate_limit_exceeded");
    assert_eq!(label("server_error", ""), "server_error");
    assert_eq!(label("call my lawyer", "sk-é"), "");
    assert_eq!(label("", &"x".repeat(65)), "");
}

proptest! {
    #[test]
    fn arbitrary_refusals_never_panic(status in any::<u16>(), body in any::<Vec<u8>>(), wait in "[ -~]{0,40}") {
        let headers: HeaderMap = [("retry-after".parse().unwrap(), wait.parse().unwrap())].into_iter().collect();
        let refused = failure(status, &headers, ErrorBody::parse(&body).as_ref(), now());
        prop_assert!(refused.retry_after_ms.is_none_or(|ms| ms <= LONGEST_MS));
    }

    #[test]
    fn arbitrary_messages_never_panic(words in "(try again in )?[0-9a-z. é]{0,40}") {
        let refused = refused(429, &error("", "", &words));
        prop_assert!(refused.retry_after_ms.is_none_or(|ms| ms <= LONGEST_MS));
    }
}
