//! The pronunciation dictionaries and their rules: special words, context, capitals, and the endings -s, -ed and -ing.

use std::fmt;
use std::path::Path;

use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, Visitor};

use super::stress::{self, PRIMARY, SECONDARY};
use super::table::{Pairs, Table, read_json};
use crate::model::runtime::ModelError;

/// Vowels after which a final "t" is tapped.
const TAPPING: &str = "AIOWYiuæɑəɛɪɹʊʌ";
/// Marks an entry with a reading per tag in a table's value: the mark, the tag, `GIVES`, the reading; or the mark, the
/// tag, `SPELLED` when that tag's words are spelled letter by letter.
const BY_TAG: char = '\u{1}';
const GIVES: char = '\u{2}';
const SPELLED: char = '\u{3}';

/// What the words after this one are like; sentences are read from the end.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Context {
    /// Whether the next sound is a vowel; `None` at the end of a clause.
    pub(super) future_vowel: Option<bool>,
    /// Whether the next word is "to".
    pub(super) future_to: bool,
}

/// One word to look up.
#[derive(Debug, Clone, Copy)]
pub(super) struct Query<'a> {
    /// The part of speech; "" when unknown.
    pub(super) tag: &'a str,
    /// The stress level asked for ([`stress::apply`]).
    pub(super) stress: Option<f32>,
    /// What follows, where it is known.
    pub(super) context: Option<Context>,
}

/// A query that knows nothing.
pub(super) const BARE: Query<'_> = Query { tag: "", stress: None, context: None };

/// An entry of a dictionary file, already encoded as a table's value.
struct Entry(String);

impl<'de> Deserialize<'de> for Entry {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct EntryVisitor;
        impl<'de> Visitor<'de> for EntryVisitor {
            type Value = Entry;
            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("phonemes, or phonemes by tag")
            }
            fn visit_str<E: serde::de::Error>(self, phonemes: &str) -> Result<Entry, E> {
                Ok(Entry(phonemes.to_owned()))
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Entry, A::Error> {
                let mut value = String::new();
                while let Some((tag, phonemes)) = map.next_entry::<String, Option<String>>()? {
                    value.push(BY_TAG);
                    value.push_str(&tag);
                    match phonemes {
                        Some(phonemes) => {
                            value.push(GIVES);
                            value.push_str(&phonemes);
                        }
                        None => value.push(SPELLED),
                    }
                }
                Ok(Entry(value))
            }
        }
        deserializer.deserialize_any(EntryVisitor)
    }
}

/// The reading of an entry under a tag.
enum Tagged<'a> {
    /// The entry does not name the tag.
    Absent,
    /// Words of that tag are spelled.
    Spelled,
    /// The phonemes.
    Reading(&'a str),
}

fn tagged<'a>(value: &'a str, tag: &str) -> Tagged<'a> {
    for part in value.split(BY_TAG).skip(1) {
        if let Some((name, phonemes)) = part.split_once(GIVES)
            && name == tag
        {
            return Tagged::Reading(phonemes);
        }
        if part.strip_suffix(SPELLED) == Some(tag) {
            return Tagged::Spelled;
        }
    }
    Tagged::Absent
}

fn default_reading(value: &str) -> Option<&str> {
    if !value.starts_with(BY_TAG) {
        return Some(value);
    }
    match tagged(value, "DEFAULT") {
        Tagged::Reading(phonemes) => Some(phonemes),
        Tagged::Absent | Tagged::Spelled => None,
    }
}

/// One dictionary: a lowercase word also answers to its capitalised form and the other way round.
#[derive(Debug)]
struct Dictionary(Table);

impl Dictionary {
    fn load(path: &Path) -> Result<Self, ModelError> {
        let entries: Pairs<Entry> = read_json(path)?;
        let pairs: Vec<(String, String)> = entries.0.into_iter().map(|(word, Entry(value))| (word, value)).collect();
        Ok(Self(Table::build(&pairs)))
    }

    fn get(&self, word: &str) -> Option<&str> {
        if let Some(value) = self.0.get(word) {
            return Some(value);
        }
        // A single letter answers to its own case only.
        word.chars().nth(1)?;
        let lower = word.to_lowercase();
        let capital = capitalize(&lower);
        if word == lower {
            if capital == word { None } else { self.0.get(&capital) }
        } else if word == capital {
            self.0.get(&lower)
        } else {
            None
        }
    }

    fn contains(&self, word: &str) -> bool {
        self.get(word).is_some()
    }
}

fn capitalize(lower: &str) -> String {
    let mut rest = lower.chars();
    rest.next().map_or_else(String::new, |first| first.to_uppercase().chain(rest).collect())
}

