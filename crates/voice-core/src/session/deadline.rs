//! What takes too long? Every state that waits has a deadline; when it passes, the session goes on without.

use crate::ids::UtteranceId;
use crate::output::{EndReason, Observation, Outcome};
use crate::playout::END_TOLERANCE_MS;

use super::Session;
use super::patience::left_ms;

impl Session {
    /// The earliest of all deadlines.
    pub(super) fn next_deadline(&self) -> Option<u64> {
        // What depends on how far the playout is may be due by the time that it is looked at.
        let soon = |due_ms: Option<u64>| due_ms.map(|due_ms| due_ms.max(self.now_ms + 1));
        [
            self.end_of_turn_due_ms(),
            self.stt_due().map(|(_, due_ms)| due_ms),
            self.long_speech_due_ms(),
            self.interruption_due_ms(),
            self.hush_due_ms(),
            soon(self.llm_due().map(|(_, due_ms, _)| due_ms)),
            soon(self.llm_hedge_due_ms()),
            soon(self.tts_hedge_due_ms()),
            soon(self.stt_hedge_due().map(|(_, due_ms)| due_ms)),
            self.tool_due_ms(),
            self.answer_due_ms(),
            soon(self.tts_due_ms()),
            self.playout_due_ms(),
            self.saving.deadline_ms(),
            self.reconnect_due_ms(),
            self.idle_due_ms(),
            self.session_due_ms(),
            self.closing.map(|closing| closing.deadline_ms),
            self.asking_due_ms(),
            self.leaving_due_ms(),
        ]
        .into_iter()
        .flatten()
        .min()
    }

    /// Ends every state whose deadline has passed. (The end of a turn is no failure: `consider_end_of_turn`.)
    pub(super) fn check_deadlines(&mut self) {
        let now_ms = self.now_ms;
        let passed = |due_ms: Option<u64>| due_ms.is_some_and(|due_ms| now_ms >= due_ms);
        if let Some((utterance, due_ms)) = self.stt_due()
            && now_ms >= due_ms
        {
            self.missed("stt");
            self.give_up_transcript(utterance);
        }
        if passed(self.long_speech_due_ms()) {
            self.missed("long_speech");
            self.end_long_speech();
        }
        if passed(self.interruption_due_ms()) {
            self.interrupt_by_speech();
        }
        self.check_rivals();
        if let Some((request, due_ms, kind)) = self.llm_due()
            && now_ms >= due_ms
        {
            self.missed("llm");
            self.push(crate::output::Output::CancelLlm { request });
            self.handle_llm_failed(request, kind.into());
        }
        if passed(self.tool_due_ms()) {
            self.missed("tool");
            self.fail_running_tool();
        }
        if passed(self.answer_due_ms()) {
            self.give_up_answer();
        }
        if passed(self.tts_due_ms()) {
            self.missed("tts");
            self.fail_stalled_synthesis();
        }
        if passed(self.playout_due_ms()) {
            self.missed("playout");
            self.take_stalled_playout_as_heard();
        }
        if let Some(commit) = self.saving.overdue(now_ms) {
            self.missed("commit");
            self.give_up_commit(commit);
        }
        self.check_session_deadlines();
    }

    /// Asks another provider beside one that shows nothing.
    fn check_rivals(&mut self) {
        let now_ms = self.now_ms;
        let passed = |due_ms: Option<u64>| due_ms.is_some_and(|due_ms| now_ms >= due_ms);
        if let Some((utterance, due_ms)) = self.stt_hedge_due()
            && now_ms >= due_ms
        {
            self.ask_stt_rival(utterance);
        }
        if passed(self.llm_hedge_due_ms()) {
            self.ask_llm_rival();
        }
        if passed(self.tts_hedge_due_ms()) {
            self.ask_tts_rival();
        }
    }

    fn check_session_deadlines(&mut self) {
        let now_ms = self.now_ms;
        let passed = |due_ms: Option<u64>| due_ms.is_some_and(|due_ms| now_ms >= due_ms);
        if passed(self.reconnect_due_ms()) {
            self.close(Outcome::Dropped, EndReason::Lost);
        }
        if passed(self.idle_due_ms()) {
            self.close(Outcome::Completed, EndReason::Idle);
        }
        if passed(self.session_due_ms()) {
            if self.too_long_said {
                self.close(Outcome::Completed, EndReason::TooLong);
            } else {
                self.end_long_session();
            }
        }
    }

    pub(super) fn missed(&mut self, state: &'static str) {
        self.observe(Observation::DeadlineMissed { state });
    }

    fn stt_due(&self) -> Option<(UtteranceId, u64)> {
        let (utterance, since_ms) = self.listening.as_ref()?.awaited()?;
        Some((utterance.id, since_ms + self.config.stt_deadline_ms))
    }

    fn long_speech_due_ms(&self) -> Option<u64> {
        self.speaking_since_ms?;
        Some(self.listening.as_ref()?.since_ms + self.config.max_turn_ms)
    }

    /// Speech over the agent's that lasts is an interruption, even before a word of it is understood.
    fn interruption_due_ms(&self) -> Option<u64> {
        let held = self.reply.as_ref().is_some_and(|reply| reply.confirmed && reply.hold.is_some());
        Some(self.speaking_since_ms.filter(|_| held)? + self.config.interruption_min_speech_ms)
    }

    fn tool_due_ms(&self) -> Option<u64> {
        Some(self.reply.as_ref()?.running.as_ref()?.since_ms + self.config.tool_deadline_ms)
    }

    /// What may be heard and was not: its own length, and some grace. The last bit before a pause is no playout that hangs: a player
    /// has it once more comes.
    fn playout_due_ms(&self) -> Option<u64> {
        let reply = self.reply.as_ref().filter(|reply| reply.confirmed && reply.hold.is_none() && self.has_voice())?;
        let left_ms = left_ms(reply);
        (left_ms > END_TOLERANCE_MS && !reply.speech.is_heard())
            .then_some(reply.playout_progress_ms + left_ms + self.config.playout_grace_ms)
    }

    fn reconnect_due_ms(&self) -> Option<u64> {
        let lost_since_ms = self.lost_since_ms.filter(|_| self.closing.is_none())?;
        Some(lost_since_ms + self.config.reconnect_ms)
    }

    fn idle_due_ms(&self) -> Option<u64> {
        // A lost caller has a deadline of its own.
        let busy = self.is_busy() || self.closing.is_some() || self.lost_since_ms.is_some();
        (!busy).then_some(self.last_activity_ms + self.config.idle_ms)
    }

    fn session_due_ms(&self) -> Option<u64> {
        let link = self.link.as_ref().filter(|_| self.closing.is_none())?;
        let due_ms = link.since_ms + self.config.max_session_ms.saturating_sub(self.connected_before_ms);
        Some(if self.too_long_said { due_ms + self.config.closing_ms } else { due_ms })
    }
}
