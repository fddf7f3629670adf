//! Spoken numbers, as far as dates and lists need them.

const UNITS: [&str; 20] = [
    "zero",
    "one",
    "two",
    "three",
    "four",
    "five",
    "six",
    "seven",
    "eight",
    "nine",
    "ten",
    "eleven",
    "twelve",
    "thirteen",
    "fourteen",
    "fifteen",
    "sixteen",
    "seventeen",
    "eighteen",
    "nineteen",
];
const TENS: [&str; 8] = ["twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"];
const ORDINALS: [&str; 20] = [
    "zeroth",
    "first",
    "second",
    "third",
    "fourth",
    "fifth",
    "sixth",
    "seventh",
    "eighth",
    "ninth",
    "tenth",
    "eleventh",
    "twelfth",
    "thirteenth",
    "fourteenth",
    "fifteenth",
    "sixteenth",
    "seventeenth",
    "eighteenth",
    "nineteenth",
];

fn position(list: &[&str], word: &str) -> Option<i64> {
    list.iter().position(|entry| *entry == word).and_then(|at| i64::try_from(at).ok())
}

fn tens(word: &str) -> Option<i64> {
    position(&TENS, word).map(|at| (at + 2) * 10)
}

/// A cardinal number below 1000 at the start of the words ("three", "twenty five", "14"), and its length in words.
pub(crate) fn cardinal(words: &[&str]) -> Option<(usize, i64)> {
    let first = *words.first()?;
    if first.len() <= 3 && first.bytes().all(|byte| byte.is_ascii_digit()) {
        return first.parse().ok().map(|value| (1, value));
    }
    if let Some((left, right)) = first.split_once('-') {
        return Some((1, tens(left)? + position(&UNITS, right).filter(|unit| (1..10).contains(unit))?));
    }
    if let Some(value) = position(&UNITS, first) {
        return Some((1, value));
    }
    let value = tens(first)?;
    match words.get(1).and_then(|word| position(&UNITS, word)).filter(|unit| (1..10).contains(unit)) {
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
        return Some((1, tens(left)? + position(&ORDINALS, right).filter(|unit| (1..10).contains(unit))?));
    }
    if let Some(value) = position(&ORDINALS, first) {
        return Some((1, value));
    }
    match first {
        "twentieth" => return Some((1, 20)),
        "thirtieth" => return Some((1, 30)),
        _ => {}
    }
    let unit = words.get(1).and_then(|word| position(&ORDINALS, word)).filter(|unit| (1..10).contains(unit))?;
    Some((2, tens(first)? + unit))
}