fn is_upper(word: &str) -> bool {
    word == word.to_uppercase()
}

fn all_letters(word: &str) -> bool {
    !word.is_empty() && word.chars().all(char::is_alphabetic)
}

fn parent(tag: &str) -> &str {
    match tag {
        _ if tag.starts_with("VB") => "VERB",
        _ if tag.starts_with("NN") => "NOUN",
        _ if tag.starts_with("ADV") || tag.starts_with("RB") => "ADV",
        _ if tag.starts_with("ADJ") || tag.starts_with("JJ") => "ADJ",
        _ => tag,
    }
}

fn symbol_word(word: &str) -> Option<&'static str> {
    match word {
        "%" => Some("percent"),
        "&" => Some("and"),
        "+" => Some("plus"),
        "@" => Some("at"),
        _ => None,
    }
}

/// Both dictionaries, read-only.
#[derive(Debug)]
pub(super) struct Lexicon {
    gold: Dictionary,
    silver: Dictionary,
}

impl Lexicon {
    /// Loads the two dictionary files of the model's folder.
    pub(super) fn load(folder: &Path) -> Result<Self, ModelError> {
        Ok(Self {
            gold: Dictionary::load(&folder.join("lexicon_us_gold.json.gz"))?,
            silver: Dictionary::load(&folder.join("lexicon_us_silver.json.gz"))?,
        })
    }

    /// The phonemes of a word that is no number, or `None` when no rule covers it.
    pub(super) fn word(&self, word: &str, query: Query<'_>) -> Option<String> {
        if let Some(phonemes) = self.special_case(word, query) {
            return Some(phonemes);
        }
        let lower = word.to_lowercase();
        let word = if self.reads_as_lower(word, &lower, query) { lower.as_str() } else { word };
        if self.is_known(word) {
            return self.lookup(word, query);
        }
        if let Some(stem) = word.strip_suffix("s'") {
            let possessive = format!("{stem}'s");
            if self.is_known(&possessive) {
                return self.lookup(&possessive, query);
            }
        }
        if let Some(stem) = word.strip_suffix('\'')
            && self.is_known(stem)
        {
            return self.lookup(stem, query);
        }
        let participle = Query { stress: query.stress.or(Some(0.5)), ..query };
        self.with_s(word, query).or_else(|| self.with_ed(word, query)).or_else(|| self.with_ing(word, participle))
    }

    /// Whether a word with capitals is read like its lowercase form.
    fn reads_as_lower(&self, word: &str, lower: &str, query: Query<'_>) -> bool {
        let length = word.chars().count();
        let tail: String = word.chars().skip(1).collect();
        length > 1
            && all_letters(&word.replace('\'', ""))
            && word != lower
            && (query.tag != "NNP" || length > 7)
            && !self.gold.contains(word)
            && !self.silver.contains(word)
            && (is_upper(word) || tail == tail.to_lowercase())
            && (self.gold.contains(lower)
                || self.silver.contains(lower)
                || self.with_s(lower, query).is_some()
                || self.with_ed(lower, query).is_some()
                || self.with_ing(lower, query).is_some())
    }

    /// A word spelled letter by letter, the last letter stressed; `None` when a letter has no name.
    fn spelled(&self, word: &str) -> Option<String> {
        let letters = word.chars().filter(|c| c.is_alphabetic());
        let names: Option<String> =
            letters.map(|c| self.gold.get(&c.to_uppercase().to_string()).and_then(default_reading)).collect();
        let phonemes = stress::apply(&names?, Some(0.0));
        Some(match phonemes.rsplit_once(SECONDARY) {
            Some((head, tail)) => format!("{head}{PRIMARY}{tail}"),
            None => phonemes,
        })
    }

