//! The words beside the sound: what each side said, as far as it was heard, as JSON lines.

use std::collections::VecDeque;

use serde::Serialize;
use voice_core::ids::{ReplyId, UtteranceId};
use voice_core::output::ClientEvent;

/// Lines that may wait to become final; beyond it the oldest is.
const MOST_OPEN: usize = 32;

/// Whose words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Who {
    Caller,
    Agent,
}

/// A line of the transcript.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Line {
    /// When it began, in milliseconds of the recording.
    pub(super) at_ms: u64,
    /// When it was complete, in milliseconds of the session.
    #[serde(skip)]
    pub(super) until_ms: u64,
    /// Who.
    pub(super) who: Who,
    /// The words.
    pub(super) text: String,
}

/// What a line belongs to while it may change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Of {
    Utterance(UtteranceId),
    Reply(ReplyId),
    Typed,
}

#[derive(Debug)]
struct Open {
    of: Of,
    line: Line,
}

/// The lines that may still change: an utterance goes on, more of a reply is heard.
#[derive(Debug, Default)]
pub(super) struct Transcript {
    open: VecDeque<Open>,
}

impl Transcript {
    /// Something happened in the call at `now_ms`, in milliseconds of the session.
    pub(super) fn take(&mut self, now_ms: u64, event: &ClientEvent) {
        match event {
            ClientEvent::Transcript { utterance_id, text, r#final: true } => {
                self.set(now_ms, Of::Utterance(*utterance_id), Who::Caller, text.clone());
            }
            ClientEvent::UserText { text } => self.set(now_ms, Of::Typed, Who::Caller, text.clone()),
            _ => {}
        }
    }

    /// These words of a reply were heard at `now_ms`.
    pub(super) fn heard(&mut self, now_ms: u64, reply: ReplyId, words: String) {
        match self.find(Of::Reply(reply)) {
            Some(line) => {
                line.text.push(' ');
                line.text.push_str(&words);
                line.until_ms = now_ms;
            }
            None => self.set(now_ms, Of::Reply(reply), Who::Agent, words),
        }
    }

    fn set(&mut self, now_ms: u64, of: Of, who: Who, text: String) {
        match self.find(of).filter(|_| of != Of::Typed) {
            Some(line) => (line.text, line.until_ms) = (text, now_ms),
            None => self.open.push_back(Open { of, line: Line { at_ms: now_ms, until_ms: now_ms, who, text } }),
        }
    }

    fn find(&mut self, of: Of) -> Option<&mut Line> {
        self.open.iter_mut().find(|open| open.of == of).map(|open| &mut open.line)
    }

    /// The lines that have not changed since `until_ms`, in order; those without words are left out.
    pub(super) fn release(&mut self, until_ms: u64) -> Vec<Line> {
        let due = self.open.iter().take_while(|open| open.line.until_ms <= until_ms).count();
        let due = due.max(self.open.len().saturating_sub(MOST_OPEN));
        self.open.drain(..due).map(|open| open.line).filter(|line| !line.text.trim().is_empty()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(id: u64, text: &str) -> ClientEvent {
        ClientEvent::Transcript { utterance_id: UtteranceId(id), text: text.to_owned(), r#final: true }
    }

    fn texts(lines: &[Line]) -> Vec<(u64, Who, &str)> {
        lines.iter().map(|line| (line.at_ms, line.who, line.text.as_str())).collect()
    }

    #[test]
    fn lines_are_what_was_heard_in_the_end() {
        let mut transcript = Transcript::default();
        transcript.take(100, &said(1, "Add milk"));
        transcript.take(900, &said(1, "Add milk and bread"));
        transcript.heard(1_500, ReplyId(1), "I've".to_owned());
        transcript.heard(1_600, ReplyId(1), "added".to_owned());
        transcript.take(2_000, &said(2, ""));
        assert_eq!(transcript.release(899), []);
        assert_eq!(texts(&transcript.release(1_000)), [(100, Who::Caller, "Add milk and bread")]);
        assert_eq!(texts(&transcript.release(9_000)), [(1_500, Who::Agent, "I've added")]);
    }

    #[test]
    fn no_more_than_so_many_lines_wait() {
        let mut transcript = Transcript::default();
        for id in 0..100 {
            transcript.take(id, &said(id, "yes"));
        }
        assert_eq!(transcript.release(0).len(), 100 - MOST_OPEN);
    }
}
