//! The open tasks' titles, ready to be looked up: what each of their words sounds like is found out once per request, and
//! only when somebody asks.

use std::sync::OnceLock;

use super::lexicon::{is_small, sound, starts_verb, stem};

/// One word of a title.
#[derive(Debug)]
struct Entry {
    word: String,
    stem: String,
    /// Coding a sound is the dearest part of a comparison.
    sound: OnceLock<String>,
}

impl Entry {
    fn new(word: &str) -> Self {
        Self { word: word.to_owned(), stem: stem(word), sound: OnceLock::new() }
    }

    fn sound(&self) -> &str {
        self.sound.get_or_init(|| sound(&self.word))
    }

    /// Whether both are one word, in another form or as a recogniser may spell it.
    fn is_like(&self, other: &Self) -> bool {
        self.word == other.word || self.stem == other.stem || self.sounds_like(other)
    }

    /// One consonant says little: "see" is not "Sue", though "by" is "buy".
    fn sounds_like(&self, other: &Self) -> bool {
        let heard = self.sound() == other.sound();
        heard && (self.sound().len() > 1 || strsim::jaro_winkler(&self.word, &other.word) >= 0.85)
    }
}

impl Entry {
    /// The same, or mistyped by a letter.
    fn is_near(&self, other: &Self) -> bool {
        let long = self.word.len() >= 5 && other.word.len() >= 5;
        // Among words that are no name at all, two consonants say little, too: "in the bag" is no bike.
        let alike = || self.sound().len() > 2 || strsim::jaro_winkler(&self.word, &other.word) >= 0.75;
        self.word == other.word
            || self.stem == other.stem
            || self.sounds_like(other) && alike()
            || long && strsim::damerau_levenshtein(&self.word, &other.word) <= 1
    }
}

#[derive(Debug)]
struct Title {
    text: String,
    lower: String,
    entries: OnceLock<Vec<Entry>>,
}

impl Title {
    fn new(text: &str) -> Self {
        Self { text: text.to_owned(), lower: text.to_lowercase(), entries: OnceLock::new() }
    }

    fn entries(&self) -> &[Entry] {
        let split = || self.lower.split(|letter: char| !letter.is_alphanumeric() && letter != '\'');
        self.entries.get_or_init(|| split().filter(|word| !word.is_empty()).map(Entry::new).collect())
    }

    /// The words that tell it from others: without the small ones, and without its verb.
    fn telling(&self) -> Vec<&Entry> {
        let all: Vec<&Entry> = self.entries().iter().filter(|entry| !is_small(&entry.word)).collect();
        let verb = all.len() > 1 && starts_verb(&[all[0].word.as_str()]);
        all.into_iter().skip(usize::from(verb)).collect()
    }

    /// Whether the word is spelt as a name in the midst of the title: "Pick up Emil from school".
    fn has_name(&self, word: &str) -> bool {
        let capital = |part: &&str| part.chars().next().is_some_and(char::is_uppercase);
        self.text.split(' ').skip(1).filter(capital).any(|part| part.to_lowercase() == word)
    }

    fn has_literally(&self, word: &Entry) -> bool {
        self.entries().iter().any(|entry| entry.word == word.word) || self.has_joined(&word.word)
    }

    /// Whether the word is two of the title in one: the "pickup" of "pick up Sam".
    fn has_joined(&self, word: &str) -> bool {
        let joins = |pair: &[Entry]| word.strip_prefix(pair[0].word.as_str()).is_some_and(|rest| rest == pair[1].word);
        self.entries().windows(2).any(joins)
    }

    fn has(&self, word: &Entry) -> bool {
        self.entries().iter().any(|entry| entry.is_like(word)) || self.has_joined(&word.word)
    }
}

/// The titles of a request.
#[derive(Debug, Default)]
pub(crate) struct Titles(Vec<Title>);

impl Titles {
    /// No titles.
    pub(crate) const NONE: &'static Self = &Self(Vec::new());

    pub(crate) fn new(titles: &[String]) -> Self {
        Self(titles.iter().map(|title| Title::new(title)).collect())
    }

    /// The title of the last open task.
    pub(crate) fn last(&self) -> Option<&str> {
        self.0.last().map(|title| title.text.as_str())
    }

