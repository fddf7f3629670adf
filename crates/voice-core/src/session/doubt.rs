//! What if nobody knows whether the store has it? The caller is told so, and it is set right as soon as the store says.
//!
//! The shell goes on making the same commit, which happens once however often it is made. Until its outcome is known no
//! other one is made.

use serde_json::{Value, json};

use crate::chat::{ChatItem, ToolCall, ToolOutput};
use crate::ids::{CommitId, ToolCallId};
use crate::output::{Observation, Output};
use crate::phrases;

use super::Session;
use super::save::InFlight;
use super::tools::{fail_outputs, tool_pairs};

/// The outcome of a commit is waited for this many times as long as a commit may take; then it stays unknown.
const LONGEST_DOUBT: u64 = 12;
/// What the model hears of a change of which nobody knows whether it was saved.
const MAY_BE_SAVED: &str = "nobody knows yet whether it was saved";
/// What the model hears of a change that the store has as soon as it is back.
const SAVED_LATER: &str = "the task list cannot be reached; it is saved as soon as it is back";
/// A change that waits for the store waits for an hour: for as long as the session is kept.
const LONGEST_WAIT_MS: u64 = 3_600_000;
/// What the model hears of a change while the store does not say what became of the one before.
const STORE_SILENT: &str = "it could not be saved: the task list does not answer";
/// What the model hears of a tool that built on a change that may not be there.
const BUILT_ON_DOUBT: &str = "it was not done: the change before it may not have been saved";

impl Session {
    /// The store does not say whether it has this commit.
    pub(super) fn doubt_commit(&mut self, commit: CommitId) {
        let wait_ms = LONGEST_DOUBT * self.config.commit_deadline_ms;
        self.await_outcome(
            commit,
            wait_ms,
            json!({"status": "unknown", "reason": MAY_BE_SAVED}),
            phrases::NOT_SURE_SAVED,
        );
    }

    /// The store is away, and has this commit as soon as it is back.
    pub(super) fn postpone_commit(&mut self, commit: CommitId) {
        let result = json!({"status": "pending", "reason": SAVED_LATER});
        self.await_outcome(commit, LONGEST_WAIT_MS, result, phrases::SAVED_LATER);
    }

    /// The shell goes on making this commit: until its outcome is known, its tools have answered `result`, and the caller is
    /// told `words`.
    fn await_outcome(&mut self, commit: CommitId, wait_ms: u64, result: Value, words: &str) {
        let deadline_ms = self.now_ms + wait_ms;
        let Some(tools) = self.saving.tools_of(commit) else { return };
        let answered = self.outputs_of(&tools);
        if !self.saving.doubt(commit, answered, deadline_ms) {
            return;
        }
        self.observe(Observation::CommitFailed { commit });
        if tools.is_empty() {
            return;
        }
        overwrite_outputs(&mut self.chat.items, &tools, &result);
        let staged = |id: &ToolCallId| tools.contains(id);
        if self.reply.as_ref().is_some_and(|reply| reply.staged.iter().any(staged)) {
            self.withdraw_claims(&tools, &result, words);
        } else {
            self.push(Output::DropTools { calls: tools });
        }
    }

    /// What the reply says on the strength of these changes is not said.
    fn withdraw_claims(&mut self, tools: &[ToolCallId], result: &Value, words: &str) {
        let Some(reply) = &mut self.reply else { return };
        let calls = std::mem::take(&mut reply.staged);
        overwrite_outputs(&mut reply.draft, tools, result);
        let others: Vec<ToolCallId> = calls.iter().copied().filter(|id| !tools.contains(id)).collect();
        fail_outputs(&mut reply.draft, &others, BUILT_ON_DOUBT);
        reply.waiting_calls.clear();
        self.push(Output::DropTools { calls });
        self.withdraw_from_gate(BUILT_ON_DOUBT);
        self.say(words);
        self.finish_text();
    }

    /// It is known at last: the store has what nobody was sure of.
    pub(super) fn settle_doubt(&mut self, answered: &[ToolOutput]) {
        self.set_outputs(answered);
        if let Some(reply) = self.reply.as_mut().filter(|reply| holds(&reply.draft, answered)) {
            reply.kept = true;
        }
        self.report_settled(answered);
    }

    /// It is known at last: the store does not have it.
    pub(super) fn settle_doubt_as_failed(&mut self, failed: &InFlight, reason: &str) {
        fail_outputs(&mut self.chat.items, &failed.tools, reason);
        if let Some(reply) = &mut self.reply {
            fail_outputs(&mut reply.draft, &failed.tools, reason);
        }
        let answered = self.outputs_of(&failed.tools);
        self.report_settled(&answered);
        self.broken_promise = true;
    }

    /// With nothing under way a caller who was promised a change hears that it was not made.
    pub(super) fn own_up(&mut self) {
        let is_quiet = self.reply.is_none() && self.listening.is_none() && self.closing.is_none();
        if self.broken_promise && is_quiet && self.link.is_some() && !self.must_close() {
            self.broken_promise = false;
            self.begin_scripted(phrases::NOT_SAVED_AFTER_ALL);
        }
    }

    /// While it is not known what became of the last change, no other one is promised.
    pub(super) fn refuse_changes(&mut self) {
        let calls = self.committable_tools();
        if calls.is_empty() {
            return;
        }
        self.push(Output::DropTools { calls: calls.clone() });
        self.unstage(&calls, STORE_SILENT);
        self.advance_answer();
        self.advance_speech();
    }

    fn outputs_of(&self, tools: &[ToolCallId]) -> Vec<ToolOutput> {
        let draft = self.reply.iter().flat_map(|reply| &reply.draft);
        let output = |item: &ChatItem| match item {
            ChatItem::ToolOutput(output) if tools.contains(&output.id) => Some(output.clone()),
            _ => None,
        };
        draft.chain(&self.chat.items).filter_map(output).collect()
    }

    fn set_outputs(&mut self, answered: &[ToolOutput]) {
        let draft = self.reply.iter_mut().flat_map(|reply| &mut reply.draft);
        for item in draft.chain(&mut self.chat.items) {
            if let ChatItem::ToolOutput(output) = item
                && let Some(known) = answered.iter().find(|known| known.id == output.id)
            {
                output.clone_from(known);
            }
        }
    }

    /// The caller's side was told that it is not known.
    fn report_settled(&mut self, answered: &[ToolOutput]) {
        self.saving.mark_dirty();
        let draft = self.reply.as_ref().map_or(&[][..], |reply| &reply.draft);
        let pairs: Vec<(ToolCall, ToolOutput)> = tool_pairs(draft)
            .chain(tool_pairs(&self.chat.items))
            .filter(|(call, _)| answered.iter().any(|known| known.id == call.id))
            .map(|(call, output)| (call.clone(), output.clone()))
            .collect();
        for (call, output) in pairs {
            self.report_tool(call, output);
        }
    }
}

fn holds(items: &[ChatItem], outputs: &[ToolOutput]) -> bool {
    items.iter().any(|item| matches!(item, ChatItem::ToolOutput(one) if outputs.iter().any(|known| known.id == one.id)))
}

/// Overwrites what these calls answered.
fn overwrite_outputs(items: &mut [ChatItem], calls: &[ToolCallId], result: &Value) {
    for item in items {
        if let ChatItem::ToolOutput(output) = item
            && calls.contains(&output.id)
        {
            output.result = result.clone();
            output.is_error = true;
        }
    }
}
