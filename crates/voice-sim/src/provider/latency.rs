//! How long everything takes.

use std::str::FromStr;
use std::sync::Mutex;

use serde::Serialize;

use super::lock;
use crate::dice::Dice;

/// A latency is at most this long, in ms.
const LONGEST_MS: u64 = 600_000;

/// A fixed time, or one that varies. As text: `100`, or `100~30` for 70 to 130 ms.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct Latency {
    /// In ms.
    pub ms: u64,
    /// How far it strays to either side, evenly, in ms.
    pub jitter_ms: u64,
}

impl Latency {
    /// Always the same.
    pub const fn fixed(ms: u64) -> Self {
        Self { ms, jitter_ms: 0 }
    }
}

impl FromStr for Latency {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (ms, jitter_ms) = text.split_once('~').unwrap_or((text, "0"));
        let number = |text: &str| text.parse().ok().filter(|ms| *ms <= LONGEST_MS);
        match (number(ms), number(jitter_ms)) {
            (Some(ms), Some(jitter_ms)) => Ok(Self { ms, jitter_ms }),
            _ => Err(format!("{text:?} is no latency: MS or MS~JITTER, {LONGEST_MS} ms at most")),
        }
    }
}

/// What takes time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Step {
    /// From a request or a handshake to the head of its answer.
    Connect,
    /// From the end of the audio (or the request to finish it) to its final transcript.
    Stt,
    /// From a request to the first token.
    Llm,
    /// From a token to the next.
    Token,
    /// From a text to the first audio.
    Tts,
}

impl Step {
    const ALL: [(Self, &'static str, Latency); 5] = [
        (Self::Connect, "connect", Latency::fixed(5)),
        (Self::Stt, "stt", Latency::fixed(100)),
        (Self::Llm, "llm", Latency::fixed(150)),
        (Self::Token, "token", Latency::fixed(10)),
        (Self::Tts, "tts", Latency::fixed(80)),
    ];
}

impl FromStr for Step {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        Self::ALL
            .into_iter()
            .find_map(|(step, known, _)| (known == name).then_some(step))
            .ok_or_else(|| format!("{name:?} is none of connect, stt, llm, token, tts"))
    }
}

/// The latencies of all steps, and the dice for their jitter.
#[derive(Debug)]
pub(crate) struct Latencies(Mutex<(Vec<(Step, Latency)>, Dice)>);

impl Latencies {
    /// What is usual, but for these.
    pub(crate) fn new(seed: u64, changed: &[(Step, Latency)]) -> Self {
        let usual = Step::ALL.into_iter().map(|(step, _, latency)| (step, latency)).collect();
        let latencies = Self(Mutex::new((usual, Dice::new(seed))));
        for (step, latency) in changed {
            latencies.set(*step, *latency);
        }
        latencies
    }

    pub(crate) fn set(&self, step: Step, latency: Latency) {
        for (known, value) in &mut lock(&self.0).0 {
            if *known == step {
                *value = latency;
            }
        }
    }

    /// How long it takes this time, in ms.
    pub(crate) fn roll(&self, step: Step) -> u64 {
        let (table, dice) = &mut *lock(&self.0);
        let latency =
            table.iter().find_map(|(known, latency)| (*known == step).then_some(*latency)).unwrap_or_default();
        let (low, high) = (latency.ms.saturating_sub(latency.jitter_ms), latency.ms.saturating_add(latency.jitter_ms));
        dice.between(low, high)
    }
}

/// Reads `stt=100,llm=150~50`.
///
/// # Errors
/// What is wrong with it.
pub fn parse_latencies(text: &str) -> Result<Vec<(Step, Latency)>, String> {
    let pairs = text.split(',').filter(|pair| !pair.is_empty());
    pairs
        .map(|pair| {
            let (step, latency) = pair.split_once('=').ok_or_else(|| format!("{pair:?} is not step=latency"))?;
            Ok((step.trim().parse()?, latency.trim().parse()?))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn jitter_comes_from_the_seed_and_stays_in_its_range() {
        let changed = parse_latencies("llm=100~30,stt=7").expect("latencies");
        let (one, same) = (Latencies::new(1, &changed), Latencies::new(1, &changed));
        let rolls: Vec<u64> = (0..200).map(|_| one.roll(Step::Llm)).collect();
        assert_eq!(rolls, (0..200).map(|_| same.roll(Step::Llm)).collect::<Vec<u64>>());
        assert!(rolls.iter().all(|ms| (70..=130).contains(ms)) && rolls.iter().any(|ms| *ms != rolls[0]));
        assert_eq!((one.roll(Step::Stt), one.roll(Step::Tts)), (7, 80));
    }

    #[test]
    fn nonsense_is_refused() {
        for text in ["stt", "stt=", "stt=fast", "nobody=1", "stt=1~", "stt=-1", "stt=99999999"] {
            assert!(parse_latencies(text).is_err(), "{text}");
        }
        assert_eq!(parse_latencies(""), Ok(Vec::new()));
    }
}
