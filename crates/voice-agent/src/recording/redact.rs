//! What of a call's words is not kept.

use std::borrow::Cow;

use crate::redact::{Kind, card_in_progress, find};

/// Whether a card's number is told in this, or is being told.
pub(super) fn tells_card(text: &str) -> bool {
    card_in_progress(text) || find(text).iter().any(|found| found.kind == Kind::Card)
}

/// The words without what names a person.
pub(super) fn redact(text: &str) -> Cow<'_, str> {
    crate::redact::redact(text)
}
