//! English number words: cardinals, ordinals, years and decimals, in the wording the voice was trained on.

use crate::numerals;

const SCALES: [&str; 12] = [
    "",
    "thousand",
    "million",
    "billion",
    "trillion",
    "quadrillion",
    "quintillion",
    "sextillion",
    "septillion",
    "octillion",
    "nonillion",
    "decillion",
];

/// The most digits [`cardinal`] has scale words for.
pub(super) const MAX_DIGITS: usize = 36;

/// Parses ASCII digits that [`cardinal`] can say; `None` for anything else.
pub(super) fn parse(digits: &str) -> Option<u128> {
    let sayable = !digits.is_empty() && digits.len() <= MAX_DIGITS && digits.bytes().all(|byte| byte.is_ascii_digit());
    if sayable { digits.parse().ok() } else { None }
}

/// The word of one digit character; "" for any other character.
pub(super) fn digit(digit: char) -> &'static str {
    digit.to_digit(10).map_or("", ones)
}

/// The word for a number up to nineteen, or for the tens.
fn ones(n: u32) -> &'static str {
    u8::try_from(n).ok().and_then(numerals::word).unwrap_or("")
}

fn below_1000(mut n: u32) -> String {
    let mut words = Vec::new();
    let had_hundreds = n >= 100;
    if had_hundreds {
        words.push(format!("{} hundred", ones(n / 100)));
        n %= 100;
        if n > 0 {
            words.push("and".to_owned());
        }
    }
    if n >= 20 {
        let tens = ones(n / 10 * 10);
        words.push(if n.is_multiple_of(10) { tens.to_owned() } else { format!("{tens}-{}", ones(n % 10)) });
    } else if n > 0 || !had_hundreds {
        words.push(ones(n).to_owned());
    }
    words.join(" ")
}

/// "one thousand, two hundred and thirty-four". Numbers of more than [`MAX_DIGITS`] digits lose their scale words.
pub(super) fn cardinal(mut n: u128) -> String {
    let mut groups = Vec::new();
    let mut scale = 0;
    loop {
        let group = u32::try_from(n % 1000).unwrap_or(0);
        n /= 1000;
        if group > 0 || (n == 0 && groups.is_empty()) {
            let word = SCALES.get(scale).copied().unwrap_or("");
            let separator = if word.is_empty() { "" } else { " " };
            groups.push(format!("{}{separator}{word}", below_1000(group)));
        }
        scale += 1;
        if n == 0 {
            break;
        }
    }
    groups.reverse();
    let Some((last, head)) = groups.split_last() else { return String::new() };
    let small = !last.rsplit(" and ").next().unwrap_or(last).contains(' ') && !last.contains("hundred");
    if !head.is_empty() && small {
        return format!("{} and {last}", head.join(", "));
    }
    groups.join(", ")
}

/// "twenty-third", "one hundred and first", "one thousandth".
pub(super) fn ordinal(n: u128) -> String {
    let words = cardinal(n);
    let cut = words.rfind([' ', '-']).map_or(0, |index| index + 1);
    let (head, last) = words.split_at(cut);
    let last = match last {
        "one" => "first".to_owned(),
        "two" => "second".to_owned(),
        "three" => "third".to_owned(),
        "five" => "fifth".to_owned(),
        "eight" => "eighth".to_owned(),
        "nine" => "ninth".to_owned(),
        "twelve" => "twelfth".to_owned(),
        other => other.strip_suffix('y').map_or_else(|| format!("{other}th"), |stem| format!("{stem}ieth")),
    };
    format!("{head}{last}")
}

/// "nineteen oh-five", "two thousand and five", "twenty ten".
pub(super) fn year(n: u128) -> String {
    let (high, low) = (n / 100, n % 100);
    if high == 0 || (high % 10 == 0 && low < 10) || high >= 100 {
        return cardinal(n);
    }
    let low = match low {
        0 => "hundred".to_owned(),
        1..=9 => format!("oh-{}", cardinal(low)),
        _ => cardinal(low),
    };
    format!("{} {low}", cardinal(high))
}

/// "3.14" → "three point one four"; trailing zeros are not said.
pub(super) fn decimal(text: &str) -> Option<String> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let mut words = if whole.is_empty() { cardinal(0) } else { cardinal(parse(whole)?) };
    let fraction = fraction.trim_end_matches('0');
    if !fraction.is_empty() {
        let digits: Vec<&str> = fraction.chars().map(digit).collect();
        words = format!("{words} point {}", digits.join(" "));
    }
    Some(words)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cardinals_read_as_trained() {
        let cases = [
            (0, "zero"),
            (21, "twenty-one"),
            (103, "one hundred and three"),
            (1000, "one thousand"),
            (1001, "one thousand and one"),
            (1100, "one thousand, one hundred"),
            (1234, "one thousand, two hundred and thirty-four"),
            (1_000_021, "one million and twenty-one"),
        ];
        for (n, words) in cases {
            assert_eq!(cardinal(n), words);
        }
    }

    #[test]
    fn ordinals_years_and_decimals_read_as_trained() {
        assert_eq!(ordinal(1), "first");
        assert_eq!(ordinal(23), "twenty-third");
        assert_eq!(ordinal(30), "thirtieth");
        assert_eq!(ordinal(112), "one hundred and twelfth");
        assert_eq!(year(1905), "nineteen oh-five");
        assert_eq!(year(2005), "two thousand and five");
        assert_eq!(year(2010), "twenty ten");
        assert_eq!(year(1900), "nineteen hundred");
        assert_eq!(decimal("3.140").as_deref(), Some("three point one four"));
        assert_eq!(decimal("5."), Some("five".to_owned()));
        assert_eq!(parse("1234567890123456789012345678901234567"), None);
    }
}
