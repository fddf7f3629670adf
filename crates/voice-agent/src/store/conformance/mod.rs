//! What every store must do, whichever it is. An implementation's tests call [`suite!`] with a harness; each check
//! becomes a test of its own.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Map, Value, json};
use voice_core::ids::{ToolCallId, TurnId};

use super::*;
use crate::tasks::{ApplyError, MAX_TASKS, MAX_UNDO, Priority, Task, TaskId, TaskStatus};

mod key;
mod message;
mod person;
mod session;
mod spend;
mod task;

pub(in crate::store) use key::*;
pub(in crate::store) use message::*;
pub(in crate::store) use person::*;
pub(in crate::store) use session::*;
pub(in crate::store) use spend::*;
pub(in crate::store) use task::*;

/// A store that can be shaken.
pub(in crate::store) trait Harness {
    /// The store as it is now; a new one after a crash.
    fn store(&self) -> Arc<dyn Store>;
    /// Lets time pass.
    fn advance(&self, by: Duration);
    /// Kills the process without warning and starts another one on the same data.
    fn crash(&mut self);
}

/// Makes a test of every check.
macro_rules! suite {
    ($harness:expr) => {
        $crate::store::conformance::suite!(@each $harness;
            a_session_comes_back_as_it_was, a_session_is_unique, what_is_not_there_is_said,
            unicode_and_size_are_kept_or_refused, each_owner_has_a_greater_fence, an_old_owner_is_refused,
            a_turn_is_saved_whole, a_tool_happens_once, a_replay_by_the_next_owner_happens_once,
            a_tool_that_read_old_tasks_is_told, a_refused_change_changes_nothing, reading_is_never_in_conflict,
            undo_is_kept_and_bounded, tasks_keep_their_order, a_user_has_his_own_tasks_only, tasks_are_limited,
            changes_outside_a_turn, two_sessions_of_one_user_both_get_through, listeners_hear_of_changes,
            sessions_expire, expired_sessions_are_swept, an_ended_session_can_be_read_only,
            a_deleted_session_is_gone, a_handover_is_taken_once, an_owner_reasserts_himself,
            what_ran_out_under_its_owner_is_put_back, heartbeats_run_out, a_crash_loses_nothing,
            live_sessions_are_listed, a_healthy_store_says_so, spend_is_added_up, a_batch_is_added_once,
            two_who_spend_at_once_lose_nothing, old_spend_is_forgotten, an_opt_out_is_kept_until_it_is_taken_back,
            a_message_comes_once, a_message_that_was_begun_is_begun_again_when_its_instance_is_dead, a_key_is_kept_once, many_keys_are_read_in_pages, a_key_is_replaced_as_it_was_read_and_destroyed_for_good,
            decisions_are_added_and_never_changed, a_persons_sessions_are_found,
            an_erased_person_is_gone_and_others_are_not, what_was_erased_is_not_put_back, a_logs_head_never_goes_back);
    };
    (@each $harness:expr; $($check:ident),* $(,)?) => {$(
        #[tokio::test]
        async fn $check() {
            $crate::store::conformance::$check(&mut $harness).await;
        }
    )*};
}
pub(in crate::store) use suite;

const HASH: [u8; 32] = [7; 32];

fn sid(id: &str) -> SessionId {
    SessionId::new(id)
}

fn ana() -> UserId {
    UserId::new("ana")
}

fn here() -> InstanceId {
    InstanceId::new("pod-1")
}

fn there() -> InstanceId {
    InstanceId::new("pod-2")
}

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_795_000_000 + second).unwrap()
}

pub(crate) fn doc(id: &str) -> SessionDoc {
    SessionDoc {
        session_id: sid(id),
        user_id: ana(),
        channel: Channel::Browser,
        conversation_history: vec![ConversationItem { role: Role::Assistant, content: "Hello!".to_owned() }],
        current_agent: "TaskAgent".to_owned(),
        created_at: at(0),
        last_activity: at(0),
        context: Map::new(),
    }
}

fn saying(id: &str, words: &str) -> SessionDoc {
    let mut doc = doc(id);
    doc.conversation_history.push(ConversationItem { role: Role::User, content: words.to_owned() });
    doc
}

fn task(n: i64) -> Task {
    Task {
        id: TaskId::parse(&format!("t_{n}")).unwrap(),
        title: format!("Task {n}"),
        status: TaskStatus::Open,
        due: None,
        priority: Priority::Normal,
        created_at: at(n),
        completed_at: None,
    }
}

fn add(call: u64, tasks_rev: u64, task: &Task) -> ToolCommit {
    let changes = vec![TaskChange::Created(task.clone())];
    ToolCommit {
        call: ToolCallId(call),
        user_id: ana(),
        tasks_rev,
        undo: UndoEffect::Push(UndoEntry { action: "add_task".to_owned(), changes: changes.clone() }),
        changes,
        output: json!({"status": "added", "call": call}),
    }
}

fn turn(doc: SessionDoc, fence: u64, turn: u32, tool: Option<ToolCommit>) -> Commit {
    Commit { doc, fence, turn: TurnId(turn), tools: tool.into_iter().collect() }
}

async fn titles(store: &Arc<dyn Store>, user: &UserId) -> Vec<String> {
    store.tasks(user.clone()).await.unwrap().list.tasks.into_iter().map(|task| task.title).collect()
}

async fn started(store: &Arc<dyn Store>, id: &str) -> u64 {
    store.create_session(doc(id), HASH, here()).await.unwrap()
}

const COMMITTED: CommitOutcome = CommitOutcome::Committed { tasks_rev: None };

fn committed(rev: u64) -> CommitOutcome {
    CommitOutcome::Committed { tasks_rev: Some(rev) }
}
