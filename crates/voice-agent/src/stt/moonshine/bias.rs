//! What a caller of a task list is likely to say: weighs hypotheses, and repairs task titles.
//!
//! A hypothesis earns nats for each word that belongs to a known phrase or to one of the caller's titles. The acoustic score
//! stays the larger part: a bonus decides between readings that sound nearly alike ("undo that", "I knew that"), it never
//! makes up a word. The one exception is a title: words that sound like one of the caller's titles, word for word, are
//! written as the title has them ("by milk" → "buy milk").

use std::collections::HashMap;
use std::ops::Range;
use std::sync::LazyLock;

use super::confusion::{Change, Likes, SURPRISE_NATS, changes};
use super::language::{LANGUAGE, Memo};
use super::phones::{distance, phones_of, weight};
use super::phonetic::Sound;
use super::phrases::{OPENINGS, PARTS, WHOLE};
use super::rewrite::{changed, in_place_of, rewritten};
use super::search::as_f32;
use super::text::{bare, bare_words};
use super::title::{MOST_TITLE_WORDS, Title};
use super::whole::{day_by_sound, whole_by_sound};

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
/// A title that was heard as something else costs this, and more for each phone that differs.
pub(super) const NAMED_NATS: f32 = 0.6;
pub(super) const NAMED_PHONE_NATS: f32 = 1.5;
/// At most this share of a title may sound different.
const TITLE_SHARE: f32 = 0.45;
/// And at most this share where the words name the title well enough: "the weekly report" is left to the language model.
const NAMED_SHARE: f32 = 0.3;
/// A word of so many letters says which task is meant.
const TELLING_LETTERS: usize = 4;
/// Verbs after which a task is named.
const TASK_VERBS: &[&str] = &[
    "mark",
    "complete",
    "finish",
    "delete",
    "remove",
    "rename",
    "move",
    "postpone",
    "reschedule",
    "reopen",
    "off",
    "of",
    "push",
    "change",
    "set",
    "make",
    "done",
];
/// What stands after a task's name.
const NAME_ENDS: &[&str] = &["as", "to", "is", "done", "and", "from", "off", "until", "by", "please", "for", "on"];
/// Words of a text are exchanged at most at so many places.
const MOST_CHANGES: usize = 4;
/// How much the language model counts beside the sound.
const LANGUAGE_SHARE: f32 = 0.6;
/// What a word of the task language costs at most that is not a surprise, in nats of the language model: without it a text would be
/// the better the shorter it is.
const WORD_NATS: f32 = 5.0;
/// How much the prices of exchanged words count.
const EXCHANGE: f32 = 0.7;
/// A first exchange may make the words less likely by so much.
const DOUBT_NATS: f32 = 1.5;
/// Words that may stand before a beginning.
pub(super) const LEADS: &[&str] =
    &["please", "and", "no", "yes", "okay", "ok", "so", "then", "hey", "well", "um", "uh", "now", "oh", "oops"];
/// At most so many titles are looked at: a bound on the work of a turn.
const MOST_TITLES: usize = 500;

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
    memo: Memo,
    likes: Likes,
}

/// A reading of a hypothesis.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Weighed {
    /// The text, its titles repaired.
    pub(super) text: String,
    /// What it earns, in nats.
    pub(super) nats: f32,
    /// How much less likely than the hypothesis itself its sound is, in nats.
    pub(super) price: f32,
}