    /// The title that the words name, if they clearly name one.
    pub(crate) fn named(&self, words: &[&str]) -> Option<&str> {
        let joined = words.join(" ");
        if let Some(exact) = self.0.iter().find(|title| title.lower == joined) {
            return Some(&exact.text);
        }
        let meaningful = meaningful(words);
        if meaningful.is_empty() {
            return None;
        }
        let fits = |title: &&Title| meaningful.iter().all(|word| title.has(word));
        let literal = |title: &&Title| meaningful.iter().all(|word| title.has_literally(word));
        // The very words before others that sound like them.
        self.0.iter().rev().find(literal).or_else(|| self.0.iter().rev().find(fits)).map(|title| title.text.as_str())
    }

    /// The title that the words name, or the words themselves where several titles have all of them: which one is then asked.
    pub(crate) fn meant(&self, words: &[&str]) -> Option<String> {
        let found = self.named(words)?;
        let meaningful = meaningful(words);
        let literal = |title: &&Title| meaningful.iter().all(|word| title.has_literally(word));
        let fits = |title: &&Title| meaningful.iter().all(|word| title.has(word));
        let fitting = match self.0.iter().filter(literal).count() {
            0 => self.0.iter().filter(fits).count(),
            literal => literal,
        };
        let several = fitting > 1 && self.same(words).is_none();
        Some(if several { words.join(" ") } else { found.to_owned() })
    }

    /// The verb that a title begins with, and of which the word is the past: "vaccinated", where one is to vaccinate the cat.
    pub(crate) fn verb_in_past(&self, word: &str) -> Option<&str> {
        let head = word.strip_suffix("ed").filter(|head| head.len() >= 2)?;
        let is_of = |verb: &&str| {
            let regular = *verb == head || verb.strip_suffix('e') == Some(head);
            let changed = verb.strip_suffix('y').is_some_and(|verb| head.strip_suffix('i') == Some(verb));
            let last = verb.chars().last();
            let doubled = head.strip_prefix(*verb).is_some_and(|rest| rest.chars().eq(last));
            regular || changed || doubled
        };
        self.0.iter().filter_map(|title| title.lower.find(' ').map(|end| &title.lower[..end])).find(is_of)
    }

    /// The one title that has two words which the name has in one: "the pickup" of "Pick up Sam".
    pub(crate) fn joined(&self, name: &str) -> Option<&str> {
        let lower = name.to_lowercase();
        let words = meaningful(&lower.split(' ').collect::<Vec<_>>());
        let fits = |title: &&Title| {
            words.iter().all(|word| title.has(word)) && words.iter().any(|word| title.has_joined(&word.word))
        };
        let mut found = self.0.iter().filter(fits);
        found.next().filter(|_| found.next().is_none()).map(|title| title.text.as_str())
    }

    /// The title that says the same as the words, but for articles: "call the landlord" is "Call landlord".
    pub(crate) fn same(&self, words: &[&str]) -> Option<&str> {
        let article = |word: &str| matches!(word, "a" | "an" | "the" | "my" | "our" | "some");
        let said: Vec<Entry> = words.iter().filter(|word| !article(word)).map(|word| Entry::new(word)).collect();
        let is_same = |title: &&Title| {
            let mut telling = title.entries().iter().filter(|entry| !article(&entry.word));
            said.iter().all(|word| telling.next().is_some_and(|entry| entry.stem == word.stem))
                && telling.next().is_none()
        };
        self.0.iter().find(is_same).filter(|_| !said.is_empty()).map(|title| title.text.as_str())
    }

    /// Whether the words have all that the title says.
    pub(crate) fn is_said(&self, title: &str, words: &[&str]) -> bool {
        let said = meaningful(words);
        let telling = |entry: &&Entry| !is_small(&entry.word);
        self.0.iter().filter(|known| known.text == title).any(|known| {
            known.entries().iter().filter(telling).all(|entry| said.iter().any(|word| entry.is_like(word)))
        })
    }

    /// Whether any title is such, in lower case.
    pub(crate) fn any(&self, is_such: impl Fn(&str) -> bool) -> bool {
        self.0.iter().any(|title| is_such(&title.lower))
    }

    /// The title that the words name with its last word, what it is about: "the estate agent" of "Reply to the estate agent", and not
    /// "the party" of "Buy party hats".
    pub(crate) fn headed(&self, words: &[&str]) -> Option<&str> {
        let said = meaningful(words);
        let title = self.named(words)?;
        let known = self.0.iter().find(|known| known.text == title)?;
        let head = known.telling().last().copied()?;
        said.iter().any(|word| head.is_like(word)).then_some(title)
    }

