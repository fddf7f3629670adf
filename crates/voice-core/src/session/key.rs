//! What if the caller presses a key? It interrupts as speech would, and says one of a few things.

use crate::chat::ChatItem;
use crate::consent::ConsentHow;
use crate::input::Key;
use crate::output::ClientEvent;
use crate::phrases;

use super::{PendingText, Session};

/// What the agent said last.
#[derive(Debug, PartialEq, Eq)]
struct Said {
    /// All of it that may be heard.
    text: String,
    /// Its last sentence, if that asks for yes or no and the caller has heard some of it.
    question: Option<String>,
}

impl Said {
    /// Of a text of which the first `heard` words were heard.
    fn new(text: String, heard: usize) -> Self {
        let (before, last) = last_sentence(&text);
        let begun = heard > before.split_whitespace().count();
        let question = (begun && phrases::asks_yes_or_no(last)).then(|| last.to_owned());
        Self { text, question }
    }
}

impl Session {
    pub(super) fn handle_key(&mut self, key: Key) {
        if self.closing.is_some() || self.link.is_none() {
            return;
        }
        self.last_activity_ms = self.now_ms;
        let was_on = self.consent.state().recording_enabled;
        if key == Key::STAR {
            // At once, whatever else is under way.
            self.stop_recording(ConsentHow::Key);
        }
        let unheard = |reply: &super::Reply| reply.confirmed && reply.first_audio_out_ms.is_none();
        let speaks = self.listening.as_ref().is_some_and(super::Listening::has_text);
        if speaks || self.is_saying_goodbye() || self.reply.as_ref().is_some_and(unheard) {
            self.put_key_off(key);
            return;
        }
        let said = self.said_last();
        self.drop_listening();
        self.interrupt();
        self.answer_key(key, said, was_on);
        self.advance_answer();
        self.advance_speech();
    }

    /// While the caller speaks, or waits for an answer, a key says nothing. That the recording has stopped is acknowledged later.
    fn put_key_off(&mut self, key: Key) {
        if key == Key::STAR && self.pending_texts.len() < self.config.max_pending_texts {
            self.pending_texts.push_back(PendingText { text: STOP_RECORDING.to_owned(), message: None });
        }
    }

    fn answer_key(&mut self, key: Key, said: Option<Said>, was_on: bool) {
        if self.asking.is_some() && key != Key::STAR {
            self.answer_question_by_key(key);
            return;
        }
        let (text, question) = said.map_or((None, None), |said| (Some(said.text), said.question));
        match (key, question, text) {
            (Key::STAR, ..) => self.answer_stop_recording(STOP_RECORDING.to_owned(), was_on, None, None),
            (Key::YES, Some(_), _) => self.begin_key_turn("Yes."),
            (Key::NO, Some(_), _) => self.begin_key_turn("No."),
            (Key::POUND, _, Some(text)) => self.begin_scripted(&text),
            (_, Some(question), _) => self.begin_scripted(&format!("{} {question}", phrases::KEYS)),
            (_, None, _) => self.begin_scripted(phrases::KEYS),
        }
    }

    /// While the caller is asked whether the call may be recorded, a key that is neither yes nor no asks again.
    fn answer_question_by_key(&mut self, key: Key) {
        let text = match key {
            Key::YES => "Yes.",
            Key::NO => "No.",
            _ => return self.ask_again(),
        };
        self.client(ClientEvent::UserText { text: text.to_owned() });
        self.answer_turn(text.to_owned(), ConsentHow::Key, None, None);
    }

    fn begin_key_turn(&mut self, text: &str) {
        self.client(ClientEvent::UserText { text: text.to_owned() });
        self.begin_reply(text.to_owned(), None, None);
    }

    /// What the agent is saying, or has said. Of an answer that is still being made, only what was heard: the rest may not be so.
    fn said_last(&self) -> Option<Said> {
        if let Some(reply) = self.reply.as_ref().filter(|reply| reply.confirmed) {
            let heard = reply.speech.split_heard().0;
            let words = heard.split_whitespace().count();
            let text = if reply.is_answered() { reply.speech.text() } else { heard };
            return Some(Said::new(text, words)).filter(|said| !said.text.is_empty());
        }
        let last = self.chat.items.iter().rev().find_map(|item| match item {
            ChatItem::Assistant { text, .. } => Some(text.clone()),
            _ => None,
        })?;
        Some(Said::new(last, usize::MAX))
    }
}

/// What the star key says.
const STOP_RECORDING: &str = "Stop recording.";

/// A text's last sentence, and what is before it.
fn last_sentence(text: &str) -> (&str, &str) {
    let text = text.trim();
    let body = text.trim_end_matches(['.', '!', '?', '"', '\'']);
    let at = body.rfind(['.', '!', '?']).map_or(0, |at| at + 1);
    let (before, last) = text.split_at(at);
    (before, last.trim_start())
}
