//! What is kept of one person: decisions about recordings, and what an erasure leaves.

use voice_core::consent::{ConsentDecision, ConsentHow};

use super::*;

pub(super) fn decided(id: &str, second: i64, decision: ConsentDecision) -> ConsentRecord {
    ConsentRecord {
        id: id.to_owned(),
        at: at(second),
        session_id: sid("s1"),
        channel: Channel::Phone,
        policy_version: "2026-11-29".to_owned(),
        wording: "May this call be recorded? – „ja“".to_owned(),
        decision,
        how: ConsentHow::Voice,
    }
}

fn bea() -> UserId {
    UserId::new("bea")
}

pub(in crate::store) async fn decisions_are_added_and_never_changed(harness: &mut impl Harness) {
    let store = harness.store();
    let (first, second) = (decided("a", 2, ConsentDecision::Agreed), decided("b", 1, ConsentDecision::Announced));
    for record in [&first, &second, &first] {
        store.add_consent(ana(), record.clone()).await.unwrap();
    }
    let other = ConsentRecord { decision: ConsentDecision::OptedOut, ..first.clone() };
    store.add_consent(ana(), other).await.unwrap();
    harness.advance(400 * SESSION_TTL);
    harness.store().sweep().await.unwrap();
    harness.crash();
    assert_eq!(harness.store().consents(ana()).await.unwrap(), [second, first], "in the order of time, each as it was");
    assert_eq!(harness.store().consents(bea()).await.unwrap(), []);
}

pub(in crate::store) async fn a_persons_sessions_are_found(harness: &mut impl Harness) {
    let store = harness.store();
    for id in ["s1", "s2", "s3"] {
        started(&store, id).await;
    }
    let hers = SessionDoc { user_id: bea(), ..doc("b1") };
    store.create_session(hers, HASH, here()).await.unwrap();
    store.end_session(sid("s2"), None).await.unwrap();
    store.delete_session(sid("s3")).await.unwrap();
    let mut found: Vec<SessionId> =
        store.sessions_of(ana()).await.unwrap().into_iter().map(|stored| stored.doc.session_id).collect();
    found.sort();
    assert_eq!(found, [sid("s1"), sid("s2")], "those that ended too, and nobody else's");
    harness.advance(SESSION_TTL + Duration::from_secs(1));
    assert_eq!(harness.store().sessions_of(ana()).await.unwrap(), []);
}

pub(in crate::store) async fn an_erased_person_is_gone_and_others_are_not(harness: &mut impl Harness) {
    let store = harness.store();
    let fence = started(&store, "s1").await;
    store.commit(turn(saying("s1", "Add milk"), fence, 1, Some(add(1, 0, &task(1))))).await.unwrap();
    store.put_handover(sid("s1"), fence, json!({"say": "milk"})).await.unwrap();
    store.set_opted_out(ana(), true).await.unwrap();
    store.add_consent(ana(), decided("a", 1, ConsentDecision::Agreed)).await.unwrap();
    let hers = SessionDoc { user_id: bea(), ..doc("b1") };
    store.create_session(hers, HASH, here()).await.unwrap();
    store.add_consent(bea(), decided("a", 1, ConsentDecision::Agreed)).await.unwrap();
    let created = vec![TaskChange::Created(task(7))];
    store.change_tasks(bea(), None, created, UndoEffect::None).await.unwrap();

    let erased = store.erase_user(ana()).await.unwrap();
    let all = Erased { sessions: vec![sid("s1")], tasks: 1, undo: 1, consents: 1, opt_outs: 1 };
    assert_eq!(erased, all);
    harness.crash();
    let store = harness.store();
    assert_eq!(store.erase_user(ana()).await.unwrap(), Erased::default(), "there is nothing left");
    assert_eq!(store.load_session(sid("s1")).await.unwrap(), None);
    assert_eq!(store.take_handover(sid("s1")).await.unwrap(), None);
    assert!(
        store.tasks(ana()).await.unwrap().list.tasks.is_empty() && store.tasks(ana()).await.unwrap().undo.is_empty()
    );
    assert!(!store.is_opted_out(ana()).await.unwrap() && store.consents(ana()).await.unwrap().is_empty());
    let late = store.commit(turn(saying("s1", "late"), fence, 2, None)).await;
    assert!(late.is_err() || matches!(late, Ok(CommitOutcome::Fenced)), "a session that was erased saves nothing more");
    assert_eq!(titles(&store, &bea()).await, ["Task 7"]);
    assert_eq!((store.consents(bea()).await.unwrap().len(), store.sessions_of(bea()).await.unwrap().len()), (1, 1));
    store.scrub().await.unwrap();
}

pub(in crate::store) async fn what_was_erased_is_not_put_back(harness: &mut impl Harness) {
    let fence = started(&harness.store(), "s1").await;
    harness.store().erase_user(ana()).await.unwrap();
    harness.crash();
    let ended = || StoreError::Ended("s1".to_owned());
    for elapsed in [Duration::ZERO, SESSION_TTL] {
        harness.advance(elapsed);
        let store = harness.store();
        store.sweep().await.unwrap();
        // Its owner, who was away, and one whose number the store never had: a replica became the master.
        for fence in [fence, fence + 7] {
            assert_eq!(store.reassert_session(saying("s1", "from memory"), HASH, fence, here()).await, Err(ended()));
            let late = turn(saying("s1", "late"), fence, 2, Some(add(1, 0, &task(1))));
            assert_eq!(store.commit(late).await, Err(ended()));
            assert_eq!(store.extend_session(sid("s1"), fence).await, Err(ended()));
        }
        let late = decided("a", 1, ConsentDecision::Agreed);
        assert_eq!(store.add_consent(ana(), late).await, Err(ended()), "what was decided in it neither");
        assert_eq!(store.claim_session(sid("s1"), there()).await, Err(StoreError::NotFound("s1".to_owned())));
        assert_eq!(store.live_sessions().await, Ok(Vec::new()));
    }
    let store = harness.store();
    assert_eq!(store.erase_user(ana()).await.unwrap(), Erased::default(), "nothing came back");
    // The same id again is another conversation: a number that texts has one for ever.
    let next = started(&store, "s1").await;
    assert_eq!(store.commit(turn(saying("s1", "hello"), next, 1, None)).await, Ok(COMMITTED));
    store.add_consent(ana(), decided("b", 2, ConsentDecision::Agreed)).await.unwrap();
    let late = store.reassert_session(saying("s1", "from memory"), HASH, fence, here()).await;
    assert_eq!(late, Err(StoreError::Fenced("s1".to_owned())));
}

pub(in crate::store) async fn a_logs_head_never_goes_back(harness: &mut impl Harness) {
    let head = |lines, hash: &str| LogHead { lines, hash: hash.to_owned(), place: "host:/a folder".to_owned() };
    let store = harness.store();
    assert_eq!(store.log_heads().await.unwrap(), []);
    for (name, lines, hash) in [("pod-1", 1, "a"), ("pod-2", 5, "b"), ("pod-1", 3, "c"), ("pod-1", 2, "d")] {
        store.put_log_head(name.to_owned(), head(lines, hash)).await.unwrap();
    }
    harness.crash();
    let heads = harness.store().log_heads().await.unwrap();
    assert_eq!(heads, [("pod-1".to_owned(), head(3, "c")), ("pod-2".to_owned(), head(5, "b"))]);
}
