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

/// What works, but perhaps not as somebody thinks.
pub(super) fn warnings(config: &Config) -> Option<String> {
    (!config.twilio.validate_signatures).then(|| {
        "TWILIO_VALIDATE_SIGNATURES is false: whoever reaches the server may be any caller by telephone; that is for \
         tests only"
            .to_owned()
    })
}
