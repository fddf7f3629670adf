//! The embedded speech recogniser: Moonshine tiny-en (MIT, Useful Sensors) through the ONNX Runtime.
//!
//! A decode is a pure function of its audio and options: there is no streaming state. For partial results the caller
//! decodes the growing utterance greedily again ([`DecodeOptions::partial`]) and passes the texts through a
//! [`PartialStabilizer`]; the final result is a beam search ([`DecodeOptions::final_result`]) whose hypotheses are weighed
//! by a [`Bias`] towards what callers of a task list say: phrases, the caller's titles, and a small language model.

mod bias;
mod confusion;
mod decoder;
mod heard;
mod language;
mod level;
mod phones;
mod phonetic;
mod phrases;
mod rewrite;
mod search;
mod split;
mod stabilizer;
#[cfg(test)]
mod tests;
mod text;
mod title;
mod tokenizer;
mod whole;

pub use bias::Bias;
use bias::Weighed;
pub use level::Take;
pub use stabilizer::{Caption, PartialStabilizer};

use std::collections::BTreeMap;
use std::sync::LazyLock;

use self::decoder::{Audio, Networks, Past};
use self::heard::Heard;
use self::search::{Candidate, Sequence, Steps, best_of_rows, search};
use self::tokenizer::Tokenizer;
use crate::model::runtime::{ModelError, Runtime};

/// Samples a second of all audio given to this module.
pub const SAMPLE_RATE: usize = 16_000;
/// The longest audio that is listened to, in milliseconds. What comes after it is left out, and
/// [`Transcription::truncated_ms`] says how much that was.
pub const MAX_AUDIO_MS: u64 = 30_000;
/// Audio shorter than this holds no word: its transcription is empty, without the model being asked.
pub const MIN_AUDIO_MS: u64 = 200;

/// How to decode.
#[derive(Debug, Clone, Copy)]
pub struct DecodeOptions<'b> {
    /// Hypotheses followed at a time: 1 is greedy.
    pub beam: usize,
    /// The audio is heard once in each of these ways.
    pub takes: &'static [Take],
    /// What the caller is likely to say. Not looked at when greedy: partial results are the model's own words.
    pub bias: &'b Bias<'b>,
    /// At most so many tokens for each second of audio; a decoder that rambles on silence ends here. Fast English speech has
    /// about five.
    pub max_tokens_per_second: f32,
    /// Audio whose likeliest reading, bias aside, is less confident than this is taken for noise, unless what was found in it is
    /// wholly understood: its text becomes empty.
    pub min_confidence: f32,
}

impl<'b> DecodeOptions<'b> {
    /// For partial results while the caller speaks: greedy.
    pub fn partial(bias: &'b Bias<'b>) -> Self {
        Self { beam: 1, takes: &TAKES[..1], bias, max_tokens_per_second: 6.5, min_confidence: MIN_CONFIDENCE }
    }

    /// For the transcript of a finished utterance: six beams.
    pub fn final_result(bias: &'b Bias<'b>) -> Self {
        Self { beam: 6, takes: TAKES, ..Self::partial(bias) }
    }
}

/// How a final result is listened to. What is written changes with where the sound lies in the model's frames, and with the
/// speaker's pace: what is written each time is the likelier for it. Partial results are heard in the first way only.
const TAKES: &[Take] = &[
    Take { before_ms: 300, after_ms: 100, speed_percent: 100 },
    Take { before_ms: 500, after_ms: 500, speed_percent: 100 },
    Take { before_ms: 400, after_ms: 300, speed_percent: 94 },
];

/// Below this confidence the model's words are noise. Measured on synthetic noises (white, pink and brown at three levels,
/// tones, typing, clicks, a cough) those give 0.18 to 0.97, and above 0.3 always a text of [`text::is_heard_in_noise`], which
/// is the sharper test; speech, also through a telephone and where it is misheard, stays above 0.4.
const MIN_CONFIDENCE: f32 = 0.3;

