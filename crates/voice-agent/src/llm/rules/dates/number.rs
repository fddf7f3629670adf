//! Spoken numbers, as far as dates and lists need them.

use crate::numerals;

fn tens(word: &str) -> Option<i64> {
    numerals::tens(word).map(i64::from)
}

fn small(word: &str) -> Option<i64> {
    numerals::small(word).map(i64::from)
}

fn small_ordinal(word: &str) -> Option<i64> {
    numerals::ordinal(word).map(i64::from)
}

/// A cardinal number below 1000 at the start of the words ("three", "twenty five", "14"), and its length in words.
pub(crate) fn cardinal(words: &[&str]) -> Option<(usize, i64)> {
    let first = *words.first()?;
    if first.len() <= 3 && first.bytes().all(|byte| byte.is_ascii_digit()) {
        return first.parse().ok().map(|value| (1, value));
    }
    if let Some((left, right)) = first.split_once('-') {
        return Some((1, tens(left)? + small(right).filter(|unit| (1..10).contains(unit))?));
    }
    if let Some(value) = small(first) {
        return Some((1, value));
    }
    let value = tens(first)?;
    match words.get(1).and_then(|word| small(word)).filter(|unit| (1..10).contains(unit)) {
        Some(unit) => Some((2, value + unit)),
        None => Some((1, value)),
    }
}

/// An ordinal number below 100 ("fifth", "twenty first", "21st"), and its length in words.
pub(crate) fn ordinal(words: &[&str]) -> Option<(usize, i64)> {
    let first = *words.first()?;
    let digits = first.trim_end_matches(|letter: char| letter.is_ascii_alphabetic());
    if !digits.is_empty() && digits.len() <= 2 && matches!(&first[digits.len()..], "st" | "nd" | "rd" | "th") {
        return digits.parse().ok().map(|value| (1, value));
    }
    if let Some((left, right)) = first.split_once('-') {
        return Some((1, tens(left)? + small_ordinal(right).filter(|unit| (1..10).contains(unit))?));
    }
    if let Some(value) = small_ordinal(first) {
        return Some((1, value));
    }
    match first {
        "twentieth" => return Some((1, 20)),
        "thirtieth" => return Some((1, 30)),
        _ => {}
    }
    let unit = words.get(1).and_then(|word| small_ordinal(word)).filter(|unit| (1..10).contains(unit))?;
    Some((2, tens(first)? + unit))
}
