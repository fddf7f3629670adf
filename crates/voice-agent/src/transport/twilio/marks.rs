//! What a caller by telephone has heard: the heard-ledger's positions, from the marks that come back.
//!
//! Twilio plays what it is sent in real time, and returns a mark when everything before it was played. A mark stands behind
//! every 200 ms of audio, so a position is never wrong by more; between two marks the clock estimates. Our own `clear`
//! returns all marks at once: those mean nothing, and what was heard then is the last true mark and the time since.
//!
//! Pure: times are milliseconds since any fixed moment.

use std::collections::VecDeque;

use voice_core::ids::SpeechId;

/// Audio between two marks at most, in milliseconds.
pub const MARK_EVERY_MS: u64 = 200;
/// Marks that may wait for their return. More audio than this never waits to be played; beyond it the oldest are forgotten.
const MAX_PENDING: usize = 512;

/// Where the playout of a speech is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Position {
    /// The speech.
    pub speech: SpeechId,
    /// Milliseconds from its start that were played.
    pub played_ms: u64,
}

/// A mark that was sent, and what it means when it comes back.
#[derive(Debug, Clone, Copy)]
struct Pending {
    name: u64,
    position: Position,
}

/// The marks of one stream.
#[derive(Debug, Default)]
pub struct Ledger {
    names: u64,
    pending: VecDeque<Pending>,
    /// What is being sent: the speech, and how much of it was.
    sent: Option<Position>,
    /// What the last true mark said, or where the playout began.
    heard: Option<Position>,
    /// Since when the clock counts on from there.
    since_ms: u64,
}

impl Ledger {
    /// A ledger of a stream on which nothing was sent yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// The audio that follows is of this speech, from this position on.
    pub fn begin(&mut self, speech: SpeechId, from_ms: u64) {
        self.sent = Some(Position { speech, played_ms: from_ms });
    }

    /// Audio of this length goes out. Answers the name of the mark to send behind it; none when it belongs to no speech.
    pub fn send(&mut self, now_ms: u64, length_ms: u64) -> Option<String> {
        let sent = self.sent.as_mut()?;
        if self.pending.is_empty() {
            // Nothing is being played: it begins with this.
            self.heard = Some(*sent);
            self.since_ms = now_ms;
        }
        sent.played_ms += length_ms;
        self.names += 1;
        self.pending.push_back(Pending { name: self.names, position: *sent });
        if self.pending.len() > MAX_PENDING {
            self.pending.pop_front();
        }
        Some(format!("m{}", self.names))
    }

    /// A mark came back: where the playout is. None for one that was cleared, or that was never sent.
    pub fn returned(&mut self, now_ms: u64, name: &str) -> Option<Position> {
        let number: u64 = name.strip_prefix('m')?.parse().ok()?;
        let at = self.pending.iter().position(|pending| pending.name == number)?;
        // One that is overtaken was played as well.
        let passed = self.pending.drain(..=at).next_back()?;
        self.heard = Some(passed.position);
        self.since_ms = now_ms;
        Some(passed.position)
    }

    /// Where the playout is now: the last mark and the time since, but not beyond the next mark, which has not come back. None
    /// when nothing is being played.
    pub fn position(&self, now_ms: u64) -> Option<Position> {
        let next = self.pending.front()?.position;
        let heard = self.heard?;
        // When the speech before is through, this one has begun.
        let from_ms = if heard.speech == next.speech { heard.played_ms } else { 0 };
        let estimate_ms = from_ms + now_ms.saturating_sub(self.since_ms);
        Some(Position { speech: next.speech, played_ms: estimate_ms.min(next.played_ms) })
    }

