//! What recognisers were given, until it is known whose transcript counts: what the others used was in vain.

use std::collections::BTreeMap;

use voice_core::ids::{RungId, UtteranceId};

/// Utterances of which it is remembered who was heard in the end: some say only afterwards what they used.
const REMEMBERED: usize = 8;

/// Who used how much, in milliseconds of audio, and whether it was in vain.
pub(super) type Bill = Vec<(RungId, u64, bool)>;

/// One session's hearing that is not booked yet.
#[derive(Debug, Default)]
pub(super) struct Heard {
    unbooked: BTreeMap<(UtteranceId, RungId), u64>,
    /// Whose transcript counts; none: nobody's, for the utterance is over.
    known: BTreeMap<UtteranceId, Option<RungId>>,
}

impl Heard {
    /// A recogniser has used so much. Says what is to be booked now.
    pub(super) fn used(&mut self, utterance: UtteranceId, rung: RungId, audio_ms: u64) -> Bill {
        if audio_ms == 0 {
            return Bill::new();
        }
        if let Some(whose) = self.known.get(&utterance) {
            return vec![(rung, audio_ms, *whose != Some(rung))];
        }
        *self.unbooked.entry((utterance, rung)).or_default() += audio_ms;
        Bill::new()
    }

    /// This one's transcript counts.
    pub(super) fn finished(&mut self, utterance: UtteranceId, rung: RungId) -> Bill {
        self.settle(utterance, Some(rung))
    }

    /// The caller goes on with the utterance: who will be heard is open again.
    pub(super) fn goes_on(&mut self, utterance: UtteranceId) {
        self.known.remove(&utterance);
    }

    /// Nothing more is expected of the utterance.
    pub(super) fn over(&mut self, utterance: UtteranceId) -> Bill {
        let whose = self.known.get(&utterance).copied().flatten();
        self.settle(utterance, whose)
    }

    /// The utterances of which something is not booked.
    pub(super) fn open(&self) -> Vec<UtteranceId> {
        let mut open: Vec<UtteranceId> = self.unbooked.keys().map(|(utterance, _)| *utterance).collect();
        open.dedup();
        open
    }

    fn settle(&mut self, utterance: UtteranceId, whose: Option<RungId>) -> Bill {
        self.known.insert(utterance, whose);
        if self.known.len() > REMEMBERED {
            self.known.pop_first();
        }
        let ours = self.unbooked.extract_if(.., |(of, _), _| *of == utterance);
        ours.map(|((_, rung), audio_ms)| (rung, audio_ms, whose != Some(rung))).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: UtteranceId = UtteranceId(1);
    const FIRST: RungId = RungId(0);
    const SECOND: RungId = RungId(1);

    #[test]
    fn who_lost_was_heard_in_vain_whenever_it_says_what_it_used() {
        let mut heard = Heard::default();
        assert_eq!(heard.used(ONE, FIRST, 1_000), []);
        assert_eq!(heard.used(ONE, FIRST, 200), []);
        assert_eq!(heard.used(ONE, SECOND, 1_300), []);
        assert_eq!(heard.finished(ONE, SECOND), [(FIRST, 1_200, true), (SECOND, 1_300, false)]);
        assert_eq!(heard.used(ONE, FIRST, 40), [(FIRST, 40, true)]);
        assert_eq!(heard.over(ONE), []);
        assert_eq!(heard.used(ONE, SECOND, 20), [(SECOND, 20, false)]);
    }

    #[test]
    fn each_stretch_of_an_utterance_has_its_own_winner() {
        let mut heard = Heard::default();
        heard.used(ONE, FIRST, 1_000);
        assert_eq!(heard.finished(ONE, FIRST), [(FIRST, 1_000, false)]);
        heard.goes_on(ONE);
        assert_eq!(heard.used(ONE, FIRST, 500), []);
        assert_eq!(heard.finished(ONE, SECOND), [(FIRST, 500, true)]);
    }

    #[test]
    fn what_nobody_waited_for_was_in_vain() {
        let mut heard = Heard::default();
        assert_eq!(heard.used(ONE, FIRST, 0), []);
        assert_eq!(heard.open(), []);
        heard.used(ONE, FIRST, 700);
        assert_eq!(heard.open(), [ONE]);
        assert_eq!(heard.over(ONE), [(FIRST, 700, true)]);
        assert_eq!((heard.open(), heard.used(ONE, FIRST, 20)), (Vec::new(), vec![(FIRST, 20, true)]));
    }

    #[test]
    fn only_the_last_are_remembered() {
        let mut heard = Heard::default();
        for id in 0..20 {
            heard.over(UtteranceId(id));
        }
        assert_eq!((heard.known.len(), heard.known.contains_key(&UtteranceId(19))), (REMEMBERED, true));
    }
}
