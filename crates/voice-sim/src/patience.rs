//! How long an answer keeps the caller waiting: counted here once more, from what the model and the tools are asked and what
//! the loudspeaker plays.

use std::collections::BTreeSet;

use voice_core::{Input, Output};

use crate::line::State;
use crate::world::{Checked, World};

/// Less audio than this, in milliseconds, is nothing to listen to.
const NOTHING_LEFT_MS: u64 = 40;
/// The session takes it that something is still being heard for at most this long, in milliseconds: a position report is 630
/// ms on its way at most, the one before it is 100 ms older, and it counts to the very end.
const BELIEVED_MS: u64 = 630 + 100 + NOTHING_LEFT_MS;
/// How long a character is read for, in milliseconds.
const READ_MS: u64 = 65;

/// What the model and the tools are doing for the turn, and how long nothing was heard meanwhile.
#[derive(Debug, Default)]
pub(crate) struct Patience {
    requests: BTreeSet<u64>,
    tools: BTreeSet<u64>,
    waited_ms: u64,
    /// Of that, what the session cannot know of: it takes it that something is still being heard.
    believed_ms: u64,
    /// For so long it may still take it so.
    believes_ms: u64,
    /// Milliseconds that are spent reading what was shown.
    reading_ms: u64,
    /// Time passed that only the session counts: the caller spoke, or was away.
    disturbed: bool,
    /// What the caller has said is not read yet: an answer to what they typed before is held until it is.
    unread: bool,
}

impl Patience {
    /// The caller's turn is over, or its answer is begun anew: nothing was waited for yet.
    pub(crate) fn begin(&mut self) {
        let (requests, tools) = (std::mem::take(&mut self.requests), std::mem::take(&mut self.tools));
        *self = Self { requests, tools, unread: self.unread, ..Self::default() };
    }

    /// Somebody reads these words.
    pub(crate) fn reads(&mut self, text: &str) {
        self.reading_ms += text.chars().count().max(1) as u64 * READ_MS;
    }

    pub(crate) fn told(&mut self, input: &Input) {
        match input {
            Input::LlmDone { request } | Input::LlmFailed { request, .. } => {
                self.requests.remove(&request.0);
            }
            Input::ToolComputed { output, .. } => {
                self.tools.remove(&output.id.0);
            }
            Input::FinalTranscript { .. } => self.unread = false,
            // The longest turn may end in the very moment in which its caller goes on.
            Input::StartOfSpeech { .. } => self.disturbed |= !self.requests.is_empty() || !self.tools.is_empty(),
            _ => {}
        }
    }

    pub(crate) fn wished(&mut self, output: &Output) {
        match output {
            Output::RequestLlm { request, .. } => {
                self.requests.insert(request.0);
                self.disturbed |= self.unread;
            }
            Output::StartUtterance { .. } => self.unread = true,
            Output::DropUtterance { .. } => self.unread = false,
            Output::CancelLlm { request } | Output::EndLlm { request } => {
                self.requests.remove(&request.0);
            }
            Output::RunTool { call } => {
                self.tools.insert(call.id.0);
                self.disturbed |= self.unread;
            }
            Output::DropTools { calls } => self.tools.retain(|id| !calls.iter().any(|call| call.0 == *id)),
            _ => {}
        }
    }
}

impl World {
    /// So many milliseconds pass.
    pub(crate) fn wait(&mut self, by_ms: u64) -> Checked {
        if by_ms == 0 || self.check.open_turns.is_empty() || self.session.is_none() {
            return Ok(());
        }
        let left_ms = |line: &crate::line::Line| line.available_ms().saturating_sub(line.pos_ms);
        let live = || self.device.lines.iter().rev().take(4).filter(|line| line.state == State::Live);
        let heard = live().any(|line| left_ms(line) > NOTHING_LEFT_MS);
        let held = self.check.caller_speaks || self.caller.leg.is_none() || live().any(|line| line.paused);
        let answer_deadline_ms = self.profile.config.answer_deadline_ms;
        let patience = &mut self.check.patience;
        let works = !patience.requests.is_empty() || !patience.tools.is_empty();
        patience.disturbed |= held && works;
        // What sounds while only the store is waited for ends as late for the session as anything else.
        if heard || held {
            patience.believes_ms = BELIEVED_MS;
            return Ok(());
        }
        let believed_ms = by_ms.min(patience.believes_ms);
        patience.believes_ms -= believed_ms;
        if !works {
            return Ok(());
        }
        patience.waited_ms += by_ms;
        patience.believed_ms += believed_ms;
        let most_ms = answer_deadline_ms + patience.believed_ms + patience.reading_ms;
        if patience.waited_ms > most_ms && !patience.disturbed {
            let text = format!("nothing was heard for {} ms, at most {most_ms}", patience.waited_ms);
            return self.strange("no answer is made for longer than its deadline", text);
        }
        Ok(())
    }

    /// The session gave an answer up: the caller has really waited for that long.
    pub(crate) fn check_given_up(&self) -> Checked {
        let (patience, least_ms) = (&self.check.patience, self.profile.config.answer_deadline_ms);
        if patience.waited_ms < least_ms && !patience.disturbed {
            let text = format!("the caller waited for {} ms, the deadline is {least_ms}", patience.waited_ms);
            return self.strange("no answer is given up before its deadline", text);
        }
        Ok(())
    }
}
