//! Which way of consent a telephone number has.

use serde::{Deserialize, Serialize};

use super::{Config, ConfigError, ConsentRule};

/// The countries of the European Economic Area, the United Kingdom and Switzerland: a plain yes, whatever the others have.
const ASKED: [&str; 32] = [
    "+30", "+31", "+32", "+33", "+34", "+351", "+352", "+353", "+354", "+356", "+357", "+358", "+359", "+36", "+370",
    "+371", "+372", "+385", "+386", "+39", "+40", "+41", "+420", "+421", "+423", "+43", "+44", "+45", "+46", "+47",
    "+48", "+49",
];

/// What is shipped.
fn default_prefixes() -> Vec<String> {
    let asked = ASKED.iter().map(|prefix| format!("{prefix}=ask"));
    std::iter::once("+1=announce".to_owned()).chain(asked).collect()
}

/// How callers come to agree to a recording. Which way is lawful where is a question for a lawyer; docs/compliance.md.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Consent {
    /// The version of the privacy notice that callers can read; written down with everything that they decide.
    pub policy_version: String,
    /// By telephone, where `prefixes` names no other way.
    pub phone: ConsentRule,
    /// By telephone without a number.
    pub withheld: ConsentRule,
    /// In LiveKit rooms.
    pub rooms: ConsentRule,
    /// Other ways for numbers that begin like this: `+1=announce`. The longest that fits decides.
    pub prefixes: Vec<String>,
    /// How long a question waits for its answer, once it was heard, in milliseconds.
    pub wait_ms: u64,
}

impl Default for Consent {
    fn default() -> Self {
        Self {
            policy_version: "1".to_owned(),
            phone: ConsentRule::Ask,
            withheld: ConsentRule::Ask,
            rooms: ConsentRule::Ask,
            prefixes: default_prefixes(),
            wait_ms: 6_000,
        }
    }
}

impl Consent {
    /// The way for a call from this number; none if it is withheld.
    pub fn of_number(&self, number: Option<&str>) -> ConsentRule {
        let Some(number) = number else { return self.withheld };
        let fitting =
            self.prefixes.iter().filter_map(|entry| parse(entry)).filter(|(prefix, _)| number.starts_with(prefix));
        fitting.max_by_key(|(prefix, _)| prefix.len()).map_or(self.phone, |(_, rule)| rule)
    }
}

fn parse(entry: &str) -> Option<(&str, ConsentRule)> {
    let (prefix, rule) = entry.split_once('=')?;
    let digits = prefix.trim().strip_prefix('+')?;
    let is_prefix = !digits.is_empty() && digits.len() <= 15 && digits.bytes().all(|byte| byte.is_ascii_digit());
    Some((prefix.trim(), ConsentRule::parse(rule.trim())?)).filter(|_| is_prefix)
}

/// Every prefix says a way, and a policy has a version.
pub(super) fn check(config: &Config) -> Result<(), ConfigError> {
    let version = &config.consent.policy_version;
    if version.trim().is_empty() || version.chars().count() > 64 {
        let reason = "is empty, or longer than 64 characters: a date like 2026-11-29 is a good one";
        return Err(ConfigError::new("consent.policy_version", reason));
    }
    match config.consent.prefixes.iter().find(|entry| parse(entry).is_none()) {
        Some(entry) => {
            let reason = format!("{entry:?} is not like \"+1=announce\" (ask, announce and never work)");
            Err(ConfigError::new("consent.prefixes", reason))
        }
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_prefix_decides_and_a_withheld_number_is_asked() {
        let mut consent = Consent::default();
        for (number, rule) in [
            (Some("+15551234567"), ConsentRule::Announce),
            (Some("+491701234567"), ConsentRule::Ask),
            (Some("+447911123456"), ConsentRule::Ask),
            (Some("+81312345678"), ConsentRule::Ask),
            (None, ConsentRule::Ask),
        ] {
            assert_eq!(consent.of_number(number), rule, "{number:?}");
        }
        consent.prefixes.push("+1416=never".to_owned());
        assert_eq!(consent.of_number(Some("+14165551234")), ConsentRule::Never);
        assert_eq!(consent.of_number(Some("+12125551234")), ConsentRule::Announce);
        consent.phone = ConsentRule::Announce;
        assert_eq!(consent.of_number(Some("+81312345678")), ConsentRule::Announce);
        assert_eq!(consent.of_number(Some("+4930123456")), ConsentRule::Ask, "listed by itself");
    }

    #[test]
    fn a_prefix_that_says_nothing_is_refused() {
        for entry in ["1=ask", "+=ask", "+1", "+1=maybe", "+1a=ask", ""] {
            let mut config = Config::default();
            config.consent.prefixes = vec![entry.to_owned()];
            assert_eq!(check(&config).unwrap_err().key, "consent.prefixes", "{entry}");
        }
        assert_eq!(check(&Config::default()), Ok(()));
    }
}
