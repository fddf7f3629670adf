//! One of the caller's titles, by its words and its sound.

use super::phones::{Phone, phones_of};
use super::phonetic::Sound;
use super::text::bare;

/// Longer titles are matched by their first words.
pub(super) const MOST_TITLE_WORDS: usize = 12;
/// A title of one word is repaired only from so many letters on.
const LONE_WORD_LETTERS: usize = 6;

/// A title, ready to be compared with what was heard.
#[derive(Debug, Clone)]
pub(super) struct Title {
    /// As the caller wrote them, without marks around them.
    pub(super) written: Vec<String>,
    pub(super) sounds: Vec<Sound>,
    pub(super) phones: Vec<Phone>,
}

impl Title {
    pub(super) fn new(title: &str) -> Option<Self> {
        let trimmed = title.split_whitespace().map(|word| word.trim_matches(|c: char| !c.is_alphanumeric()));
        let written: Vec<String> =
            trimmed.filter(|word| !word.is_empty()).take(MOST_TITLE_WORDS).map(str::to_owned).collect();
        let sounds: Vec<Sound> = written.iter().map(|word| Sound::new(&bare(word))).collect();
        let phones = phones_of(sounds.iter().map(|sound| sound.word.as_str()));
        (!sounds.is_empty()).then_some(Self { written, sounds, phones })
    }

    pub(super) fn first(&self) -> &str {
        self.sounds.first().map_or("", |sound| sound.word.as_str())
    }

    /// Whether the words begin with this title.
    pub(super) fn begins(&self, words: &[String]) -> bool {
        words.len() >= self.sounds.len() && self.sounds.iter().zip(words).all(|(sound, word)| sound.word == *word)
    }

    /// Whether the words are a beginning of this title, the last one perhaps cut off.
    pub(super) fn may_become(&self, words: &[String]) -> bool {
        let Some((last, before)) = words.split_last() else { return false };
        self.sounds.len() >= words.len()
            && self.sounds.iter().zip(before).all(|(sound, word)| sound.word == *word)
            && self.sounds[before.len()].word.starts_with(last.as_str())
    }

    /// Whether the words are this title but for words that sound alike. At least half of the title's letters must be in words
    /// that are the same; a lone word must be long. What is a phrase in itself ("by Friday") is left alone.
    pub(super) fn is_misheard_as(&self, heard: &[Sound], is_phrase: impl Fn(&str) -> bool) -> bool {
        let letters: usize = self.sounds.iter().map(|sound| sound.word.len()).sum();
        let pairs = || self.sounds.iter().zip(heard);
        let same: usize = pairs().filter(|(a, b)| a.word == b.word).map(|(a, _)| a.word.len()).sum();
        let enough = match self.sounds.len() {
            1 => letters >= LONE_WORD_LETTERS,
            _ => same * 2 >= letters,
        };
        let phrase = || heard.iter().map(|sound| sound.word.as_str()).collect::<Vec<_>>().join(" ");
        same < letters && enough && pairs().all(|(a, b)| a.alike(b)) && !is_phrase(&phrase())
    }
}