    fn special_case(&self, word: &str, query: Query<'_>) -> Option<String> {
        let Query { tag, context, .. } = query;
        let context_now = context.unwrap_or_default();
        let gold = |word: &str| self.gold.get(word).and_then(default_reading).map(str::to_owned);
        if tag == "ADD" && matches!(word, "." | "/") {
            let name = if word == "." { "dot" } else { "slash" };
            return self.lookup(name, Query { tag: "", stress: Some(-0.5), context });
        }
        if let Some(name) = symbol_word(word) {
            return self.lookup(name, Query { tag: "", stress: None, context });
        }
        if word.trim_matches('.').contains('.')
            && all_letters(&word.replace('.', ""))
            && word.split('.').all(|part| part.chars().count() < 3)
        {
            return self.spelled(word);
        }
        match word {
            "a" | "A" => Some(if tag == "DT" { "ɐ" } else { "ˈA" }.to_owned()),
            "am" | "Am" | "AM" => {
                if tag.starts_with("NN") {
                    self.spelled(word)
                } else if context_now.future_vowel.is_none()
                    || word != "am"
                    || query.stress.is_some_and(|level| level > 0.0)
                {
                    gold("am")
                } else {
                    Some("ɐm".to_owned())
                }
            }
            "AN" if tag.starts_with("NN") => self.spelled(word),
            "an" | "An" | "AN" => Some("ɐn".to_owned()),
            "I" if tag == "PRP" => Some(format!("{SECONDARY}I")),
            "by" | "By" | "BY" if parent(tag) == "ADV" => Some("bˈI".to_owned()),
            "to" | "To" => self.to(context_now),
            "TO" if matches!(tag, "TO" | "IN") => self.to(context_now),
            "in" | "In" => Some(stressed_in(tag, context_now)),
            "IN" if tag != "NNP" => Some(stressed_in(tag, context_now)),
            "the" | "The" => Some(the(context_now)),
            "THE" if tag == "DT" => Some(the(context_now)),
            _ if tag == "IN" && matches!(word.to_lowercase().as_str(), "vs" | "vs.") => {
                self.lookup("versus", Query { tag: "", stress: None, context })
            }
            "used" | "Used" | "USED" => {
                let past = matches!(tag, "VBD" | "JJ") && context_now.future_to;
                match tagged(self.gold.get("used")?, if past { "VBD" } else { "DEFAULT" }) {
                    Tagged::Reading(phonemes) => Some(phonemes.to_owned()),
                    Tagged::Absent | Tagged::Spelled => None,
                }
            }
            _ => None,
        }
    }

    fn to(&self, context: Context) -> Option<String> {
        match context.future_vowel {
            None => self.gold.get("to").and_then(default_reading).map(str::to_owned),
            Some(false) => Some("tə".to_owned()),
            Some(true) => Some("tʊ".to_owned()),
        }
    }

    fn is_known(&self, word: &str) -> bool {
        if self.gold.contains(word) || symbol_word(word).is_some() || self.silver.contains(word) {
            return true;
        }
        if word.is_empty() || !word.bytes().all(|byte| byte.is_ascii_alphabetic()) {
            return false;
        }
        word.len() == 1
            || (is_upper(word) && self.gold.contains(&word.to_lowercase()))
            || word[1..] == word[1..].to_uppercase()
    }

    /// A dictionary word under its tag and context, its letters when the dictionaries do not have it.
    pub(super) fn lookup(&self, word: &str, query: Query<'_>) -> Option<String> {
        let mut proper = false;
        let mut word = word.to_owned();
        if is_upper(&word) && !self.gold.contains(&word) {
            word = word.to_lowercase();
            proper = query.tag == "NNP";
        }
        let value = self.gold.get(&word).or_else(|| if proper { None } else { self.silver.get(&word) });
        let phonemes = value.and_then(|value| reading(value, query));
        if phonemes.is_none_or(|phonemes| proper && !phonemes.contains(PRIMARY))
            && let Some(spelled) = self.spelled(&word)
        {
            return Some(spelled);
        }
        phonemes.map(|phonemes| stress::apply(phonemes, query.stress))
    }

    /// A known word with -s, -es, -ies or -'s.
    pub(super) fn with_s(&self, word: &str, query: Query<'_>) -> Option<String> {
        let length = word.chars().count();
        let known = |stem: &str| self.is_known(stem).then(|| stem.to_owned());
        let stem = word.strip_suffix('s').filter(|_| length >= 3)?;
        let plain = if word.ends_with("ss") { None } else { known(stem) };
        let es = || (length > 4 && !word.ends_with("ies")).then(|| word.strip_suffix("es")).flatten();
        let longer = || word.strip_suffix("'s").or_else(es).and_then(known);
        let ies = || word.strip_suffix("ies").filter(|_| length > 4).and_then(|stem| known(&format!("{stem}y")));
        let stem = plain.or_else(longer).or_else(ies)?;
        add_s(&self.lookup(&stem, query)?)
    }

    fn with_ed(&self, word: &str, query: Query<'_>) -> Option<String> {
        let length = word.chars().count();
        let known = |stem: &&str| self.is_known(stem);
        let stem = word.strip_suffix('d').filter(|_| length >= 4)?;
        let plain = Some(stem).filter(|_| !word.ends_with("dd")).filter(known);
        let longer = || word.strip_suffix("ed").filter(|_| length > 4 && !word.ends_with("eed")).filter(known);
        add_ed(&self.lookup(plain.or_else(longer)?, query)?)
    }

