//! Sessions: their life, their owners, their end.

use super::*;

pub(in crate::store) async fn a_session_comes_back_as_it_was(h: &mut impl Harness) {
    let store = h.store();
    let mut doc = doc("s1");
    doc.channel = Channel::ScreenShare;
    doc.context.insert("recording_enabled".to_owned(), Value::Bool(false));
    let fence = store.create_session(doc.clone(), HASH, here()).await.unwrap();
    let found = store.load_session(sid("s1")).await.unwrap().unwrap();
    assert_eq!(found, StoredSession { doc, token_hash: HASH, fence, owner: here(), ended: false });
}

pub(in crate::store) async fn a_session_is_unique(h: &mut impl Harness) {
    let store = h.store();
    let fence = started(&store, "s1").await;
    let again = store.create_session(saying("s1", "stolen"), [8; 32], there()).await;
    assert_eq!(again, Err(StoreError::Exists("s1".to_owned())));
    let found = store.load_session(sid("s1")).await.unwrap().unwrap();
    assert_eq!((found.doc, found.token_hash, found.fence), (doc("s1"), HASH, fence));
}

pub(in crate::store) async fn what_is_not_there_is_said(h: &mut impl Harness) {
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

pub(in crate::store) async fn unicode_and_size_are_kept_or_refused(h: &mut impl Harness) {
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

pub(in crate::store) async fn each_owner_has_a_greater_fence(h: &mut impl Harness) {
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

pub(in crate::store) async fn an_old_owner_is_refused(h: &mut impl Harness) {
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

pub(in crate::store) async fn sessions_expire(h: &mut impl Harness) {
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

pub(in crate::store) async fn expired_sessions_are_swept(h: &mut impl Harness) {
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

pub(in crate::store) async fn an_ended_session_can_be_read_only(h: &mut impl Harness) {
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

pub(in crate::store) async fn a_deleted_session_is_gone(h: &mut impl Harness) {
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

pub(in crate::store) async fn a_handover_is_taken_once(h: &mut impl Harness) {
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

pub(in crate::store) async fn an_owner_reasserts_himself(h: &mut impl Harness) {
    let fence = started(&h.store(), "s1").await;
    h.crash();
    let store = h.store();
    // What is kept is not overwritten by what the owner remembers.
    store.reassert_session(saying("s1", "from memory"), HASH, fence, here()).await.unwrap();
    assert_eq!(store.load_session(sid("s1")).await.unwrap().unwrap().doc, doc("s1"));
    let next = store.claim_session(sid("s1"), there()).await.unwrap().fence;
    let late = store.reassert_session(saying("s1", "too late"), HASH, fence, here()).await;
    assert_eq!(late, Err(StoreError::Fenced("s1".to_owned())));
    store.reassert_session(doc("s1"), HASH, next, there()).await.unwrap();
    store.end_session(sid("s1"), None).await.unwrap();
    let over = store.reassert_session(doc("s1"), HASH, next, there()).await;
    assert_eq!(over, Err(StoreError::Ended("s1".to_owned())));
}

pub(in crate::store) async fn what_ran_out_under_its_owner_is_put_back(h: &mut impl Harness) {
    let store = h.store();
    let fence = started(&store, "s1").await;
    for sweeps in [false, true] {
        // A machine that slept, or whose clock was put right.
        h.advance(SESSION_TTL);
        if sweeps {
            store.sweep().await.unwrap();
        }
        let late = store.commit(turn(doc("s1"), fence, 1, Some(add(1, 0, &task(1))))).await;
        assert_eq!(late, Err(StoreError::NotFound("s1".to_owned())));
        store.reassert_session(doc("s1"), HASH, fence, here()).await.unwrap();
    }
    assert_eq!(store.commit(turn(saying("s1", "on"), fence, 1, Some(add(1, 0, &task(1))))).await, Ok(committed(1)));
    let found = store.load_session(sid("s1")).await.unwrap().unwrap();
    assert_eq!((found.doc, found.token_hash, found.fence, found.owner), (saying("s1", "on"), HASH, fence, here()));
}

pub(in crate::store) async fn heartbeats_run_out(h: &mut impl Harness) {
    let store = h.store();
    assert_eq!(store.instance_alive(here()).await, Ok(false));
    store.heartbeat(here(), HEARTBEAT_TTL).await.unwrap();
    // A store's own clock goes on meanwhile.
    let most = HEARTBEAT_TTL * 3 / 4;
    h.advance(most);
    assert_eq!(store.instance_alive(here()).await, Ok(true));
    assert_eq!(store.instance_alive(there()).await, Ok(false));
    store.heartbeat(here(), HEARTBEAT_TTL).await.unwrap();
    h.advance(most);
    assert_eq!(store.instance_alive(here()).await, Ok(true), "renewed");
    h.advance(HEARTBEAT_TTL - most);
    assert_eq!(store.instance_alive(here()).await, Ok(false));
}

pub(in crate::store) async fn a_crash_loses_nothing(h: &mut impl Harness) {
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

pub(in crate::store) async fn live_sessions_are_listed(h: &mut impl Harness) {
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

pub(in crate::store) async fn a_healthy_store_says_so(h: &mut impl Harness) {
    let health = h.store().health().await;
    assert_eq!((health.trouble, health.queued), (None, 0));
}
