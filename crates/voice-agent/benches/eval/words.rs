//! What was said and what was heard, word by word.

use voice_agent::numerals;

/// Numbers above this are written as figures only.
const MOST_SPELLED: u8 = 20;

/// Bare words in lower case: no marks, numbers up to twenty as words, "p.m." and "PM" alike, hyphens as spaces.
pub(crate) fn words(text: &str) -> Vec<String> {
    let text = text.to_lowercase().replace('\u{2019}', "'").replace("p.m.", "pm").replace("a.m.", "am");
    let mut words = Vec::new();
    for part in text.split(|c: char| c.is_whitespace() || "-:,;\u{2014}\u{2013}".contains(c)) {
        let bare: String = part.chars().filter(|c| c.is_alphanumeric()).collect();
        if !bare.is_empty() {
            words.extend(spelled(&bare));
        }
    }
    words
}

/// A word with its figures spelled out: "5pm" is "five pm".
fn spelled(word: &str) -> Vec<String> {
    let figures: String = word.chars().take_while(char::is_ascii_digit).collect();
    let rest = &word[figures.len()..];
    let Some(number) = figures.parse::<u8>().ok().filter(|number| *number <= MOST_SPELLED).and_then(numerals::word)
    else {
        return vec![word.to_owned()];
    };
    match rest {
        "" => vec![number.to_owned()],
        "am" | "pm" => vec![number.to_owned(), rest.to_owned()],
        _ => vec![word.to_owned()],
    }
}

/// Words that must be put in, left out or changed to make `heard` of `said`.
pub(crate) fn errors(said: &[String], heard: &[String]) -> usize {
    let mut row: Vec<usize> = (0..=heard.len()).collect();
    for (i, word) in said.iter().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, other) in heard.iter().enumerate() {
            let substituted = diagonal + usize::from(word != other);
            diagonal = row[j + 1];
            row[j + 1] = substituted.min(row[j] + 1).min(row[j + 1] + 1);
        }
    }
    row[heard.len()]
}
