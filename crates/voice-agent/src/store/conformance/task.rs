//! Turns, tools and tasks.

use voice_core::consent::ConsentDecision;

use super::*;

pub(in crate::store) async fn a_turn_is_saved_whole(h: &mut impl Harness) {
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

pub(in crate::store) async fn a_tool_happens_once(h: &mut impl Harness) {
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

pub(in crate::store) async fn a_replay_by_the_next_owner_happens_once(h: &mut impl Harness) {
    let fence = started(&h.store(), "s1").await;
    h.store().commit(turn(doc("s1"), fence, 5, Some(add(9, 0, &task(1))))).await.unwrap();
    h.crash();
    let store = h.store();
    let fence = store.claim_session(sid("s1"), there()).await.unwrap().fence;
    let replay = store.commit(turn(doc("s1"), fence, 5, Some(add(9, 1, &task(2))))).await;
    assert!(matches!(replay, Ok(CommitOutcome::AlreadyApplied { .. })), "{replay:?}");
    assert_eq!(titles(&store, &ana()).await, ["Task 1"]);
}

pub(in crate::store) async fn a_tool_that_read_old_tasks_is_told(h: &mut impl Harness) {
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

pub(in crate::store) async fn a_refused_change_changes_nothing(h: &mut impl Harness) {
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

pub(in crate::store) async fn reading_is_never_in_conflict(h: &mut impl Harness) {
    let store = h.store();
    let fence = started(&store, "s1").await;
    store.change_tasks(ana(), None, vec![TaskChange::Created(task(1))], UndoEffect::None).await.unwrap();
    let list = ToolCommit { changes: Vec::new(), undo: UndoEffect::None, ..add(1, 0, &task(1)) };
    assert_eq!(store.commit(turn(saying("s1", "list"), fence, 1, Some(list.clone()))).await, Ok(committed(1)));
    let again = store.commit(turn(saying("s1", "list"), fence, 1, Some(list))).await;
    assert!(matches!(again, Ok(CommitOutcome::AlreadyApplied { .. })), "{again:?}");
}

pub(in crate::store) async fn undo_is_kept_and_bounded(h: &mut impl Harness) {
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

pub(in crate::store) async fn tasks_keep_their_order(h: &mut impl Harness) {
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

pub(in crate::store) async fn a_user_has_his_own_tasks_only(h: &mut impl Harness) {
    let store = h.store();
    let bob = UserId::new("phone:+15551234567");
    store.change_tasks(ana(), None, vec![TaskChange::Created(task(1))], UndoEffect::None).await.unwrap();
    let stolen = store.change_tasks(bob.clone(), None, vec![TaskChange::Deleted(task(1))], UndoEffect::None).await;
    assert_eq!(stolen, Err(StoreError::Refused(ApplyError::Missing(task(1).id))));
    assert_eq!(store.tasks(bob).await, Ok(UserTasks::default()));
    assert_eq!(titles(&store, &ana()).await, ["Task 1"]);
}

pub(in crate::store) async fn tasks_are_limited(h: &mut impl Harness) {
    let store = h.store();
    let all: Vec<TaskChange> = (1..=MAX_TASKS as i64).map(|n| TaskChange::Created(task(n))).collect();
    store.change_tasks(ana(), None, all, UndoEffect::None).await.unwrap();
    let one_more = vec![TaskChange::Created(task(0))];
    let refused = store.change_tasks(ana(), None, one_more, UndoEffect::None).await;
    assert_eq!(refused, Err(StoreError::Refused(ApplyError::TooMany)));
    let found = store.tasks(ana()).await.unwrap().list;
    assert_eq!((found.rev, found.tasks.len()), (1, MAX_TASKS));
}

pub(in crate::store) async fn changes_outside_a_turn(h: &mut impl Harness) {
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

pub(in crate::store) async fn two_sessions_of_one_user_both_get_through(h: &mut impl Harness) {
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

pub(in crate::store) async fn listeners_hear_of_changes(h: &mut impl Harness) {
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
    for (id, decision) in [("a", ConsentDecision::Agreed), ("b", ConsentDecision::OptedOut)] {
        store.add_consent(ana(), decided(id, 1, decision)).await.unwrap();
    }
    assert_eq!(events.next().await, Some(Some(Change::Objection(ana()))), "and of an objection, not of a yes");
}
