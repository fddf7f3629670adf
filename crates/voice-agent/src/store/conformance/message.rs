//! Text messages come once, and who wants none is remembered.

use super::*;

async fn opted_out(harness: &impl Harness) -> [bool; 2] {
    let store = harness.store();
    [store.is_opted_out(cleo()).await.unwrap(), store.is_opted_out(ana()).await.unwrap()]
}

fn cleo() -> UserId {
    UserId::new("phone:+15551234567")
}

pub(in crate::store) async fn an_opt_out_is_kept_until_it_is_taken_back(harness: &mut impl Harness) {
    assert_eq!(opted_out(harness).await, [false, false]);
    for _ in 0..2 {
        harness.store().set_opted_out(cleo(), true).await.unwrap();
    }
    assert_eq!(opted_out(harness).await, [true, false]);
    harness.advance(400 * SESSION_TTL);
    harness.store().sweep().await.unwrap();
    harness.crash();
    assert_eq!(opted_out(harness).await, [true, false], "it has no end of its own");
    harness.store().set_opted_out(cleo(), false).await.unwrap();
    harness.store().set_opted_out(ana(), false).await.unwrap();
    assert_eq!(opted_out(harness).await, [false, false]);
}

async fn note(harness: &impl Harness, id: &str) -> bool {
    harness.store().note_once(id.to_owned(), MESSAGE_TTL).await.unwrap()
}

pub(in crate::store) async fn a_message_comes_once(harness: &mut impl Harness) {
    assert!(note(harness, "SM1").await && note(harness, "SM2").await);
    assert!(!note(harness, "SM1").await);
    harness.crash();
    assert!(!note(harness, "SM1").await);
    harness.store().forget_note("SM1".to_owned()).await.unwrap();
    assert!(note(harness, "SM1").await && !note(harness, "SM2").await);
    harness.advance(MESSAGE_TTL + Duration::from_secs(1));
    assert!(note(harness, "SM2").await, "before the sweep, too");
    harness.store().sweep().await.unwrap();
    assert!(note(harness, "SM1").await && !note(harness, "SM2").await);
}

pub(in crate::store) async fn a_message_that_was_begun_is_begun_again_when_its_instance_is_dead(
    harness: &mut impl Harness,
) {
    let (here, there) = (InstanceId::new("here"), InstanceId::new("there"));
    let begin = async |harness: &_, id: &str, by: &InstanceId| {
        Harness::store(harness).begin_message(id.to_owned(), by.clone()).await.unwrap()
    };
    harness.store().heartbeat(here.clone(), HEARTBEAT_TTL).await.unwrap();
    assert_eq!(begin(harness, "SM1", &here).await, Begun::First);
    assert_eq!(begin(harness, "SM2", &here).await, Begun::First);
    harness.store().end_message("SM2".to_owned()).await.unwrap();
    assert_eq!(begin(harness, "SM1", &there).await, Begun::UnderWay);
    assert_eq!(begin(harness, "SM1", &here).await, Begun::UnderWay, "it is being answered here");
    harness.advance(HEARTBEAT_TTL + Duration::from_secs(1));
    harness.crash();
    assert_eq!(begin(harness, "SM1", &there).await, Begun::Again);
    assert_eq!(begin(harness, "SM2", &there).await, Begun::Done);
    harness.store().end_message("SM1".to_owned()).await.unwrap();
    assert_eq!(begin(harness, "SM1", &here).await, Begun::Done);
    harness.store().forget_note("SM1".to_owned()).await.unwrap();
    assert_eq!(begin(harness, "SM1", &here).await, Begun::First);
}
