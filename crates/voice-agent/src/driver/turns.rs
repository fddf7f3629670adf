//! One utterance after the other on a line to a streaming recogniser.
//!
//! A line forgets an utterance when it begins another ([`SttLine::begin`]). A caller who goes on after a long stretch of speech
//! begins the next before the final transcript of the one before has come: it waits here, its audio in the ears, until that
//! one is known, has failed, or is not waited for any more.

use std::collections::VecDeque;

use bytes::Bytes;
use voice_core::ids::UtteranceId;

use crate::stt::SttLine;

/// Most utterances that wait: the ears keep no more that are past.
const MOST_WAITING: usize = 4;

/// An utterance that a line is to hear from its beginning on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Piece {
    pub(super) utterance: UtteranceId,
    /// The revision whose final transcript is wanted, and where its speech ends in session milliseconds; none while the
    /// caller still speaks.
    pub(super) finish: Option<(u32, u64)>,
}

/// A line, what it hears, and what it is to hear next.
pub(super) struct Turns {
    line: Box<dyn SttLine>,
    /// Longest wait for a final transcript, in milliseconds: the session waits no longer.
    patience_ms: u64,
    begun: Option<UtteranceId>,
    /// The revision of it whose final transcript is awaited, and since when in milliseconds.
    awaited: Option<(u32, u64)>,
    waiting: VecDeque<Piece>,
}

impl Turns {
    pub(super) const fn new(line: Box<dyn SttLine>, patience_ms: u64) -> Self {
        Self { line, patience_ms, begun: None, awaited: None, waiting: VecDeque::new() }
    }

    /// Whether the line has begun this utterance.
    pub(super) fn hears(&self, utterance: UtteranceId) -> bool {
        self.begun == Some(utterance)
    }

    /// Whether a final transcript of what it has begun is awaited.
    pub(super) const fn is_awaited(&self) -> bool {
        self.awaited.is_some()
    }

    /// Begins an utterance, anew if it hears it already. Says whether it has: otherwise it waits for its turn.
    pub(super) fn begin(&mut self, piece: Piece, now_ms: u64) -> bool {
        self.waiting.retain(|waiting| waiting.utterance != piece.utterance);
        if self.begun != Some(piece.utterance) && self.is_busy(now_ms) {
            if self.waiting.len() == MOST_WAITING {
                self.waiting.pop_front();
            }
            self.waiting.push_back(piece);
            return false;
        }
        self.line.begin(piece.utterance);
        (self.begun, self.awaited) = (Some(piece.utterance), None);
        true
    }

    /// Begins the utterance whose turn it is.
    pub(super) fn next(&mut self, now_ms: u64) -> Option<Piece> {
        let piece = if self.is_busy(now_ms) { None } else { self.waiting.pop_front() }?;
        self.begin(piece, now_ms).then_some(piece)
    }

    fn is_busy(&self, now_ms: u64) -> bool {
        self.awaited.is_some_and(|(_, since_ms)| now_ms < since_ms.saturating_add(self.patience_ms))
    }

    /// The next audio of what it has begun, in the format in which the line was opened.
    pub(super) fn audio(&mut self, audio: Bytes) {
        self.line.audio(audio);
    }

    /// The final transcript is wanted of what it has begun, which ends in so many milliseconds of silence.
    pub(super) fn finish(&mut self, revision: u32, silence_ms: u64, now_ms: u64) {
        self.line.finish(revision, silence_ms);
        self.awaited = Some((revision, now_ms));
    }

    /// The caller goes on with this utterance: one that waits is not over yet.
    pub(super) fn go_on(&mut self, utterance: UtteranceId) {
        for piece in self.waiting.iter_mut().filter(|piece| piece.utterance == utterance) {
            piece.finish = None;
        }
    }

    /// The final transcript of this revision is known.
    pub(super) fn done(&mut self, utterance: UtteranceId, revision: u32) {
        if self.begun == Some(utterance) {
            self.awaited.take_if(|(awaited, _)| *awaited == revision);
        }
        // Another recogniser was quicker.
        let known = |piece: &Piece| piece.finish.is_some_and(|(awaited, _)| awaited == revision);
        self.waiting.retain(|piece| piece.utterance != utterance || !known(piece));
    }

    /// The line failed: it hears nothing now.
    pub(super) fn failed(&mut self) {
        (self.begun, self.awaited) = (None, None);
    }

