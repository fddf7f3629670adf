//! What is kept? Commits to the store, and the snapshot that they save.

use std::collections::VecDeque;

use crate::agents;
use crate::chat::{ChatContext, ChatItem, ToolCall, ToolOutput};
use crate::config::CoreConfig;
use crate::consent::Consent;
use crate::ids::{CommitId, ReplyId, ToolCallId, TurnId};
use crate::input::CommitError;
use crate::output::{EndReason, Observation, Outcome, Output};
use crate::phrases;
use crate::snapshot::{Aside, Counters, Message, RestoreError, Role, SNAPSHOT_VERSION, Snapshot};
use crate::timeline::PauseCause;

use super::tools::{fail_outputs, tool_pairs};
use super::{MAX_TIME_MS, Session};

/// How many thrown-away replies are remembered, for what they still use.
const DISCARDED_REMEMBERED: usize = 16;
/// A failed save is tried again after at most this many times the first delay.
const MAX_BACKOFF: u64 = 30;
/// What the model hears about a tool whose change the store did not take.
const NOT_SAVED: &str = "it could not be saved";

/// What the model hears when somebody else changed the tasks, and a part of its answer already counts.
const CHANGED_MEANWHILE: &str = "the tasks changed meanwhile; nothing of this was saved";

/// How a session comes back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Restored {
    /// Its process was lost: the caller is told.
    Lost,
    /// It was moved on purpose: nobody says a word about it.
    Moved,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) struct InFlight {
    commit: CommitId,
    pub(super) tools: Vec<ToolCallId>,
    deadline_ms: u64,
    /// The ids that were used when it was made.
    counters: Counters,
    /// Nobody knows whether the store has it: what its tools had answered.
    doubt: Option<Vec<ToolOutput>>,
}

/// What is being saved, and what still has to be.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct Saving {
    in_flight: Option<InFlight>,
    dirty: bool,
    /// Something small changed: it is saved with the next commit.
    stale: bool,
    retry_at_ms: u64,
    failures: u32,
    /// The ids that were used when the last commit was made that the store has.
    kept: Option<Counters>,
    discarded: VecDeque<ReplyId>,
}

impl Saving {
    pub(super) fn mark_dirty(&mut self) {
        self.dirty = true;
    }

    pub(super) fn mark_stale(&mut self) {
        self.stale = true;
    }

    /// Tries once more at once, whatever failed before.
    pub(super) fn try_now(&mut self, now_ms: u64) {
        self.dirty |= self.stale;
        self.retry_at_ms = now_ms;
    }

    /// As [`Self::try_now`], for what waits only.
    pub(super) fn retry_now(&mut self, now_ms: u64) {
        self.retry_at_ms = self.retry_at_ms.min(now_ms);
    }

    /// Whatever is not saved is to be, as soon as the commit under way is through.
    pub(super) fn save_rest(&mut self) {
        self.dirty |= self.in_flight.is_none();
    }

    /// Whether the store has all that there is, down to the ids that were used and the last nano-dollar.
    pub(super) fn has_all(&self, counters: Counters) -> bool {
        self.is_clean() && !self.stale && self.kept == Some(counters)
    }

    pub(super) fn is_clean(&self) -> bool {
        self.in_flight.is_none() && !self.dirty
    }

    pub(super) fn tools_in_flight(&self) -> &[ToolCallId] {
        self.in_flight.as_ref().map_or(&[], |in_flight| &in_flight.tools)
    }

    /// The tools of this commit, if it is the one under way.
    pub(super) fn tools_of(&self, commit: CommitId) -> Option<Vec<ToolCallId>> {
        self.in_flight.as_ref().filter(|in_flight| in_flight.commit == commit).map(|in_flight| in_flight.tools.clone())
    }

    /// Nobody knows whether the store has this commit. Says whether that is news.
    pub(super) fn doubt(&mut self, commit: CommitId, answered: Vec<ToolOutput>, deadline_ms: u64) -> bool {
        let in_flight = self.in_flight.as_mut().filter(|in_flight| in_flight.commit == commit);
        let Some(in_flight) = in_flight.filter(|in_flight| in_flight.doubt.is_none()) else { return false };
        in_flight.doubt = Some(answered);
        in_flight.deadline_ms = deadline_ms;
        true
    }

