//! Which stretch of a session's audio to decode, and when. Pure: it is told what happened and when, in milliseconds of the
//! session's audio, and answers with ranges; the driver keeps the audio and runs the recogniser.

/// When to decode.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SegmenterConfig {
    /// Audio before the start of speech that belongs to the utterance: the voice detector notices soft consonants late.
    pub pre_roll_ms: u64,
    /// New audio between two partial results, at least.
    pub partial_every_ms: u64,
    /// A partial result is asked for at most when its predecessor's time is this share (percent) of the new audio: decoding
    /// then takes no more than that share of a core for each session.
    pub partial_load_percent: u64,
    /// Speech that goes on within this time of its end extends the utterance; later it is a new one.
    pub resume_within_ms: u64,
    /// An utterance is not extended beyond this length: decoding gets slower and worse above 10 s.
    pub extend_up_to_ms: u64,
    /// An utterance is ended by force at this length, so that one that never pauses is answered too.
    pub longest_ms: u64,
}

impl Default for SegmenterConfig {
    fn default() -> Self {
        Self {
            pre_roll_ms: 300,
            partial_every_ms: 400,
            partial_load_percent: 50,
            resume_within_ms: 500,
            extend_up_to_ms: 10_000,
            longest_ms: 28_000,
        }
    }
}

/// A stretch of one utterance's audio.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Segment {
    /// Counts the session's utterances from 1. An extended utterance keeps its number, and its new final result replaces the
    /// old one.
    pub utterance: u64,
    /// Inclusive.
    pub start_ms: u64,
    /// Exclusive.
    pub end_ms: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Nobody speaks, and nothing can be extended. Audio before `used_ms` belongs to earlier utterances.
    Silent {
        used_ms: u64,
    },
    Speaking {
        start_ms: u64,
    },
    /// Nobody speaks, but the utterance may go on.
    Ended {
        start_ms: u64,
        end_ms: u64,
    },
}

/// One session's bookkeeping.
#[derive(Debug, Clone)]
pub struct Segmenter {
    config: SegmenterConfig,
    state: State,
    utterance: u64,
    /// The partial result that is being made, if any.
    in_flight: Option<Segment>,
    /// Where the newest partial result ended.
    partial_end_ms: u64,
    /// How long the newest partial result took.
    partial_took_ms: u64,
}

impl Segmenter {
    /// For a new session.
    pub fn new(config: SegmenterConfig) -> Self {
        Self {
            config,
            state: State::Silent { used_ms: 0 },
            utterance: 0,
            in_flight: None,
            partial_end_ms: 0,
            partial_took_ms: 0,
        }
    }

    /// Speech began at `at_ms`. Answers the utterance's number: a new one, or the last one's when its end is recent (its
    /// final result is then only a partial one, and another follows).
    pub fn start_of_speech(&mut self, at_ms: u64) -> u64 {
        let used_ms = match self.state {
            State::Speaking { .. } => return self.utterance,
            State::Ended { start_ms, end_ms } if self.extends(start_ms, end_ms, at_ms) => {
                self.state = State::Speaking { start_ms };
                return self.utterance;
            }
            State::Ended { end_ms, .. } => end_ms,
            State::Silent { used_ms } => used_ms,
        };
        let start_ms = at_ms.saturating_sub(self.config.pre_roll_ms).max(used_ms);
        self.utterance += 1;
        self.state = State::Speaking { start_ms };
        self.partial_end_ms = start_ms;
        self.utterance
    }

    /// Audio up to `until_ms` has arrived. Answers what to decode greedily now, if anything; until [`Self::partial_done`]
    /// is told of its number, nothing more is asked for.
    pub fn poll_partial(&mut self, until_ms: u64) -> Option<Segment> {
        let State::Speaking { start_ms } = self.state else { return None };
        let rest_ms = self.partial_took_ms.saturating_mul(100) / self.config.partial_load_percent.max(1);
        let every_ms = self.config.partial_every_ms.max(rest_ms);
        if self.in_flight.is_some() || until_ms < self.partial_end_ms.saturating_add(every_ms) {
            return None;
        }
        let segment = Segment { utterance: self.utterance, start_ms, end_ms: until_ms };
        self.in_flight = Some(segment);
        self.partial_end_ms = until_ms;
        Some(segment)
    }

    /// The partial result asked for is there (or failed) after `took_ms` in queue and decoder. Answers whether it is still
    /// wanted: not once its utterance has ended, for then the final result is on its way.
    pub fn partial_done(&mut self, segment: Segment, took_ms: u64) -> bool {
        if self.in_flight != Some(segment) {
            return false;
        }
        self.in_flight = None;
        self.partial_took_ms = took_ms;
        matches!(self.state, State::Speaking { .. }) && segment.utterance == self.utterance
    }

    /// Whether the utterance has become so long by `until_ms` that the driver should end it
    /// ([`Self::end_of_speech`], and [`Self::start_of_speech`] again).
    pub fn is_too_long(&self, until_ms: u64) -> bool {
        matches!(self.state, State::Speaking { start_ms } if until_ms.saturating_sub(start_ms) >= self.config.longest_ms)
    }

    /// Speech ended at `at_ms`. Answers what to decode for the final result; nothing when nobody spoke.
    pub fn end_of_speech(&mut self, at_ms: u64) -> Option<Segment> {
        let State::Speaking { start_ms } = self.state else { return None };
        let end_ms = at_ms.max(start_ms);
        self.state = State::Ended { start_ms, end_ms };
        Some(Segment { utterance: self.utterance, start_ms, end_ms })
    }

    /// The turn was taken: what is said next is a new utterance, however soon it comes.
    pub fn commit(&mut self) {
        if let State::Ended { end_ms, .. } = self.state {
            self.state = State::Silent { used_ms: end_ms };
        }
    }

