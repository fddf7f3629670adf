//! The words beside the sound: what each side said, as far as it was heard, as JSON lines.

use std::collections::VecDeque;

use serde::Serialize;
use voice_core::ids::{SpeechId, UtteranceId};
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
    /// Who.
    pub(super) who: Who,
    /// The words.
    pub(super) text: String,
}

/// What a line belongs to while it may change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Of {
    Utterance(UtteranceId),
    Speech(SpeechId),
    Typed,
}

#[derive(Debug)]
struct Open {
    of: Of,
    line: Line,
    changed_ms: u64,
}

/// The lines that may still change: an utterance goes on, a speech is cut.
#[derive(Debug, Default)]
pub(super) struct Transcript {
    open: VecDeque<Open>,
    /// Of an interruption only the reply is told; its speech is the last that was shown.
    last_speech: Option<SpeechId>,
}

impl Transcript {
    /// Something happened in the call at `now_ms`, in milliseconds of the session.
    pub(super) fn take(&mut self, now_ms: u64, event: &ClientEvent) {
        match event {
            ClientEvent::Transcript { utterance_id, text, r#final: true } => {
                self.set(now_ms, Of::Utterance(*utterance_id), Who::Caller, text.clone());
            }
            ClientEvent::UserText { text } => self.set(now_ms, Of::Typed, Who::Caller, text.clone()),
            ClientEvent::AgentText { speech_id, text, .. } => {
                self.last_speech = Some(*speech_id);
                let of = Of::Speech(*speech_id);
                match self.open.iter_mut().find(|open| open.of == of) {
                    Some(open) => {
                        let space = if open.line.text.ends_with(' ') || text.starts_with(' ') { "" } else { " " };
                        open.line.text.push_str(space);
                        open.line.text.push_str(text);
                        open.changed_ms = now_ms;
                    }
                    None => self.set(now_ms, of, Who::Agent, text.clone()),
                }
            }
            ClientEvent::Heard { heard, .. } => {
                if let Some(of) = self.last_speech.map(Of::Speech)
                    && let Some(open) = self.open.iter_mut().find(|open| open.of == of)
                {
                    open.line.text.clone_from(heard);
                    open.changed_ms = now_ms;
                }
            }
            _ => {}
        }
    }

    fn set(&mut self, now_ms: u64, of: Of, who: Who, text: String) {
        match self.open.iter_mut().find(|open| open.of == of && of != Of::Typed) {
            Some(open) => (open.line.text, open.changed_ms) = (text, now_ms),
            None => self.open.push_back(Open { of, line: Line { at_ms: now_ms, who, text }, changed_ms: now_ms }),
        }
    }

    /// The lines that have not changed since `until_ms`, in order; those without words are left out.
    pub(super) fn release(&mut self, until_ms: u64) -> Vec<Line> {
        let due = self.open.iter().take_while(|open| open.changed_ms <= until_ms).count();
        let due = due.max(self.open.len().saturating_sub(MOST_OPEN));
        self.open.drain(..due).map(|open| open.line).filter(|line| !line.text.trim().is_empty()).collect()
    }
}

#[cfg(test)]
mod tests {
    use voice_core::ids::ReplyId;

    use super::*;

    fn said(id: u64, text: &str) -> ClientEvent {
        ClientEvent::Transcript { utterance_id: UtteranceId(id), text: text.to_owned(), r#final: true }
    }

    fn spoken(text: &str) -> ClientEvent {
        ClientEvent::AgentText { reply_id: ReplyId(1), speech_id: SpeechId(1), text: text.to_owned() }
    }

    fn texts(lines: &[Line]) -> Vec<(u64, Who, &str)> {
        lines.iter().map(|line| (line.at_ms, line.who, line.text.as_str())).collect()
    }

    #[test]
    fn lines_are_what_was_heard_in_the_end() {
        let mut transcript = Transcript::default();
        transcript.take(100, &said(1, "Add milk"));
        transcript.take(900, &said(1, "Add milk and bread"));
        transcript.take(1_500, &spoken("I've added milk."));
        transcript.take(1_600, &spoken("Anything else?"));
        transcript.take(2_000, &said(2, ""));
        let heard = ClientEvent::Heard { reply_id: ReplyId(1), heard: "I've added".to_owned(), unheard: String::new() };
        transcript.take(2_100, &heard);
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
