//! The state of the utterance under way, over the results of one connection. Pure.
//!
//! Deepgram transcribes one stretch of audio after the other: a segment's text changes until it is final, then the next
//! segment begins where it ended. It knows nothing of utterances. Here the segments become utterances, by their times:
//! milliseconds of audio that this connection was given, which neither silence nor the clock moves.
//!
//! `now_ms` is any clock that goes on by itself; the line's begins with the line.

use std::borrow::Cow;
use std::collections::VecDeque;

use voice_core::ids::UtteranceId;

use super::wire::Results;
use crate::stt::LineEvent;

/// What the end of a final segment may be short of the audio that was given, in milliseconds. Utterances end in more silence
/// than that.
const TOLERANCE_MS: u64 = 60;
/// What of an utterance may not have been spoken of yet without making us wait for longer, in milliseconds: interim results
/// come more often.
const UNHEARD_MS: u64 = 1_000;
/// Less than this between the last words and the end of the speech, in milliseconds, is how a word fades.
const LEAST_GAP_MS: u64 = 300;
/// Later than this no answer to `Finalize` comes from a connection that is well, in milliseconds.
const OVERDUE_MS: u64 = 1_000;
/// Most bytes of an utterance's text: far more than a turn may have.
const MAX_TEXT_BYTES: usize = 32 * 1024;
/// Most `Finalize`s without an answer that are remembered.
const MAX_UNANSWERED: usize = 16;

/// An utterance that is finished as far as we are concerned, and whose final text is awaited.
#[derive(Debug, Clone, Copy)]
struct Finish {
    revision: u32,
    /// It ends here.
    at_ms: u64,
    /// There is no speech in it from here on.
    spoken_ms: u64,
    /// When `Finalize` left.
    asked_ms: Option<u64>,
}

#[derive(Debug, Clone)]
struct Utterance {
    id: UtteranceId,
    /// It begins here.
    from_ms: u64,
    /// Results of audio before it may still come.
    has_elders: bool,
    /// What is final.
    text: String,
    /// Where the last final segment ends that has words in it.
    worded_ms: Option<u64>,
    /// What is understood of the segment that is not.
    interim: String,
    /// Results have come of its audio up to here.
    heard_ms: Option<u64>,
    /// When the last of them came.
    result_ms: u64,
    finish: Option<Finish>,
    /// Up to here its final text was told.
    told_ms: Option<u64>,
}

/// What one connection heard, and which of it belongs to the utterance under way.
#[derive(Debug, Clone)]
pub struct Hearing {
    finalize_wait_ms: u64,
    /// So much audio the connection was given, or will be once it has been sent.
    given_ms: u64,
    /// Up to here everything is final.
    settled_ms: u64,
    /// Where `Finalize`s stand in the audio that were not answered yet. They are answered in order, or not at all.
    unanswered: VecDeque<u64>,
    current: Option<Utterance>,
}

/// What is to be done about an utterance that is finished.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Finished {
    /// Everything was final already.
    Final(LineEvent),
    /// Send `Finalize` behind the audio.
    Ask,
    /// `Finalize` was sent, or will be; or there is no utterance.
    Wait,
}

impl Hearing {
    /// Of a connection that was given nothing yet. `finalize_wait_ms`: how long after the last result, or after `Finalize`,
    /// it is taken for unanswered.
    pub fn new(finalize_wait_ms: u64) -> Self {
        Self { finalize_wait_ms, given_ms: 0, settled_ms: 0, unanswered: VecDeque::new(), current: None }
    }

    /// The utterance that is listened to.
    pub fn current(&self) -> Option<UtteranceId> {
        self.current.as_ref().map(|utterance| utterance.id)
    }

    /// Whether the utterance has audio whose final text was not told.
    pub fn is_under_way(&self) -> bool {
        self.current.as_ref().is_some_and(|utterance| utterance.is_under_way(self.given_ms))
    }

    /// An utterance begins: with the audio that is given next.
    pub fn begin(&mut self, id: UtteranceId) {
        self.current = Some(Utterance {
            id,
            from_ms: self.given_ms,
            has_elders: self.is_unsettled() || !self.unanswered.is_empty(),
            text: String::new(),
            worded_ms: None,
            interim: String::new(),
            heard_ms: None,
            result_ms: 0,
            finish: None,
            told_ms: None,
        });
    }

    /// The connection has been given so much audio in all.
    pub fn given(&mut self, given_ms: u64) {
        self.given_ms = self.given_ms.max(given_ms);
    }