    /// Whether there are titles, and all are such, in lower case.
    pub(crate) fn all(&self, is_such: impl Fn(&str) -> bool) -> bool {
        !self.0.is_empty() && self.0.iter().all(|title| is_such(&title.lower))
    }

    /// The one title of whose words that mean something the most are among these words, and at least half of them. The verb alone names
    /// none: who is to call the bank says nothing of "Call the plumber".
    pub(crate) fn mentioned(&self, words: &[&str]) -> Option<&str> {
        let said = meaningful(words);
        let share = |title: &Title| {
            let telling: Vec<&Entry> = title.entries().iter().filter(|entry| !is_small(&entry.word)).collect();
            let is_said = |entry: &Entry| said.iter().any(|word| entry.is_like(word));
            if !title.telling().into_iter().any(is_said) {
                return 0.0;
            }
            let found = telling.iter().filter(|entry| is_said(entry)).count();
            found as f64 / telling.len().max(1) as f64
        };
        let mut scored: Vec<(f64, &Title)> = self.0.iter().map(|title| (share(title), title)).collect();
        scored.sort_by(|a, b| b.0.total_cmp(&a.0));
        match scored.as_slice() {
            [(first, title)] if *first >= 0.5 => Some(&title.text),
            [(first, title), (second, _), ..] if *first >= 0.5 && first > second => Some(&title.text),
            _ => None,
        }
    }

    /// The titles that the words touch: with a third of what a title says besides its verb, its last word, or a long one. Of two, one that is
    /// touched by fewer of the same words is not meant. An empty word says nothing.
    pub(crate) fn touched(&self, words: &[&str]) -> Vec<&str> {
        let entries: Vec<Option<Entry>> =
            words.iter().map(|word| (!word.is_empty() && !is_small(word)).then(|| Entry::new(word))).collect();
        let mut found: Vec<(Vec<usize>, f64, &str)> = Vec::new();
        for title in &self.0 {
            let telling = title.telling();
            let hits = |entry: &&&Entry| entries.iter().flatten().any(|word| entry.is_near(word));
            let hit = telling.iter().filter(hits).count();
            let last = telling.last().is_some_and(|entry| hits(&entry));
            let share = hit as f64 / telling.len().max(1) as f64;
            let long = telling.iter().filter(hits).any(|entry| entry.word.len() >= 5 || title.has_name(&entry.word));
            if hit == 0 || share < 0.33 && !last && !long {
                continue;
            }
            let touches = |at: &usize| {
                entries[*at].as_ref().is_some_and(|word| title.entries().iter().any(|entry| entry.is_near(word)))
            };
            found.push(((0..entries.len()).filter(touches).collect(), share, &title.text));
        }
        let covered = |of: &(Vec<usize>, f64, &str)| {
            found.iter().any(|other| {
                let within = of.0.iter().all(|at| other.0.contains(at));
                within && (other.0.len() > of.0.len() || other.1 > of.1)
            })
        };
        found.iter().filter(|of| !covered(of)).map(|(_, _, text)| *text).collect()
    }

    /// The titles that have at least one of the words that mean something, with the share of them that they have.
    pub(crate) fn near(&self, words: &[&str]) -> Vec<(f64, &str)> {
        let meaningful = meaningful(words);
        let scored = self.0.iter().map(|title| (share(&meaningful, title), title.text.as_str()));
        scored.filter(|(share, _)| *share > 0.0).collect()
    }
}

fn meaningful(words: &[&str]) -> Vec<Entry> {
    // A title is divided at its hyphens, too.
    let parts = words.iter().flat_map(|word| word.split('-')).filter(|word| !word.is_empty());
    parts.filter(|word| !is_small(word)).map(Entry::new).collect()
}

fn share(words: &[Entry], title: &Title) -> f64 {
    if words.is_empty() {
        return 0.0;
    }
    words.iter().filter(|word| title.has(word)).count() as f64 / words.len() as f64
}

/// Whether the title has all the words that mean something, letter for letter.
pub(crate) fn has_words(words: &[&str], title: &str) -> bool {
    let title = Title::new(title);
    meaningful(words).iter().all(|word| title.has_literally(word))
}

/// How well the words fit a title, 0 to 1: the share of the words that mean something, and occur or sound in the title.
pub(crate) fn fit(words: &[&str], title: &str) -> f64 {
    share(&meaningful(words), &Title::new(title))
}
