//! A text without any digit: for what is said while a card's number is told in pieces, none of which looks like one.

use super::token::{Token, is_placeholder, tokens};
use crate::numerals;

/// What stands in the place of digits in a row.
const DIGITS: &str = "[digits]";
/// Words that are digits only beside others.
const BESIDE: [&str; 5] = ["oh", "o", "hundred", "thousand", "and"];

/// The text with every number in it, written or spoken, taken out.
pub fn without_digits(text: &str) -> String {
    let tokens = tokens(text);
    let mut is_digit: Vec<bool> = tokens.iter().map(|token| !is_placeholder(text, token) && is_number(token)).collect();
    for at in 0..tokens.len() {
        let before = at > 0 && is_digit[at - 1];
        let after = is_digit.get(at + 1).copied().unwrap_or(false);
        is_digit[at] |= BESIDE.contains(&tokens[at].word.as_str()) && (before || after);
    }
    let mut clean = String::with_capacity(text.len());
    let (mut at, mut in_row) = (0, false);
    for (token, is_digit) in tokens.iter().zip(is_digit) {
        if !is_digit {
            clean.push_str(&text[at..token.end()]);
        } else if !in_row {
            clean.push_str(&text[at..token.start]);
            clean.push_str(DIGITS);
        }
        (at, in_row) = (token.end(), is_digit);
    }
    clean.push_str(&text[at..]);
    clean
}

fn is_number(token: &Token<'_>) -> bool {
    let word = token.word.as_str();
    token.text.chars().any(char::is_numeric)
        || numerals::small(word).is_some()
        || numerals::tens(word).is_some()
        || matches!(word, "double" | "triple" | "treble" | "nought" | "naught" | "nil")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn numbers_in_a_row_are_one_placeholder_and_words_stay() {
        for (text, clean) in [
            ("four one one one", "[digits]"),
            ("It's 4111, then double one, oh two.", "It's [digits], then [digits]."),
            ("forty-one eleven please", "[digits] please"),
            ("oh well, [card] and that is all", "oh well, [card] and that is all"),
            ("", ""),
        ] {
            assert_eq!(without_digits(text), clean, "{text}");
        }
    }

    proptest! {
        #[test]
        fn no_digit_is_left(text in "([a-z0-9 ,.-]|four |one |double ){0,60}") {
            let clean = without_digits(&text);
            prop_assert!(!clean.chars().any(char::is_numeric), "{clean}");
            prop_assert!(!clean.split(|c: char| !c.is_alphanumeric()).any(|word| matches!(word, "four" | "one")), "{clean}");
            prop_assert_eq!(without_digits(&clean), clean.clone());
        }
    }
}