impl Weighed {
    /// A text as it is.
    pub(super) const fn unbiased(text: String) -> Self {
        Self { text, nats: 0.0, price: 0.0 }
    }
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
        Self { titles, ..Self::default() }
    }

    /// Expects nothing: the hypotheses stay as the model weighs them.
    pub fn off() -> Self {
        Self { off: true, ..Self::default() }
    }

    /// Prefers what is understood: `understands` says how well, from 0 to 1.
    pub fn preferring(self, understands: &'u (dyn Fn(&str) -> f32 + 'u)) -> Self {
        Self { understands: Some(understands), ..self }
    }

    /// The text as it is written, and as the language model would rather read it.
    pub(super) fn readings(&self, text: &str) -> Vec<Weighed> {
        if self.off {
            return vec![Weighed::unbiased(text.to_owned())];
        }
        let weighed = |text: &str, price: f32| {
            let (text, nats) = self.weigh(text);
            Weighed { text, nats, price }
        };
        let mut readings = vec![weighed(text, 0.0)];
        let (other, price) = self.reread(text);
        if price > 0.0 {
            readings.push(weighed(&other, price));
        }
        if let Some((named, price)) = self.named(text) {
            readings.push(weighed(&named, price));
        }
        readings.extend(whole_by_sound(text).map(|(whole, price)| weighed(&whole, price)));
        readings.extend(day_by_sound(text).map(|(day, price)| weighed(&day, price)));
        readings
    }

    /// The text with one of the caller's titles where a task is named, but none of that name is known: the one that sounds most
    /// like what was heard. And what that costs.
    fn named(&self, text: &str) -> Option<(String, f32)> {
        let written: Vec<String> = text.split_whitespace().map(str::to_owned).collect();
        let words: Vec<String> = written.iter().map(|word| bare(word)).collect();
        let spans = spans(&words);
        let known = |from: usize| self.titles.iter().any(|title| title.begins(&words[from..]));
        let heard = spans
            .iter()
            .filter(|span| !known(span.start))
            .map(|span| (span, phones_of(words[span.clone()].iter().map(String::as_str))));
        let words = words.as_slice();
        let alike = heard.flat_map(|(span, heard)| {
            // Coarsely first: a caller may have many titles.
            let near = |title: &&Title| title.phones.len().abs_diff(heard.len()) * 2 <= title.phones.len();
            let titles: Vec<&Title> = self.titles.iter().filter(near).collect();
            titles.into_iter().filter_map(move |title| {
                let apart = distance(&title.phones, &heard);
                let share = if names_it(&words[span.clone()], title) { NAMED_SHARE } else { TITLE_SHARE };
                (apart <= share * weight(&title.phones)).then_some((apart, span, title))
            })
        });
        let (apart, span, title) = alike.min_by(|a, b| a.0.total_cmp(&b.0))?;
        let said = title.sounds.iter().map(|sound| sound.word.as_str()).collect::<Vec<_>>().join(" ");
        let change = Change { at: span.start, length: span.len(), said, nats: NAMED_NATS + NAMED_PHONE_NATS * apart };
        Some((rewritten(&written, &change).join(" "), change.nats))
    }

    /// The text with words exchanged for others that sound alike, as long as that makes it likelier, and what that costs.
    fn reread(&self, text: &str) -> (String, f32) {
        let mut written: Vec<String> = text.split_whitespace().map(str::to_owned).collect();
        let mut price = 0.0;
        for round in 0..MOST_CHANGES {
            let words: Vec<String> = written.iter().map(|word| bare(word)).collect();
            let now = self.nats(&words, true);
            let gain = |change: &Change| self.nats(&changed(&words, change), true) - EXCHANGE * change.nats - now;
            let surprising: Vec<bool> =
                LANGUAGE.surprises(&words).into_iter().map(|nats| nats > SURPRISE_NATS).collect();
            let best = changes(&words, &surprising, &self.likes).into_iter().map(|change| (gain(&change), change));
            // The first one may be in vain: what is understood is known only when all is weighed.
            let least = if round == 0 { -DOUBT_NATS } else { 0.0 };
            let best = best.filter(|(gain, _)| *gain > least).max_by(|a, b| a.0.total_cmp(&b.0));
            let Some((_, change)) = best else { break };
            price += EXCHANGE * change.nats;
            written = rewritten(&written, &change);
        }
        (written.join(" "), price)
    }

    /// The text, its titles repaired, and how many nats it earns.
    pub(super) fn weigh(&self, text: &str) -> (String, f32) {
        if self.off {
            return (text.to_owned(), 0.0);
        }
        let (text, repairs) = self.repair(text);
        let understood = self.understood(&text);
        let nats = self.nats(&bare_words(&text), true) - REPAIR_NATS * repairs as f32 + UNDERSTOOD_NATS * understood;
        (text, nats)
    }

    /// How well a whole text is understood, from 0 to 1; 0 where nobody knows.
    pub(super) fn understood(&self, text: &str) -> f32 {
        self.understands.map_or(0.0, |understands| understands(text))
    }

    /// How many nats an utterance earns that may not be `ended`: what is a beginning of a phrase or title counts as far as it
    /// goes, the last word by half, for it may go on.
    pub(super) fn promise(&self, text: &str, ended: bool) -> f32 {
        if self.off { 0.0 } else { self.nats(&bare_words(text), ended) }
    }

    /// What the words earn: as phrases and titles, and by the language model.
    fn nats(&self, words: &[String], ended: bool) -> f32 {
        let likely = LANGUAGE.log_prob(words, ended, &self.memo) + WORD_NATS * as_f32(words.len());
        self.phrase_nats(words, ended) + LANGUAGE_SHARE * likely
    }

    /// The most nats that a choice of non-overlapping phrases gives.
    fn phrase_nats(&self, words: &[String], ended: bool) -> f32 {
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
                if title.is_misheard_as(&sounds[from..from + length], |phrase| INVENTORY.0.contains_key(phrase)) {
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

/// Whether the words are known ones, of which one that says something is in the title.
fn names_it(words: &[String], title: &Title) -> bool {
    let tells = |word: &String| word.len() >= TELLING_LETTERS && title.sounds.iter().any(|sound| sound.word == *word);
    words.iter().any(tells) && words.iter().all(|word| LANGUAGE.knows(word))
}

/// Where in these words a task may be named: between a verb for tasks, or the beginning, and what ends a name.
fn spans(words: &[String]) -> Vec<Range<usize>> {
    let ends = |at: usize| at == words.len() || NAME_ENDS.contains(&words[at].as_str());
    let mut spans = Vec::new();
    for (at, word) in words.iter().enumerate() {
        let named = TASK_VERBS.contains(&word.as_str()).then_some(at + 1);
        let article = named.filter(|from| words.get(*from).is_some_and(|word| word == "the")).map(|from| from + 1);
        for from in named.into_iter().chain(article) {
            let until = (from + 1..=words.len().min(from + MOST_TITLE_WORDS + 2)).filter(|until| ends(*until));
            spans.extend(until.map(|until| from..until));
        }
    }
    // "… is done".
    spans.extend((1..words.len()).filter(|at| words[*at] == "is").map(|at| 0..at));
    spans
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

    fn readings(bias: &Bias<'_>, text: &str) -> Vec<String> {
        bias.readings(text).into_iter().map(|reading| reading.text).collect()
    }

    #[test]
    fn words_are_read_as_the_language_has_them() {
        let readings = readings(&Bias::default(), "And by soap, please.");
        assert_eq!(readings, ["And by soap, please.", "Add buy soap, please."]);
    }

    #[test]
    fn a_task_is_named_by_what_sounds_most_like_it() {
        let bias = bias(&["Feed the fish", "Iron the shirts"]);
        assert!(readings(&bias, "Mark fit the fist as done.").contains(&"Mark feed the fish as done.".to_owned()));
        assert!(readings(&bias, "Delete earn the shirts").contains(&"Delete iron the shirts".to_owned()));
        for text in ["Mark feed the fish as done", "Add fit the fist", "Delete the report", "Mark"] {
            let read = readings(&bias, text);
            assert!(read.iter().skip(1).all(|other| !other.contains("fish") && !other.contains("iron")), "{read:?}");
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
        // What is renewed runs out; what is reviewed is read.
        assert!(prefers(&bias, "Add a task to review the proposal", "Add a task to renew the proposal"));
        assert!(prefers(&bias, "Add a task to renew the passport", "Add a task to review the passport"));
    }

    #[test]
    fn what_is_renewed_runs_out() {
        let bias = Bias::default();
        let best = |text: &str| {
            let readings = bias.readings(text);
            let total = |reading: &Weighed| reading.nats - reading.price;
            readings.into_iter().max_by(|a, b| total(a).total_cmp(&total(b))).unwrap().text
        };
        for thing in ["proposal", "report", "budget"] {
            let text = format!("Add a task to renew the {thing} by Friday.");
            assert_eq!(best(&text), format!("Add a task to review the {thing} by Friday."));
        }
        for thing in ["passport", "insurance", "lease"] {
            let text = format!("Add a task to renew my {thing} by Friday.");
            assert_eq!(best(&text), text);
        }
    }

    #[test]
    fn a_title_earns_most_when_heard_as_it_is() {
        let bias = bias(&["Water the plants"]);
        assert!(prefers(&bias, "Delete water the plants", "Delete what are the plants"));
        assert!(prefers(&bias, "Delete water the plants", "Delete waiter the plants"));
    }

    #[test]
    fn phrases_do_not_overlap() {
        let nats = Bias::default().phrase_nats(&bare_words("due tomorrow morning"), true);
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
