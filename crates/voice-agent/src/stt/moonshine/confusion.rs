//! What else the words may have been: words that sound alike, of which the recogniser knows one better than the other.
//!
//! A decoder that learnt from books writes "by" where "buy" was said after "add", for no book has "add buy". So each hypothesis
//! is read again with such words exchanged, and the language model says which reading was meant. Every exchange has its price.

use std::cell::RefCell;
use std::collections::HashMap;
use std::sync::LazyLock;

use super::language::LANGUAGE;
use super::phones::{Phone, distance, phones, phones_of, weight};
use super::phonetic::HOMOPHONES;

/// What exchanging words costs that sound the same, in nats.
const SAME_NATS: f32 = 0.5;
/// What a word costs that is put in place of one that the language model does not know, but which sounds alike.
const LIKE_NATS: f32 = 1.0;
/// And for each phone that differs.
const PHONE_NATS: f32 = 2.5;
/// At most this share of a word may sound different.
const LIKE_SHARE: f32 = 0.3;
/// What is added for a word that the language model knows, but would not have expected there.
const KNOWN_NATS: f32 = 0.5;
/// A known word is not expected where its probability is below this, in nats.
pub(super) const SURPRISE_NATS: f32 = 8.5;
/// Words of fewer letters are not put in place of unknown ones, those of fewer than the second not in place of two.
const SHORT_WORD: usize = 3;
const LONG_WORD: usize = 6;

/// Short commands and function words that a recogniser takes for each other, for they are spoken weakly: what is written, what
/// may have been said, and what the exchange costs in nats.
const WEAK: &[(&str, &str, f32)] = &[
    ("and", "add", 1.5),
    ("at", "add", 1.5),
    ("had", "add", 1.5),
    ("i'd", "add", 2.0),
    ("ed", "add", 1.0),
    ("add a", "add", 1.5),
    ("had a", "add a", 1.0),
    ("and a", "add a", 1.0),
    ("at a", "add a", 1.0),
    ("and you", "undo", 1.5),
    ("and do", "undo", 1.0),
    ("on do", "undo", 0.8),
    ("i knew", "undo", 2.0),
    ("and due", "undo", 0.8),
    ("under", "undo", 2.5),
    ("onto", "undo", 2.5),
    ("un do", "undo", 0.3),
    ("and then", "and add", 1.5),
    ("then", "add", 3.0),
    ("add", "is", 3.0),
    ("and", "is", 3.0),
    ("then", "did", 2.0),
    ("then i", "did i", 1.5),
    ("add the priority", "set the priority", 1.0),
    ("add the due date", "set the due date", 1.0),
    ("and", "in", 1.5),
    ("in", "and", 1.5),
    ("an", "and", 1.0),
    ("and", "an", 1.5),
    ("the", "a", 2.0),
    ("a", "the", 2.0),
    ("of", "a", 2.0),
    ("to", "the", 2.5),
    ("is", "as", 1.2),
    ("has", "as", 1.2),
    ("his", "is", 1.0),
    ("as", "is", 1.5),
    ("cold", "call", 1.5),
    ("called", "call", 1.5),
    ("coal", "call", 1.0),
    ("call", "called", 2.0),
    ("mark", "marked", 3.0),
    ("marked", "mark", 2.0),
    ("mock", "mark", 1.5),
    ("marc", "mark", 0.5),
    ("mike", "make", 2.0),
    ("lest", "list", 1.0),
    ("least", "list", 1.5),
    ("lists", "list", 1.5),
    ("tasked", "task", 1.0),
    ("tasks", "task", 2.0),
    ("task", "tasks", 2.0),
    ("ask", "task", 1.5),
    ("attack", "a task", 2.0),
    ("attached", "a task", 2.5),
    ("a task", "task", 2.0),
    ("deleted", "delete", 2.0),
    ("the lead", "delete", 2.0),
    ("moved", "move", 1.5),
    ("change", "changed", 3.0),
    ("changed", "change", 2.0),
    ("rewind", "remind", 1.5),
    ("reminds", "remind", 1.0),
    ("remained", "remind", 1.5),
    ("remind", "remained", 4.0),
    ("renamed", "rename", 1.5),
    ("do", "due", 0.7),
    ("down", "done", 2.0),
    ("gun", "done", 2.5),
    ("then", "done", 3.0),
    ("dan", "done", 2.0),
    ("it's", "is", 2.0),
    ("what's", "what is", 0.5),
    ("was", "what's", 2.0),
    ("what", "what's", 2.0),
    ("on", "and", 2.5),
    ("on the", "undo", 3.0),
    ("bye", "buy", 0.5),
    ("buy", "bye", 0.5),
    ("pay", "play", 4.0),
    ("play", "pay", 4.0),
    ("male", "mail", 0.5),
    ("a email", "email", 0.5),
    ("e mail", "email", 0.2),
    ("a mail", "email", 0.8),
    ("a male", "email", 1.0),
    ("the mail", "email", 1.0),
    ("the male", "email", 1.2),
    ("in mail", "email", 1.0),
    ("you mail", "email", 1.0),
    ("to my room", "tomorrow", 1.5),
    ("for thirty", "for thursday", 1.5),
    ("to thirty", "to thursday", 1.5),
    ("two thirty", "to thursday", 2.0),
    ("note", "no", 2.5),
    ("now", "no", 2.0),
    ("yet", "yes", 1.5),
    ("nope", "no", 0.5),
    ("keep at", "keep it", 0.7),
    ("keeping", "keep it", 1.5),
    ("move at", "move it", 0.7),
    ("mark at", "mark it", 0.7),
    ("delete at", "delete it", 0.7),
    ("make at", "make it", 0.7),
    ("need a", "need to", 2.0),
    ("have a", "have to", 2.5),
    ("want a", "want to", 2.0),
    ("remind me the", "remind me to", 1.5),
    ("remind me a", "remind me to", 1.5),
    ("to day", "today", 0.2),
    ("to night", "tonight", 0.2),
    ("good by", "goodbye", 0.2),
    ("good buy", "goodbye", 0.5),
    ("high party", "high priority", 1.0),
    ("to morrow", "tomorrow", 0.2),
    ("the morrow", "tomorrow", 0.8),
    ("a morrow", "tomorrow", 0.8),
    ("at a morrow", "tomorrow", 1.0),
    ("my", "buy", 1.5),
    ("what", "put", 2.5),
    ("don't bye", "goodbye", 1.5),
    ("don't buy", "goodbye", 1.5),
    ("to", "due", 1.0),
    ("all", "call", 1.5),
    ("paul", "call", 1.5),
    ("calls", "call", 1.5),
    ("renew", "review", 1.5),
    ("remain", "rename", 1.0),
    ("remained", "rename", 1.5),
    ("we renamed", "rename", 1.5),
    ("finished", "finish", 1.5),
    ("completed", "complete", 1.5),
    ("caston", "as done", 1.5),
    ("cast on", "as done", 1.5),
    ("is done", "as done", 0.8),
    ("his done", "as done", 1.0),
    ("as dawn", "as done", 0.8),
    ("a stone", "as done", 1.5),
    ("have passed", "half past", 0.8),
    ("have past", "half past", 0.5),
    ("half passed", "half past", 0.3),
    ("quarter passed", "quarter past", 0.3),
    ("mule", "move", 2.0),
    ("do one", "go on", 2.0),
    ("is it", "is", 2.0),
    ("i don't", "i've done", 2.0),
    ("to do", "due", 2.0),
    ("afford", "at four", 2.5),
];

