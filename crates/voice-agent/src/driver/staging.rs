//! What this turn's tools would change: computed on a copy, committed by the store, or forgotten.

use std::sync::Arc;

use voice_core::chat::{ToolCall, ToolOutput};
use voice_core::ids::ToolCallId;

use crate::blocking::{self, MANY_TASKS};
use crate::store::{ToolCommit, UserId, UserTasks};
use crate::tasks::{Task, TaskId};
use crate::tools::{self, Asked, ToolContext};

/// The caller's tasks as this session sees them.
#[derive(Debug)]
pub(super) struct Staging {
    user: UserId,
    /// As the store has them.
    base: UserTasks,
    staged: Vec<ToolCommit>,
    titles: Arc<Vec<String>>,
    /// What the conversation, as it was last given to a model, asked the caller.
    asked: Asked,
    /// The store may hold a change that is not in the base, and will not be told of here.
    is_stale: bool,
    /// The store was read once.
    is_known: bool,
}

impl Staging {
    /// A session's view of its user's tasks.
    pub(super) fn new(user: UserId, base: UserTasks) -> Self {
        let titles = Arc::new(titles_of(&base));
        Self { user, base, staged: Vec::new(), titles, asked: Asked::default(), is_stale: false, is_known: false }
    }

    /// The titles of the open tasks.
    pub(super) fn titles(&self) -> Arc<Vec<String>> {
        Arc::clone(&self.titles)
    }

    /// The revision of the tasks that are known here.
    pub(super) const fn rev(&self) -> u64 {
        self.base.list.rev
    }

    /// Whether the tasks were ever read: then they are answered from memory while the store is away.
    pub(super) const fn is_known(&self) -> bool {
        self.is_known
    }

    /// Whether tools of this turn wait to be committed: then they are the truth, not the store.
    pub(super) fn is_staged(&self) -> bool {
        !self.staged.is_empty()
    }

    /// Whether all these calls are computed, and wait here for what becomes of them.
    pub(super) fn holds(&self, calls: &[ToolCallId]) -> bool {
        !calls.is_empty() && calls.iter().all(|call| self.staged.iter().any(|commit| commit.call == *call))
    }

    /// What the store had when it was read. Not taken when that was before a commit that the base holds already: whether it
    /// was.
    pub(super) fn set_base(&mut self, base: UserTasks) -> bool {
        let is_new = base.list.rev >= self.base.list.rev;
        if is_new {
            self.titles = Arc::new(titles_of(&base));
            self.base = base;
            self.is_known = true;
        }
        is_new
    }

    /// The store may have, or may come to have, a change whose commit nobody waits for any more.
    pub(super) fn mark_stale(&mut self) {
        self.is_stale = true;
    }

    /// Whether the store should be read anew now: it may hold more than is known here, and nothing is staged on what is known.
    pub(super) fn take_stale(&mut self) -> bool {
        let due = self.is_stale && !self.is_staged();
        self.is_stale &= !due;
        due
    }

    /// The tasks were changed elsewhere: new titles may be spoken from now on. Tools read the store anyway.
    pub(super) fn set_titles(&mut self, tasks: &[Task]) {
        self.titles = Arc::new(tasks.iter().filter(|task| task.is_open()).map(|task| task.title.clone()).collect());
    }

    /// All tasks as the store has them.
    pub(super) fn tasks(&self) -> Arc<Vec<Task>> {
        Arc::new(self.base.list.tasks.clone())
    }

    /// What the conversation has asked, on which the next tools are computed.
    pub(super) fn set_asked(&mut self, asked: Asked) {
        self.asked = asked;
    }

    /// Computes a tool on the tasks as the turn's earlier tools leave them. Says what it answers, and whether a commit
    /// would change anything.
    pub(super) fn run(&mut self, call: &ToolCall, now: jiff::ZonedDateTime, new_id: TaskId) -> (ToolOutput, bool) {
        let is_long = self.base.list.tasks.len() > MANY_TASKS;
        let run = blocking::run(is_long, || {
            let seen = self.seen();
            tools::execute(call, &seen.list, &seen.undo, &ToolContext { now, new_id, asked: self.asked.clone() })
        });
        let mutates = !run.changes.is_empty();
        if mutates {
            let commit = ToolCommit {
                call: call.id,
                user_id: self.user.clone(),
                tasks_rev: self.base.list.rev,
                changes: run.changes.clone(),
                undo: run.undo.clone(),
                output: run.output.clone(),
            };
            self.staged.push(commit);
        }
        (run.into_output(call), mutates)
    }

