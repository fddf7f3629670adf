//! How does the session leave? To another process at its next silence, when all of it is saved; or for good.

use crate::input::HangUp;
use crate::output::{ClientEvent, EndReason, Outcome, Output};

use super::{Closing, MAX_TIME_MS, Session, cut};

/// The process goes down.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Leaving {
    /// From then on the agent's own speech is not waited for.
    deadline_ms: u64,
    /// What was cut off for it, and is to be said by the next process.
    say: String,
}

impl Session {
    pub(super) fn handle_hand_over(&mut self, within_ms: u64) {
        let deadline_ms = (self.now_ms + within_ms.min(MAX_TIME_MS)).min(MAX_TIME_MS);
        self.leaving.get_or_insert(Leaving { deadline_ms, say: String::new() });
    }

    /// Goes on without a word, or with the words that the process before had still to say.
    pub(super) fn handle_took_over(&mut self, say: &str) {
        if self.link.is_none() && !say.trim().is_empty() {
            self.greeting = Some(cut(say, self.config.max_reply_chars));
        }
    }

    /// Leaves as soon as nobody speaks, nothing is owed and the store has everything. While the store does not take it, the
    /// session stays.
    pub(super) fn advance_leaving(&mut self) {
        let Some(leaving) = &self.leaving else { return };
        if self.ended || self.closing.is_some() {
            return;
        }
        if self.now_ms >= leaving.deadline_ms && self.may_be_cut() {
            self.cut_speech();
        }
        if self.is_owing() {
            return;
        }
        if !self.saving.has_all(self.counters) {
            self.saving.save_rest();
            return;
        }
        let cut_off = self.leaving.take().map(|leaving| leaving.say).filter(|say| !say.is_empty());
        let say = cut_off.or_else(|| self.greeting.clone()).unwrap_or_default();
        self.client(ClientEvent::HandOver);
        self.push(Output::HandOver { say });
        self.ended = true;
    }

    /// Whether somebody speaks, or waits for something.
    fn is_owing(&self) -> bool {
        // A question whose answer is waited for is not asked again elsewhere.
        let asking = self.asking.is_some() && self.link.is_some();
        self.is_busy() || self.speaking_since_ms.is_some() || !self.pending_texts.is_empty() || asking
    }

    /// Whether all that is waited for is the agent's own speech: its answer is complete and kept, and the caller is silent.
    fn may_be_cut(&self) -> bool {
        let silent = self.listening.is_none() && self.speaking_since_ms.is_none() && self.pending_texts.is_empty();
        silent
            && self
                .reply
                .as_ref()
                .is_some_and(|reply| reply.confirmed && reply.is_answered() && reply.end_call.is_none())
    }

    /// History keeps what was heard; the rest is said by the next process.
    fn cut_speech(&mut self) {
        self.end_hush();
        let Some(mut reply) = self.reply.take() else { return };
        let (heard, unheard) = reply.speech.split_heard();
        self.stop_producing(&mut reply);
        if !unheard.is_empty() {
            self.client(ClientEvent::Heard { reply_id: reply.id, heard: heard.clone(), unheard: unheard.clone() });
        }
        let interrupted = !unheard.is_empty();
        if let Some(leaving) = &mut self.leaving {
            leaving.say = unheard;
        }
        self.settle(reply, heard, interrupted);
    }

    /// When the agent's speech is cut, if that is all that is waited for.
    pub(super) fn leaving_due_ms(&self) -> Option<u64> {
        self.leaving.as_ref().map(|leaving| leaving.deadline_ms).filter(|due_ms| *due_ms > self.now_ms)
    }

    pub(super) fn handle_hang_up(&mut self, by: HangUp) {
        let reason = match by {
            HangUp::Caller => EndReason::HungUp,
            HangUp::Operator => EndReason::Operator,
        };
        self.close(Outcome::Completed, reason);
    }

    /// Stops everything; the session ends when its last state is saved, or cannot be.
    pub(super) fn close(&mut self, outcome: Outcome, reason: EndReason) {
        if self.closing.is_some() {
            return;
        }
        self.drop_listening();
        self.interrupt();
        self.pending_texts.clear();
        self.announcing = None;
        self.asking = None;
        self.saving.mark_dirty();
        self.saving.try_now(self.now_ms);
        let deadline_ms = self.now_ms + self.config.commit_deadline_ms;
        self.closing = Some(Closing { outcome, reason, deadline_ms });
    }

    pub(super) fn advance_closing(&mut self) {
        let Some(closing) = self.closing else { return };
        if self.reply.is_none() && (self.saving.is_clean() || self.now_ms >= closing.deadline_ms) {
            self.end(closing.outcome, closing.reason);
        }
    }
}
