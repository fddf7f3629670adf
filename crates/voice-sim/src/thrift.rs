//! What a call may cost: its steps, counted here once more.

use std::collections::BTreeSet;

use voice_core::Session;
use voice_core::ceiling::CostStep;
use voice_core::cost::NanoUsd;
use voice_core::ids::{ReplyId, TurnId, UtteranceId};
use voice_core::output::EndReason;
use voice_core::phrases;
use voice_core::snapshot::Snapshot;

use crate::line::State;
use crate::seen::Seen;
use crate::world::{Checked, World};

/// What was under way when the ceiling was reached.
#[derive(Debug)]
struct InFlight {
    reply: ReplyId,
    turns: BTreeSet<TurnId>,
}

/// What is known of the saving.
#[derive(Debug, Default)]
pub(crate) struct Thrift {
    step: CostStep,
    /// What the session was told that the house spent today.
    pub(crate) day: NanoUsd,
    over: Option<InFlight>,
    pub(crate) ended: Option<EndReason>,
}

impl Thrift {
    /// A process takes up a call that saves so.
    pub(crate) fn begin(&mut self, step: CostStep) {
        self.step = step;
    }
}

impl World {
    /// Something was spent: what is under way when the ceiling is reached may be finished.
    pub(crate) fn look_at_ceilings(&mut self) {
        let spent = self.check.spent.iter().sum::<u128>();
        let call = NanoUsd(u64::try_from(spent).unwrap_or(u64::MAX));
        let (due, _) = self.profile.config.ceilings.due(call, self.check.thrift.day);
        let in_flight = || InFlight { reply: self.check.reply, turns: self.check.open_turns.clone() };
        let over = due == CostStep::Close || self.check.thrift.step == CostStep::Close;
        let before = self.check.thrift.over.take();
        self.check.thrift.over = over.then(|| before.unwrap_or_else(in_flight));
    }

    pub(crate) fn check_new_step(&mut self, from: CostStep, to: CostStep) -> Checked {
        const CHECK: &str = "steps of thrift never go back";
        if from != self.check.thrift.step || to <= from {
            return self.strange(CHECK, format!("from {from:?} to {to:?}, it was {:?}", self.check.thrift.step));
        }
        let sounding = self.device.lines.iter().any(|line| line.state == State::Live && line.pos_ms > 0);
        if sounding {
            return self.strange("a step is taken between two turns", format!("to {to:?} in the middle of a speech"));
        }
        self.check.thrift.step = to;
        match to {
            CostStep::Full => {}
            CostStep::Brief => self.saw(Seen::CostBrief),
            CostStep::Cheap => self.saw(Seen::CostCheap),
            CostStep::Text => self.saw(Seen::CostText),
            CostStep::Close => self.saw(Seen::CostClose),
        }
        Ok(())
    }

    pub(crate) fn check_step(&mut self, session: &Session) -> Checked {
        // What it observed is looked at after this.
        if session.cost_step() < self.check.thrift.step {
            let text = format!("{:?} after {:?}", session.cost_step(), self.check.thrift.step);
            return self.strange("steps of thrift never go back", text);
        }
        Ok(())
    }

    /// Over the ceiling nothing is asked of a model but what belongs to what was under way.
    pub(crate) fn check_thrift(&mut self, reply: ReplyId, brief: bool) -> Checked {
        let step = self.check.thrift.step;
        if brief != (step >= CostStep::Brief) {
            return self.strange("near the ceiling answers are short", format!("brief: {brief}, and it is {step:?}"));
        }
        let begun = |over: &InFlight| reply <= over.reply || !over.turns.is_disjoint(&self.check.open_turns);
        if step == CostStep::Close || self.check.thrift.over.as_ref().is_some_and(|over| !begun(over)) {
            let text = format!("reply {reply}, step {step:?}, under way was {:?}", self.check.thrift.over);
            return self.strange("over the ceiling nothing is begun", text);
        }
        Ok(())
    }

    pub(crate) fn check_hearing(&mut self, utterance: UtteranceId) -> Checked {
        if self.check.thrift.step >= CostStep::Text && !self.ears.hears(utterance) {
            return self.strange("over the ceiling nobody is heard", format!("utterance {utterance}"));
        }
        Ok(())
    }

    /// A call that its ceiling ended said goodbye, and was heard to the end.
    pub(crate) fn check_goodbye(&mut self, last: &Snapshot) -> Checked {
        let goodbye = last.history.last().is_some_and(|message| message.content == phrases::CEILING);
        if self.check.thrift.ended == Some(EndReason::Ceiling) && !goodbye {
            return self.strange("the goodbye is said to its end", format!("{:?}", last.history.last()));
        }
        Ok(())
    }
}
