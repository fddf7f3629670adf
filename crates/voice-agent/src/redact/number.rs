//! Telephone numbers and payment cards among the digits.

use super::run::{Run, runs};
use super::token::{Token, gap, is_placeholder};
use super::{Found, Kind, Source};

/// Digits of a card.
const CARD: std::ops::RangeInclusive<usize> = 13..=19;
/// Digits of a telephone number with its country.
const PHONE: std::ops::RangeInclusive<usize> = 7..=15;
/// From so many digits in a row on a caller may be telling a card's.
const MAYBE_CARD: usize = 8;
/// So near the end of what was said, in words, digits are still being told.
const STILL: usize = 3;
/// What numbers things that are nobody's.
const NUMBERED: [&str; 34] = [
    "bug", "bugs", "issue", "issues", "ticket", "tickets", "order", "invoice", "case", "task", "tasks", "item",
    "items", "version", "build", "room", "flight", "page", "pages", "pull", "request", "commit", "revision", "isbn",
    "model", "part", "serial", "port", "error", "id", "year", "line", "lines", "chapter",
];
/// What announces a telephone number.
const DIALLED: [&str; 21] = [
    "call",
    "phone",
    "telephone",
    "number",
    "dial",
    "ring",
    "text",
    "sms",
    "mobile",
    "cell",
    "cellphone",
    "tel",
    "fax",
    "contact",
    "reach",
    "whatsapp",
    "landline",
    "hotline",
    "message",
    "callback",
    "extension",
];
/// What announces a card.
const CARDS: [&str; 9] = ["card", "visa", "mastercard", "amex", "maestro", "cvv", "cvc", "pan", "discover"];
/// What may stand between that and the digits.
const LEADS: [&str; 16] = [
    "number", "numbers", "is", "it's", "its", "it", "the", "a", "uh", "um", "here", "code", "are", "digits", "reads",
    "okay",
];
/// Words that are looked back at.
const BACK: usize = 4;

