//! What a caller of a task list is likely to say: weighs hypotheses, and repairs task titles.
//!
//! A hypothesis earns nats for each word that belongs to a known phrase or to one of the caller's titles. The acoustic score
//! stays the larger part: a bonus decides between readings that sound nearly alike ("undo that", "I knew that"), it never
//! makes up a word. The one exception is a title: words that sound like one of the caller's titles, word for word, are
//! written as the title has them ("by milk" → "buy milk").

use std::collections::HashMap;
use std::sync::LazyLock;

use super::phonetic::Sound;
use super::phrases::{OPENINGS, PARTS, WHOLE};
use super::text::{bare, bare_words};

/// Nats for each word of an utterance that is known as a whole.
const WHOLE_NATS: f32 = 1.2;
/// Nats for each word of a known beginning.
const OPENING_NATS: f32 = 0.7;
/// Nats for each word of a phrase that may stand anywhere.
const PART_NATS: f32 = 0.4;
/// Nats for each word of one of the caller's titles, said in full.
const TITLE_NATS: f32 = 1.2;
/// Nats for a text that is understood as a whole.
const UNDERSTOOD_NATS: f32 = 2.0;
/// What a title costs that had to be repaired, in nats.
const REPAIR_NATS: f32 = 0.6;
/// Words that may stand before a beginning.
const LEADS: &[&str] = &["please", "and", "no", "yes", "okay", "ok", "so", "then", "hey", "well", "um", "uh", "now"];
/// At most so many titles are looked at: a bound on the work of a turn.
const MOST_TITLES: usize = 500;
/// Longer titles are matched by their first words.
const MOST_TITLE_WORDS: usize = 12;
/// A title of one word is repaired only from so many letters on.
const LONE_WORD_LETTERS: usize = 6;

#[derive(Debug, Clone, Copy, Default)]
struct Known {
    whole: bool,
    opening: bool,
    part: bool,
}

/// What phrases begin with, letter by letter, for utterances that are not complete yet.
static BEGINNINGS: LazyLock<HashMap<String, Known>> = LazyLock::new(|| {
    let mut beginnings: HashMap<String, Known> = HashMap::new();
    for (phrase, kinds) in &INVENTORY.0 {
        for (end, _) in phrase.char_indices().skip(1).chain([(phrase.len(), ' ')]) {
            let known = beginnings.entry(phrase[..end].trim_end().to_owned()).or_default();
            known.whole |= kinds.whole;
            known.opening |= kinds.opening;
            known.part |= kinds.part;
        }
    }
    beginnings
});

/// The static inventory, and how many words its longest phrase has.
static INVENTORY: LazyLock<(HashMap<&'static str, Known>, usize)> = LazyLock::new(|| {
    let mut known: HashMap<&'static str, Known> = HashMap::new();
    WHOLE.iter().for_each(|phrase| known.entry(phrase).or_default().whole = true);
    OPENINGS.iter().for_each(|phrase| known.entry(phrase).or_default().opening = true);
    PARTS.iter().for_each(|phrase| known.entry(phrase).or_default().part = true);
    let longest = known.keys().map(|phrase| phrase.split(' ').count()).max().unwrap_or(0);
    (known, longest)
});

/// Expectations about the next utterance. Making one costs some microseconds for each title; the phrases are shared.
#[derive(Clone, Default)]
pub struct Bias<'u> {
    /// In the order of their first words.
    titles: Vec<Title>,
    off: bool,
    /// How well a whole text is understood, from 0 to 1.
    understands: Option<&'u (dyn Fn(&str) -> f32 + 'u)>,
}

#[derive(Debug, Clone)]
struct Title {
    /// As the caller wrote them, without marks around them.
    written: Vec<String>,
    sounds: Vec<Sound>,
}

impl std::fmt::Debug for Bias<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Bias").field("titles", &self.titles).field("off", &self.off).finish_non_exhaustive()
    }
}

impl<'u> Bias<'u> {
    /// Expects task commands and these task titles (at most the first 500).
    pub fn new(titles: &[String]) -> Self {
        let mut titles: Vec<Title> = titles.iter().take(MOST_TITLES).filter_map(|title| Title::new(title)).collect();
        titles.sort_by(|a, b| a.first().cmp(b.first()));
        Self { titles, off: false, understands: None }
    }

    /// Expects nothing: the hypotheses stay as the model weighs them.
    pub fn off() -> Self {
        Self { titles: Vec::new(), off: true, understands: None }
    }

