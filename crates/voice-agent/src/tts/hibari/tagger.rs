//! The averaged-perceptron part-of-speech tagger (Penn Treebank tags) that chooses between readings ("read", "live").

use std::collections::HashMap;
use std::fmt;
use std::path::Path;

use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, MapAccess, Visitor};

use super::table::{Keys, Pairs, read_json};
use crate::model::runtime::ModelError;

/// The tag of a word about which nothing at all is known.
const UNKNOWN: &str = "NN";

#[derive(Deserialize)]
struct TaggerFile {
    tags: Vec<String>,
    tagdict: Pairs<String>,
    vocab: Vec<String>,
    weights: Weights,
}

/// Feature names, the span of each one's weights, and all weights, each a tag's index and ten times its value.
#[derive(Default)]
struct Weights {
    features: Vec<String>,
    spans: Vec<(u32, u8)>,
    values: Vec<(u8, i16)>,
    tags: Vec<String>,
}

impl<'de> Deserialize<'de> for Weights {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(FeatureVisitor)
    }
}

struct FeatureVisitor;

impl<'de> Visitor<'de> for FeatureVisitor {
    type Value = Weights;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("an object of features")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Weights, A::Error> {
        let mut weights = Weights::default();
        let mut tags: HashMap<String, u8> = HashMap::new();
        while let Some(feature) = map.next_key::<String>()? {
            let from = weights.values.len();
            map.next_value_seed(TagWeights { values: &mut weights.values, tags: &mut tags })?;
            let length = u8::try_from(weights.values.len() - from).map_err(serde::de::Error::custom)?;
            weights.spans.push((u32::try_from(from).map_err(serde::de::Error::custom)?, length));
            weights.features.push(feature);
        }
        weights.tags = vec![String::new(); tags.len()];
        for (tag, index) in tags {
            weights.tags[usize::from(index)] = tag;
        }
        Ok(weights)
    }
}

/// Reads one feature's object of tag weights onto the end of the common list.
struct TagWeights<'a> {
    values: &'a mut Vec<(u8, i16)>,
    tags: &'a mut HashMap<String, u8>,
}

impl<'de> DeserializeSeed<'de> for TagWeights<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for TagWeights<'_> {
    type Value = ();

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("an object of tag weights")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some((tag, weight)) = map.next_entry::<&str, f64>()? {
            let index = match self.tags.get(tag) {
                Some(index) => *index,
                None => {
                    let index = u8::try_from(self.tags.len()).map_err(serde::de::Error::custom)?;
                    self.tags.insert(tag.to_owned(), index);
                    index
                }
            };
            self.values.push((index, tenths(weight).ok_or_else(|| serde::de::Error::custom("a weight is too large"))?));
        }
        Ok(())
    }
}

/// Weights have one decimal: ten times a weight is a small integer.
fn tenths(weight: f64) -> Option<i16> {
    let scaled = (weight * 10.0).round();
    if scaled.abs() > f64::from(i16::MAX) {
        return None;
    }
    // In range, as checked just above.
    Some(scaled as i16)
}

/// The tagger's tables, read-only.
#[derive(Debug)]
pub(super) struct Tagger {
    /// All tags in ascending order, so that of two equal scores the later tag wins, as it was trained.
    tags: Vec<String>,
    known: Keys,
    known_tags: Vec<u8>,
    vocabulary: Keys,
    features: Keys,
    spans: Vec<(u32, u8)>,
    values: Vec<(u8, i16)>,
}

impl Tagger {
    /// Loads `tagger.json.gz`.
    pub(super) fn load(path: &Path) -> Result<Self, ModelError> {
        let file: TaggerFile = read_json(path)?;
        let broken = |reason: &str| ModelError::Broken { path: path.to_owned(), reason: reason.to_owned() };
        let mut tags = file.tags;
        tags.sort();
        if tags.len() > usize::from(u8::MAX) {
            return Err(broken("it has too many tags"));
        }
        let index_of = |tag: &str| {
            let index = tags.binary_search_by(|known| known.as_str().cmp(tag)).ok();
            index
                .and_then(|index| u8::try_from(index).ok())
                .ok_or_else(|| broken("it uses a tag that it does not list"))
        };
        let words: Vec<&str> = file.tagdict.0.iter().map(|(word, _)| word.as_str()).collect();
        let (known, order) = Keys::build(&words);
        let known_tags = order.iter().map(|index| index_of(&file.tagdict.0[*index].1)).collect::<Result<_, _>>()?;
        let renumber = file.weights.tags.iter().map(|tag| index_of(tag)).collect::<Result<Vec<u8>, _>>()?;
        let values = file.weights.values.iter().map(|(tag, value)| (renumber[usize::from(*tag)], *value)).collect();
        let (features, order) = Keys::build(&file.weights.features);
        let spans = order.iter().map(|index| file.weights.spans[*index]).collect();
        let (vocabulary, _) = Keys::build(&file.vocab);
        Ok(Self { known, known_tags, vocabulary, features, spans, values, tags })
    }