/// What is wholly understood may be less confident by this factor, and what is understood in part by less.
const UNDERSTOOD_CONFIDENCE: f32 = 0.5;

/// What was heard.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Transcription {
    /// The best text, tidied; empty when nothing was said.
    pub text: String,
    /// From 0 to 1: the geometric mean of the tokens' probabilities (`exp` of the mean log-probability, the end token
    /// counted), weighted by length over the segments of long audio. 0 when nothing was decoded.
    pub confidence: f32,
    /// What else it may have been, best first and each text once; the first is `text` itself. Empty when `text` is. For audio
    /// of several segments the k-th hypothesis joins every segment's k-th.
    pub hypotheses: Vec<Hypothesis>,
    /// Audio at the end that was not listened to, in milliseconds, because it lies beyond [`MAX_AUDIO_MS`].
    pub truncated_ms: u64,
}

/// One of the texts the audio may hold.
#[derive(Debug, Clone, PartialEq)]
pub struct Hypothesis {
    /// The text, tidied, and repaired towards the caller's task titles where that was beyond doubt.
    pub text: String,
    /// Natural logarithm of the probability the model gives the whole text.
    pub log_prob: f32,
    /// What the order is by: log-probability plus bias, length-normalised.
    pub score: f32,
}

/// The recogniser. Holds about 45 MB of weights; one decode at a time. `Send`, so that a pool's thread can own it.
pub struct Moonshine {
    networks: Networks,
    tokenizer: Tokenizer,
    samples: Vec<f32>,
}

impl Moonshine {
    /// Loads both networks and the vocabulary from the models' folder.
    ///
    /// # Errors
    /// [`ModelError`] when a file is missing or broken.
    pub fn load(runtime: &Runtime) -> Result<Self, ModelError> {
        let path = runtime.models_dir().join("moonshine-tiny-en/tokenizer.bin");
        let tokenizer = Tokenizer::load(&path)?;
        if tokenizer.len() != decoder::VOCABULARY {
            let reason = format!("{} tokens instead of {}", tokenizer.len(), decoder::VOCABULARY);
            return Err(ModelError::Broken { path, reason });
        }
        // The first caller does not wait for the language model to be counted.
        LazyLock::force(&language::LANGUAGE);
        Ok(Self { networks: Networks::load(runtime)?, tokenizer, samples: Vec::new() })
    }

    /// Writes down what is said in `pcm` (16 kHz mono). Audio above 10 s is cut at its quietest places and joined again; of
    /// audio above [`MAX_AUDIO_MS`] the first 30 s are heard; below [`MIN_AUDIO_MS`] the answer is empty.
    ///
    /// # Errors
    /// [`ModelError::Runtime`] when a network fails.
    pub fn transcribe(&mut self, pcm: &[i16], options: &DecodeOptions<'_>) -> Result<Transcription, ModelError> {
        let most = samples_in(MAX_AUDIO_MS);
        let heard = &pcm[..pcm.len().min(most)];
        let truncated_ms = ((pcm.len() - heard.len()) * 1_000 / SAMPLE_RATE) as u64;
        let mut parts = Vec::new();
        for range in split::segments(heard) {
            let segment = &heard[range];
            if segment.len() >= samples_in(MIN_AUDIO_MS) {
                parts.push((segment.len(), self.transcribe_segment(segment, options)?));
            }
        }
        Ok(Transcription { truncated_ms, ..join(parts) })
    }

