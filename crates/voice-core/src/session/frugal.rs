//! What may it still cost? The steps of [`crate::ceiling`], taken between two turns and never in a sentence.

use crate::ceiling::CostStep;
use crate::consent::ConsentHow;
use crate::cost::NanoUsd;
use crate::ids::TurnId;
use crate::output::{ClientEvent, EndReason, Observation};
use crate::phrases;
use crate::timeline::Timeline;

use super::Session;

/// How a session saves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Frugal {
    pub(super) step: CostStep,
    /// What all sessions together have spent today, as this one was last told.
    day_spent: NanoUsd,
}

impl Session {
    /// How the call saves money.
    pub const fn cost_step(&self) -> CostStep {
        self.frugal.step
    }

    pub(super) fn handle_day_spend(&mut self, spent: NanoUsd) {
        self.frugal.day_spent = spent;
    }

    pub(super) fn due_step(&self) -> CostStep {
        self.config.ceilings.due(self.cost.total(), self.frugal.day_spent).0
    }

    /// Between two turns: saves as much as is due. What was once spared stays spared.
    pub(super) fn take_cost_step(&mut self) {
        let (due, ceiling) = self.config.ceilings.due(self.cost.total(), self.frugal.day_spent);
        if due <= self.frugal.step || self.closing.is_some() {
            return;
        }
        let from = self.frugal.step;
        self.set_cost_step(due);
        self.saving.mark_dirty();
        let (call, day) = (self.cost.total(), self.frugal.day_spent);
        self.observe(Observation::CostStepTaken { from, to: due, ceiling, call, day });
        if due == CostStep::Text && self.has_voice() {
            self.go_on_in_text();
        }
        if due >= CostStep::Text {
            // Who is not heard any more cannot ask for the recording to stop: it stops by itself.
            self.stop_recording(ConsentHow::NotHeard);
        }
    }

    /// Takes up a step that was taken before, here or by another process.
    pub(super) fn set_cost_step(&mut self, step: CostStep) {
        self.frugal.step = step;
        if step >= CostStep::Cheap {
            self.ladder.cheapest_first(&self.config.chains, &self.config.prices);
        }
    }

    /// Whether nothing is spent on the caller's voice any more. What is said last is said to its end.
    pub(super) fn is_deaf(&self) -> bool {
        self.frugal.step >= CostStep::Text
    }

    /// The call is to end, and nothing but the goodbye is said any more.
    pub(super) fn must_close(&self) -> bool {
        self.frugal.step == CostStep::Close
    }

    pub(super) fn is_saying_goodbye(&self) -> bool {
        self.reply.as_ref().is_some_and(|reply| reply.end_call == Some(EndReason::Ceiling))
    }

    /// With nothing under way a step can be taken without anybody having said anything.
    pub(super) fn consider_ceilings(&mut self) {
        if self.reply.is_some() || self.listening.is_some() || self.closing.is_some() {
            return;
        }
        self.take_cost_step();
        if self.must_close() && self.link.is_some() {
            self.begin_scripted(phrases::CEILING);
            self.end_after_this();
        }
    }

    /// The caller's turn is answered with the goodbye.
    pub(super) fn answer_with_goodbye(
        &mut self,
        text: String,
        spoken: Option<(TurnId, Timeline)>,
        message: Option<u64>,
    ) {
        self.answer_with(text, phrases::CEILING, spoken, message);
        self.end_after_this();
    }

    fn end_after_this(&mut self) {
        if let Some(reply) = &mut self.reply {
            reply.end_call = Some(EndReason::Ceiling);
        }
    }

    /// A new leg of a call that goes on in text is told so.
    pub(super) fn tell_text_again(&mut self) {
        if self.frugal.step == CostStep::Text && self.link.as_ref().is_some_and(|link| link.voice) {
            self.voice_broken = true;
            self.client(ClientEvent::FallbackToText { message: phrases::TEXT_FALLBACK.to_owned() });
        }
    }
}