    /// The tasks with everything that is staged.
    fn seen(&self) -> UserTasks {
        let mut seen = self.base.clone();
        for commit in &self.staged {
            if let Err(error) = seen.list.apply(&commit.changes) {
                // The store will refuse it as a conflict, and the turn is made again.
                tracing::warn!(%error, "a staged change does not fit the tasks any more");
            }
            commit.undo.apply(&mut seen.undo);
        }
        seen
    }

    /// What the store is to commit for these calls.
    pub(super) fn commits(&self, calls: &[ToolCallId]) -> Vec<ToolCommit> {
        self.staged.iter().filter(|commit| calls.contains(&commit.call)).cloned().collect()
    }

    /// The store has them: they are part of the base now.
    pub(super) fn committed(&mut self, calls: &[ToolCallId], tasks_rev: Option<u64>) {
        for commit in self.staged.extract_if(.., |commit| calls.contains(&commit.call)) {
            if let Err(error) = self.base.list.apply(&commit.changes) {
                tracing::warn!(%error, "a committed change does not fit the tasks in memory; they are read anew");
            }
            commit.undo.apply(&mut self.base.undo);
        }
        if let Some(rev) = tasks_rev {
            self.base.list.rev = rev;
            // What was computed meanwhile stands on what is committed now.
            self.staged.iter_mut().for_each(|commit| commit.tasks_rev = rev);
        }
        self.titles = Arc::new(titles_of(&self.base));
    }

    /// They will not be committed.
    pub(super) fn forget(&mut self, calls: &[ToolCallId]) {
        self.staged.retain(|commit| !calls.contains(&commit.call));
    }
}

fn titles_of(tasks: &UserTasks) -> Vec<String> {
    tasks.list.open().map(|task| task.title.clone()).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn call(id: u64, name: &str, arguments: serde_json::Value) -> ToolCall {
        ToolCall { id: ToolCallId(id), name: name.to_owned(), arguments: arguments.as_object().cloned().unwrap() }
    }

    fn run(staging: &mut Staging, id: u64, name: &str, arguments: serde_json::Value) -> (ToolOutput, bool) {
        let now = "2026-11-23T10:00:00+01:00[Europe/Berlin]".parse().unwrap();
        staging.run(&call(id, name, arguments), now, TaskId::random().unwrap())
    }

    #[test]
    fn a_tool_sees_what_the_one_before_would_change_and_the_store_sees_nothing_yet() {
        let mut staging = Staging::new(UserId::new("user_1"), UserTasks::default());
        assert!(run(&mut staging, 1, "add_task", json!({"title": "Buy milk"})).1);
        let (output, mutates) = run(&mut staging, 2, "list_tasks", json!({}));
        assert_eq!((output.result["total"].as_u64(), mutates), (Some(1), false));
        assert!(staging.tasks().is_empty());
        staging.committed(&[ToolCallId(1)], Some(5));
        assert_eq!((staging.tasks().len(), staging.titles().as_slice()), (1, &["Buy milk".to_owned()][..]));
        assert!(!staging.is_staged());
    }

    #[test]
    fn what_was_read_before_a_commit_does_not_undo_it() {
        let mut staging = Staging::new(UserId::new("user_1"), UserTasks::default());
        let read_before = UserTasks::default();
        run(&mut staging, 1, "add_task", json!({"title": "Buy milk"}));
        staging.committed(&[ToolCallId(1)], Some(5));
        assert!(!staging.set_base(read_before.clone()));
        assert_eq!(staging.titles().as_slice(), ["Buy milk".to_owned()]);
        assert_eq!(run(&mut staging, 2, "list_tasks", json!({})).0.result["total"], 1);
        // Read again since, or changed elsewhere since.
        for rev in [5, 6] {
            let mut read_after = read_before.clone();
            read_after.list.rev = rev;
            assert!(staging.set_base(read_after));
            assert_eq!(staging.tasks().len(), 0);
        }
    }

    #[test]
    fn what_may_be_stale_is_read_once_as_soon_as_nothing_is_staged_on_it() {
        let mut staging = Staging::new(UserId::new("user_1"), UserTasks::default());
        assert!(!staging.take_stale());
        run(&mut staging, 1, "add_task", json!({"title": "Buy milk"}));
        staging.mark_stale();
        assert!(!staging.take_stale());
        staging.committed(&[ToolCallId(1)], Some(5));
        assert!(staging.take_stale() && !staging.take_stale());
    }

    #[test]
    fn what_is_forgotten_is_not_seen_again() {
        let mut staging = Staging::new(UserId::new("user_1"), UserTasks::default());
        run(&mut staging, 1, "add_task", json!({"title": "Buy milk"}));
        staging.forget(&[ToolCallId(1)]);
        assert_eq!(staging.commits(&[ToolCallId(1)]), []);
        assert_eq!(run(&mut staging, 2, "list_tasks", json!({})).0.result["total"], 0);
    }
}
