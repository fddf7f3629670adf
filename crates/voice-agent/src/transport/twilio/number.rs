//! The caller's number, out of a webhook's form.

use std::fmt;

/// What Twilio gives for a number that is withheld: the words ANONYMOUS, RESTRICTED, BLOCKED, UNKNOWN and UNAVAILABLE, typed on
/// a telephone's keys. None of them is a number that exists.
const WITHHELD: [&str; 5] = ["+266696687", "+7378742833", "+2562533", "+8656696", "+86282452253"];

/// A telephone number as E.164 has it: `+15551234567`. It is personal: neither `Debug` nor `Display` shows it.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct PhoneNumber(String);

impl PhoneNumber {
    /// Reads a number; none if it is withheld, or no number at all (`anonymous`, `client:ada`, `sip:…`).
    pub fn parse(text: &str) -> Option<Self> {
        let digits = text.trim().strip_prefix('+')?;
        let fits = (7..=15).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_digit());
        (fits && !digits.starts_with('0') && !WITHHELD.contains(&text.trim())).then(|| Self(format!("+{digits}")))
    }

    /// The number, said out loud.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for PhoneNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("‹personal›")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_a_number_and_a_withheld_one_is_none() {
        for (text, expected) in [
            ("+15551234567", Some("+15551234567")),
            (" +4930123456 ", Some("+4930123456")),
            ("", None),
            ("+", None),
            ("15551234567", None),
            ("+1555123456789012", None),
            ("+0555123456", None),
            ("+1555123456x", None),
            ("+١٥٥٥١٢٣٤٥٦٧", None),
            ("anonymous", None),
            ("Restricted", None),
            ("client:ada", None),
            ("sip:ada@example.com", None),
            ("+266696687", None),
            ("+7378742833", None),
            ("+2562533", None),
            ("+8656696", None),
            ("+86282452253", None),
        ] {
            let number = PhoneNumber::parse(text);
            assert_eq!(number.as_ref().map(PhoneNumber::reveal), expected, "{text}");
            assert!(!format!("{number:?}").contains("555"));
        }
    }
}
