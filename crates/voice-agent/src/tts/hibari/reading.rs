//! Reads a token: a word by the lexicon's rules, or a number, with its currency and its ending ("3rd", "1990s").

use icu_normalizer::ComposingNormalizerBorrowed;

use super::lexicon::{BARE, Context, Lexicon, Query, add_ed, add_ing, add_s};
use super::numbers;
use super::stress;

/// A token as the lexicon sees it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Word<'a> {
    pub(super) text: &'a str,
    pub(super) tag: &'a str,
    /// The currency sign before an amount.
    pub(super) currency: Option<&'a str>,
    /// Whether the token begins its word.
    pub(super) is_head: bool,
}

/// A currency's unit and its hundredth.
fn currency_units(sign: &str) -> Option<(&'static str, &'static str)> {
    match sign {
        "$" => Some(("dollar", "cent")),
        "£" => Some(("pound", "pence")),
        "€" => Some(("euro", "cent")),
        _ => None,
    }
}

/// Whether the sign is a currency the number reader knows.
pub(super) fn is_currency_sign(sign: &str) -> bool {
    currency_units(sign).is_some()
}

fn is_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

fn is_ordinal_suffix(suffix: &str) -> bool {
    matches!(suffix, "st" | "nd" | "rd" | "th")
}

/// The phonemes of a token, or `None` when neither dictionary nor number rules cover it.
pub(super) fn read(lexicon: &Lexicon, token: Word<'_>, context: Context) -> Option<String> {
    let text = token.text.replace(['‘', '’'], "'");
    let text = ComposingNormalizerBorrowed::new_nfkc().normalize(&text).into_owned();
    let level = if text == text.to_lowercase() {
        None
    } else if text == text.to_uppercase() {
        Some(2.0)
    } else {
        Some(0.5)
    };
    if let Some(phonemes) = lexicon.word(&text, Query { tag: token.tag, stress: level, context: Some(context) }) {
        return Some(match token.currency.and_then(currency_units) {
            Some((unit, _)) => match lexicon.with_s(&format!("{unit}s"), BARE) {
                Some(unit) => format!("{phonemes} {unit}"),
                None => phonemes,
            },
            None => phonemes,
        });
    }
    if is_number(&text, token.is_head) { number(lexicon, &text, token.currency, token.is_head) } else { None }
}

fn is_number(text: &str, is_head: bool) -> bool {
    if !text.bytes().any(|byte| byte.is_ascii_digit()) {
        return false;
    }
    let suffix = ["ing", "'d", "ed", "'s", "st", "nd", "rd", "th", "s"].into_iter().find(|s| text.ends_with(s));
    let stem = suffix.and_then(|suffix| text.strip_suffix(suffix)).unwrap_or(text);
    let fits =
        |(index, c): (usize, char)| c.is_ascii_digit() || c == ',' || c == '.' || (is_head && index == 0 && c == '-');
    stem.char_indices().all(fits)
}

/// Number words as they are collected.
struct Spoken<'a> {
    lexicon: &'a Lexicon,
    words: Vec<String>,
}

impl Spoken<'_> {
    fn say(&mut self, word: &str, level: Option<f32>) {
        self.words.extend(self.lexicon.lookup(word, Query { stress: level, ..BARE }));
    }

    /// Says number words; "and" is left out, "point" is unstressed.
    fn say_all(&mut self, words: &str) {
        for word in words.split(|c: char| !c.is_ascii_lowercase()).filter(|word| !word.is_empty() && *word != "and") {
            self.say(word, (word == "point").then_some(-2.0));
        }
    }

    fn say_number(&mut self, digits: &str) {
        match numbers::parse(digits) {
            Some(n) => self.say_all(&numbers::cardinal(n)),
            None => self.say_digits(digits),
        }
    }

    fn say_digits(&mut self, digits: &str) {
        for digit in digits.chars() {
            self.say_all(numbers::digit(digit));
        }
    }
}