    fn in_doubt(&self) -> bool {
        self.in_flight.as_ref().is_some_and(|in_flight| in_flight.doubt.is_some())
    }

    pub(super) fn discarded(&mut self, reply: ReplyId) {
        self.discarded.push_back(reply);
        if self.discarded.len() > DISCARDED_REMEMBERED {
            self.discarded.pop_front();
        }
    }

    pub(super) fn was_discarded(&self, reply: ReplyId) -> bool {
        self.discarded.contains(&reply)
    }

    /// When the store is given up, or asked again.
    pub(super) fn deadline_ms(&self) -> Option<u64> {
        match &self.in_flight {
            Some(in_flight) => Some(in_flight.deadline_ms),
            None => self.dirty.then_some(self.retry_at_ms),
        }
    }

    /// The commit that the store does not answer.
    pub(super) fn overdue(&self, now_ms: u64) -> Option<CommitId> {
        self.in_flight.as_ref().filter(|in_flight| now_ms >= in_flight.deadline_ms).map(|in_flight| in_flight.commit)
    }
}

impl Session {
    /// Takes up a saved session.
    ///
    /// # Errors
    /// [`RestoreError`] when a newer version saved it, or it contradicts itself.
    pub fn restore(config: CoreConfig, snapshot: Snapshot, how: Restored) -> Result<Self, RestoreError> {
        if snapshot.version > SNAPSHOT_VERSION {
            return Err(RestoreError::Newer(snapshot.version));
        }
        if snapshot.asides.iter().any(|aside| aside.after > snapshot.history.len()) {
            return Err(RestoreError::Broken("an item stands behind the end of the conversation"));
        }
        let mut session = Self::new(config);
        let begun = !snapshot.history.is_empty();
        session.greeting = first_words(&super::consent::opening(&session.config), begun, how).map(str::to_owned);
        session.chat = join_chat(snapshot.history, snapshot.asides, &snapshot.interrupted);
        session.agent = agents::find(&snapshot.current_agent);
        session.told_agent = session.agent.name;
        session.skips_ids = how == Restored::Lost;
        session.consent = Consent::restore(snapshot.consent);
        session.counters = snapshot.counters;
        session.cost = snapshot.cost;
        session.set_cost_step(snapshot.cost_step);
        session.connected_before_ms = snapshot.connected_ms.min(MAX_TIME_MS);
        session.extra = snapshot.extra;
        Ok(session)
    }

    /// What would be saved now.
    pub fn snapshot(&self) -> Snapshot {
        self.snapshot_with(&[])
    }

    fn snapshot_with(&self, committing: &[ToolCallId]) -> Snapshot {
        let mut items = self.chat.items.clone();
        if let Some(reply) = self.reply.as_ref().filter(|reply| reply.confirmed) {
            items.extend(reply.user_text.clone().map(|text| ChatItem::User { text }));
            items.extend(reply.kept_draft(committing));
            let (text, unheard) = reply.speech.split_heard();
            if !text.is_empty() {
                let interrupted = !unheard.is_empty() || !reply.text_done;
                items.push(ChatItem::Assistant { text, interrupted });
            }
        }
        let (history, asides, interrupted) = split_chat(items);
        Snapshot {
            version: SNAPSHOT_VERSION,
            history,
            current_agent: self.current_agent().to_owned(),
            consent: self.consent.state(),
            asides,
            interrupted,
            counters: self.counters,
            cost: self.cost.clone(),
            cost_step: self.frugal.step,
            connected_ms: self.connected_ms(),
            extra: self.extra.clone(),
        }
    }

