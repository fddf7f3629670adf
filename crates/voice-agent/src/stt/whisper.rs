//! OpenAI's transcription of whole clips: Whisper, and the models that took its place behind the same call.
//!
//! The format's source is OpenAI's API reference, "Create transcription". The audio goes as a WAV in a form, the titles of
//! the caller's tasks as a prompt, which such a model takes for what was said just before.

#[cfg(test)]
mod tests;

use std::sync::Arc;

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use reqwest::Method;
use reqwest::multipart::{Form, Part};
use serde::Deserialize;
use voice_core::cost::Quantity;
use voice_core::provider::{ProviderErrorKind, ProviderFailure};

use super::{Stt, Wanted};
use crate::failover::Probed;
use crate::openai::Account;
use crate::served::Served;

/// Under the base URL.
const PATH: [&str; 2] = ["audio", "transcriptions"];
const SAMPLE_RATE: u32 = 16_000;
/// Shorter clips are refused, so they are not sent: 0.1 s.
const LEAST_SAMPLES: usize = 1_600;
/// Longer ones are refused as well: 25 MB.
const MOST_SAMPLES: usize = (25_000_000 - WAV_HEADER_BYTES) / 2;
const WAV_HEADER_BYTES: usize = 44;
/// A segment that is less likely speech, and whose words are less likely, is one that the model made up: its own limits.
const NO_SPEECH: f64 = 0.6;
const UNLIKELY: f64 = -1.0;
/// Most bytes of an answer.
const MAX_ANSWER_BYTES: usize = 1024 * 1024;
/// What a prompt begins with. Nobody says it, so that a model that reads its prompt out is found out.
const PROMPT_START: &str = "A list of tasks:";

/// The settings of a transcription model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WhisperConfig {
    /// The model's name.
    pub model: String,
    /// The language that is spoken (ISO 639-1); none: the model finds out, and is wrong now and then.
    pub language: Option<String>,
    /// Longest prompt, in characters; 0: none. A model looks at about 224 tokens of it.
    pub max_prompt_chars: usize,
}

impl Default for WhisperConfig {
    fn default() -> Self {
        Self { model: "whisper-1".to_owned(), language: Some("en".to_owned()), max_prompt_chars: 600 }
    }
}

/// A transcription model behind OpenAI's API.
#[derive(Debug, Clone)]
pub struct WhisperStt {
    account: Arc<Account>,
    config: Arc<WhisperConfig>,
}

impl WhisperStt {
    /// A model of this account. It may share it with language models.
    pub fn new(account: Arc<Account>, config: WhisperConfig) -> Self {
        Self { account, config: Arc::new(config) }
    }

    fn request(&self, pcm: &[i16], prompt: Option<&str>) -> Result<reqwest::RequestBuilder, ProviderFailure> {
        let form = form(&self.config, pcm, prompt)?;
        Ok(self.account.request(Method::POST, &PATH).multipart(form))
    }

    async fn hear(&self, pcm: &[i16], titles: &[String]) -> Result<String, ProviderFailure> {
        if pcm.len() < LEAST_SAMPLES {
            return Ok(String::new());
        }
        if pcm.len() > MOST_SAMPLES {
            return Err(ProviderErrorKind::BadRequest.into());
        }
        let prompt = prompt(titles, self.config.max_prompt_chars);
        let request = self.request(pcm, prompt.as_deref())?;
        let answer = self.account.send(request).await?.body(MAX_ANSWER_BYTES).await?;
        decode(&answer, prompt.as_deref())
    }
}

impl Stt for WhisperStt {
    fn provider(&self) -> &'static str {
        "whisper"
    }

    fn model(&self) -> &str {
        &self.config.model
    }

    fn transcribe(
        &self,
        pcm: Vec<i16>,
        _wanted: Wanted,
        titles: Arc<Vec<String>>,
    ) -> BoxFuture<'static, Result<String, ProviderFailure>> {
        let stt = self.clone();
        async move { stt.hear(&pcm, &titles).await }.boxed()
    }

    /// It is asked for whole utterances: every interim transcript would be another request, paid and too late.
    fn has_interims(&self) -> bool {
        false
    }

    /// Has a fifth of a second of a tone transcribed. To ask for the model's name would be free, and would show neither that
    /// transcription works nor that there is money left for it: a clip is billed as a second (about 0.0001 $), and rarely.
    fn probe(&self) -> BoxFuture<'static, Probed> {
        let stt = self.clone();
        async move {
            let tone = tone();
            let answer = stt.account.probe(stt.request(&tone, None)?).await?.unwrap_or_default();
            let audio_ms = tone.len() as u64 * 1_000 / u64::from(SAMPLE_RATE);
            decode(&answer, None).map(|_whatever_it_heard| Some(Quantity::AudioMs(audio_ms)))
        }
        .boxed()
    }

    fn served(&self) -> BoxFuture<'static, Result<Served, ProviderFailure>> {
        let stt = self.clone();
        async move { stt.account.served(&stt.config.model).await }.boxed()
    }
}

