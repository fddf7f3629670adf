//! What names a person, found in what was said and in what is logged: telephone numbers, payment cards, mail addresses and
//! postal addresses, also as they are spoken ("four one one one", "ada at example dot com").
//!
//! Pure functions over text. They are for what is kept for long and read by others (a recording's transcript, a log line): a
//! number too much that is taken out costs little there, and one too few is somebody's. What they cannot know is what a name
//! is; a transcript is personal data with or without them.

mod digit;
mod mail;
mod number;
mod place;
mod run;
#[cfg(test)]
mod tests;
mod token;

use std::borrow::Cow;
use std::ops::Range;

pub use digit::without_digits;

/// What kind of thing was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Kind {
    /// A mail address.
    Mail,
    /// A payment card's number, or what is asked for with it.
    Card,
    /// A telephone number.
    Phone,
    /// A street with its house, or a postcode.
    Address,
}

impl Kind {
    /// What stands in its place.
    pub const fn placeholder(self) -> &'static str {
        match self {
            Self::Mail => "[mail]",
            Self::Card => "[card]",
            Self::Phone => "[phone]",
            Self::Address => "[address]",
        }
    }
}

/// One thing that was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// What it is.
    pub kind: Kind,
    /// Where it stands, in bytes.
    pub range: Range<usize>,
}

/// What a text is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Source {
    /// Somebody's words.
    Speech,
    /// A line of a log: its bare numbers are counts and times.
    Log,
}

/// Everything in a transcript that names a person, in its order; no two overlap.
pub fn find(text: &str) -> Vec<Found> {
    find_in(text, Source::Speech)
}

/// The transcript without it: `"call +1 555 123 4567"` becomes `"call [phone]"`.
pub fn redact(text: &str) -> Cow<'_, str> {
    until_clean(text, Source::Speech)
}

/// As [`redact`], for a line of a log: a number without spaces or a plus is a count there, unless it is a card's.
pub fn redact_log(line: &str) -> Cow<'_, str> {
    until_clean(line, Source::Log)
}

/// What is taken out can show that its neighbour was part of it: `card, 4111 - 4111` is a card's number in two pieces. So it is looked through
/// again until nothing more is found; each time there are fewer digits and words for them.
fn until_clean(text: &str, source: Source) -> Cow<'_, str> {
    let mut clean = replace(text, &find_in(text, source));
    while let Cow::Owned(once) = &clean {
        match replace(once, &find_in(once, source)) {
            Cow::Owned(again) if again != *once => clean = Cow::Owned(again),
            _ => break,
        }
    }
    clean
}

/// Whether the caller is telling a card's digits, or is about to: `text` is what was said so far in this turn. True from
/// "my card number is" and from the eighth digit in a row on, for as long as the text ends with them. Telephone numbers may count as
/// such; dates, times and small numbers do not.
pub fn card_in_progress(text: &str) -> bool {
    let tokens = token::tokens(text);
    number::card_in_progress(text, &tokens)
}

fn find_in(text: &str, source: Source) -> Vec<Found> {
    // Most lines hold nothing: neither a digit nor a word for one.
    let tokens = token::tokens(text);
    let mut found = mail::find(text, &tokens);
    found.extend(number::find(text, &tokens, source));
    if source == Source::Speech {
        found.extend(place::find(text, &tokens));
    }
    without_overlaps(found)
}

/// Of two that overlap the more certain kind stays: in the order of [`Kind`].
fn without_overlaps(mut found: Vec<Found>) -> Vec<Found> {
    found.sort_by_key(|one| (one.kind, one.range.start));
    let mut kept: Vec<Found> = Vec::new();
    for one in found {
        let overlaps = |other: &Found| one.range.start < other.range.end && other.range.start < one.range.end;
        if !kept.iter().any(overlaps) {
            kept.push(one);
        }
    }
    kept.sort_by_key(|one| one.range.start);
    kept
}

fn replace<'t>(text: &'t str, found: &[Found]) -> Cow<'t, str> {
    if found.is_empty() {
        return Cow::Borrowed(text);
    }
    let mut clean = String::with_capacity(text.len());
    let mut at = 0;
    for one in found {
        clean.push_str(&text[at..one.range.start]);
        clean.push_str(one.kind.placeholder());
        at = one.range.end;
    }
    clean.push_str(&text[at..]);
    Cow::Owned(clean)
}