/// Every one of them.
pub(super) fn find(text: &str, tokens: &[Token<'_>], source: Source) -> Vec<Found> {
    let runs = runs(text, tokens);
    runs.iter()
        .filter_map(|run| Some(Found { kind: kind(text, tokens, run, source)?, range: run.range(text, tokens) }))
        .collect()
}

/// What the digits are.
fn kind(text: &str, tokens: &[Token<'_>], run: &Run, source: Source) -> Option<Kind> {
    let before = Before::of(text, tokens, run);
    if before.card && (3..=19).contains(&run.digits.len()) || has_card(run) {
        return Some(Kind::Card);
    }
    if run.has_plus && PHONE.contains(&run.digits.len()) {
        return Some(Kind::Phone);
    }
    if before.numbered || run.is_count || !PHONE.contains(&run.digits.len()) {
        return None;
    }
    if source == Source::Log {
        // "0.012345678" is seconds there.
        let is_decimal = run.groups.len() == 2 && gap(text, tokens, run.groups[0].token) == ".";
        let is_phone = run.groups.len() > 1 && !run.is_spoken && !is_decimal && is_grouped_phone(text, tokens, run);
        return is_phone.then_some(Kind::Phone);
    }
    let is_phone = run.is_spoken || before.dialled || is_grouped_phone(text, tokens, run) || is_bare_phone(run);
    is_phone.then_some(Kind::Phone)
}

/// What stands before the digits.
#[derive(Debug, Default)]
struct Before {
    card: bool,
    dialled: bool,
    numbered: bool,
}

impl Before {
    fn of(text: &str, tokens: &[Token<'_>], run: &Run) -> Self {
        let is_word = |token: &&Token<'_>| !is_placeholder(text, token);
        let mut before = Self { card: follows_card(text, tokens, run.tokens.start), ..Self::default() };
        let from = run.tokens.start.saturating_sub(BACK);
        for token in tokens[from..run.tokens.start].iter().rev().filter(is_word) {
            before.dialled |= DIALLED.contains(&token.word.as_str());
            before.numbered |= NUMBERED.contains(&token.word.as_str());
        }
        before
    }
}

/// Whether a card is spoken of directly before this word.
fn follows_card(text: &str, tokens: &[Token<'_>], at: usize) -> bool {
    let mut words = tokens[..at.min(tokens.len())].iter().rev().filter(|token| !is_placeholder(text, token));
    let Some(word) = words.find(|token| !LEADS.contains(&token.word.as_str())) else { return false };
    let code = || {
        tokens[..at].windows(2).rev().take(BACK + 1).any(|pair| pair[0].word == "security" && pair[1].word == "code")
    };
    CARDS.contains(&word.word.as_str()) || word.word == "security" && code()
}

/// Whether some of the groups together are a card's number.
fn has_card(run: &Run) -> bool {
    let shape = run.shape();
    let starts = shape.iter().scan(0, |at, len| Some(std::mem::replace(at, *at + len)));
    starts.enumerate().any(|(group, start)| {
        let mut len = 0;
        shape[group..].iter().enumerate().any(|(more, group_len)| {
            len += group_len;
            CARD.contains(&len) && is_card(&run.digits[start..start + len], &shape[group..=group + more], run.is_spoken)
        })
    })
}

/// A card by its check digit, or by its groups: what is spoken may be misheard.
fn is_card(digits: &str, shape: &[usize], is_spoken: bool) -> bool {
    let issued = digits.starts_with(['2', '3', '4', '5', '6']);
    issued && (luhn(digits) || matches!(shape, [4, 4, 4, 4] | [4, 6, 5]) || is_spoken)
}

/// The check of ISO/IEC 7812.
fn luhn(digits: &str) -> bool {
    let sum: u32 = digits
        .bytes()
        .rev()
        .enumerate()
        .map(|(at, byte)| {
            let digit = u32::from(byte.wrapping_sub(b'0'));
            match (at % 2, digit * 2) {
                (0, _) => digit,
                (_, double) if double > 9 => double - 9,
                (_, double) => double,
            }
        })
        .sum();
    sum.is_multiple_of(10)
}

/// A telephone number by how it is parted.
fn is_grouped_phone(text: &str, tokens: &[Token<'_>], run: &Run) -> bool {
    let shape = run.shape();
    let is_usual = match shape.as_slice() {
        [3, 3, 4] | [3, 7] | [6, 4] => is_american(&run.digits),
        [1, 3, 3, 4] => run.digits.strip_prefix('1').is_some_and(is_american),
        [3, 4] => matches!(gap(text, tokens, run.groups[0].token), "-" | "."),
        _ => false,
    };
    is_usual || run.groups.len() > 1 && is_trunk(&run.digits)
}

/// A telephone number in one piece.
fn is_bare_phone(run: &Run) -> bool {
    let digits = run.digits.as_str();
    let american = digits.len() == 10 && is_american(digits)
        || digits.len() == 11 && digits.strip_prefix('1').is_some_and(is_american);
    run.groups.len() == 1 && (american || is_trunk(digits))
}

/// An area and an exchange of the North American plan.
fn is_american(digits: &str) -> bool {
    let part = |at: usize| digits.as_bytes().get(at).is_some_and(|byte| (b'2'..=b'9').contains(byte));
    digits.len() == 10 && part(0) && part(3)
}

/// A number as it is dialled at home (0…) or abroad (00…).
fn is_trunk(digits: &str) -> bool {
    digits.starts_with('0') && (9..=15).contains(&digits.len())
}

/// See [`super::card_in_progress`].
pub(super) fn card_in_progress(text: &str, tokens: &[Token<'_>]) -> bool {
    let last = tokens.len();
    let says_number = tokens.last().is_some_and(|token| LEADS.contains(&token.word.as_str()) || is_code(&token.word));
    if says_number && announces(text, tokens) {
        return true;
    }
    let runs = runs(text, tokens);
    let Some(run) = runs.last().filter(|run| last - run.tokens.end <= STILL) else { return false };
    if follows_card(text, tokens, run.tokens.start) {
        return run.digits.len() >= 2;
    }
    let before = Before::of(text, tokens, run);
    let may_be = run.digits.starts_with(['2', '3', '4', '5', '6']) && run.digits.len() >= MAYBE_CARD;
    may_be && !run.has_plus && !run.is_count && !before.numbered
}

fn is_code(word: &str) -> bool {
    matches!(word, "cvv" | "cvc")
}

/// Whether what is said last announces a card's digits: "my card number is", "the security code".
fn announces(text: &str, tokens: &[Token<'_>]) -> bool {
    let named = |word: &str| matches!(word, "number" | "numbers" | "code" | "digits") || is_code(word);
    follows_card(text, tokens, tokens.len()) && tokens.iter().rev().take(BACK).any(|token| named(&token.word))
}
