//! Whether the settings of the telephone can work.

use super::{Config, ConfigError};
use crate::transport::twilio::PhoneNumber;

/// Checks them, each and together.
pub(super) fn check(config: &Config) -> Result<(), ConfigError> {
    let twilio = &config.twilio;
    if !twilio.account_sid.is_empty() && !twilio.account_sid.starts_with("AC") {
        let reason =
            format!("{:?} is not an account's id: Twilio's console shows it, it begins with AC", twilio.account_sid);
        return Err(ConfigError::new("twilio.account_sid", reason));
    }
    if !twilio.from_number.is_empty() && PhoneNumber::parse(&twilio.from_number).is_none() {
        return Err(ConfigError::new("twilio.from_number", "is not a telephone number like +15551234567"));
    }
    if twilio.base_url.is_empty() {
        return Err(ConfigError::new("twilio.base_url", "is empty: https://api.twilio.com is Twilio's own"));
    }
    if config.pagerduty.base_url.is_empty() {
        return Err(ConfigError::new(
            "pagerduty.base_url",
            "is empty: https://events.pagerduty.com is PagerDuty's own",
        ));
    }
    if config.secrets.pagerduty_key.as_ref().is_some_and(|key| key.reveal().trim().is_empty()) {
        return Err(ConfigError::new(
            "PAGERDUTY_ROUTING_KEY",
            "is blank: a service's integration page shows the right one",
        ));
    }
    if !twilio.validate_signatures {
        return Ok(());
    }
    match &config.secrets.twilio_auth_token {
        None if twilio.account_sid.is_empty() => Ok(()),
        None => Err(ConfigError::new(
            "TWILIO_AUTH_TOKEN",
            "is not set, and twilio.account_sid is: without the token nobody can tell Twilio's requests from others'. Set it \
             (Twilio's console shows it), or TWILIO_VALIDATE_SIGNATURES=false for tests",
        )),
        Some(token) if token.reveal().trim().is_empty() => Err(ConfigError::new(
            "TWILIO_AUTH_TOKEN",
            "is blank: a blank key would vouch for everybody's requests. Twilio's console shows the right one",
        )),
        Some(_) if !config.public_url.starts_with("https://") => Err(ConfigError::new(
            "public_url",
            format!(
                "{:?} is not what Twilio can call: with TWILIO_AUTH_TOKEN it must be this server's address as Twilio has \
                 it, and begin with https://, like https://voice.example.com",
                config.public_url
            ),
        )),
        Some(_) => Ok(()),
    }
}

/// The numbers, with the least and the most that work.
pub(super) fn ranges(config: &Config) -> [(&'static str, u64, u64, u64); 19] {
    let (twilio, page) = (&config.twilio, &config.pagerduty);
    [
        ("twilio.start_timeout_ms", twilio.start_timeout_ms, 100, 60_000),
        ("twilio.max_malformed", u64::from(twilio.max_malformed), 0, 1_000),
        // Twilio itself waits 15 s.
        ("twilio.sms_reply_ms", twilio.sms_reply_ms, 100, 14_000),
        ("twilio.sms_late_ms", twilio.sms_late_ms, 1_000, 600_000),
        ("twilio.sms_pending", twilio.sms_pending as u64, 1, 10_000),
        ("twilio.sms_idle_ms", twilio.sms_idle_ms, 1_000, 3_600_000),
        ("twilio.sms_max_segments", twilio.sms_max_segments as u64, 1, 10),
        ("twilio.sms_max_messages", twilio.sms_max_messages as u64, 1, 20),
        ("twilio.sms_attempts", u64::from(twilio.sms_attempts), 1, 20),
        ("twilio.sms_attempt_ms", twilio.sms_attempt_ms, 100, 60_000),
        ("twilio.sms_retry_ms", twilio.sms_retry_ms, 10, 10_000),
        ("twilio.sms_deadline_ms", twilio.sms_deadline_ms, 1_000, 300_000),
        ("twilio.fallback_sms_gap_ms", twilio.fallback_sms_gap_ms, 0, 86_400_000),
        ("pagerduty.attempts", u64::from(page.attempts), 1, 20),
        ("pagerduty.attempt_ms", page.attempt_ms, 100, 60_000),
        ("pagerduty.retry_ms", page.retry_ms, 10, 30_000),
        ("pagerduty.events_per_minute", u64::from(page.events_per_minute), 1, 120),
        ("pagerduty.repeat_ms", page.repeat_ms, 1_000, 86_400_000),
        ("pagerduty.queue", page.queue as u64, 1, 10_000),
    ]
}

/// What works, but perhaps not as somebody thinks.
pub(super) fn warn(config: &Config, warnings: &mut Vec<String>) {
    let twilio = &config.twilio;
    if !twilio.validate_signatures {
        warnings.push(
            "TWILIO_VALIDATE_SIGNATURES is false: whoever reaches the server may be any caller by telephone; that is for \
             tests only"
                .to_owned(),
        );
    }
    let can_send = config.secrets.twilio_auth_token.is_some() && !twilio.account_sid.is_empty();
    if twilio.from_number.is_empty() && config.secrets.twilio_auth_token.is_some() {
        warnings.push(
            "TWILIO_FROM_NUMBER is not set: no text message is sent when voice fails, or when an answer to one takes long"
                .to_owned(),
        );
    } else if !twilio.from_number.is_empty() && !can_send {
        warnings.push(
            "TWILIO_FROM_NUMBER is set, and TWILIO_ACCOUNT_SID or TWILIO_AUTH_TOKEN is not: no text message can be sent"
                .to_owned(),
        );
    }
    let is_served = config.has_phone() || !config.public_url.is_empty();
    if config.secrets.pagerduty_key.is_none() && is_served {
        warnings.push(
            "PAGERDUTY_ROUTING_KEY is not set: when voice and text have both failed nobody is paged; an ERROR in the log \
             says so"
                .to_owned(),
        );
    }
}