    fn transcribe_segment(&mut self, pcm: &[i16], options: &DecodeOptions<'_>) -> Result<Transcription, ModelError> {
        let seconds = pcm.len() as f32 / SAMPLE_RATE as f32;
        // Two more than the rate allows: a short "yes, please." has its full stop and its end besides.
        let most_tokens = (seconds * options.max_tokens_per_second) as usize + 2;
        let mut sequences = Vec::new();
        for take in options.takes {
            level::prepare(pcm, *take, &mut self.samples);
            let audio = self.networks.encode(&self.samples)?;
            let mut steps = NetworkSteps {
                networks: &mut self.networks,
                tokenizer: &self.tokenizer,
                bias: options.bias,
                audio,
                past: None,
            };
            sequences.extend(search(&mut steps, options.beam, most_tokens)?);
        }
        Ok(self.weigh(&sequences, options))
    }

    /// Texts of token sequences, each once, weighed by the bias.
    fn weigh(&self, sequences: &[Sequence], options: &DecodeOptions<'_>) -> Transcription {
        let Some(likely) = sequences.iter().max_by(|a, b| a.log_prob.total_cmp(&b.log_prob)) else {
            return Transcription::default();
        };
        // Whether anything was said at all is for the sound to say, not for the bias.
        let confidence = likely.mean_log_prob().exp();
        let unbiased = text::tidy(&self.tokenizer.decode(&likely.tokens));
        if text::is_heard_in_noise(&unbiased) {
            return Transcription { confidence, ..Transcription::default() };
        }
        let mut heard = Heard::default();
        let mut by_words: BTreeMap<Vec<String>, Reading> = BTreeMap::new();
        let mut known: BTreeMap<String, Vec<Weighed>> = BTreeMap::new();
        let raws: Vec<(String, Vec<String>)> = sequences
            .iter()
            .map(|sequence| text::tidy(&self.tokenizer.decode(&sequence.tokens)))
            .map(|raw| {
                let words = text::bare_words(&raw);
                (raw, words)
            })
            .collect();
        for ((raw, words), sequence) in raws.iter().zip(sequences) {
            let readings = known.entry(raw.clone()).or_insert_with_key(|raw| match options.beam {
                0 | 1 => vec![Weighed::unbiased(raw.clone())],
                _ => options.bias.readings(raw),
            });
            heard.add(words.clone(), sequence.log_prob, readings);
        }
        for ((raw, words), sequence) in raws.iter().zip(sequences) {
            let most = heard.most_nats(words);
            let readings = known.get(raw).into_iter().flatten();
            for Weighed { text, nats, price } in readings.filter(|read| !text::is_heard_in_noise(&read.text)) {
                // The same words with other punctuation, or heard again in another way, are one hypothesis.
                let reading = by_words.entry(text::bare_words(text)).or_default();
                let sequence = Sequence { log_prob: sequence.log_prob - price, ..sequence.clone() };
                reading.add(text.clone(), nats.min(most), &sequence);
            }
        }
        let takes = (options.takes.len() as f32).ln();
        let mut found: Vec<(Hypothesis, f32)> = by_words.into_values().map(|reading| reading.weigh(takes)).collect();
        found.sort_by(|a, b| b.0.score.total_cmp(&a.0.score));
        let nothing = Transcription { confidence, ..Transcription::default() };
        let Some((best, found_confidence)) = found.first().map(|(best, confidence)| (best.text.clone(), *confidence))
        else {
            return nothing;
        };
        // A poor line makes every word doubtful; a command that is understood wholly is none of what noise is written as.
        let least = 1.0 - (1.0 - UNDERSTOOD_CONFIDENCE) * options.bias.understood(&best);
        if confidence < least * options.min_confidence {
            return nothing;
        }
        let hypotheses = found.into_iter().map(|(hypothesis, _)| hypothesis).collect();
        Transcription { text: best, confidence: found_confidence, hypotheses, truncated_ms: 0 }
    }
}

/// All that is known of one reading of the audio.
#[derive(Debug, Default)]
struct Reading {
    /// The best writing, what the bias gives for it, and its sequence.
    best: Option<(String, f32, Sequence)>,
    /// Logarithm of the sum of the probabilities of all its writings, each as often as it was heard.
    log_sum: f32,
}

