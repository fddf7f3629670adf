use proptest::prelude::*;

use super::*;

const NOW: &str = "2026-11-23T10:00:00Z";

fn refused(status: u16, body: &str) -> Refusal {
    let upgrade = RefusedUpgrade { status, retry_after: None, dg_error: None, body: body.as_bytes() };
    refusal(upgrade, NOW.parse().unwrap())
}

fn plain(kind: ProviderErrorKind) -> ProviderFailure {
    kind.into()
}

#[test]
fn each_status_is_a_kind() {
    use ProviderErrorKind as Kind;
    for (status, kind) in [
        (200, Kind::Protocol),
        (302, Kind::Protocol),
        (400, Kind::BadRequest),
        (401, Kind::Auth),
        (402, Kind::Quota),
        (403, Kind::Auth),
        (404, Kind::BadRequest),
        (408, Kind::Timeout),
        (429, Kind::RateLimited),
        (500, Kind::Unavailable),
        (502, Kind::Unavailable),
        (503, Kind::Unavailable),
        (599, Kind::Unavailable),
        (999, Kind::Protocol),
    ] {
        assert_eq!(refused(status, "").failure, plain(kind), "{status}");
        assert_eq!(refused(status, "<html>bad gateway, wrong model</html>").failure, plain(kind), "{status}");
    }
}

#[test]
fn both_shapes_of_a_body_are_read() {
    use ProviderErrorKind as Kind;
    for (status, body, kind, code) in [
        (400, include_str!("../fixtures/refused_400_query.json"), Kind::BadRequest, "INVALID_QUERY_PARAMETER"),
        (401, include_str!("../fixtures/refused_401.json"), Kind::Auth, "INVALID_AUTH"),
        (402, include_str!("../fixtures/refused_402.json"), Kind::Quota, "ASR_PAYMENT_REQUIRED"),
        (403, include_str!("../fixtures/refused_403.json"), Kind::Auth, "INSUFFICIENT_PERMISSIONS"),
        (429, include_str!("../fixtures/refused_429.json"), Kind::RateLimited, "TOO_MANY_REQUESTS"),
    ] {
        let refusal = refused(status, body);
        assert_eq!((refusal.failure, refusal.code.as_str()), (plain(kind), code), "{status}");
        assert!(!refusal.about_terms, "{status}");
    }
}

#[test]
fn a_model_that_is_not_served_is_not_asked_for_again_soon() {
    let gone = ProviderFailure { kind: ProviderErrorKind::NotServed, retry_after_ms: Some(3_600_000) };
    assert_eq!(refused(400, include_str!("../fixtures/refused_400_model.json")).failure, gone);
    assert_eq!(refused(403, include_str!("../fixtures/refused_403_model.json")).failure, gone);
    assert_eq!(refused(400, r#"{"category":"X","details":{"parameter":"Model"}}"#).failure, gone);
    // The body may come later than we look; the header does not.
    let upgrade = RefusedUpgrade { status: 400, retry_after: None, dg_error: Some("No such model"), body: b"" };
    let refusal = refusal(upgrade, NOW.parse().unwrap());
    assert_eq!((refusal.failure, refusal.code.as_str()), (gone, "No such model"));
    // Elsewhere it is a word like any other, and in a message about something else.
    for (status, said, kind) in [
        (400, "Keyterm prompting is not available for the requested model.", ProviderErrorKind::BadRequest),
        (400, "Invalid query parameter: numerals is not supported by this model", ProviderErrorKind::BadRequest),
        (403, "The key's role does not allow custom models.", ProviderErrorKind::Auth),
    ] {
        assert_eq!(refused(status, &format!(r#"{{"err_msg":"{said}"}}"#)).failure, plain(kind), "{said}");
    }
    assert_eq!(refused(500, r#"{"err_msg":"model crashed"}"#).failure, plain(ProviderErrorKind::Unavailable));
}

#[test]
fn key_terms_may_be_to_blame() {
    assert!(refused(400, include_str!("../fixtures/refused_400_terms.json")).about_terms);
    assert!([413, 414, 431].into_iter().all(|status| refused(status, "").about_terms));
    assert!(!refused(401, r#"{"err_msg":"keyterm"}"#).about_terms);
}

#[test]
fn who_says_when_to_come_back_is_understood() {
    let after = |status, value| {
        let upgrade = RefusedUpgrade { status, retry_after: Some(value), dg_error: None, body: b"" };
        refusal(upgrade, NOW.parse().unwrap()).failure.retry_after_ms
    };
    assert_eq!(after(429, "7"), Some(7_000));
    assert_eq!(after(503, " 0 "), Some(0));
    assert_eq!(after(429, "Mon, 23 Nov 2026 10:01:30 GMT"), Some(90_000));
    assert_eq!(after(429, "Mon, 23 Nov 2026 09:00:00 GMT"), Some(0));
    assert_eq!(after(429, "18446744073709551615"), Some(MAX_RETRY_MS));
    assert_eq!(after(429, "Mon, 23 Nov 2099 09:00:00 GMT"), Some(MAX_RETRY_MS));
    for nothing in ["", "soon", "-1", "1.5"] {
        assert_eq!(after(429, nothing), None, "{nothing}");
    }
}

#[test]
fn a_close_says_why() {
    use ProviderErrorKind as Kind;
    for (code, reason, kind) in [
        (1000, "", Kind::Disconnected),
        (1001, "", Kind::Disconnected),
        (1005, "", Kind::Disconnected),
        (1006, "", Kind::Disconnected),
        (1002, "", Kind::Protocol),
        (1002, "DATA-0000", Kind::BadRequest),
        (1003, "MESSAGE-0000", Kind::BadRequest),
        (1008, "DATA-0000", Kind::BadRequest),
        (1008, "", Kind::BadRequest),
        (1009, "BIG-0000", Kind::BadRequest),
        (1011, "NET-0000", Kind::Stalled),
        (1011, "error: NET-0001 (no audio)", Kind::Disconnected),
        (1011, "", Kind::Unavailable),
        (1012, "restart", Kind::Unavailable),
        (1013, "later", Kind::Unavailable),
        (4000, "", Kind::Disconnected),
    ] {
        assert_eq!(closed(code, reason), plain(kind), "{code} {reason}");
    }
}

#[test]
fn a_code_does_no_harm_in_a_log_line() {
    assert_eq!(loggable("INVALID_AUTH"), "INVALID_AUTH");
    assert_eq!(loggable("a\nb\u{1b}[31m\"x\""), "ab31mx");
    assert_eq!(loggable(&"x".repeat(1_000)).len(), MAX_CODE_CHARS);
}

proptest! {
    #[test]
    fn no_refusal_panics(status in any::<u16>(), body in prop::collection::vec(any::<u8>(), 0..200), header in ".*") {
        let upgrade =
            RefusedUpgrade { status, retry_after: Some(&header), dg_error: Some(&header), body: &body };
        let refusal = refusal(upgrade, NOW.parse().unwrap());
        prop_assert!(refusal.failure.retry_after_ms.is_none_or(|ms| ms <= MAX_RETRY_MS));
    }

    #[test]
    fn no_close_panics(code in any::<u16>(), reason in ".*") {
        let _any = (closed(code, &reason), stated(&reason, &reason));
    }
}