    /// Prefers what is understood: `understands` says how well, from 0 to 1.
    pub fn preferring(self, understands: &'u (dyn Fn(&str) -> f32 + 'u)) -> Self {
        Self { understands: Some(understands), ..self }
    }

    /// The text, its titles repaired, and how many nats it earns.
    pub(super) fn weigh(&self, text: &str) -> (String, f32) {
        if self.off {
            return (text.to_owned(), 0.0);
        }
        let (text, repairs) = self.repair(text);
        let understood = self.understands.map_or(0.0, |understands| understands(&text));
        let nats = self.nats(&bare_words(&text), true) - REPAIR_NATS * repairs as f32 + UNDERSTOOD_NATS * understood;
        (text, nats)
    }

    /// How many nats an utterance earns that may not be `ended`: what is a beginning of a phrase or title counts as far as it
    /// goes, the last word by half, for it may go on.
    pub(super) fn promise(&self, text: &str, ended: bool) -> f32 {
        if self.off { 0.0 } else { self.nats(&bare_words(text), ended) }
    }

    /// The most nats that a choice of non-overlapping phrases gives.
    fn nats(&self, words: &[String], ended: bool) -> f32 {
        let (known, longest) = &*INVENTORY;
        let start = words.iter().take_while(|word| LEADS.contains(&word.as_str())).count();
        let mut best = vec![0.0_f32; words.len() + 1];
        for from in (0..words.len()).rev() {
            best[from] = best[from + 1];
            let place = Place { first: from == 0 || from == start, whole_from_here: from <= start };
            let mut span = String::new();
            for length in 1..=(*longest).min(words.len() - from) {
                if length > 1 {
                    span.push(' ');
                }
                span.push_str(&words[from + length - 1]);
                let last = from + length == words.len();
                if let Some(rate) = known.get(span.as_str()).and_then(|kinds| place.rate(*kinds, last)) {
                    best[from] = best[from].max(rate * length as f32 + best[from + length]);
                }
                if !last || ended {
                    continue;
                }
                if let Some(rate) = BEGINNINGS.get(&span).and_then(|kinds| place.rate(*kinds, true)) {
                    best[from] = best[from].max(rate * (length as f32 - 0.5));
                }
            }
            for title in self.titles_from(&words[from]) {
                let length = title.sounds.len();
                if title.begins(&words[from..]) {
                    best[from] = best[from].max(TITLE_NATS * length as f32 + best[from + length]);
                } else if !ended && title.may_become(&words[from..]) {
                    best[from] = best[from].max(TITLE_NATS * ((words.len() - from) as f32 - 0.5));
                }
            }
        }
        best[0]
    }

    /// The titles whose first word begins with `word`.
    fn titles_from<'t>(&'t self, word: &'t str) -> impl Iterator<Item = &'t Title> {
        let start = self.titles.partition_point(|title| title.first() < word);
        self.titles[start..].iter().take_while(move |title| title.first().starts_with(word))
    }

    /// Writes misheard titles as the caller has them; answers how many there were.
    fn repair(&self, text: &str) -> (String, usize) {
        let mut words: Vec<String> = text.split_whitespace().map(str::to_owned).collect();
        let mut sounds: Vec<Sound> = words.iter().map(|word| Sound::new(&bare(word))).collect();
        let mut repairs = 0;
        for title in &self.titles {
            let length = title.sounds.len();
            for from in 0..(words.len() + 1).saturating_sub(length) {
                if title.is_misheard_as(&sounds[from..from + length]) {
                    for (offset, written) in title.written.iter().enumerate() {
                        if sounds[from + offset].word != title.sounds[offset].word {
                            words[from + offset] = in_place_of(&words[from + offset], written);
                            sounds[from + offset] = title.sounds[offset].clone();
                        }
                    }
                    repairs += 1;
                }
            }
        }
        (words.join(" "), repairs)
    }
}

/// Where in an utterance a phrase stands.
#[derive(Debug, Clone, Copy)]
struct Place {
    first: bool,
    whole_from_here: bool,
}

impl Place {
    /// Nats for a word of a phrase at this place; `last` when the utterance ends with the phrase.
    fn rate(self, known: Known, last: bool) -> Option<f32> {
        match known {
            Known { whole: true, .. } if self.whole_from_here && last => Some(WHOLE_NATS),
            Known { opening: true, .. } if self.first => Some(OPENING_NATS),
            Known { part: true, .. } => Some(PART_NATS),
            _ => None,
        }
    }
}

impl Title {
    fn new(title: &str) -> Option<Self> {
        let trimmed = title.split_whitespace().map(|word| word.trim_matches(|c: char| !c.is_alphanumeric()));
        let written: Vec<String> =
            trimmed.filter(|word| !word.is_empty()).take(MOST_TITLE_WORDS).map(str::to_owned).collect();
        let sounds: Vec<Sound> = written.iter().map(|word| Sound::new(&bare(word))).collect();
        (!sounds.is_empty()).then_some(Self { written, sounds })
    }

    fn first(&self) -> &str {
        self.sounds.first().map_or("", |sound| sound.word.as_str())
    }

    /// Whether the words begin with this title.
    fn begins(&self, words: &[String]) -> bool {
        words.len() >= self.sounds.len() && self.sounds.iter().zip(words).all(|(sound, word)| sound.word == *word)
    }

