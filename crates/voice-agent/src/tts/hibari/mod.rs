//! The embedded voice: a port of hibari (Apache-2.0, see NOTICE), American English, 24 kHz.
//!
//! Text goes sentence by sentence through [`Reader`] (phonemes), one ONNX network (spectra) and the signal processing
//! (waveform). Everything is deterministic: the same text gives the same samples.

mod clean;
mod dsp;
mod g2p;
mod level;
mod lexicon;
mod normalize;
mod numbers;
mod oov;
mod reading;
mod spanned;
mod split;
mod stress;
mod table;
mod tagger;
mod timing;
mod tokenize;
mod voice;

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use clean::Cleaner;
use dsp::SAMPLE_RATE;
use g2p::{Phone, Phonemizer};
use oov::UnknownWords;
use spanned::Spanned;
use voice::Voice;

use crate::model::runtime::{ModelError, Runtime};

/// Samples a second of [`Speech::pcm`].
pub const SAMPLE_RATE_HZ: u32 = SAMPLE_RATE;

/// Silence after the last sound of a text, ms.
const TAIL_MS: u64 = 120;
/// Silence after a sentence that another one follows, ms; its successor's lead comes on top.
const PAUSE_MS: u64 = 250;

/// Synthesised speech.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Speech {
    /// Mono PCM16 at [`SAMPLE_RATE_HZ`]; peaks stay below −1 dBFS.
    pub pcm: Vec<i16>,
    /// One entry for each word of the text (between white space), in order.
    pub words: Vec<WordTiming>,
}

impl Speech {
    /// The length of the speech, ms, rounded down.
    pub fn duration_ms(&self) -> u64 {
        samples_to_ms(self.pcm.len())
    }
}

/// When a word of the text has been heard.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WordTiming {
    /// The byte offset in the text just after the word.
    pub byte_end: usize,
    /// The time in the speech at which its last sound ends, ms; never less than the word's before.
    pub end_ms: u64,
}

fn samples_to_ms(samples: usize) -> u64 {
    u64::try_from(samples).unwrap_or(u64::MAX).saturating_mul(1000) / u64::from(SAMPLE_RATE)
}

/// The read-only part of the voice: dictionaries, tagger and reading rules. Large, and shared between threads.
#[derive(Debug)]
pub struct Reader {
    phonemizer: Phonemizer,
    cleaner: Cleaner,
    /// The network's number of each phoneme.
    vocabulary: HashMap<char, i64>,
}

impl Reader {
    /// Loads the reader's files from `hibari` below the models' folder.
    ///
    /// # Errors
    /// [`ModelError`] naming the file that is missing or broken.
    pub fn load(models_dir: &Path) -> Result<Self, ModelError> {
        let folder = models_dir.join("hibari");
        let cleaner = Cleaner::new().map_err(|error| ModelError::Broken {
            path: folder.clone(),
            reason: format!("a pattern fails: {error}"),
        })?;
        let vocabulary = table::read_json(&folder.join("vocab.json"))?;
        Ok(Self { phonemizer: Phonemizer::load(&folder)?, cleaner, vocabulary })
    }

    /// The phonemes of a text, one list a sentence; offsets are those of `text`.
    fn read(&self, text: &str, unknown: &mut UnknownWords) -> Result<Vec<Vec<Phone>>, ModelError> {
        let mut sentences = Vec::new();
        for range in split::sentences(text, &self.phonemizer.normalizer) {
            let sentence = &text[range.clone()];
            let mut spanned = Spanned::new(sentence, range.start);
            self.cleaner.clean(&mut spanned, &self.phonemizer.alphabet);
            let mut phones = self.phonemizer.phonemize(spanned, unknown)?;
            if !phones.iter().any(|phone| phone.symbol.is_alphabetic()) {
                continue;
            }
            close(sentence, &mut phones);
            sentences.push(phones);
        }
        Ok(sentences)
    }
}

/// A sentence whose last mark was part of an abbreviation ("at 3 P.M.") still ends like one.
fn close(sentence: &str, phones: &mut Vec<Phone>) {
    let mark = sentence.trim_end_matches(['"', '\'', '”', '’', ')', ']', ' ']).chars().next_back();
    let Some(symbol) = mark.filter(|mark| ".!?".contains(*mark)) else { return };
    if let Some(last) = phones.last().copied()
        && last.symbol.is_alphabetic()
    {
        phones.push(Phone { symbol, ..last });
    }
}

/// One voice for one thread.
#[derive(Debug)]
pub struct Hibari {
    reader: Arc<Reader>,
    unknown: UnknownWords,
    voice: Voice,
}

impl Hibari {
    /// Loads a voice with a reader of its own.
    ///
    /// # Errors
    /// [`ModelError`] naming the file that is missing or broken.
    pub fn load(runtime: &Runtime) -> Result<Self, ModelError> {
        let reader = Arc::new(Reader::load(runtime.models_dir())?);
        Self::load_shared(runtime, &reader)
    }

    /// Loads a voice that reads with a shared reader: the networks' sessions (about 30 MB) are its own.
    ///
    /// # Errors
    /// [`ModelError`] naming the file that is missing or broken.
    pub fn load_shared(runtime: &Runtime, reader: &Arc<Reader>) -> Result<Self, ModelError> {
        Ok(Self { reader: Arc::clone(reader), unknown: UnknownWords::load(runtime)?, voice: Voice::load(runtime)? })
    }

    /// Speaks a text at a pace (1.0 is natural; kept within 0.5 and 2.0). A text without words gives no samples.
    ///
    /// # Errors
    /// [`ModelError::Runtime`] when a network fails.
    pub fn synthesize(&mut self, text: &str, speed: f32) -> Result<Speech, ModelError> {
        let speed = if speed.is_finite() { speed.clamp(0.5, 2.0) } else { 1.0 };
        let sentences = self.reader.read(text, &mut self.unknown)?;
        let breaths: Vec<&[Phone]> = sentences.iter().flat_map(|sentence| split::breaths(sentence)).collect();
        let mut pcm = Vec::new();
        let mut marks = Vec::new();
        for (index, breath) in breaths.iter().enumerate() {
            let pause_ms = if index + 1 == breaths.len() { TAIL_MS } else { PAUSE_MS };
            let spoken = self.voice.speak(breath, &self.reader.vocabulary, speed, pause_ms)?;
            let offset = pcm.len();
            pcm.extend(spoken.samples.iter().map(|sample| (sample * 32_767.0).round() as i16));
            marks.extend(spoken.ends.iter().map(|(end, sample)| (*end, offset + sample)));
        }
        Ok(Speech { words: timing::words(text, &marks, pcm.len()), pcm })
    }

    /// The phonemes the voice would say for a text, a string for each sentence.
    ///
    /// # Errors
    /// [`ModelError::Runtime`] when the network for unknown words fails.
    pub fn phonemes(&mut self, text: &str) -> Result<Vec<String>, ModelError> {
        let sentences = self.reader.read(text, &mut self.unknown)?;
        Ok(sentences.iter().map(|phones| phones.iter().map(|phone| phone.symbol).collect()).collect())
    }
}

#[cfg(test)]
mod tests;
