//! What every store must do, whichever it is. An implementation's tests call [`suite!`] with a harness; each check
//! becomes a test of its own.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Map, Value, json};
use voice_core::ids::{ToolCallId, TurnId};

use super::*;
use crate::tasks::{ApplyError, MAX_TASKS, MAX_UNDO, Priority, Task, TaskId, TaskStatus};

/// A store that can be shaken.
pub(super) trait Harness {
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
            a_deleted_session_is_gone, a_handover_is_taken_once, heartbeats_run_out, a_crash_loses_nothing,
            live_sessions_are_listed, a_healthy_store_says_so);
    };
    (@each $harness:expr; $($check:ident),* $(,)?) => {$(
        #[tokio::test]
        async fn $check() {
            $crate::store::conformance::$check(&mut $harness).await;
        }
    )*};
}
pub(super) use suite;

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

fn doc(id: &str) -> SessionDoc {
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

pub(super) async fn a_session_comes_back_as_it_was(h: &mut impl Harness) {
    let store = h.store();
    let mut doc = doc("s1");
    doc.channel = Channel::ScreenShare;
    doc.context.insert("recording_enabled".to_owned(), Value::Bool(false));
    let fence = store.create_session(doc.clone(), HASH, here()).await.unwrap();
    let found = store.load_session(sid("s1")).await.unwrap().unwrap();
    assert_eq!(found, StoredSession { doc, token_hash: HASH, fence, owner: here(), ended: false });
}

pub(super) async fn a_session_is_unique(h: &mut impl Harness) {
    let store = h.store();
    let fence = started(&store, "s1").await;
    let again = store.create_session(saying("s1", "stolen"), [8; 32], there()).await;
    assert_eq!(again, Err(StoreError::Exists("s1".to_owned())));
    let found = store.load_session(sid("s1")).await.unwrap().unwrap();
    assert_eq!((found.doc, found.token_hash, found.fence), (doc("s1"), HASH, fence));
}

pub(super) async fn what_is_not_there_is_said(h: &mut impl Harness) {
    let store = h.store();
    let none = || StoreError::NotFound("s1".to_owned());
    assert_eq!(store.load_session(sid("s1")).await, Ok(None));
    assert_eq!(store.claim_session(sid("s1"), here()).await, Err(none()));
    assert_eq!(store.commit(turn(doc("s1"), 1, 1, None)).await, Err(none()));
    assert_eq!(store.extend_session(sid("s1"), 1).await, Err(none()));
    assert_eq!(store.end_session(sid("s1"), None).await, Err(none()));
    assert_eq!(store.end_session(sid("s1"), Some(1)).await, Err(none()));
    assert_eq!(store.delete_session(sid("s1")).await, Ok(false));
    assert_eq!(store.take_handover(sid("s1")).await, Ok(None));
    assert_eq!(store.tasks(ana()).await, Ok(UserTasks::default()));
    assert_eq!(store.live_sessions().await, Ok(Vec::new()));
}

pub(super) async fn unicode_and_size_are_kept_or_refused(h: &mut impl Harness) {
    let store = h.store();
    let words = "Füge »牛乳« hinzu 🥛 \u{0} \u{202e} \"quoted\" \\ \n end";
    let mut big = saying("s-🎙", words);
    big.context.insert("snapshot".to_owned(), Value::String("x".repeat(1_000_000)));
    let fence = store.create_session(big.clone(), HASH, here()).await.unwrap();
    assert_eq!(store.load_session(sid("s-🎙")).await.unwrap().unwrap().doc, big);
    let mut odd = task(1);
    odd.title = words.to_owned();
    assert_eq!(store.commit(turn(big.clone(), fence, 1, Some(add(1, 0, &odd)))).await, Ok(committed(1)));
    assert_eq!(titles(&store, &ana()).await, [words]);

    let mut huge = big.clone();
    huge.context.insert("snapshot".to_owned(), Value::String("x".repeat(MAX_DOC_BYTES)));
    let refused = store.commit(turn(huge, fence, 2, Some(add(2, 1, &task(2))))).await;
    assert!(matches!(refused, Err(StoreError::TooLarge { limit: MAX_DOC_BYTES, .. })), "{refused:?}");
    assert_eq!(titles(&store, &ana()).await, [words], "the task of a refused turn is not kept either");
    assert_eq!(store.load_session(sid("s-🎙")).await.unwrap().unwrap().doc, big);
}

pub(super) async fn each_owner_has_a_greater_fence(h: &mut impl Harness) {
    let store = h.store();
    let first = started(&store, "s1").await;
    let second = store.claim_session(sid("s1"), there()).await.unwrap();
    let third = store.claim_session(sid("s1"), there()).await.unwrap();
    assert!(first < second.fence && second.fence < third.fence);
    assert_eq!((third.owner, third.doc), (there(), doc("s1")));
    store.delete_session(sid("s1")).await.unwrap();
    let anew = started(&store, "s1").await;
    assert!(anew > third.fence, "an owner from before the deletion must not fit the new session");
}

pub(super) async fn an_old_owner_is_refused(h: &mut impl Harness) {
    let store = h.store();
    let old = started(&store, "s1").await;
    let new = store.claim_session(sid("s1"), there()).await.unwrap().fence;
    let late = turn(saying("s1", "late"), old, 1, Some(add(1, 0, &task(1))));
    assert_eq!(store.commit(late).await, Ok(CommitOutcome::Fenced));
    let fenced = || Err(StoreError::Fenced("s1".to_owned()));
    assert_eq!(store.extend_session(sid("s1"), old).await, fenced());
    assert_eq!(store.end_session(sid("s1"), Some(old)).await, fenced());
    assert_eq!(store.put_handover(sid("s1"), old, json!({})).await, fenced());
    assert!(titles(&store, &ana()).await.is_empty());
    assert_eq!(store.load_session(sid("s1")).await.unwrap().unwrap().doc, doc("s1"));
    assert_eq!(store.commit(turn(saying("s1", "mine"), new, 1, None)).await, Ok(COMMITTED));
    assert_eq!(store.load_session(sid("s1")).await.unwrap().unwrap().doc, saying("s1", "mine"));
}

pub(super) async fn a_turn_is_saved_whole(h: &mut impl Harness) {
    let store = h.store();
    let fence = started(&store, "s1").await;
    let commit = turn(saying("s1", "add task one"), fence, 1, Some(add(1, 0, &task(1))));
    assert_eq!(store.commit(commit).await, Ok(committed(1)));
    h.crash();
    let store = h.store();
    let found = store.load_session(sid("s1")).await.unwrap().unwrap();
    assert_eq!(found.doc, saying("s1", "add task one"));
    let tasks = store.tasks(ana()).await.unwrap();
    assert_eq!((tasks.list.rev, tasks.list.tasks), (1, vec![task(1)]));
    assert_eq!(tasks.undo.len(), 1);
}

pub(super) async fn a_tool_happens_once(h: &mut impl Harness) {
    let store = h.store();
    let fence = started(&store, "s1").await;
    let commit = turn(saying("s1", "add task one"), fence, 1, Some(add(1, 0, &task(1))));
    assert_eq!(store.commit(commit.clone()).await, Ok(committed(1)));
    let before = CommitOutcome::AlreadyApplied { output: json!({"status": "added", "call": 1}) };
    assert_eq!(store.commit(commit).await, Ok(before.clone()));
    // Run again, the tool may answer something else; the first answer counts, and nothing is saved.
    let mut again = add(1, 1, &task(2));
    again.output = json!({"status": "exists"});
    assert_eq!(store.commit(turn(saying("s1", "other"), fence, 1, Some(again))).await, Ok(before));
    assert_eq!(titles(&store, &ana()).await, ["Task 1"]);
    assert_eq!(store.load_session(sid("s1")).await.unwrap().unwrap().doc, saying("s1", "add task one"));
    // Another call of the turn, the same call of another turn, and the same of another session are others.
    assert_eq!(store.commit(turn(doc("s1"), fence, 1, Some(add(2, 1, &task(2))))).await, Ok(committed(2)));
    assert_eq!(store.commit(turn(doc("s1"), fence, 2, Some(add(1, 2, &task(3))))).await, Ok(committed(3)));
    let other = started(&store, "s2").await;
    assert_eq!(store.commit(turn(doc("s2"), other, 1, Some(add(1, 3, &task(4))))).await, Ok(committed(4)));
}

pub(super) async fn a_replay_by_the_next_owner_happens_once(h: &mut impl Harness) {
    let fence = started(&h.store(), "s1").await;
    h.store().commit(turn(doc("s1"), fence, 5, Some(add(9, 0, &task(1))))).await.unwrap();
    h.crash();
    let store = h.store();
    let fence = store.claim_session(sid("s1"), there()).await.unwrap().fence;
    let replay = store.commit(turn(doc("s1"), fence, 5, Some(add(9, 1, &task(2))))).await;
    assert!(matches!(replay, Ok(CommitOutcome::AlreadyApplied { .. })), "{replay:?}");
    assert_eq!(titles(&store, &ana()).await, ["Task 1"]);
}

pub(super) async fn a_tool_that_read_old_tasks_is_told(h: &mut impl Harness) {
    let store = h.store();
    let fence = started(&store, "s1").await;
    store.change_tasks(ana(), None, vec![TaskChange::Created(task(1))], UndoEffect::None).await.unwrap();
    let stale = turn(saying("s1", "stale"), fence, 1, Some(add(1, 0, &task(2))));
    assert_eq!(store.commit(stale).await, Ok(CommitOutcome::Conflict));
    assert_eq!(store.load_session(sid("s1")).await.unwrap().unwrap().doc, doc("s1"), "nothing is saved");
    assert_eq!(titles(&store, &ana()).await, ["Task 1"]);
    let fresh = turn(saying("s1", "fresh"), fence, 1, Some(add(1, 1, &task(2))));
    assert_eq!(store.commit(fresh).await, Ok(committed(2)));
}

pub(super) async fn a_refused_change_changes_nothing(h: &mut impl Harness) {
    let store = h.store();
    let fence = started(&store, "s1").await;
    let mut tool = add(1, 0, &task(1));
    tool.changes.push(TaskChange::Deleted(task(2)));
    let missing = StoreError::Refused(ApplyError::Missing(task(2).id));
    assert_eq!(store.commit(turn(saying("s1", "x"), fence, 1, Some(tool))).await, Err(missing));
    assert_eq!(store.tasks(ana()).await, Ok(UserTasks::default()));
    assert_eq!(store.load_session(sid("s1")).await.unwrap().unwrap().doc, doc("s1"));
    // The call was not applied: it may come again, whole.
    assert_eq!(store.commit(turn(doc("s1"), fence, 1, Some(add(1, 0, &task(1))))).await, Ok(committed(1)));
    let twice = store.commit(turn(doc("s1"), fence, 2, Some(add(2, 1, &task(1))))).await;
    assert_eq!(twice, Err(StoreError::Refused(ApplyError::Duplicate(task(1).id))));
}

pub(super) async fn reading_is_never_in_conflict(h: &mut impl Harness) {
    let store = h.store();
    let fence = started(&store, "s1").await;
    store.change_tasks(ana(), None, vec![TaskChange::Created(task(1))], UndoEffect::None).await.unwrap();
    let list = ToolCommit { changes: Vec::new(), undo: UndoEffect::None, ..add(1, 0, &task(1)) };
    assert_eq!(store.commit(turn(saying("s1", "list"), fence, 1, Some(list.clone()))).await, Ok(committed(1)));
    let again = store.commit(turn(saying("s1", "list"), fence, 1, Some(list))).await;
    assert!(matches!(again, Ok(CommitOutcome::AlreadyApplied { .. })), "{again:?}");
}

pub(super) async fn undo_is_kept_and_bounded(h: &mut impl Harness) {
    let store = h.store();
    let fence = started(&store, "s1").await;
    let count = MAX_UNDO + 5;
    for n in 1..=count as u64 {
        let commit = turn(doc("s1"), fence, 1, Some(add(n, n - 1, &task(n as i64))));
        assert_eq!(store.commit(commit).await, Ok(committed(n)));
    }
    let undo = store.tasks(ana()).await.unwrap().undo;
    assert_eq!(undo.len(), MAX_UNDO);
    assert_eq!(undo[MAX_UNDO - 1].changes, [TaskChange::Created(task(count as i64))], "the newest is last");
    let pop = ToolCommit {
        changes: vec![TaskChange::Deleted(task(count as i64))],
        undo: UndoEffect::Pop(1),
        ..add(999, count as u64, &task(0))
    };
    store.commit(turn(doc("s1"), fence, 2, Some(pop))).await.unwrap();
    h.crash();
    let found = h.store().tasks(ana()).await.unwrap();
    assert_eq!((found.undo.len(), found.list.tasks.len()), (MAX_UNDO - 1, count - 1));
    assert_eq!(found.undo[MAX_UNDO - 2].changes, [TaskChange::Created(task(count as i64 - 1))]);
    let all = h.store().change_tasks(ana(), None, Vec::new(), UndoEffect::Pop(100)).await;
    assert_eq!(all, Ok(ChangeOutcome::Changed { tasks_rev: count as u64 + 2 }), "more than there are is all");
    assert!(h.store().tasks(ana()).await.unwrap().undo.is_empty());
}

pub(super) async fn tasks_keep_their_order(h: &mut impl Harness) {
    let store = h.store();
    for n in [3, 1, 2] {
        store.change_tasks(ana(), None, vec![TaskChange::Created(task(n))], UndoEffect::None).await.unwrap();
    }
    let mut after = task(1);
    after.title = "Task one".to_owned();
    let update = TaskChange::Updated { before: task(1), after };
    store.change_tasks(ana(), None, vec![update, TaskChange::Deleted(task(2))], UndoEffect::None).await.unwrap();
    assert_eq!(titles(&store, &ana()).await, ["Task one", "Task 3"]);
    store.change_tasks(ana(), None, vec![TaskChange::Created(task(2))], UndoEffect::None).await.unwrap();
    assert_eq!(titles(&store, &ana()).await, ["Task one", "Task 2", "Task 3"], "a task that is back is where it was");
}

pub(super) async fn a_user_has_his_own_tasks_only(h: &mut impl Harness) {
    let store = h.store();
    let bob = UserId::new("phone:+15551234567");
    store.change_tasks(ana(), None, vec![TaskChange::Created(task(1))], UndoEffect::None).await.unwrap();
    let stolen = store.change_tasks(bob.clone(), None, vec![TaskChange::Deleted(task(1))], UndoEffect::None).await;
    assert_eq!(stolen, Err(StoreError::Refused(ApplyError::Missing(task(1).id))));
    assert_eq!(store.tasks(bob).await, Ok(UserTasks::default()));
    assert_eq!(titles(&store, &ana()).await, ["Task 1"]);
}

pub(super) async fn tasks_are_limited(h: &mut impl Harness) {
    let store = h.store();
    let all: Vec<TaskChange> = (1..=MAX_TASKS as i64).map(|n| TaskChange::Created(task(n))).collect();
    store.change_tasks(ana(), None, all, UndoEffect::None).await.unwrap();
    let one_more = vec![TaskChange::Created(task(0))];
    let refused = store.change_tasks(ana(), None, one_more, UndoEffect::None).await;
    assert_eq!(refused, Err(StoreError::Refused(ApplyError::TooMany)));
    let found = store.tasks(ana()).await.unwrap().list;
    assert_eq!((found.rev, found.tasks.len()), (1, MAX_TASKS));
}

pub(super) async fn changes_outside_a_turn(h: &mut impl Harness) {
    let store = h.store();
    let create = |n: i64| vec![TaskChange::Created(task(n))];
    let changed = |tasks_rev| Ok(ChangeOutcome::Changed { tasks_rev });
    assert_eq!(store.change_tasks(ana(), Some(0), create(1), UndoEffect::None).await, changed(1));
    let stale = store.change_tasks(ana(), Some(0), create(2), UndoEffect::None).await;
    assert_eq!(stale, Ok(ChangeOutcome::Conflict));
    assert_eq!(store.change_tasks(ana(), Some(1), create(2), UndoEffect::None).await, changed(2));
    assert_eq!(store.change_tasks(ana(), Some(9), Vec::new(), UndoEffect::None).await, changed(2), "nothing to do");
    assert_eq!(titles(&store, &ana()).await, ["Task 1", "Task 2"]);
}

pub(super) async fn two_sessions_of_one_user_both_get_through(h: &mut impl Harness) {
    const EACH: u64 = 10;
    let store = h.store();
    let mut sessions = Vec::new();
    for (id, first) in [("s1", 100), ("s2", 200)] {
        let fence = started(&store, id).await;
        let store = h.store();
        sessions.push(tokio::spawn(async move {
            let mut conflicts = 0;
            for n in 0..EACH {
                loop {
                    let rev = store.tasks(ana()).await.unwrap().list.rev;
                    let tool = add(n, rev, &task(first + n as i64));
                    match store.commit(turn(doc(id), fence, 1, Some(tool))).await.unwrap() {
                        CommitOutcome::Committed { .. } => break,
                        CommitOutcome::Conflict => conflicts += 1,
                        other => panic!("{other:?}"),
                    }
                }
            }
            conflicts
        }));
    }
    let mut conflicts = 0;
    for session in sessions {
        conflicts += session.await.unwrap();
    }
    let tasks = store.tasks(ana()).await.unwrap();
    assert_eq!(tasks.list.tasks.len() as u64, 2 * EACH, "none lost, none twice ({conflicts} conflicts)");
    assert_eq!(tasks.list.rev, 2 * EACH);
}

pub(super) async fn listeners_hear_of_changes(h: &mut impl Harness) {
    let store = h.store();
    let fence = started(&store, "s1").await;
    let mut events = store.task_events();
    let bob = UserId::new("bob");
    store.change_tasks(bob, None, vec![TaskChange::Created(task(1))], UndoEffect::None).await.unwrap();
    store.commit(turn(doc("s1"), fence, 1, None)).await.unwrap();
    store.commit(turn(doc("s1"), fence, 2, Some(add(1, 0, &task(1))))).await.unwrap();
    assert_eq!(events.changed(&ana()).await, Some(1), "neither Bob's change nor a turn without one");
    store.change_tasks(ana(), None, vec![TaskChange::Deleted(task(1))], UndoEffect::None).await.unwrap();
    assert_eq!(events.changed(&ana()).await, Some(2));
}

pub(super) async fn sessions_expire(h: &mut impl Harness) {
    let store = h.store();
    let fence = started(&store, "s1").await;
    let nearly = SESSION_TTL - Duration::from_secs(1);
    h.advance(nearly);
    store.commit(turn(doc("s1"), fence, 1, None)).await.unwrap();
    h.advance(nearly);
    store.extend_session(sid("s1"), fence).await.unwrap();
    h.advance(nearly);
    let fence = store.claim_session(sid("s1"), here()).await.unwrap().fence;
    h.advance(nearly);
    assert!(store.load_session(sid("s1")).await.unwrap().is_some(), "commit, extension and claim renew it");
    h.advance(Duration::from_secs(1));
    let none = || StoreError::NotFound("s1".to_owned());
    assert_eq!(store.load_session(sid("s1")).await, Ok(None), "reading does not");
    assert_eq!(store.claim_session(sid("s1"), here()).await, Err(none()));
    assert_eq!(store.commit(turn(doc("s1"), fence, 2, None)).await, Err(none()));
    let anew = store.create_session(saying("s1", "anew"), HASH, here()).await.unwrap();
    assert!(anew > fence);
}

pub(super) async fn expired_sessions_are_swept(h: &mut impl Harness) {
    let store = h.store();
    let fence = started(&store, "s1").await;
    store.commit(turn(doc("s1"), fence, 1, Some(add(1, 0, &task(1))))).await.unwrap();
    h.advance(SESSION_TTL / 2);
    started(&store, "s2").await;
    assert_eq!(store.sweep().await, Ok(Vec::new()));
    h.advance(SESSION_TTL / 2);
    assert_eq!(store.sweep().await, Ok(vec![sid("s1")]));
    assert_eq!(store.sweep().await, Ok(Vec::new()));
    assert!(store.load_session(sid("s2")).await.unwrap().is_some());
    assert_eq!(titles(&store, &ana()).await, ["Task 1"], "tasks outlive their session");
    // What the swept session's calls did does not answer for a new session's.
    let fence = started(&store, "s1").await;
    assert_eq!(store.commit(turn(doc("s1"), fence, 1, Some(add(1, 1, &task(2))))).await, Ok(committed(2)));
}

pub(super) async fn an_ended_session_can_be_read_only(h: &mut impl Harness) {
    let store = h.store();
    let fence = started(&store, "s1").await;
    store.end_session(sid("s1"), Some(fence)).await.unwrap();
    store.end_session(sid("s1"), None).await.unwrap();
    assert!(store.load_session(sid("s1")).await.unwrap().unwrap().ended);
    let ended = || StoreError::Ended("s1".to_owned());
    assert_eq!(store.claim_session(sid("s1"), here()).await, Err(ended()));
    assert_eq!(store.commit(turn(doc("s1"), fence, 1, None)).await, Err(ended()));
    assert_eq!(store.extend_session(sid("s1"), fence).await, Err(ended()));
    assert_eq!(store.put_handover(sid("s1"), fence, json!({})).await, Err(ended()));
    h.advance(SESSION_TTL);
    assert_eq!(store.load_session(sid("s1")).await, Ok(None));
}

pub(super) async fn a_deleted_session_is_gone(h: &mut impl Harness) {
    let store = h.store();
    let fence = started(&store, "s1").await;
    store.put_handover(sid("s1"), fence, json!({"a": 1})).await.unwrap();
    assert_eq!(store.delete_session(sid("s1")).await, Ok(true));
    assert_eq!(store.delete_session(sid("s1")).await, Ok(false));
    assert_eq!(store.load_session(sid("s1")).await, Ok(None));
    assert_eq!(store.take_handover(sid("s1")).await, Ok(None));
    started(&store, "s2").await;
    h.advance(SESSION_TTL);
    assert_eq!(store.delete_session(sid("s2")).await, Ok(false), "an expired one is as one that never was");
}

pub(super) async fn a_handover_is_taken_once(h: &mut impl Harness) {
    let fence = started(&h.store(), "s1").await;
    let context = json!({"position_ms": 1200, "text": "ünïcode"});
    h.store().put_handover(sid("s1"), fence, json!({"old": true})).await.unwrap();
    h.store().put_handover(sid("s1"), fence, context.clone()).await.unwrap();
    h.crash();
    let store = h.store();
    assert_eq!(store.take_handover(sid("s1")).await, Ok(Some(context)));
    assert_eq!(store.take_handover(sid("s1")).await, Ok(None));
    store.put_handover(sid("s1"), fence, json!(1)).await.unwrap();
    h.advance(HANDOVER_TTL);
    assert_eq!(store.take_handover(sid("s1")).await, Ok(None), "too late");
}

pub(super) async fn heartbeats_run_out(h: &mut impl Harness) {
    let store = h.store();
    assert_eq!(store.instance_alive(here()).await, Ok(false));
    store.heartbeat(here(), HEARTBEAT_TTL).await.unwrap();
    h.advance(HEARTBEAT_TTL - Duration::from_millis(1));
    assert_eq!(store.instance_alive(here()).await, Ok(true));
    assert_eq!(store.instance_alive(there()).await, Ok(false));
    store.heartbeat(here(), HEARTBEAT_TTL).await.unwrap();
    h.advance(HEARTBEAT_TTL - Duration::from_millis(1));
    assert_eq!(store.instance_alive(here()).await, Ok(true), "renewed");
    h.advance(Duration::from_millis(1));
    assert_eq!(store.instance_alive(here()).await, Ok(false));
}

pub(super) async fn a_crash_loses_nothing(h: &mut impl Harness) {
    let mut fence = started(&h.store(), "s1").await;
    for n in 1..=5_u32 {
        let words = format!("turn {n}");
        let tool = add(u64::from(n), u64::from(n) - 1, &task(i64::from(n)));
        h.store().commit(turn(saying("s1", &words), fence, n, Some(tool))).await.unwrap();
        h.crash();
        let session = h.store().claim_session(sid("s1"), there()).await.unwrap();
        assert_eq!(session.doc, saying("s1", &words));
        assert!(session.fence > fence);
        fence = session.fence;
        assert_eq!(h.store().tasks(ana()).await.unwrap().list.tasks.len(), n as usize);
    }
}

pub(super) async fn live_sessions_are_listed(h: &mut impl Harness) {
    let store = h.store();
    let one = started(&store, "s1").await;
    started(&store, "s2").await;
    store.end_session(sid("s2"), None).await.unwrap();
    let fence = store.claim_session(sid("s1"), there()).await.unwrap().fence;
    assert!(fence > one);
    let expected = vec![LiveSession { id: sid("s1"), owner: there(), fence }];
    assert_eq!(store.live_sessions().await, Ok(expected));
    h.advance(SESSION_TTL);
    assert_eq!(store.live_sessions().await, Ok(Vec::new()));
}

pub(super) async fn a_healthy_store_says_so(h: &mut impl Harness) {
    let health = h.store().health().await;
    assert_eq!((health.trouble, health.queued), (None, 0));
}
