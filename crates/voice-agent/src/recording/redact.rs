//! What of a call's words is not kept.

use std::borrow::Cow;

/// Digits of a card's number at least.
const CARD_DIGITS: usize = 12;

/// Whether a card's number is told in this.
pub(super) fn tells_card(text: &str) -> bool {
    text.chars().filter(char::is_ascii_digit).count() >= CARD_DIGITS
}

/// The words without it.
pub(super) fn redact(text: &str) -> Cow<'_, str> {
    if tells_card(text) { text.replace(|c: char| c.is_ascii_digit(), "•").into() } else { text.into() }
}