    /// The final text is wanted of what was given, of which the last `silence_ms` milliseconds have no speech in them.
    pub fn finish(&mut self, revision: u32, silence_ms: u64, now_ms: u64) -> Finished {
        let at_ms = self.given_ms;
        let spoken_ms = at_ms.saturating_sub(silence_ms);
        let Some(utterance) = &mut self.current else { return Finished::Wait };
        // The `Finalize` of the revision before may stand at the same place.
        let earlier = utterance.finish.filter(|finish| finish.at_ms == at_ms);
        utterance.finish =
            Some(Finish { revision, at_ms, spoken_ms, asked_ms: earlier.and_then(|finish| finish.asked_ms) });
        match self.settle(now_ms) {
            Some(event) => Finished::Final(event),
            None if self.ask() => Finished::Ask,
            None => Finished::Wait,
        }
    }

    /// The utterance is over, with as much of its audio as the connection was given. Whether `Finalize` is to be sent: so that
    /// what is left of it becomes no part of the next one's first segment.
    pub fn forget(&mut self, given_ms: u64) -> bool {
        self.current = None;
        self.given_ms = given_ms;
        self.unanswered.retain(|&at_ms| at_ms <= given_ms);
        self.is_unsettled() && self.ask()
    }

    /// Whether the answer to `Finalize` has been missing for so long that something is wrong with the connection.
    pub fn is_overdue(&self, now_ms: u64) -> bool {
        let finish = self.current.as_ref().and_then(|utterance| utterance.finish);
        finish.and_then(|finish| finish.asked_ms).is_some_and(|asked_ms| now_ms >= asked_ms + OVERDUE_MS)
    }

    /// The connection is lost, and what it was given. The utterance that cannot go on, if one was under way: what is settled of
    /// one that only might go on is kept.
    pub fn lost(&mut self) -> Option<UtteranceId> {
        let broken = self.is_under_way();
        *self = Self { current: self.current.take(), ..Self::new(self.finalize_wait_ms) };
        if broken {
            return self.current.take().map(|utterance| utterance.id);
        }
        if let Some(utterance) = &mut self.current {
            utterance.from_ms = 0;
            utterance.worded_ms = utterance.worded_ms.map(|_| 0);
            utterance.has_elders = false;
            utterance.heard_ms = None;
            utterance.interim.clear();
            utterance.told_ms = Some(0);
        }
        None
    }

    /// `Finalize` has left, behind so much audio. Whether it is the one that the utterance waits for.
    pub fn finalize_left(&mut self, at_ms: u64, now_ms: u64) -> bool {
        let finish = self.current.as_mut().and_then(|utterance| utterance.finish.as_mut());
        let Some(finish) = finish.filter(|finish| finish.at_ms == at_ms) else { return false };
        finish.asked_ms = Some(now_ms);
        true
    }

    /// Takes results; says what is understood now of the utterance under way.
    pub fn results(&mut self, results: &Results, now_ms: u64) -> Option<LineEvent> {
        let text = self.current.as_ref().and_then(|utterance| utterance.share(results));
        if results.is_final {
            // It cannot be final further than what was given.
            self.settled_ms = self.settled_ms.max(results.end_ms.min(self.given_ms));
        }
        if results.from_finalize {
            self.answered(results.end_ms);
        }
        let is_ours = text.is_some();
        if let (Some(text), Some(utterance)) = (text, &mut self.current) {
            utterance.take(results, &text, now_ms);
        }
        self.settle(now_ms).or_else(|| self.current.as_ref().filter(|_| is_ours).map(Utterance::understood))
    }

    /// When [`Self::poll`] has something to say unless results come first.
    pub fn due_ms(&self) -> Option<u64> {
        let utterance = self.current.as_ref()?;
        let finish = utterance.finish?;
        // Nothing has come: that the caller said nothing would be a guess. And an interim text is waiting to become final.
        let (asked_ms, heard_ms) = (finish.asked_ms?, utterance.heard_ms?);
        if !utterance.interim.is_empty() {
            return None;
        }
        let since_ms = asked_ms.max(utterance.result_ms);
        // Whoever keeps up with real time has spoken of what is left after as long as that lasted. That there was nothing said
        // at all is told only then.
        let unheard_ms = finish.at_ms.saturating_sub(heard_ms);
        let free_ms = if utterance.text.is_empty() { 0 } else { UNHEARD_MS };
        Some(since_ms.saturating_add(self.finalize_wait_ms).saturating_add(unheard_ms.saturating_sub(free_ms)))
    }

    /// The final text, when it has been waited for long enough.
    pub fn poll(&mut self, now_ms: u64) -> Option<LineEvent> {
        self.settle(now_ms)
    }

