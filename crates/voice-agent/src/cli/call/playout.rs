//! What a loudspeaker would have played by now of what came.

use std::time::Duration;

use serde_json::{Value, json};

use crate::audio::frame::FRAME_MS;

/// The speech that is being played. Times are an argument, from any fixed moment.
#[derive(Debug, Default)]
pub(super) struct Playout {
    current: Option<Speech>,
}

#[derive(Debug)]
struct Speech {
    id: u64,
    /// Where in the speech the frames begin.
    from_ms: u64,
    received_ms: u64,
    began: Option<Duration>,
    length_ms: Option<u64>,
}

impl Speech {
    fn played_ms(&self, now: Duration) -> u64 {
        let playing = self.began.map_or(0, |began| u64::try_from(now.saturating_sub(began).as_millis()).unwrap_or(0));
        let end = self.length_ms.unwrap_or(u64::MAX);
        (self.from_ms + playing.min(self.received_ms)).min(end)
    }

    fn report(&self, now: Duration) -> Value {
        json!({"type": "playout", "speech_id": self.id, "played_ms": self.played_ms(now)})
    }
}

impl Playout {
    /// The frames that follow belong to this speech, from this position.
    pub(super) fn start(&mut self, id: u64, from_ms: u64) {
        self.current = Some(Speech { id, from_ms, received_ms: 0, began: None, length_ms: None });
    }

    /// A frame came.
    pub(super) fn frame(&mut self, now: Duration) {
        if let Some(speech) = &mut self.current {
            speech.received_ms += FRAME_MS;
            speech.began.get_or_insert(now);
        }
    }

    /// All frames of the speech were sent.
    pub(super) fn finished(&mut self, id: u64, length_ms: u64) {
        if let Some(speech) = self.current.as_mut().filter(|speech| speech.id == id) {
            speech.length_ms = Some(length_ms);
        }
    }

    /// Drops the speech; the answer is the last report.
    pub(super) fn clear(&mut self, id: u64, now: Duration) -> Option<Value> {
        let speech = self.current.take_if(|speech| speech.id == id)?;
        Some(speech.report(now))
    }

    /// The report of this moment; the last one of a speech that was played to its end.
    pub(super) fn report(&mut self, now: Duration) -> Option<Value> {
        let speech = self.current.as_ref()?;
        speech.began?;
        let report = speech.report(now);
        if speech.length_ms.is_some_and(|length| speech.played_ms(now) >= length) {
            self.current = None;
        }
        Some(report)
    }

    /// Whether nothing is being played.
    pub(super) const fn is_silent(&self) -> bool {
        self.current.is_none()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn never_more_is_played_than_time_passed_or_frames_came() {
        let at = Duration::from_millis;
        let played = |report: Option<Value>| report.map(|report| report["played_ms"].as_u64().unwrap());
        let mut playout = Playout::default();
        assert_eq!(played(playout.report(at(0))), None);
        playout.start(3, 0);
        assert_eq!(played(playout.report(at(10))), None, "nothing came yet");
        for _ in 0..5 {
            playout.frame(at(100));
        }
        assert_eq!(played(playout.report(at(140))), Some(40));
        assert_eq!(played(playout.report(at(900))), Some(100));
        playout.finished(3, 90);
        assert!(!playout.is_silent());
        assert_eq!(played(playout.report(at(900))), Some(90));
        assert!(playout.is_silent());

        playout.start(4, 500);
        playout.frame(at(1_000));
        assert_eq!(played(playout.clear(4, at(2_000))), Some(520));
        assert_eq!(played(playout.clear(4, at(2_000))), None);
    }
}