    /// Saves when something is to be saved and the store is free; what tools changed goes with it.
    pub(super) fn advance_saving(&mut self) {
        if self.saving.in_doubt() {
            if self.saving.tools_in_flight().is_empty() && !self.committable_tools().is_empty() {
                // It holds words only, and the next one holds them too: no change has to wait for it.
                self.saving.in_flight = None;
            } else {
                self.refuse_changes();
            }
        }
        if self.saving.in_flight.is_some() {
            return;
        }
        let tools = self.committable_tools();
        let due = self.saving.dirty && self.now_ms >= self.saving.retry_at_ms;
        if tools.is_empty() && !due {
            return;
        }
        self.counters.commit += 1;
        let commit = CommitId(self.counters.commit);
        let snapshot = Box::new(self.snapshot_with(&tools));
        let deadline_ms = self.now_ms + self.config.commit_deadline_ms;
        if let Some(reply) = self.reply.as_mut().filter(|_| !tools.is_empty()) {
            reply.changed = true;
        }
        self.saving.dirty = false;
        self.saving.stale = false;
        self.saving.in_flight =
            Some(InFlight { commit, tools: tools.clone(), deadline_ms, counters: self.counters, doubt: None });
        self.push(Output::Commit { commit, turn: TurnId(self.counters.turn), tools, snapshot });
    }

    /// What the turn's tools would change, once the turn is over and all that were called together have answered.
    pub(super) fn committable_tools(&self) -> Vec<ToolCallId> {
        let Some(reply) = self.reply.as_ref().filter(|reply| reply.confirmed) else { return Vec::new() };
        let more_to_come = reply.running.is_some()
            || !reply.waiting_calls.is_empty()
            || reply.request.as_ref().is_some_and(|request| request.wants_outputs);
        if more_to_come { Vec::new() } else { reply.staged.clone() }
    }

    pub(super) fn handle_committed(&mut self, commit: CommitId) {
        let Some(done) = self.saving.in_flight.take_if(|in_flight| in_flight.commit == commit) else { return };
        self.saving.failures = 0;
        self.saving.kept = Some(done.counters);
        self.saving.retry_at_ms = self.now_ms;
        if done.tools.is_empty() {
            return;
        }
        if let Some(answered) = done.doubt {
            self.settle_doubt(&answered);
            return;
        }
        let now_ms = self.now_ms;
        match self.reply.as_mut().filter(|reply| reply.staged.iter().any(|id| done.tools.contains(id))) {
            Some(reply) => {
                reply.kept = true;
                reply.staged.retain(|id| !done.tools.contains(id));
                if reply.staged.is_empty() {
                    reply.gate = None;
                }
                if let Some(timeline) = &mut reply.timeline {
                    timeline.advance(now_ms, PauseCause::Tool);
                }
            }
            None => self.report_late(&done.tools),
        }
        self.advance_speech();
    }

    /// The reply was cut short while its tools were being saved.
    fn report_late(&mut self, tools: &[ToolCallId]) {
        let pairs: Vec<(ToolCall, ToolOutput)> = tool_pairs(&self.chat.items)
            .filter(|(call, _)| tools.contains(&call.id))
            .map(|(call, output)| (call.clone(), output.clone()))
            .collect();
        for (call, output) in pairs {
            self.report_tool(call, output);
        }
    }

    /// The store did not answer in time. When it was doubted before, nobody will ever know.
    pub(super) fn give_up_commit(&mut self, commit: CommitId) {
        if !self.saving.in_doubt() {
            self.doubt_commit(commit);
        } else if self.saving.in_flight.take_if(|in_flight| in_flight.commit == commit).is_some() {
            self.saving.dirty = true;
            self.retry_later();
        }
    }

    fn retry_later(&mut self) {
        let factor = 1u64.checked_shl(self.saving.failures).unwrap_or(MAX_BACKOFF).min(MAX_BACKOFF);
        self.saving.retry_at_ms = self.now_ms + self.config.commit_retry_ms * factor;
        self.saving.failures += 1;
    }

