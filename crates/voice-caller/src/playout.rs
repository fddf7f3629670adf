//! What a loudspeaker would have played by now of a speech of the agent's.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::Instant;

use crate::{FRAME_MS, millis};

/// Samples of the agent's in a millisecond, at 24 kHz.
const PER_MS: usize = 24;

/// The speech that is being played.
#[derive(Debug)]
pub struct Playout {
    /// Its number.
    pub speech: u64,
    /// Its length, once all of it was sent.
    pub whole_ms: Option<u64>,
    /// Where in the speech the frames begin.
    from_ms: u64,
    samples: Vec<i16>,
    /// When all that came will have been played.
    dry: Option<Instant>,
}

impl Playout {
    /// A speech of which nothing has come yet; its frames begin at this position.
    pub const fn new(speech: u64, from_ms: u64) -> Self {
        Self { speech, whole_ms: None, from_ms, samples: Vec::new(), dry: None }
    }

    /// Whether any of it came.
    pub const fn has_begun(&self) -> bool {
        self.dry.is_some()
    }

    /// How much of the speech was played: never more than came, or than time has passed for.
    pub fn played_ms(&self, now: Instant) -> u64 {
        let left = self.dry.map_or(Duration::ZERO, |dry| dry.saturating_duration_since(now));
        let came_ms = self.from_ms + (self.samples.len() / PER_MS) as u64;
        let played_ms = came_ms.saturating_sub(millis(left));
        self.whole_ms.map_or(played_ms, |whole_ms| played_ms.min(whole_ms))
    }

    /// Whether it was played to its end.
    pub fn is_over(&self, now: Instant) -> bool {
        self.whole_ms.is_some_and(|whole_ms| self.played_ms(now) >= whole_ms)
    }

    /// The `playout` event of this moment.
    pub fn report(&self, now: Instant) -> Value {
        json!({"type": "playout", "speech_id": self.speech, "played_ms": self.played_ms(now)})
    }

    /// Takes a frame. What comes later than the speech before it ends leaves a gap of so many ms.
    pub fn take(&mut self, samples: impl Iterator<Item = i16>, now: Instant) -> u64 {
        let late = self.dry.map_or(Duration::ZERO, |dry| now.saturating_duration_since(dry));
        self.samples.extend(samples);
        self.dry = Some(self.dry.unwrap_or(now).max(now) + Duration::from_millis(FRAME_MS));
        millis(late)
    }

    /// What was heard of it when it stopped at this position, at 24 kHz.
    pub fn heard(mut self, until_ms: u64) -> Vec<i16> {
        let kept_ms = until_ms.min(self.whole_ms.unwrap_or(u64::MAX)).saturating_sub(self.from_ms);
        self.samples.truncate(usize::try_from(kept_ms).map_or(usize::MAX, |ms| ms.saturating_mul(PER_MS)));
        self.samples
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame() -> impl Iterator<Item = i16> {
        std::iter::repeat_n(1, 480)
    }

    #[tokio::test(start_paused = true)]
    async fn audio_that_comes_too_late_leaves_a_gap() {
        let began = Instant::now();
        let at = |ms| began + Duration::from_millis(ms);
        let mut playout = Playout::new(1, 0);
        assert!(!playout.has_begun());
        assert_eq!((playout.take(frame(), at(0)), playout.take(frame(), at(0))), (0, 0));
        assert_eq!((playout.played_ms(at(10)), playout.played_ms(at(90))), (10, 40));
        assert_eq!(playout.take(frame(), at(100)), 60);
        assert_eq!(playout.played_ms(at(110)), 50);
        playout.whole_ms = Some(55);
        assert!(!playout.is_over(at(110)) && playout.is_over(at(116)));
        assert_eq!(playout.heard(u64::MAX).len(), 55 * 24);
    }

    #[tokio::test(start_paused = true)]
    async fn a_speech_that_goes_on_is_counted_from_where_it_does() {
        let now = Instant::now();
        let mut playout = Playout::new(4, 500);
        playout.take(frame(), now);
        assert_eq!(playout.report(now + Duration::from_secs(1))["played_ms"], 520);
        assert_eq!(playout.heard(510).len(), 10 * 24);
    }
}