    /// Whether the words are a beginning of this title, the last one perhaps cut off.
    fn may_become(&self, words: &[String]) -> bool {
        let Some((last, before)) = words.split_last() else { return false };
        self.sounds.len() >= words.len()
            && self.sounds.iter().zip(before).all(|(sound, word)| sound.word == *word)
            && self.sounds[before.len()].word.starts_with(last.as_str())
    }

    /// Whether the words are this title but for words that sound alike. At least half of the title's letters must be in words
    /// that are the same; a lone word must be long. What is a known phrase in itself ("by Friday") is left alone.
    fn is_misheard_as(&self, heard: &[Sound]) -> bool {
        let letters: usize = self.sounds.iter().map(|sound| sound.word.len()).sum();
        let pairs = || self.sounds.iter().zip(heard);
        let same: usize = pairs().filter(|(a, b)| a.word == b.word).map(|(a, _)| a.word.len()).sum();
        let enough = match self.sounds.len() {
            1 => letters >= LONE_WORD_LETTERS,
            _ => same * 2 >= letters,
        };
        let phrase = || heard.iter().map(|sound| sound.word.as_str()).collect::<Vec<_>>().join(" ");
        same < letters && enough && pairs().all(|(a, b)| a.alike(b)) && !INVENTORY.0.contains_key(phrase().as_str())
    }
}

/// `new` with the marks around `old`, and with `old`'s capital or small first letter.
fn in_place_of(old: &str, new: &str) -> String {
    let core = old.trim_matches(|c: char| !c.is_alphanumeric());
    let upper = core.chars().next().is_some_and(char::is_uppercase);
    let mut letters = new.chars();
    let first = letters.next().map(|first| match upper {
        true => first.to_uppercase().collect::<String>(),
        false => first.to_lowercase().collect(),
    });
    let word: String = first.into_iter().chain([letters.as_str().to_owned()]).collect();
    if core.is_empty() { word } else { old.replacen(core, &word, 1) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bias(titles: &[&str]) -> Bias<'static> {
        Bias::new(&titles.iter().map(|&title| title.to_owned()).collect::<Vec<_>>())
    }

    fn repaired(titles: &[&str], text: &str) -> String {
        bias(titles).weigh(text).0
    }

    fn prefers(bias: &Bias, better: &str, worse: &str) -> bool {
        bias.weigh(better).1 > bias.weigh(worse).1
    }

    #[test]
    fn a_title_that_sounds_alike_is_repaired() {
        assert_eq!(repaired(&["Buy milk"], "Mark by milk, as done."), "Mark buy milk, as done.");
        assert_eq!(repaired(&["Buy milk"], "By milk."), "Buy milk.");
        assert_eq!(
            repaired(&["Book flights to Lisbon"], "Delete book flights to Lisborn"),
            "Delete book flights to Lisbon"
        );
        assert_eq!(repaired(&["Meet Anna"], "Complete \"meat Anna\""), "Complete \"meet Anna\"");
    }

    #[test]
    fn no_other_word_is_made_up() {
        for (title, text) in [
            ("Call Tom", "Call Tim"),
            ("Buy milk", "Buy silk"),
            ("Buy milk", "Done by Monday"),
            ("Buy Friday", "Finish it by Friday"),
            ("Prepare the report", "I prepared the report"),
            ("Run", "I ran"),
            ("Buy milk", "By"),
            ("", "Nothing"),
        ] {
            assert_eq!(repaired(&[title], text), text);
        }
    }

    #[test]
    fn task_language_earns_more_than_what_sounds_like_it() {
        let bias = Bias::default();
        assert!(prefers(&bias, "Undo that.", "I knew that."));
        assert!(prefers(&bias, "Add a task to call Anna", "At a task to call Anna"));
        assert!(prefers(&bias, "No, keep it.", "Know, keep it."));
        assert!(prefers(&bias, "Add buy bread to my list", "Add by bread to my list"));
        assert!(prefers(&bias, "Finish it by Friday", "Finish it buy Friday"));
        assert!(prefers(&bias, "Please list my tasks", "Please lest my tasks"));
    }

    #[test]
    fn a_title_earns_most_when_heard_as_it_is() {
        let bias = bias(&["Water the plants"]);
        assert!(prefers(&bias, "Delete water the plants", "Delete what are the plants"));
        assert!(prefers(&bias, "Delete water the plants", "Delete waiter the plants"));
    }

    #[test]
    fn phrases_do_not_overlap() {
        let nats = Bias::default().nats(&bare_words("due tomorrow morning"), true);
        assert!((nats - 2.0 * PART_NATS).abs() < 1e-6, "{nats}");
    }

    #[test]
    fn the_inventory_is_written_as_words_are_compared() {
        for phrase in INVENTORY.0.keys() {
            assert_eq!(bare_words(phrase).join(" "), *phrase);
        }
    }

    #[test]
    fn many_long_titles_are_bounded() {
        let titles = vec!["word ".repeat(400); 2_000];
        let bias = Bias::new(&titles);
        assert_eq!((bias.titles.len(), bias.titles[0].sounds.len()), (MOST_TITLES, MOST_TITLE_WORDS));
    }
}