/// Reads a number: year, ordinal, digits, amount or cardinal, as its form suggests.
pub(super) fn number(lexicon: &Lexicon, text: &str, currency: Option<&str>, is_head: bool) -> Option<String> {
    let stem = text.trim_end_matches(|c: char| c.is_ascii_lowercase() || c == '\'');
    let suffix = &text[stem.len()..];
    let mut spoken = Spoken { lexicon, words: Vec::new() };
    let digits = match stem.strip_prefix('-') {
        Some(rest) => {
            spoken.say("minus", None);
            rest
        }
        None => stem,
    };
    let plain = digits.replace(',', "");
    let units = currency.and_then(currency_units);
    if is_digits(digits) && is_ordinal_suffix(suffix) {
        match numbers::parse(digits) {
            Some(n) => spoken.say_all(&numbers::ordinal(n)),
            None => spoken.say_digits(digits),
        }
    } else if stem == digits && digits.len() == 4 && units.is_none() && is_digits(digits) {
        spoken.say_all(&numbers::year(numbers::parse(digits)?));
    } else if !is_head && !digits.contains('.') {
        inner_number(&mut spoken, &plain);
    } else if digits.matches('.').count() > 1 || !is_head {
        dotted_number(&mut spoken, &plain);
    } else if let Some(units) = units.filter(|_| is_amount(digits)) {
        amount(&mut spoken, &plain, units);
    } else {
        plain_number(&mut spoken, digits, &plain, suffix);
    }
    if spoken.words.is_empty() {
        return None;
    }
    let phonemes = spoken.words.join(" ");
    match suffix {
        "s" | "'s" => add_s(&phonemes),
        "ed" | "'d" => add_ed(&phonemes),
        "ing" => add_ing(&phonemes),
        _ => Some(phonemes),
    }
}

/// Whether an amount has at most two decimals.
fn is_amount(digits: &str) -> bool {
    match digits.split_once('.') {
        None => true,
        Some((_, rest)) => !rest.contains('.') && rest.len() < 3,
    }
}

/// A number inside a word: "A113" → "one thirteen", longer ones digit by digit.
fn inner_number(spoken: &mut Spoken<'_>, digits: &str) {
    if digits.starts_with('0') || digits.len() > 3 {
        spoken.say_digits(digits);
    } else if digits.len() == 3 && !digits.ends_with("00") {
        spoken.say_number(&digits[..1]);
        if &digits[1..2] == "0" {
            spoken.say("O", Some(-2.0));
            spoken.say_number(&digits[2..]);
        } else {
            spoken.say_number(&digits[1..]);
        }
    } else {
        spoken.say_number(digits);
    }
}

/// "192.168.0.1" and versions: part by part.
fn dotted_number(spoken: &mut Spoken<'_>, plain: &str) {
    for part in plain.split('.').filter(|part| !part.is_empty()) {
        let round = part.bytes().skip(1).all(|byte| byte == b'0');
        if part.starts_with('0') || (part.len() != 2 && !round) {
            spoken.say_digits(part);
        } else {
            spoken.say_number(part);
        }
    }
}

/// "$3.50" → "three dollars and fifty cents".
fn amount(spoken: &mut Spoken<'_>, plain: &str, units: (&str, &str)) {
    let (whole, rest) = plain.split_once('.').unwrap_or((plain, ""));
    let is_zero = |digits: &str| digits.bytes().all(|byte| byte == b'0');
    let mut parts = vec![(whole, units.0), (rest, units.1)];
    if is_zero(rest) {
        parts.truncate(1);
    } else if is_zero(whole) {
        parts.remove(0);
    }
    for (index, (digits, unit)) in parts.into_iter().enumerate() {
        if index > 0 {
            spoken.say("and", None);
        }
        spoken.say_number(if digits.is_empty() { "0" } else { digits });
        if numbers::parse(digits) == Some(1) || unit == "pence" {
            spoken.say(unit, None);
        } else {
            spoken.words.extend(spoken.lexicon.with_s(&format!("{unit}s"), BARE));
        }
    }
}

fn plain_number(spoken: &mut Spoken<'_>, digits: &str, plain: &str, suffix: &str) {
    if !digits.contains('.') {
        match numbers::parse(plain) {
            Some(n) if is_ordinal_suffix(suffix) && digits != plain => spoken.say_all(&numbers::ordinal(n)),
            Some(n) => spoken.say_all(&numbers::cardinal(n)),
            None => spoken.say_digits(plain),
        }
    } else if let Some(fraction) = plain.strip_prefix('.') {
        spoken.say_all("point");
        spoken.say_digits(fraction);
    } else {
        match numbers::decimal(plain) {
            Some(words) => spoken.say_all(&words),
            None => spoken.say_digits(&plain.replace('.', "")),
        }
    }
}

/// Lowers a phoneme string's stress by half a level, as in the second part of a compound.
pub(super) fn soften(phonemes: &str) -> String {
    stress::apply(phonemes, Some(-0.5))
}