/// What may have been said where this is written (longest first where the first word is the same), and what that costs.
static EXCHANGES: LazyLock<HashMap<&'static str, Vec<Exchange>>> = LazyLock::new(|| {
    let mut exchanges: HashMap<&str, Vec<Exchange>> = HashMap::new();
    let mut put = |written: &'static str, said: &'static str, nats: f32| {
        let written: Vec<&str> = written.split(' ').collect();
        let first = written.first().copied().unwrap_or_default();
        exchanges.entry(first).or_default().push(Exchange { written, said, nats });
    };
    for &(written, said, nats) in WEAK {
        put(written, said, nats);
    }
    for group in HOMOPHONES {
        for (&written, &said) in group.iter().flat_map(|a| group.iter().map(move |b| (a, b))).filter(|(a, b)| a != b) {
            put(written, said, SAME_NATS);
        }
    }
    exchanges
});

/// The language model's words with their sounds, by length.
static SOUNDS: LazyLock<Vec<(&'static str, Vec<Phone>)>> =
    LazyLock::new(|| LANGUAGE.words().map(|word| (word, phones(word))).collect());

/// Words in place of others.
#[derive(Debug, Clone, PartialEq)]
struct Exchange {
    written: Vec<&'static str>,
    said: &'static str,
    nats: f32,
}

/// Another reading of `length` words from a place on.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Change {
    pub(super) at: usize,
    pub(super) length: usize,
    pub(super) said: String,
    /// What it costs, in nats.
    pub(super) nats: f32,
}

