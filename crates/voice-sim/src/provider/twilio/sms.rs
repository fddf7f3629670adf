//! What Twilio keeps: messages and calls.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::time::Duration;

use serde::Serialize;
use serde_json::{Value, json};

use crate::provider::lock;

/// Messages and calls that are remembered.
const MOST: usize = 10_000;
/// The characters of GSM 7-bit; those of the second line count twice.
const GSM7: &str = "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà";
const GSM7_TWICE: &str = "^{}\\[~]|€";

/// A message that was sent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Sms {
    /// Its id.
    pub sid: String,
    /// The sender.
    pub from: String,
    /// The receiver.
    pub to: String,
    /// The text.
    pub body: String,
    /// How many segments it is billed as.
    pub segments: usize,
    /// When it was taken, as Twilio writes it (RFC 2822).
    pub created: String,
}

impl Sms {
    pub(super) fn to_json(&self, account: &str) -> Value {
        json!({
            "sid": self.sid, "account_sid": account, "from": self.from, "to": self.to, "body": self.body, "status": "queued",
            "direction": "outbound-api", "num_segments": self.segments.to_string(), "num_media": "0", "price": null,
            "price_unit": "USD", "error_code": null, "error_message": null, "api_version": "2010-04-01",
            "date_created": self.created, "uri": format!("/2010-04-01/Accounts/{account}/Messages/{}.json", self.sid),
        })
    }
}

/// Messages and calls.
#[derive(Debug, Default)]
pub(crate) struct Telephone {
    messages: Mutex<Vec<Sms>>,
    /// The calls that are known, with their status.
    calls: Mutex<BTreeMap<String, String>>,
}

impl Telephone {
    pub(crate) fn messages(&self) -> Vec<Sms> {
        lock(&self.messages).clone()
    }

    pub(super) fn send(&self, sms: Sms) {
        let mut messages = lock(&self.messages);
        if messages.len() < MOST {
            messages.push(sms);
        }
    }

    /// A call's status. One that nobody has heard of is in progress.
    pub(super) fn status(&self, call: &str) -> String {
        lock(&self.calls).get(call).cloned().unwrap_or_else(|| "in-progress".to_owned())
    }

    pub(crate) fn set_status(&self, call: &str, status: &str) {
        let mut calls = lock(&self.calls);
        if calls.len() < MOST || calls.contains_key(call) {
            calls.insert(call.to_owned(), status.to_owned());
        }
    }
}

/// A moment as RFC 2822 has it, in UTC.
pub(super) fn rfc2822(since_1970: Duration) -> String {
    const DAYS: [&str; 7] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];
    const MONTHS: [(&str, u64); 12] = [
        ("Jan", 31),
        ("Feb", 28),
        ("Mar", 31),
        ("Apr", 30),
        ("May", 31),
        ("Jun", 30),
        ("Jul", 31),
        ("Aug", 31),
        ("Sep", 30),
        ("Oct", 31),
        ("Nov", 30),
        ("Dec", 31),
    ];
    let seconds = since_1970.as_secs();
    let (mut day, second) = (seconds / 86_400, seconds % 86_400);
    let weekday = DAYS[usize::try_from(day % 7).unwrap_or(0)];
    let leap = |year: u64| year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    let mut year = 1970;
    while day >= 365 + u64::from(leap(year)) {
        day -= 365 + u64::from(leap(year));
        year += 1;
    }
    let mut month = "Jan";
    for (name, days) in MONTHS {
        month = name;
        let days = days + u64::from(name == "Feb" && leap(year));
        if day < days {
            break;
        }
        day -= days;
    }
    let (hour, minute, second) = (second / 3_600, second / 60 % 60, second % 60);
    format!("{weekday}, {:02} {month} {year} {hour:02}:{minute:02}:{second:02} +0000", day + 1)
}

/// How many segments a text is billed as: 160 characters of GSM 7-bit, or 70 of UCS-2; 153 or 67 each when there are several.
pub(super) fn segments(body: &str) -> usize {
    let gsm: Option<usize> = body
        .chars()
        .map(|c| match () {
            () if GSM7.contains(c) => Some(1),
            () if GSM7_TWICE.contains(c) => Some(2),
            () => None,
        })
        .sum();
    let (units, one, several) = match gsm {
        Some(units) => (units, 160, 153),
        None => (body.encode_utf16().count(), 70, 67),
    };
    if units <= one { 1 } else { units.div_ceil(several) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_written_as_twilio_does() {
        for (seconds, expected) in [
            (0, "Thu, 01 Jan 1970 00:00:00 +0000"),
            (951_827_696, "Tue, 29 Feb 2000 12:34:56 +0000"),
            (1_798_761_599, "Thu, 31 Dec 2026 23:59:59 +0000"),
        ] {
            assert_eq!(rfc2822(Duration::from_secs(seconds)), expected);
        }
    }

    #[test]
    fn segments_are_counted_as_they_are_billed() {
        for (text, expected) in [
            ("", 1),
            (&"a".repeat(160) as &str, 1),
            (&"a".repeat(161), 2),
            (&"a".repeat(306), 2),
            (&"a".repeat(307), 3),
            (&"€".repeat(80), 1),
            (&"€".repeat(81), 2),
            (&"ж".repeat(70), 1),
            (&"ж".repeat(71), 2),
            (&"a😀".repeat(24), 2),
        ] {
            assert_eq!(segments(text), expected, "{} of {:?}", text.chars().count(), text.chars().next());
        }
    }
}