    /// The final text, if it is known.
    fn settle(&mut self, now_ms: u64) -> Option<LineEvent> {
        let waited = self.due_ms().is_some_and(|due_ms| now_ms >= due_ms);
        let utterance = self.current.as_mut()?;
        let finish = utterance.finish?;
        let answered = finish.asked_ms.is_some() && !self.unanswered.contains(&finish.at_ms);
        let settled_ms = self.settled_ms.max(utterance.from_ms);
        // What was made final of itself, in the pause, may end before the silence does.
        let all_spoken = settled_ms + TOLERANCE_MS >= finish.at_ms
            || (settled_ms >= finish.spoken_ms && utterance.heard_ms.is_some() && !utterance.has_elders);
        let covered = utterance.interim.is_empty() && all_spoken;
        if !(answered || covered || waited) {
            return None;
        }
        self.settled_ms = self.settled_ms.max(finish.at_ms);
        utterance.finish = None;
        utterance.told_ms = Some(finish.at_ms);
        let gap_ms = utterance.worded_ms.map_or(0, |worded_ms| finish.spoken_ms.saturating_sub(worded_ms));
        let gap_ms = if gap_ms >= LEAST_GAP_MS { gap_ms } else { 0 };
        let text = utterance.text.clone();
        Some(LineEvent::Final { utterance: utterance.id, revision: finish.revision, text, gap_ms })
    }

    /// Whether something was given that is not final yet.
    fn is_unsettled(&self) -> bool {
        self.given_ms > self.settled_ms + TOLERANCE_MS
    }

    /// Notes a `Finalize` behind what was given; not a second one at the same place.
    fn ask(&mut self) -> bool {
        if self.unanswered.back() == Some(&self.given_ms) {
            return false;
        }
        if self.unanswered.len() == MAX_UNANSWERED {
            self.unanswered.pop_front();
        }
        self.unanswered.push_back(self.given_ms);
        true
    }

    /// An answer to `Finalize` came whose segment ends here: it answers the first one that does not stand well before that, and
    /// those before it will get none.
    fn answered(&mut self, end_ms: u64) {
        let is_it = |at_ms: &u64| at_ms + TOLERANCE_MS >= end_ms;
        let count = self.unanswered.iter().position(is_it).map_or(self.unanswered.len(), |index| index + 1);
        let Some(at_ms) = self.unanswered.drain(..count).next_back() else { return };
        self.settled_ms = self.settled_ms.max(at_ms);
        if let Some(utterance) = &mut self.current
            && at_ms >= utterance.from_ms
        {
            utterance.has_elders = false;
        }
    }
}

impl Utterance {
    fn is_under_way(&self, given_ms: u64) -> bool {
        self.finish.is_some() || self.told_ms.is_none_or(|told_ms| given_ms > told_ms)
    }

    /// What of these results belongs to the utterance; nothing when they are of audio before it.
    fn share<'a>(&self, results: &'a Results) -> Option<Cow<'a, str>> {
        let is_in = |ms: u64| ms + TOLERANCE_MS >= self.from_ms;
        if !self.has_elders || (is_in(results.start_ms) && results.end_ms > self.from_ms) {
            return Some(Cow::Borrowed(results.transcript.trim()));
        }
        if results.end_ms <= self.from_ms {
            return None;
        }
        // A segment over the boundary: `Finalize` came too late, or was not heeded.
        if results.words.is_empty() {
            let is_mostly_ours = results.start_ms.midpoint(results.end_ms) >= self.from_ms;
            return is_mostly_ours.then(|| Cow::Borrowed(results.transcript.trim()));
        }
        let ours = results.words.iter().filter(|word| is_in(word.start_ms)).map(|word| word.text.trim());
        Some(Cow::Owned(ours.collect::<Vec<_>>().join(" ")))
    }

    fn take(&mut self, results: &Results, text: &str, now_ms: u64) {
        self.result_ms = now_ms;
        self.heard_ms = self.heard_ms.max(Some(results.end_ms));
        self.interim.clear();
        if results.is_final {
            // Segments come in order: from here on they are all ours.
            self.has_elders = false;
            append(&mut self.text, text);
            if !text.is_empty() {
                self.worded_ms = self.worded_ms.max(Some(results.end_ms));
            }
        } else {
            append(&mut self.interim, text);
        }
    }

    /// All that is understood so far, even when it is nothing new: it shows that somebody listens.
    fn understood(&self) -> LineEvent {
        let mut text = self.text.clone();
        append(&mut text, &self.interim);
        LineEvent::Interim { utterance: self.id, text }
    }
}

fn append(text: &mut String, more: &str) {
    if more.is_empty() || text.len() + more.len() >= MAX_TEXT_BYTES {
        return;
    }
    if !text.is_empty() {
        text.push(' ');
    }
    text.push_str(more);
}

#[cfg(test)]
#[path = "tests/utterance.rs"]
mod tests;