    /// Nobody waits for this utterance any more.
    pub(super) fn forget(&mut self, utterance: UtteranceId) {
        self.waiting.retain(|piece| piece.utterance != utterance);
        if self.begun == Some(utterance) {
            (self.begun, self.awaited) = (None, None);
        }
        self.line.forget(utterance);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    #[derive(Debug, Clone, PartialEq, Eq)]
    enum Did {
        Begin(u64),
        Audio(usize),
        Finish(u32),
        Forget(u64),
    }

    #[derive(Clone, Default)]
    struct Notes(Arc<Mutex<Vec<Did>>>);

    impl Notes {
        fn take(&self) -> Vec<Did> {
            std::mem::take(&mut self.0.lock().unwrap())
        }

        fn note(&self, did: Did) {
            self.0.lock().unwrap().push(did);
        }
    }

    impl SttLine for Notes {
        fn begin(&mut self, utterance: UtteranceId) {
            self.note(Did::Begin(utterance.0));
        }

        fn audio(&mut self, audio: Bytes) {
            self.note(Did::Audio(audio.len()));
        }

        fn finish(&mut self, revision: u32, _silence_ms: u64) {
            self.note(Did::Finish(revision));
        }

        fn forget(&mut self, utterance: UtteranceId) {
            self.note(Did::Forget(utterance.0));
        }
    }

    const fn live(utterance: u64) -> Piece {
        Piece { utterance: UtteranceId(utterance), finish: None }
    }

    /// A line that hears utterance 1, whose final transcript is awaited since 100 ms, and 2, which waits.
    fn waiting() -> (Turns, Notes) {
        let notes = Notes::default();
        let mut turns = Turns::new(Box::new(notes.clone()), 3_000);
        assert!(turns.begin(live(1), 0));
        turns.audio(Bytes::from_static(&[0; 320]));
        turns.finish(1, 0, 100);
        assert!(!turns.begin(live(2), 200));
        assert_eq!(notes.take(), [Did::Begin(1), Did::Audio(320), Did::Finish(1)]);
        assert!(turns.hears(UtteranceId(1)) && turns.next(3_099).is_none());
        (turns, notes)
    }

    #[test]
    fn the_next_utterance_begins_when_the_one_before_is_known_has_failed_or_is_forgotten() {
        let (mut turns, notes) = waiting();
        turns.done(UtteranceId(1), 0);
        assert_eq!(turns.next(300), None, "of an older revision");
        turns.done(UtteranceId(1), 1);
        assert_eq!((turns.next(300), notes.take()), (Some(live(2)), vec![Did::Begin(2)]));
        assert_eq!(turns.next(300), None);

        let (mut turns, _) = waiting();
        turns.failed();
        assert_eq!(turns.next(300), Some(live(2)));

        let (mut turns, notes) = waiting();
        turns.forget(UtteranceId(1));
        assert_eq!((turns.next(300), notes.take()), (Some(live(2)), vec![Did::Forget(1), Did::Begin(2)]));
    }

    #[test]
    fn nobody_waits_longer_than_the_session_does() {
        let (mut turns, _) = waiting();
        assert_eq!(turns.next(3_100), Some(live(2)));
    }

    #[test]
    fn who_waits_may_be_finished_go_on_or_be_forgotten() {
        let (mut turns, _) = waiting();
        let finished = Piece { finish: Some((1, 500)), ..live(2) };
        assert!(!turns.begin(finished, 400));
        assert!(!turns.begin(live(3), 500));
        turns.done(UtteranceId(1), 1);
        assert_eq!(turns.next(600), Some(finished));
        turns.finish(1, 0, 600);
        assert_eq!(turns.next(700), None);
        turns.forget(UtteranceId(3));
        turns.done(UtteranceId(2), 1);
        assert_eq!(turns.next(800), None);

        let (mut turns, _) = waiting();
        turns.begin(finished, 400);
        turns.go_on(UtteranceId(2));
        turns.done(UtteranceId(1), 1);
        assert_eq!(turns.next(600), Some(live(2)), "the caller went on with it");

        let (mut turns, _) = waiting();
        turns.begin(finished, 400);
        turns.done(UtteranceId(2), 1);
        turns.done(UtteranceId(1), 1);
        assert_eq!(turns.next(600), None, "another recogniser has heard it");
    }

    #[test]
    fn an_utterance_that_is_heard_may_begin_anew_at_any_time() {
        let (mut turns, notes) = waiting();
        let again = Piece { finish: Some((2, 500)), ..live(1) };
        assert!(turns.begin(again, 300));
        assert_eq!(notes.take(), [Did::Begin(1)]);
    }
}