    /// What is not played is thrown away: where the playout stopped. The marks that come back now mean nothing.
    pub fn clear(&mut self, now_ms: u64) -> Option<Position> {
        let stopped = self.position(now_ms);
        self.pending.clear();
        self.sent = None;
        self.heard = None;
        stopped
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SPEECH: SpeechId = SpeechId(1);

    fn at(played_ms: u64) -> Option<Position> {
        Some(Position { speech: SPEECH, played_ms })
    }

    fn sending(pieces: usize) -> (Ledger, Vec<String>) {
        let mut ledger = Ledger::new();
        ledger.begin(SPEECH, 0);
        let names = (0..pieces).map(|_| ledger.send(1_000, MARK_EVERY_MS).unwrap()).collect();
        (ledger, names)
    }

    #[test]
    fn a_mark_says_what_was_heard_and_the_clock_goes_on_to_the_next() {
        let (mut ledger, names) = sending(3);
        assert_eq!(ledger.position(1_080), at(80));
        assert_eq!(ledger.position(1_900), at(200), "the first mark has not come back");
        assert_eq!(ledger.returned(1_260, &names[0]), at(200));
        assert_eq!(ledger.position(1_310), at(250));
        assert_eq!(ledger.position(1_900), at(400));
        assert_eq!(ledger.returned(1_460, &names[1]), at(400));
        assert_eq!(ledger.returned(1_660, &names[2]), at(600));
        assert_eq!(ledger.position(1_700), None, "nothing is being played");
    }

    #[test]
    fn marks_that_our_clear_returns_mean_nothing() {
        let (mut ledger, names) = sending(3);
        ledger.returned(1_260, &names[0]);
        assert_eq!(ledger.clear(1_350), at(290));
        for name in &names {
            assert_eq!(ledger.returned(1_400, name), None);
        }
        assert_eq!((ledger.clear(1_400), ledger.send(1_400, 200)), (None, None), "no speech goes out");
        ledger.begin(SPEECH, 290);
        let name = ledger.send(2_000, 200).unwrap();
        assert!(!names.contains(&name));
        assert_eq!(ledger.position(2_050), at(340));
        assert_eq!(ledger.returned(2_230, &name), at(490));
    }

    #[test]
    fn a_gap_in_what_is_sent_is_not_heard() {
        let (mut ledger, names) = sending(1);
        ledger.returned(1_230, &names[0]);
        let next = ledger.send(9_000, 100).unwrap();
        assert_eq!(ledger.position(9_040), at(240));
        assert_eq!(ledger.returned(9_130, &next), at(300));
    }

    #[test]
    fn the_next_speech_waits_behind_the_one_before() {
        let (mut ledger, names) = sending(1);
        ledger.begin(SpeechId(2), 0);
        let next = ledger.send(1_100, 200).unwrap();
        assert_eq!(ledger.position(1_150), at(150));
        assert_eq!(ledger.returned(1_230, &names[0]), at(200));
        assert_eq!(ledger.position(1_300), Some(Position { speech: SpeechId(2), played_ms: 70 }));
        assert_eq!(ledger.returned(1_430, &next), Some(Position { speech: SpeechId(2), played_ms: 200 }));
    }

    #[test]
    fn a_mark_that_is_overtaken_was_played_and_a_strange_one_was_not() {
        let (mut ledger, names) = sending(3);
        for strange in ["", "m", "m0", "m99", "x1", "m1x", "m18446744073709551616"] {
            assert_eq!(ledger.returned(1_300, strange), None, "{strange}");
        }
        assert_eq!(ledger.returned(1_660, &names[2]), at(600));
        assert_eq!(ledger.returned(1_661, &names[0]), None, "once");
    }

    #[test]
    fn a_stream_that_returns_no_marks_costs_little() {
        let (ledger, _) = sending(10_000);
        assert_eq!(ledger.pending.len(), MAX_PENDING);
    }

    proptest! {
        /// Whatever happens: a position is between the last true mark and the next, never beyond what was sent, and
        /// never goes back while a speech is played.
        #[test]
        fn positions_are_bounded(steps in proptest::collection::vec((0_u64..300, 0_u8..4, 1_u64..=200), 1..80)) {
            let (mut ledger, mut now_ms, mut sent_ms) = (Ledger::new(), 0, 0);
            let (mut names, mut last_ms) = (VecDeque::new(), 0);
            ledger.begin(SPEECH, 0);
            for (wait_ms, what, length_ms) in steps {
                now_ms += wait_ms;
                match what {
                    0 | 1 => {
                        sent_ms += length_ms;
                        names.extend(ledger.send(now_ms, length_ms));
                    }
                    2 => {
                        if let Some(name) = names.pop_front() {
                            let position = ledger.returned(now_ms, &name);
                            prop_assert!(position.is_some_and(|position| position.played_ms >= last_ms));
                            last_ms = position.map_or(last_ms, |position| position.played_ms);
                        }
                    }
                    _ => {
                        if let Some(position) = ledger.position(now_ms) {
                            prop_assert!(position.played_ms >= last_ms && position.played_ms <= sent_ms);
                            last_ms = position.played_ms;
                        }
                    }
                }
            }
        }
    }
}
