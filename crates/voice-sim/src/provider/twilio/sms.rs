//! What Twilio keeps: messages and calls.

use std::collections::BTreeMap;
use std::sync::Mutex;

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
}

impl Sms {
    pub(super) fn to_json(&self, account: &str) -> Value {
        json!({
            "sid": self.sid, "account_sid": account, "from": self.from, "to": self.to, "body": self.body, "status": "queued",
            "direction": "outbound-api", "num_segments": self.segments.to_string(), "num_media": "0", "price": null,
            "price_unit": "USD", "error_code": null, "error_message": null, "api_version": "2010-04-01",
            "date_created": "Mon, 23 Nov 2026 12:00:00 +0000", "uri": format!("/2010-04-01/Accounts/{account}/Messages/{}.json", self.sid),
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
