//! Twilio's messages as pure functions: what is sent, and what an answer says of it.

use std::time::Duration;

use jiff::Timestamp;
use serde::Deserialize;

/// Twilio's code for a receiver who has said STOP.
const OPTED_OUT: u32 = 21_610;

/// What an answer to a message says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Twilio has it.
    Taken(Taken),
    /// The receiver wants none.
    OptedOut,
    /// It will not be sent, with Twilio's code (0: none).
    Refused(u32),
    /// It was not taken; it may be sent again, not before so long.
    Later(Option<Duration>),
    /// It may have been taken, or not.
    Unsure,
}

/// A message that Twilio has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Taken {
    /// Its id.
    pub(super) sid: String,
    /// How many segments it is billed as; none when Twilio does not say.
    pub(super) segments: Option<u64>,
}

#[derive(Deserialize)]
struct Message {
    sid: String,
    #[serde(default)]
    num_segments: Option<String>,
    #[serde(default)]
    body: String,
    #[serde(default)]
    to: String,
    #[serde(default)]
    date_created: Option<String>,
}

#[derive(Deserialize)]
struct Page {
    messages: Vec<Message>,
}

#[derive(Deserialize)]
struct Refusal {
    code: u32,
}

impl Message {
    fn taken(&self) -> Taken {
        let segments = self.num_segments.as_deref().and_then(|text| text.parse().ok());
        Taken { sid: self.sid.clone(), segments }
    }
}

/// The fields of `POST Messages.json`.
pub(super) fn form(to: &str, from: &str, body: &str, status_callback: Option<&str>) -> String {
    let mut form = form_urlencoded::Serializer::new(String::new());
    form.append_pair("To", to).append_pair("From", from).append_pair("Body", body);
    if let Some(url) = status_callback {
        form.append_pair("StatusCallback", url);
    }
    form.finish()
}

/// What an answer to `POST Messages.json` says. `retry_after` is the header of that name, in seconds.
pub(super) fn verdict(status: u16, retry_after: Option<&str>, body: &[u8]) -> Verdict {
    match status {
        200..=299 => match serde_json::from_slice::<Message>(body) {
            Ok(message) if !message.sid.is_empty() => Verdict::Taken(message.taken()),
            _ => Verdict::Unsure,
        },
        429 => Verdict::Later(retry_after.and_then(|text| text.trim().parse().ok()).map(Duration::from_secs)),
        408 | 500..=599 => Verdict::Unsure,
        _ => match serde_json::from_slice::<Refusal>(body) {
            Ok(Refusal { code: OPTED_OUT }) => Verdict::OptedOut,
            Ok(Refusal { code }) => Verdict::Refused(code),
            Err(_) => Verdict::Refused(0),
        },
    }
}

/// The message with this text in an answer to `GET Messages.json`, made at or after `since` (where Twilio says when); an error when
/// it is no such answer.
///
/// # Errors
/// When it cannot be read.
pub(super) fn find(body: &[u8], to: &str, text: &str, since: Timestamp) -> Result<Option<Taken>, serde_json::Error> {
    let page: Page = serde_json::from_slice(body)?;
    let made = |message: &Message| {
        let created = message.date_created.as_deref().and_then(|date| jiff::fmt::rfc2822::parse(date).ok());
        created.is_none_or(|created| created.timestamp() >= since)
    };
    let found = page.messages.iter().find(|message| message.to == to && message.body == text && made(message));
    Ok(found.map(Message::taken))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_message_is_a_form() {
        assert_eq!(
            form("+15551234567", "+15550001111", "a & b", None),
            "To=%2B15551234567&From=%2B15550001111&Body=a+%26+b"
        );
        let with = form("+1", "+2", "x", Some("https://h/twilio/status"));
        assert!(with.ends_with("&StatusCallback=https%3A%2F%2Fh%2Ftwilio%2Fstatus"), "{with}");
    }

    #[test]
    fn answers_say_what_became_of_a_message() {
        let taken = |segments| Verdict::Taken(Taken { sid: "SM1".to_owned(), segments });
        for (status, retry_after, body, expected) in [
            (201, None, r#"{"sid":"SM1","status":"queued","num_segments":"2","new":1}"#, taken(Some(2))),
            (201, None, r#"{"sid":"SM1"}"#, taken(None)),
            (201, None, "", Verdict::Unsure),
            (201, None, r#"{"sid": "S"#, Verdict::Unsure),
            (400, None, r#"{"code":21610,"message":"…","status":400}"#, Verdict::OptedOut),
            (400, None, r#"{"code":21211,"message":"…"}"#, Verdict::Refused(21_211)),
            (401, None, r#"{"code":20003}"#, Verdict::Refused(20_003)),
            (404, None, "<html>", Verdict::Refused(0)),
            (429, Some("2"), r#"{"code":20429}"#, Verdict::Later(Some(Duration::from_secs(2)))),
            (429, Some("soon"), "", Verdict::Later(None)),
            (503, None, "", Verdict::Unsure),
            (500, None, r#"{"code":20500}"#, Verdict::Unsure),
        ] {
            assert_eq!(verdict(status, retry_after, body.as_bytes()), expected, "{status} {body}");
        }
    }

    #[test]
    fn a_message_is_found_again_if_it_is_the_one() {
        let page = br#"{"messages":[
            {"sid":"SM3","to":"+1","body":"other","date_created":"Sun, 29 Nov 2026 12:00:09 +0000"},
            {"sid":"SM2","to":"+1","body":"hello","num_segments":"1","date_created":"Sun, 29 Nov 2026 12:00:05 +0000"},
            {"sid":"SM1","to":"+1","body":"hello","date_created":"Sun, 29 Nov 2026 11:00:00 +0000"}]}"#;
        let since = |text: &str| text.parse::<Timestamp>().unwrap();
        let found = find(page, "+1", "hello", since("2026-11-29T12:00:00Z")).unwrap();
        assert_eq!(found, Some(Taken { sid: "SM2".to_owned(), segments: Some(1) }));
        assert_eq!(find(page, "+1", "hello", since("2026-11-29T12:01:00Z")).unwrap(), None);
        assert_eq!(find(page, "+2", "hello", since("2026-11-29T12:00:00Z")).unwrap(), None);
        assert!(find(b"{}", "+1", "hello", since("2026-11-29T12:00:00Z")).is_err());
    }

    proptest! {
        #[test]
        fn no_answer_panics(status in 200_u16..600, body: Vec<u8>, text in ".{0,40}") {
            drop(verdict(status, Some(&text), &body));
            drop(find(&body, "+1", &text, Timestamp::UNIX_EPOCH));
        }
    }
}