    pub(super) fn handle_commit_failed(&mut self, commit: CommitId, error: CommitError) {
        match error {
            CommitError::Unknown => return self.doubt_commit(commit),
            CommitError::Postponed => return self.postpone_commit(commit),
            CommitError::Unavailable | CommitError::Fenced | CommitError::Conflict => {}
        }
        let Some(failed) = self.saving.in_flight.take_if(|in_flight| in_flight.commit == commit) else { return };
        self.saving.dirty = true;
        if error == CommitError::Conflict {
            self.observe(Observation::CommitConflicted { commit });
        } else if error == CommitError::Fenced {
            // The store did what it is there for.
            self.give_up_ownership();
            return;
        } else if failed.doubt.is_none() {
            self.observe(Observation::CommitFailed { commit });
        }
        self.saving.retry_at_ms = self.now_ms;
        if error == CommitError::Unavailable {
            self.retry_later();
        }
        if failed.tools.is_empty() {
            return;
        }
        let reason = if error == CommitError::Conflict { CHANGED_MEANWHILE } else { NOT_SAVED };
        if failed.doubt.is_some() {
            self.settle_doubt_as_failed(&failed, reason);
            return;
        }
        match self.reply.as_ref().filter(|reply| reply.staged.iter().any(|id| failed.tools.contains(id))) {
            Some(reply) if error == CommitError::Conflict && reply.is_untouched() => self.restart_reply(),
            Some(reply) => {
                // What was computed since then took the failed ones for granted.
                let mut calls = reply.staged.clone();
                calls.extend(failed.tools.iter().filter(|id| !reply.staged.contains(id)));
                self.push(Output::DropTools { calls: calls.clone() });
                self.unstage(&calls, reason);
            }
            None => {
                self.push(Output::DropTools { calls: failed.tools.clone() });
                fail_outputs(&mut self.chat.items, &failed.tools, NOT_SAVED);
            }
        }
    }

    /// Another instance has the session: nothing of ours may be heard or saved any more.
    pub(super) fn give_up_ownership(&mut self) {
        self.drop_listening();
        if let Some(mut reply) = self.reply.take() {
            self.stop_producing(&mut reply);
        }
        self.end(Outcome::Dropped, EndReason::TakenOver);
    }

    /// Keeps history within its limit: the oldest messages go, and what stands between them.
    pub(super) fn trim_history(&mut self) {
        let is_message = |item: &ChatItem| matches!(item, ChatItem::User { .. } | ChatItem::Assistant { .. });
        let messages = self.chat.items.iter().filter(|item| is_message(item)).count();
        let excess = messages.saturating_sub(self.config.max_history);
        if excess == 0 {
            return;
        }
        let first_kept = self.chat.items.iter().enumerate().filter(|(_, item)| is_message(item)).nth(excess);
        let at = first_kept.map_or(self.chat.items.len(), |(at, _)| at);
        self.chat.items.drain(..at);
    }
}

/// What the agent says when the first caller's leg comes: the configured greeting when nothing was said yet (`begun` is
/// false), the contract's words after a loss, and nothing after a move. None: the caller speaks first.
pub fn first_words(greeting: &str, begun: bool, how: Restored) -> Option<&str> {
    match (begun, how) {
        (true, Restored::Lost) => Some(phrases::RESTORED_GREETING),
        (true, Restored::Moved) => None,
        (false, _) => Some(greeting).filter(|greeting| !greeting.trim().is_empty()),
    }
}

fn split_chat(items: Vec<ChatItem>) -> (Vec<Message>, Vec<Aside>, Vec<usize>) {
    let (mut history, mut asides, mut cut_short) = (Vec::new(), Vec::new(), Vec::new());
    for item in items {
        match item {
            ChatItem::User { text } => history.push(Message { role: Role::User, content: text }),
            ChatItem::Assistant { text, interrupted } => {
                if interrupted {
                    cut_short.push(history.len());
                }
                history.push(Message { role: Role::Assistant, content: text });
            }
            item => asides.push(Aside { after: history.len(), item }),
        }
    }
    (history, asides, cut_short)
}

fn join_chat(history: Vec<Message>, asides: Vec<Aside>, cut_short: &[usize]) -> ChatContext {
    let mut items = Vec::with_capacity(history.len() + asides.len());
    let mut asides = asides.into_iter().peekable();
    for (at, message) in history.into_iter().enumerate() {
        while let Some(aside) = asides.next_if(|aside| aside.after <= at) {
            items.push(aside.item);
        }
        items.push(match message.role {
            Role::User => ChatItem::User { text: message.content },
            Role::Assistant => ChatItem::Assistant { text: message.content, interrupted: cut_short.contains(&at) },
        });
    }
    items.extend(asides.map(|aside| aside.item));
    ChatContext { items }
}
