//! Which word has which code.

use std::collections::BTreeMap;

use super::tone::Code;

/// The words that every vocabulary has, in the order of their codes. New ones are put at the end.
const COMMON: &str = include_str!("words.txt");
/// Codes from here on are for words that are not common, by their hash.
const HASHED: u16 = 1_024;
/// Words that a vocabulary may be given.
const MOST_EXTRA: usize = 500;

/// The words that can be read back from audio.
///
/// A common word's code is its place in the list; any other word's code is a hash of it. So every word can be *said*; what is *heard* is
/// a word if it is common or was [added](Self::add), and otherwise only a number.
#[derive(Debug, Clone)]
pub struct Vocabulary {
    words: BTreeMap<Code, String>,
}

impl Default for Vocabulary {
    fn default() -> Self {
        let words = COMMON.split_whitespace().map(|word| (code_of(word), word.to_owned())).collect();
        Self { words }
    }
}

impl Vocabulary {
    /// Adds every word of a text, so that it is understood.
    ///
    /// # Errors
    /// The two words that sound the same, or a text of too many words; another text is to be chosen then.
    pub fn add(&mut self, text: &str) -> Result<(), String> {
        for word in split_words(text) {
            let code = code_of(&word);
            match self.words.get(&code) {
                Some(known) if *known == word => {}
                Some(known) => return Err(format!("{known:?} and {word:?} sound the same")),
                None if self.words.len() >= common_count() + MOST_EXTRA => {
                    return Err(format!("a vocabulary takes {MOST_EXTRA} more words"));
                }
                None => drop(self.words.insert(code, word)),
            }
        }
        Ok(())
    }

    /// The word of a code, in lower case.
    pub fn word(&self, code: Code) -> Option<&str> {
        self.words.get(&code).map(String::as_str)
    }

    /// What is written down for a code: its word, or `#` and its number.
    pub fn write(&self, code: Code) -> String {
        self.word(code).map_or_else(|| format!("#{}", code.number()), str::to_owned)
    }

    /// The codes of a text's words.
    pub fn codes(text: &str) -> Vec<Code> {
        split_words(text).iter().map(|word| code_of(word)).collect()
    }
}

/// The words of a text: in lower case, without the signs around them. What has no letter and no digit is no word.
pub fn split_words(text: &str) -> Vec<String> {
    text.split_whitespace().filter_map(normal).collect()
}

/// One piece of a text as a word.
fn normal(piece: &str) -> Option<String> {
    let word = piece.trim_matches(|c: char| !c.is_alphanumeric()).to_lowercase().replace('’', "'");
    (!word.is_empty()).then_some(word)
}

/// The code of a word in its normal form.
fn code_of(word: &str) -> Code {
    let place = COMMON.split_whitespace().position(|common| common == word);
    match place.and_then(|place| u16::try_from(place).ok()) {
        Some(place) => Code::new(place),
        None => Code::new(HASHED + u16::try_from(fnv(word) % u32::from(Code::COUNT - HASHED)).unwrap_or_default()),
    }
}

fn common_count() -> usize {
    COMMON.split_whitespace().count()
}

/// FNV-1a: short, and the same for ever.
fn fnv(word: &str) -> u32 {
    word.bytes().fold(0x811c_9dc5, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_common_words_are_few_enough_and_each_stands_once() {
        assert!(common_count() <= usize::from(HASHED));
        assert_eq!(Vocabulary::default().words.len(), common_count());
        for word in COMMON.split_whitespace() {
            assert_eq!(split_words(word), [word]);
        }
    }

    #[test]
    fn signs_and_capitals_do_not_matter() {
        assert_eq!(
            split_words("“I'm back.” — We’re (nearly) there… 3!"),
            ["i'm", "back", "we're", "nearly", "there", "3"]
        );
        assert_eq!(Vocabulary::codes("Add a task"), Vocabulary::codes("add, A… task!"));
    }

    #[test]
    fn a_word_is_understood_once_it_was_added() {
        let mut vocabulary = Vocabulary::default();
        let code = Vocabulary::codes("zeppelin")[0];
        assert_eq!(vocabulary.word(code), None);
        assert_eq!(vocabulary.write(code), format!("#{}", code.number()));
        vocabulary.add("Zeppelin task").expect("no other sounds like it");
        assert_eq!(vocabulary.word(code), Some("zeppelin"));
    }

    #[test]
    fn words_that_sound_the_same_are_refused() {
        let mut vocabulary = Vocabulary::default();
        let mut seen = BTreeMap::new();
        let (first, second) = (0..10_000)
            .map(|n| format!("w{n}"))
            .find_map(|word| seen.insert(code_of(&word), word.clone()).map(|other| (other, word)))
            .expect("3,072 codes for 10,000 words");
        vocabulary.add(&first).expect("the first of them");
        let error = vocabulary.add(&second).expect_err("the second of them");
        assert!(error.contains(&first) && error.contains(&second), "{error}");
    }
}
