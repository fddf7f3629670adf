//! Which words sound alike to an English ear.

use rphonetic::{Encoder, Metaphone};
use strsim::normalized_damerau_levenshtein;

/// Words of at least so many letters are told apart well enough by their consonants; shorter ones by their vowels too
/// ("Tim", "Tom").
const LONG_WORD: usize = 6;
/// Long words whose consonants agree sound alike when at least this share of their letters agrees.
const LIKE_LETTERS: f64 = 0.75;
/// Long words whose consonants differ (a recogniser's slip: "Lisborn") sound alike from this share of letters on.
const NEARLY_SAME_LETTERS: f64 = 0.84;

/// Homophones, and pairs that a recogniser confuses because they are weak in speech.
pub(super) const HOMOPHONES: &[&[&str]] = &[
    &["buy", "by", "bye"],
    &["no", "know"],
    &["add", "at", "ad"],
    &["to", "too", "two"],
    &["for", "four"],
    &["write", "right"],
    &["meet", "meat"],
    &["male", "mail"],
    &["week", "weak"],
    &["hour", "our"],
    &["pair", "pear"],
    &["sea", "see"],
    &["new", "knew"],
    &["do", "due", "dew"],
    &["one", "won"],
    &["eight", "ate"],
    &["their", "there", "they're"],
    &["wait", "weight"],
    &["read", "red", "reed"],
    &["flour", "flower"],
    &["mum", "mom"],
    &["cheque", "check"],
    &["blew", "blue"],
    &["son", "sun"],
    &["brake", "break"],
    &["sale", "sail"],
    &["whole", "hole"],
    &["plane", "plain"],
    &["wood", "would"],
];

/// A word with its phonetic code.
#[derive(Debug, Clone)]
pub(super) struct Sound {
    /// Lower case, without marks around it.
    pub(super) word: String,
    consonants: String,
}

impl Sound {
    /// The sound of a bare word.
    pub(super) fn new(word: &str) -> Self {
        Self { word: word.to_owned(), consonants: consonants(word) }
    }

    /// Whether the two are spoken alike, or so nearly that a recogniser may write one for the other. Grammatical forms of one
    /// word ("finish", "finished") are told apart: they change what is meant.
    pub(super) fn alike(&self, other: &Self) -> bool {
        let (a, b) = (self.word.as_str(), other.word.as_str());
        if a == b {
            return true;
        }
        if a.chars().any(|c| c.is_ascii_digit()) || b.chars().any(|c| c.is_ascii_digit()) || inflected(a, b) {
            return false;
        }
        if HOMOPHONES.iter().any(|group| group.contains(&a) && group.contains(&b)) {
            return true;
        }
        let same_consonants = !self.consonants.is_empty() && self.consonants == other.consonants;
        if a.len() < LONG_WORD || b.len() < LONG_WORD {
            return same_consonants && vowels(a) == vowels(b);
        }
        let letters = normalized_damerau_levenshtein(a, b);
        letters >= NEARLY_SAME_LETTERS || same_consonants && letters >= LIKE_LETTERS
    }
}

/// Metaphone code of the letters a–z; empty for other scripts, which then match only themselves.
fn consonants(word: &str) -> String {
    let letters: String = word.chars().filter(char::is_ascii_alphabetic).collect();
    if letters.is_empty() { letters } else { Metaphone::new(None).encode(&letters) }
}

/// The vowels in rough classes, a class once in a row, a silent final e left out.
fn vowels(word: &str) -> String {
    let stem = if word.len() > 3 { word.strip_suffix('e').unwrap_or(word) } else { word };
    let mut out = String::new();
    let mut inside = false;
    for letter in stem.chars() {
        let class = match letter {
            'a' => 'a',
            'e' | 'i' | 'y' => 'i',
            'o' => 'o',
            'u' => 'u',
            _ => {
                inside = false;
                continue;
            }
        };
        // A vowel pair ("ea", "oa") is one sound, known by its first letter.
        if !inside {
            out.push(class);
        }
        inside = true;
    }
    out
}

/// Whether one is the other with a grammatical ending.
fn inflected(a: &str, b: &str) -> bool {
    let (short, long) = if a.len() <= b.len() { (a, b) } else { (b, a) };
    let stem = short.strip_suffix('e').unwrap_or(short);
    long.strip_prefix(short)
        .or_else(|| long.strip_prefix(stem))
        .is_some_and(|ending| matches!(ending, "s" | "es" | "ed" | "d" | "ing" | "er" | "'s" | "n" | "en" | "ly"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn alike(a: &str, b: &str) -> bool {
        Sound::new(a).alike(&Sound::new(b))
    }

    #[test]
    fn homophones_sound_alike() {
        for (a, b) in [("buy", "by"), ("no", "know"), ("add", "at"), ("new", "knew"), ("bill", "bil"), ("sam", "samm")]
        {
            assert!(alike(a, b) && alike(b, a), "{a} {b}");
        }
    }

    #[test]
    fn slips_in_long_words_sound_alike() {
        for (a, b) in
            [("lisbon", "lisborn"), ("dentist", "dentest"), ("quarterly", "quarterley"), ("electricity", "electrisity")]
        {
            assert!(alike(a, b), "{a} {b}");
        }
    }

    #[test]
    fn other_words_do_not() {
        let pairs =
            [("tim", "tom"), ("milk", "silk"), ("mark", "market"), ("delete", "complete"), ("monday", "sunday")];
        for (a, b) in
            pairs.into_iter().chain([("renew", "rename"), ("3", "4"), ("tuesday", "thursday"), ("\u{e4}", "\u{f6}")])
        {
            assert!(!alike(a, b), "{a} {b}");
        }
    }

    #[test]
    fn grammatical_forms_keep_their_meaning() {
        for (a, b) in [("finish", "finished"), ("prepare", "prepared"), ("prepare", "preparing"), ("plant", "plants")] {
            assert!(!alike(a, b), "{a} {b}");
        }
    }
}