    fn with_ing(&self, word: &str, query: Query<'_>) -> Option<String> {
        let length = word.chars().count();
        let known = |stem: &String| self.is_known(stem);
        let stem = word.strip_suffix("ing").filter(|_| length >= 5)?;
        let plain = || Some(stem.to_owned()).filter(|_| length > 5).filter(known);
        let with_e = || Some(format!("{stem}e")).filter(known);
        let doubled = || Some(undoubled(stem)?.to_owned()).filter(|_| length > 5).filter(known);
        let stem = plain().or_else(with_e).or_else(doubled)?;
        add_ing(&self.lookup(&stem, query)?)
    }
}

/// "stopp" → "stop", "panick" → "panic".
fn undoubled(stem: &str) -> Option<&str> {
    let last = stem.chars().next_back()?;
    let shorter = &stem[..stem.len() - last.len_utf8()];
    let doubled = "bcdgklmnprstvxz".contains(last) && shorter.ends_with(last);
    (doubled || stem.ends_with("ck")).then_some(shorter)
}

fn reading<'a>(value: &'a str, query: Query<'_>) -> Option<&'a str> {
    if !value.starts_with(BY_TAG) {
        return Some(value);
    }
    let names = |tag: &str| !matches!(tagged(value, tag), Tagged::Absent);
    let clause_end = query.context.is_some_and(|context| context.future_vowel.is_none());
    let tag = if clause_end && names("None") {
        "None"
    } else if names(query.tag) {
        query.tag
    } else {
        parent(query.tag)
    };
    match tagged(value, tag) {
        Tagged::Reading(phonemes) => Some(phonemes),
        Tagged::Spelled => None,
        Tagged::Absent => default_reading(value),
    }
}

fn stressed_in(tag: &str, context: Context) -> String {
    if context.future_vowel.is_none() || tag != "IN" { "ˈɪn" } else { "ɪn" }.to_owned()
}

fn the(context: Context) -> String {
    if context.future_vowel == Some(true) { "ði" } else { "ðə" }.to_owned()
}

/// The plural ending's sound on a stem's phonemes.
pub(super) fn add_s(stem: &str) -> Option<String> {
    let last = stem.chars().next_back()?;
    Some(match last {
        _ if "ptkfθ".contains(last) => format!("{stem}s"),
        _ if "szʃʒʧʤ".contains(last) => format!("{stem}ᵻz"),
        _ => format!("{stem}z"),
    })
}

/// The past ending's sound on a stem's phonemes.
pub(super) fn add_ed(stem: &str) -> Option<String> {
    let mut backwards = stem.chars().rev();
    let last = backwards.next()?;
    Some(match last {
        _ if "pkfθʃsʧ".contains(last) => format!("{stem}t"),
        'd' => format!("{stem}ᵻd"),
        't' => match backwards.next() {
            None => format!("{stem}ɪd"),
            Some(before) if TAPPING.contains(before) => format!("{}ɾᵻd", &stem[..stem.len() - 1]),
            Some(_) => format!("{stem}ᵻd"),
        },
        _ => format!("{stem}d"),
    })
}

/// The participle ending's sound on a stem's phonemes.
pub(super) fn add_ing(stem: &str) -> Option<String> {
    let before = stem.strip_suffix('t').and_then(|head| head.chars().next_back());
    if stem.is_empty() {
        None
    } else if before.is_some_and(|before| TAPPING.contains(before)) {
        Some(format!("{}ɾɪŋ", &stem[..stem.len() - 1]))
    } else {
        Some(format!("{stem}ɪŋ"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn endings_follow_the_last_sound() {
        assert_eq!(add_s("kˈæt").as_deref(), Some("kˈæts"));
        assert_eq!(add_s("bˈʌz").as_deref(), Some("bˈʌzᵻz"));
        assert_eq!(add_s("dˈɔɡ").as_deref(), Some("dˈɔɡz"));
        assert_eq!(add_ed("wˈɔk").as_deref(), Some("wˈɔkt"));
        assert_eq!(add_ed("nˈAt").as_deref(), Some("nˈAɾᵻd"));
        assert_eq!(add_ed("wˈɑnt").as_deref(), Some("wˈɑntᵻd"));
        assert_eq!(add_ing("ɡˈɛt").as_deref(), Some("ɡˈɛɾɪŋ"));
        assert_eq!(add_ing(""), None);
        assert_eq!(undoubled("stopp"), Some("stop"));
        assert_eq!(undoubled("panick"), Some("panic"));
        assert_eq!(undoubled("walk"), None);
    }
}