    /// Where the audio begins that may still be needed at `now_ms`: the driver drops what lies before it.
    pub fn needed_from_ms(&self, now_ms: u64) -> u64 {
        let pre_roll_ms = now_ms.saturating_sub(self.config.pre_roll_ms);
        match self.state {
            State::Silent { .. } => pre_roll_ms,
            State::Speaking { start_ms } => start_ms.min(pre_roll_ms),
            State::Ended { end_ms, .. } if now_ms > end_ms.saturating_add(self.config.resume_within_ms) => pre_roll_ms,
            State::Ended { start_ms, .. } => start_ms.min(pre_roll_ms),
        }
    }

    fn extends(&self, start_ms: u64, end_ms: u64, at_ms: u64) -> bool {
        at_ms <= end_ms.saturating_add(self.config.resume_within_ms)
            && at_ms.saturating_sub(start_ms) < self.config.extend_up_to_ms
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn segmenter() -> Segmenter {
        Segmenter::new(SegmenterConfig::default())
    }

    fn segment(utterance: u64, start_ms: u64, end_ms: u64) -> Segment {
        Segment { utterance, start_ms, end_ms }
    }

    #[test]
    fn an_utterance_has_a_pre_roll_and_ends_where_speech_ends() {
        let mut call = segmenter();
        assert_eq!(call.end_of_speech(500), None);
        assert_eq!(call.start_of_speech(1_000), 1);
        assert_eq!(call.end_of_speech(2_600), Some(segment(1, 700, 2_600)));
        assert_eq!(call.end_of_speech(2_700), None);
    }

    #[test]
    fn the_pre_roll_does_not_reach_before_the_call() {
        let mut call = segmenter();
        call.start_of_speech(100);
        assert_eq!(call.end_of_speech(900), Some(segment(1, 0, 900)));
    }

    #[test]
    fn partials_come_every_400_ms_and_never_two_at_a_time() {
        let mut call = segmenter();
        assert_eq!(call.poll_partial(900), None);
        call.start_of_speech(1_000);
        assert_eq!(call.poll_partial(1_080), None);
        assert_eq!(call.poll_partial(1_100), Some(segment(1, 700, 1_100)));
        assert_eq!(call.poll_partial(1_900), None);
        assert!(call.partial_done(segment(1, 700, 1_100), 60));
        assert_eq!(call.poll_partial(1_900), Some(segment(1, 700, 1_900)));
        assert!(call.partial_done(segment(1, 700, 1_900), 60));
        assert_eq!(call.poll_partial(2_280), None);
        assert_eq!(call.poll_partial(2_300), Some(segment(1, 700, 2_300)));
    }

    #[test]
    fn slow_decoding_makes_partials_rarer() {
        let mut call = segmenter();
        call.start_of_speech(300);
        assert_eq!(call.poll_partial(400), Some(segment(1, 0, 400)));
        assert!(call.partial_done(segment(1, 0, 400), 350));
        assert_eq!(call.poll_partial(1_080), None);
        assert_eq!(call.poll_partial(1_100), Some(segment(1, 0, 1_100)));
    }

    #[test]
    fn a_partial_is_unwanted_after_the_end() {
        let mut call = segmenter();
        call.start_of_speech(300);
        let asked = call.poll_partial(400).expect("due");
        call.end_of_speech(800);
        assert_eq!(call.poll_partial(1_500), None);
        assert!(!call.partial_done(asked, 60));
        assert!(!call.partial_done(asked, 60));
    }

    #[test]
    fn speech_that_goes_on_soon_extends_the_utterance() {
        let mut call = segmenter();
        call.start_of_speech(1_000);
        assert_eq!(call.end_of_speech(2_000), Some(segment(1, 700, 2_000)));
        assert_eq!(call.start_of_speech(2_400), 1);
        assert_eq!(call.end_of_speech(3_000), Some(segment(1, 700, 3_000)));
    }

    #[test]
    fn speech_after_a_longer_pause_is_a_new_utterance() {
        let mut call = segmenter();
        call.start_of_speech(1_000);
        call.end_of_speech(2_000);
        assert_eq!(call.start_of_speech(2_600), 2);
        assert_eq!(call.end_of_speech(3_000), Some(segment(2, 2_300, 3_000)));
    }

    #[test]
    fn a_committed_turn_is_not_extended_and_its_audio_is_not_heard_twice() {
        let mut call = segmenter();
        call.start_of_speech(1_000);
        call.end_of_speech(2_000);
        call.commit();
        assert_eq!(call.start_of_speech(2_100), 2);
        assert_eq!(call.end_of_speech(3_000), Some(segment(2, 2_000, 3_000)));
    }

    #[test]
    fn a_long_utterance_is_not_extended_and_an_endless_one_is_ended() {
        let mut call = segmenter();
        call.start_of_speech(1_000);
        assert!(!call.is_too_long(28_000));
        assert!(call.is_too_long(28_700));
        call.end_of_speech(28_700);
        assert_eq!(call.start_of_speech(28_700), 2);
        assert_eq!(call.end_of_speech(29_000), Some(segment(2, 28_700, 29_000)));
    }

    #[test]
    fn old_audio_may_be_dropped() {
        let mut call = segmenter();
        assert_eq!(call.needed_from_ms(5_000), 4_700);
        call.start_of_speech(5_000);
        assert_eq!(call.needed_from_ms(9_000), 4_700);
        call.end_of_speech(9_000);
        assert_eq!(call.needed_from_ms(9_500), 4_700);
        assert_eq!(call.needed_from_ms(9_600), 9_300);
    }
}
