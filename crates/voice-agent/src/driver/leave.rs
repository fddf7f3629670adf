//! How a session's task ends: because the call is over, after a defect, or because the process goes down.

use serde_json::json;
use voice_core::ids::TurnId;
use voice_core::output::{AgentState, EndReason, Outcome};
use voice_core::provider::Stage;
use voice_core::snapshot::Snapshot;

use crate::ladder::Fallen;
use crate::store::{Channel, Commit};
use crate::telemetry::SessionEnd;
use crate::transport::twilio::PhoneNumber;

use super::doc::{self, Accounted};
use super::{Driver, Handover, channel};

impl Driver {
    /// Whether the process goes down, and all of the session that is to be saved is saved.
    pub(super) fn may_leave(&self) -> bool {
        let is_quiet = self.session.state() == AgentState::Listening && self.answers.is_idle();
        let is_quiet = is_quiet && !self.session.is_answering();
        self.is_leaving && self.leg.is_none() && is_quiet && !self.staging.is_staged() && self.session.is_saved()
    }

    /// The session is over: nothing of it goes on.
    pub(super) async fn finish(&mut self) -> SessionEnd {
        let (outcome, reason) = self.end.unwrap_or((Outcome::Error, EndReason::Failed));
        self.tape.stop();
        self.stop_providers();
        self.close_books();
        self.put_handover().await;
        let now_ms = self.now_ms();
        let (code, word) = close_code(outcome, reason);
        self.close_leg(code, word);
        let end = self.account(outcome, reason, now_ms);
        match reason {
            EndReason::TakenOver | EndReason::HandedOver => {}
            EndReason::Lost => self.note_accounted().await,
            // A conversation by text messages is only put away: the next message takes it up.
            EndReason::Idle if channel::is_texts(&self.doc) => self.note_accounted().await,
            _ => self.end_in_store(true).await,
        }
        self.answers.end();
        self.trace.end(outcome, reason, now_ms);
        end
    }

    /// Puts down what the next process needs, before anybody is told to go there. Without it that process says "I'm back", as after
    /// a loss.
    async fn put_handover(&mut self) {
        let Some(say) = self.left.take() else { return };
        let context = json!(Handover { fence: self.fence, say });
        if let Err(error) = self.deps.store.put_handover(self.doc.session_id.clone(), self.fence, context).await {
            self.deps.events.store_failed("put_handover", &error);
        }
    }

    /// Lays what is to be saved out in the document.
    pub(super) fn lay_out(&mut self, snapshot: &Snapshot) {
        doc::write(&mut self.doc, snapshot, self.room.as_deref(), self.deps.clock.now());
        doc::write_texts(&mut self.doc, self.answers.kept());
    }

    /// A caller may come back to a lost session for as long as the store keeps it. What is counted now is not counted again
    /// then.
    async fn note_accounted(&mut self) {
        let snapshot = self.session.snapshot();
        self.lay_out(&snapshot);
        let told = Accounted { cost: self.session.cost().total(), connected_ms: self.session.connected_ms() };
        doc::write_accounted(&mut self.doc, told);
        let turn = TurnId(snapshot.counters.turn);
        let what = Commit { doc: self.doc.clone(), fence: self.fence, turn, tools: Vec::new() };
        if let Err(error) = self.deps.store.commit(what).await {
            self.deps.events.store_failed("commit", &error);
        }
    }

    /// The end after a panic: what was metered last is what was spent. Only numbers are read of the session, and it is
    /// not told anything any more.
    ///
    /// It ends in the store too: a caller who came back would take up the state from which the defect came, and a session
    /// has one outcome. What was committed is kept; the caller begins a new session, with the same tasks.
    pub(super) async fn failed(&mut self) -> SessionEnd {
        let (outcome, reason, now_ms) = (Outcome::Error, EndReason::Failed, self.now_ms());
        self.tape.stop();
        self.stop_providers();
        self.close_books();
        let (code, word) = close_code(outcome, reason);
        self.close_leg(code, word);
        self.answers.end();
        self.trace.end(outcome, reason, now_ms);
        // Last: nobody is kept waiting for a store that does not answer.
        self.end_in_store(false).await;
        self.account(outcome, reason, now_ms)
    }

    fn account(&self, outcome: Outcome, reason: EndReason, duration_ms: u64) -> SessionEnd {
        let told = self.accounted;
        let connected_ms = self.session.connected_ms().saturating_sub(told.connected_ms);
        let cost = self.session.cost().total().less(told.cost);
        SessionEnd { outcome, reason, duration_ms, connected_ms, cost }
    }

    /// What was counted and not told yet.
    fn close_books(&mut self) {
        let pause = self.open_pause.end();
        self.count_pause(pause);
        let booked = self.spend.settle();
        self.count(booked);
        for (reason, count) in self.frames_dropped.by_reason() {
            self.deps.events.frames_dropped(reason, count);
        }
    }

    fn stop_providers(&mut self) {
        self.models.values().for_each(|asked| asked.abort.abort());
        self.transcriptions.values().flatten().for_each(|one| one.abort.abort());
        self.mouth.drop_speech_now();
    }
}

impl Driver {
    /// Voice has failed for good in this session. What follows from that is done beside it.
    pub(super) fn tell_of_lost_voice(&self, stage: Stage) {
        let number = self.doc.context.get("phone_number").and_then(serde_json::Value::as_str);
        let by_phone = self.doc.channel == Channel::Phone;
        self.deps.ladder.voice_failed(Fallen { stage, by_phone, number: number.and_then(PhoneNumber::parse) });
    }
}

/// docs/protocol.md, close codes.
pub(crate) const fn close_code(outcome: Outcome, reason: EndReason) -> (u16, &'static str) {
    match (outcome, reason) {
        (Outcome::Error, _) => (4006, "failed"),
        (_, EndReason::TakenOver) => (4001, "taken over"),
        (_, EndReason::HandedOver) => (4007, "handed over"),
        (_, EndReason::Idle) => (4005, "idle"),
        (_, EndReason::TooLong) => (4005, "too long"),
        (_, EndReason::Ceiling) => (4005, "ceiling"),
        _ => (1000, "ended"),
    }
}