impl Reading {
    fn add(&mut self, text: String, nats: f32, sequence: &Sequence) {
        let log_prob = sequence.log_prob;
        self.log_sum = match &self.best {
            None => log_prob,
            Some(_) => heard::log_add(self.log_sum, log_prob),
        };
        if self.best.as_ref().is_none_or(|(_, _, best)| log_prob > best.log_prob) {
            self.best = Some((text, nats, sequence.clone()));
        }
    }

    /// The hypothesis and its confidence; `takes` is the logarithm of how often the audio was heard.
    fn weigh(self, takes: f32) -> (Hypothesis, f32) {
        let Some((text, nats, sequence)) = self.best else {
            return (Hypothesis { text: String::new(), log_prob: f32::MIN, score: f32::MIN }, 0.0);
        };
        let confidence = sequence.mean_log_prob().exp();
        let log_prob = self.log_sum - takes;
        let score = Sequence { log_prob, ..sequence }.score(nats);
        (Hypothesis { text, log_prob, score }, confidence)
    }
}

/// The networks as the search sees them.
struct NetworkSteps<'n> {
    networks: &'n mut Networks,
    tokenizer: &'n Tokenizer,
    bias: &'n Bias<'n>,
    audio: Audio,
    past: Option<Past>,
}

impl Steps for NetworkSteps<'_> {
    fn begin(&mut self, keep: usize) -> Result<Vec<Candidate>, ModelError> {
        let (past, mut rows) = self.networks.begin(&mut self.audio, |logits| best_of_rows(logits, keep))?;
        self.past = Some(past);
        Ok(rows.pop().unwrap_or_default())
    }

    fn step(&mut self, parents: &[usize], tokens: &[i64], keep: usize) -> Result<Vec<Vec<Candidate>>, ModelError> {
        let past = self.past.as_mut().ok_or_else(|| ModelError::Runtime("a step before the first".to_owned()))?;
        self.networks.step(&self.audio, past, parents, tokens, |logits| best_of_rows(logits, keep))
    }

    fn promise(&self, tokens: &[i64], ended: bool) -> f32 {
        self.bias.promise(&self.tokenizer.decode(tokens), ended)
    }
}

/// Joins the segments of long audio.
fn join(mut parts: Vec<(usize, Transcription)>) -> Transcription {
    if parts.len() == 1 {
        return parts.pop().map(|(_, only)| only).unwrap_or_default();
    }
    parts.retain(|(_, part)| !part.text.is_empty());
    let total: usize = parts.iter().map(|(samples, _)| samples).sum();
    if total == 0 {
        return Transcription::default();
    }
    let confidence = parts.iter().map(|(samples, part)| part.confidence * *samples as f32 / total as f32).sum();
    let count = parts.iter().map(|(_, part)| part.hypotheses.len()).max().unwrap_or(0);
    let hypotheses: Vec<Hypothesis> = (0..count).map(|rank| join_rank(&parts, rank)).collect();
    let text = hypotheses.first().map(|best| best.text.clone()).unwrap_or_default();
    Transcription { text, confidence, hypotheses, truncated_ms: 0 }
}

/// The joined hypothesis of one rank; a segment with fewer hypotheses gives its last.
fn join_rank(parts: &[(usize, Transcription)], rank: usize) -> Hypothesis {
    let chosen = parts.iter().filter_map(|(_, part)| part.hypotheses.get(rank).or(part.hypotheses.last()));
    let mut joined = Hypothesis { text: String::new(), log_prob: 0.0, score: 0.0 };
    for hypothesis in chosen {
        if !joined.text.is_empty() {
            joined.text.push(' ');
        }
        joined.text.push_str(&hypothesis.text);
        joined.log_prob += hypothesis.log_prob;
        joined.score += hypothesis.score;
    }
    joined
}

const fn samples_in(ms: u64) -> usize {
    ms as usize * SAMPLE_RATE / 1_000
}
