//! Words no dictionary has: a small character network reads them. It also knows which letters can be read at all.

use std::collections::HashMap;
use std::path::Path;

use ort::session::Session;
use ort::value::Tensor;
use serde::Deserialize;

use super::table::read_json;
use crate::model::runtime::{ModelError, Runtime};

/// The network and its alphabets below the models' folder.
const MODEL: &str = "hibari/oov.onnx";
/// Readings kept: names come back in a conversation. A full store is emptied.
const REMEMBERED: usize = 512;

#[derive(Debug, Deserialize)]
struct AlphabetFile {
    #[serde(rename = "in")]
    letters: Vec<char>,
    out: Vec<char>,
    maxlen: usize,
}

/// The letters the network reads and the phonemes it answers with.
#[derive(Debug)]
pub(super) struct Alphabet {
    letters: HashMap<char, i64>,
    phonemes: Vec<char>,
    max_letters: usize,
}

impl Alphabet {
    /// Loads `oov.json`.
    pub(super) fn load(path: &Path) -> Result<Self, ModelError> {
        let file: AlphabetFile = read_json(path)?;
        Ok(Self { letters: file.letters.into_iter().zip(1..).collect(), phonemes: file.out, max_letters: file.maxlen })
    }

    /// Whether the network can read the letter.
    pub(super) fn reads(&self, letter: char) -> bool {
        self.letters.contains_key(&letter)
    }

    fn encode(&self, word: &str) -> Vec<i64> {
        word.chars().filter_map(|letter| self.letters.get(&letter).copied()).take(self.max_letters).collect()
    }

    /// Collapses repeats and drops blanks (0), as the network was trained (CTC).
    fn decode(&self, output: &[i64]) -> String {
        let mut phonemes = String::new();
        let mut previous = 0;
        for index in output {
            let symbol =
                index.checked_sub(1).and_then(|at| usize::try_from(at).ok()).and_then(|at| self.phonemes.get(at));
            if *index != previous {
                phonemes.extend(symbol);
            }
            previous = *index;
        }
        phonemes
    }
}

/// The network's session, and the words it has read.
#[derive(Debug)]
pub(super) struct UnknownWords {
    session: Session,
    remembered: HashMap<String, Option<String>>,
}

impl UnknownWords {
    /// Opens the network.
    pub(super) fn load(runtime: &Runtime) -> Result<Self, ModelError> {
        Ok(Self { session: runtime.open(MODEL)?, remembered: HashMap::new() })
    }

    /// The phonemes of a word; `None` when none of its letters can be read.
    pub(super) fn read(&mut self, alphabet: &Alphabet, word: &str) -> Result<Option<String>, ModelError> {
        if let Some(known) = self.remembered.get(word) {
            return Ok(known.clone());
        }
        let letters = alphabet.encode(word);
        let reading = if letters.is_empty() {
            None
        } else {
            let input = Tensor::from_array(([1, letters.len()], letters))?;
            let outputs = self.session.run(ort::inputs!["chars" => input])?;
            let (_, symbols) = outputs[0].try_extract_tensor::<i64>()?;
            Some(alphabet.decode(symbols))
        };
        if self.remembered.len() >= REMEMBERED {
            self.remembered.clear();
        }
        self.remembered.insert(word.to_owned(), reading.clone());
        Ok(reading)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn repeats_collapse_and_blanks_vanish() {
        let alphabet = Alphabet { letters: [('a', 1), ('b', 2)].into(), phonemes: vec!['x', 'y'], max_letters: 3 };
        assert_eq!(alphabet.decode(&[0, 1, 1, 0, 1, 2, 9, 2]), "xxyy");
        assert_eq!(alphabet.encode("a?bab"), [1, 2, 1]);
    }
}