    /// The tags of a sentence's words. No word may be empty.
    pub(super) fn tag(&self, words: &[&str]) -> Vec<&str> {
        let context = self.context(words);
        let (mut previous, mut before) = ("-START-", "-START2-");
        let mut tags = Vec::with_capacity(words.len());
        for (index, word) in words.iter().enumerate() {
            let tag = match self.known.find(word).and_then(|at| self.known_tags.get(at)) {
                Some(tag) => self.name(usize::from(*tag)),
                None => self.predict(index, word, &context, previous, before),
            };
            tags.push(tag);
            (before, previous) = (previous, tag);
        }
        tags
    }

    fn name(&self, tag: usize) -> &str {
        self.tags.get(tag).map_or(UNKNOWN, String::as_str)
    }

    /// Normalised words between two markers at each end; words outside the vocabulary are replaced by their shape.
    fn context(&self, words: &[&str]) -> Vec<String> {
        let mut context = vec!["-START2-".to_owned(), "-START-".to_owned()];
        for word in words {
            let plain = norm(word);
            let known = self.vocabulary.find(&plain).is_some();
            context.push(if known { plain } else { format!("<{}>", shape(word)) });
        }
        context.extend(["-END-".to_owned(), "-END2-".to_owned()]);
        context
    }

    /// Adds up the weights of every feature. The order of features and additions is the trained one: sums of decimals
    /// differ in the last bit otherwise, and ties would fall differently.
    fn predict(&self, index: usize, word: &str, context: &[String], previous: &str, before: &str) -> &str {
        let at = |offset: usize| context.get(index + offset).map_or("", String::as_str);
        let position = if index == 0 { "i0" } else { "i+" };
        let first: String = word.chars().take(1).collect();
        let features = [
            "b".to_owned(),
            format!("s3={}", last_three(word)),
            format!("p1={first}"),
            format!("w={}", at(2)),
            format!("sh={}", shape(word)),
            position.to_owned(),
            format!("t-1={previous}"),
            format!("t-2={before}"),
            format!("t-12={previous},{before}"),
            format!("w-1={}", at(1)),
            format!("s3-1={}", last_three(at(1))),
            format!("w-2={}", at(0)),
            format!("w+1={}", at(3)),
            format!("s3+1={}", last_three(at(3))),
            format!("w+2={}", at(4)),
        ];
        let mut scores = vec![0.0_f64; self.tags.len()];
        for feature in &features {
            let Some((from, length)) = self.features.find(feature).and_then(|found| self.spans.get(found)) else {
                continue;
            };
            let from = usize::try_from(*from).unwrap_or(usize::MAX);
            let weights = self.values.get(from..from.saturating_add(usize::from(*length))).unwrap_or(&[]);
            for (tag, weight) in weights {
                if let Some(score) = scores.get_mut(usize::from(*tag)) {
                    *score += f64::from(*weight) / 10.0;
                }
            }
        }
        let best = scores.iter().enumerate().max_by(|a, b| a.1.total_cmp(b.1).then(a.0.cmp(&b.0)));
        best.map_or(UNKNOWN, |(tag, _)| self.name(tag))
    }
}

fn last_three(word: &str) -> &str {
    let start = word.char_indices().rev().nth(2).map_or(0, |(index, _)| index);
    &word[start..]
}

fn all_digits(word: &str) -> bool {
    !word.is_empty() && word.chars().all(|c| c.is_ascii_digit())
}

fn norm(word: &str) -> String {
    let first = word.chars().next().unwrap_or(' ');
    if word.contains('-') && first != '-' {
        "!HYPHEN".to_owned()
    } else if all_digits(word) && word.len() == 4 {
        "!YEAR".to_owned()
    } else if first.is_ascii_digit() {
        "!DIGITS".to_owned()
    } else {
        word.to_lowercase()
    }
}

fn shape(word: &str) -> String {
    if all_digits(word) {
        return "d".to_owned();
    }
    if !word.chars().all(char::is_alphabetic) {
        let kind = |c: char| {
            if c.is_numeric() {
                'd'
            } else if c.is_alphabetic() {
                'x'
            } else {
                c
            }
        };
        return word.chars().take(4).map(kind).collect();
    }
    let mut rest = word.chars();
    let capital = rest.next().is_some_and(char::is_uppercase);
    let small_rest = rest.as_str().chars().all(char::is_lowercase) && !rest.as_str().is_empty();
    let shape = if word.chars().all(char::is_lowercase) {
        "x"
    } else if word.chars().all(char::is_uppercase) {
        if rest.as_str().is_empty() { "X1" } else { "XX" }
    } else if capital && small_rest {
        "Xx"
    } else {
        "xX"
    };
    shape.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shapes_are_those_the_tagger_was_trained_on() {
        let shapes = ["word", "Word", "WORD", "A", "iPhone", "2026", "3rd", "don't", "..."];
        let expected = ["x", "Xx", "XX", "X1", "xX", "d", "dxx", "xxx'", "..."];
        assert_eq!(shapes.map(shape), expected);
    }

    #[test]
    fn words_are_normalised_for_the_window() {
        assert_eq!(["Co-op", "-5", "1999", "12", "Hello"].map(norm), ["!HYPHEN", "-5", "!YEAR", "!DIGITS", "hello"]);
        assert_eq!(last_three("né"), "né");
        assert_eq!(last_three("crème"), "ème");
    }
}