/// What unknown words may have been, as far as anybody asked: hypotheses share most of their words.
#[derive(Clone, Default)]
pub(super) struct Likes(RefCell<HashMap<String, Vec<(&'static str, f32)>>>);

/// Every other reading of one place of these bare words. `surprising` says of each of them whether it is one that is not expected
/// where it stands.
pub(super) fn changes(words: &[String], surprising: &[bool], likes: &Likes) -> Vec<Change> {
    let mut changes = Vec::new();
    for (at, word) in words.iter().enumerate() {
        for exchange in EXCHANGES.get(word.as_str()).into_iter().flatten() {
            let length = exchange.written.len();
            let stands = words.len() >= at + length && exchange.written.iter().zip(&words[at..]).all(|(a, b)| a == b);
            if stands {
                changes.push(Change { at, length, said: exchange.said.to_owned(), nats: exchange.nats });
            }
        }
        let change = |length, (said, nats): (&str, f32)| Change { at, length, said: said.to_owned(), nats };
        let unknown = !LANGUAGE.knows(word);
        if unknown {
            changes.extend(likes.of(word, SHORT_WORD).into_iter().map(|like| change(1, like)));
        } else if surprising.get(at).is_some_and(|surprising| *surprising) {
            let others = likes.of(word, SHORT_WORD).into_iter().filter(|(said, _)| said != word);
            changes.extend(others.map(|(said, nats)| change(1, (said, nats + KNOWN_NATS))));
        }
        let Some(next) = words.get(at + 1) else { continue };
        let both = format!("{word} {next}");
        if unknown || !LANGUAGE.knows(next) {
            // A long word may be heard as two: "lend lord" is no landlord.
            changes.extend(likes.of(&both, LONG_WORD).into_iter().map(|like| change(2, like)));
        } else if word.len() < SHORT_WORD && next.len() < SHORT_WORD {
            // And a name as two small words.
            let names = likes.of(&both, SHORT_WORD).into_iter().filter(|(said, _)| LANGUAGE.is_name(said));
            changes.extend(names.map(|like| change(2, like)));
        }
    }
    changes
}

impl Likes {
    /// Words of the language model, from so many letters on, that sound like this one or these two, and what they cost.
    fn of(&self, word: &str, letters: usize) -> Vec<(&'static str, f32)> {
        let mut known = self.0.borrow_mut();
        let all = known.entry(word.to_owned()).or_insert_with(|| like(word));
        all.iter().filter(|(said, _)| said.len() >= letters).copied().collect()
    }
}

fn like(words: &str) -> Vec<(&'static str, f32)> {
    let sound = phones_of(words.split(' '));
    let most = LIKE_SHARE * weight(&sound);
    let alike = |(known, phones): &(&'static str, Vec<Phone>)| {
        let near = phones.len().abs_diff(sound.len()) <= 2;
        let apart = near.then(|| distance(phones, &sound)).filter(|apart| *apart <= most)?;
        Some((*known, LIKE_NATS + PHONE_NATS * apart))
    };
    SOUNDS.iter().filter_map(alike).collect()
}

#[cfg(test)]
mod tests {
    use super::super::text::bare_words;
    use super::*;

    fn said(text: &str) -> Vec<String> {
        let words = bare_words(text);
        let surprising = LANGUAGE.surprises(&words).into_iter().map(|nats| nats > SURPRISE_NATS).collect::<Vec<_>>();
        changes(&words, &surprising, &Likes::default()).into_iter().map(|change| change.said).collect()
    }

    #[test]
    fn homophones_and_weak_words_are_exchanged() {
        assert!(said("by soap").contains(&"buy".to_owned()));
        assert!(said("and you").contains(&"undo".to_owned()));
        assert!(said("and by soap").contains(&"add".to_owned()));
    }

    #[test]
    fn unknown_words_are_read_as_known_ones_that_sound_alike() {
        assert!(said("call suzan").contains(&"susan".to_owned()), "{:?}", said("call suzan"));
        assert!(said("call susan").iter().all(|other| !other.starts_with("su") || other == "susan"));
        assert!(said("call the lend lurd").contains(&"landlord".to_owned()), "{:?}", said("call the lend lurd"));
        assert!(said("call me at tomorrow").contains(&"mia".to_owned()), "{:?}", said("call me at tomorrow"));
    }

    #[test]
    fn a_known_word_is_exchanged_only_where_it_is_not_expected() {
        assert!(said("buy meal").contains(&"milk".to_owned()), "{:?}", said("buy meal"));
        assert!(!said("call susan").contains(&"season".to_owned()));
        assert!(said("add a task to pay the phone bill").iter().all(|other| other != "pill"));
    }

    #[test]
    fn exchanges_are_written_as_words_are_compared() {
        for (written, said, nats) in WEAK {
            for text in [written, said] {
                assert_eq!(bare_words(text).join(" "), *text);
            }
            assert!(*nats > 0.0 && written != said, "{written}");
        }
    }
}