/// The request's form.
fn form(config: &WhisperConfig, pcm: &[i16], prompt: Option<&str>) -> Result<Form, ProviderFailure> {
    // The server knows the format by the name.
    let file = Part::bytes(wav(pcm)).file_name("audio.wav").mime_str("audio/wav");
    let file = file.map_err(|_never| ProviderErrorKind::BadRequest)?;
    let mut form = Form::new().part("file", file).text("model", config.model.clone());
    form = form.text("response_format", response_format(&config.model)).text("temperature", "0");
    if let Some(language) = &config.language {
        form = form.text("language", language.clone());
    }
    Ok(match prompt {
        Some(prompt) => form.text("prompt", prompt.to_owned()),
        None => form,
    })
}

/// Only Whisper itself says how sure it is; the models after it know no other format than `json`.
fn response_format(model: &str) -> &'static str {
    if model.starts_with("whisper") { "verbose_json" } else { "json" }
}

/// PCM16 mono at 16 kHz as a WAV file.
fn wav(pcm: &[i16]) -> Vec<u8> {
    let data_bytes = u32::try_from(2 * pcm.len()).unwrap_or(u32::MAX);
    let mut wav = Vec::with_capacity(WAV_HEADER_BYTES + 2 * pcm.len());
    wav.extend_from_slice(b"RIFF");
    wav.extend_from_slice(&data_bytes.saturating_add(36).to_le_bytes());
    // The format's chunk: 16 bytes, PCM, one channel, the rate, bytes a second, bytes and bits a sample.
    wav.extend_from_slice(b"WAVEfmt \x10\0\0\0\x01\0\x01\0");
    wav.extend_from_slice(&SAMPLE_RATE.to_le_bytes());
    wav.extend_from_slice(&(2 * SAMPLE_RATE).to_le_bytes());
    wav.extend_from_slice(b"\x02\0\x10\0data");
    wav.extend_from_slice(&data_bytes.to_le_bytes());
    wav.resize(WAV_HEADER_BYTES + 2 * pcm.len(), 0);
    for (bytes, sample) in wav[WAV_HEADER_BYTES..].chunks_exact_mut(2).zip(pcm) {
        bytes.copy_from_slice(&sample.to_le_bytes());
    }
    wav
}

/// A fifth of a second of 440 Hz, quiet.
fn tone() -> Vec<i16> {
    let step = 440.0 * std::f32::consts::TAU / SAMPLE_RATE as f32;
    #[expect(clippy::cast_possible_truncation, reason = "at most 3000 either way")]
    let sample = |n: u16| (3_000.0 * (f32::from(n) * step).sin()) as i16;
    (0..3_200).map(sample).collect()
}

/// The titles as a prompt: as many as fit, none when none does.
fn prompt(titles: &[String], most_chars: usize) -> Option<String> {
    let mut prompt = PROMPT_START.to_owned();
    let mut length = prompt.len() + 1;
    for title in titles {
        let title = title.split_whitespace().collect::<Vec<_>>().join(" ");
        length += title.chars().count() + 2;
        if length > most_chars {
            break;
        }
        prompt.push_str(if prompt.len() == PROMPT_START.len() { " " } else { ", " });
        prompt.push_str(&title);
    }
    (prompt.len() > PROMPT_START.len()).then(|| prompt + ".")
}

#[derive(Debug, Deserialize)]
struct Answer {
    text: String,
    #[serde(default)]
    segments: Option<Vec<Segment>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Segment {
    text: String,
    no_speech_prob: Option<f64>,
    avg_logprob: Option<f64>,
}

impl Segment {
    /// The model heard no speech, and does not believe its words either.
    fn is_made_up(&self) -> bool {
        self.no_speech_prob.is_some_and(|prob| prob > NO_SPEECH) && self.avg_logprob.is_some_and(|prob| prob < UNLIKELY)
    }
}

/// The text of an answer, without what the model made up.
fn decode(body: &[u8], prompt: Option<&str>) -> Result<String, ProviderFailure> {
    let answer: Answer = serde_json::from_slice(body).map_err(|_quotes_it| ProviderErrorKind::Protocol)?;
    let segments = answer.segments.unwrap_or_default();
    let text = if segments.iter().any(Segment::is_made_up) {
        segments.iter().filter(|segment| !segment.is_made_up()).map(|segment| segment.text.as_str()).collect()
    } else {
        answer.text
    };
    let text = text.trim();
    Ok(if prompt.is_some_and(|prompt| is_read_out(text, prompt)) { String::new() } else { text.to_owned() })
}

/// Given no speech, a model may say its prompt, from the beginning: all of it, or a part.
fn is_read_out(text: &str, prompt: &str) -> bool {
    let words = |text: &str| text.to_lowercase().split_whitespace().map(bare).collect::<Vec<_>>();
    let (said, given) = (words(text), words(prompt));
    said.len() > words(PROMPT_START).len() && given.starts_with(&said)
}

fn bare(word: &str) -> String {
    word.chars().filter(|c| c.is_alphanumeric()).collect()
}
