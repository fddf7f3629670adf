//! Whether a payment card is told in a call: what is not kept of it.

use crate::redact::{Kind, card_in_progress, find};

/// Whether a card's number is told in this, or is being told.
pub(super) fn is_told(text: &str) -> bool {
    card_in_progress(text) || find(text).iter().any(|found| found.kind == Kind::Card)
}
