//! English number words, for those who read them and for those who say them.

/// Zero to nineteen, each at its own place.
pub const SMALL: [&str; 20] = [
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

/// Twenty to ninety.
pub const TENS: [&str; 8] = ["twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"];

/// "zeroth" to "nineteenth", each at its own place.
pub const ORDINALS: [&str; 20] = [
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

/// What the word means, from zero to nineteen.
pub fn small(word: &str) -> Option<u8> {
    (0..).zip(SMALL).find_map(|(value, name)| (name == word).then_some(value))
}

/// What the word means, if it is twenty, thirty and so on to ninety.
pub fn tens(word: &str) -> Option<u8> {
    (2..).zip(TENS).find_map(|(tens, name)| (name == word).then_some(tens * 10))
}

/// What the word means, from "zeroth" to "nineteenth".
pub fn ordinal(word: &str) -> Option<u8> {
    (0..).zip(ORDINALS).find_map(|(value, name)| (name == word).then_some(value))
}

/// The word for a number below a hundred that has one: up to nineteen, and the tens.
pub fn word(number: u8) -> Option<&'static str> {
    match number {
        0..20 => SMALL.get(usize::from(number)).copied(),
        20..100 if number.is_multiple_of(10) => TENS.get(usize::from(number / 10 - 2)).copied(),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_and_numbers_go_both_ways() {
        for (number, name) in [(0, "zero"), (1, "one"), (12, "twelve"), (19, "nineteen")] {
            assert_eq!((small(name), word(number)), (Some(number), Some(name)));
        }
        for (number, name) in [(20, "twenty"), (90, "ninety")] {
            assert_eq!((tens(name), word(number)), (Some(number), Some(name)));
        }
        assert_eq!((ordinal("first"), ordinal("nineteenth")), (Some(1), Some(19)));
        assert_eq!((small("twenty"), tens("ten"), ordinal("one"), word(21), word(100)), (None, None, None, None, None));
    }
}
