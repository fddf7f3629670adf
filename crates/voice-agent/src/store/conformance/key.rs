//! Wrapped keys are kept once, replaced as they were read, and gone when they are destroyed.

use super::*;

async fn key(harness: &impl Harness, name: &str) -> Option<String> {
    harness.store().key(name.to_owned()).await.unwrap()
}

async fn put(harness: &impl Harness, name: &str, wrapped: &str) -> bool {
    harness.store().put_key(name.to_owned(), wrapped.to_owned()).await.unwrap()
}

async fn replace(harness: &impl Harness, name: &str, old: &str, new: &str) -> bool {
    harness.store().replace_key(name.to_owned(), old.to_owned(), new.to_owned()).await.unwrap()
}

pub(in crate::store) async fn a_key_is_kept_once(harness: &mut impl Harness) {
    assert_eq!(key(harness, "a").await, None);
    assert!(put(harness, "b", "1.of-b").await && put(harness, "a", "1.of-a").await);
    assert!(!put(harness, "a", "1.another").await);
    harness.advance(400 * SESSION_TTL);
    harness.store().sweep().await.unwrap();
    harness.crash();
    assert_eq!(key(harness, "a").await.as_deref(), Some("1.of-a"), "it has no end of its own");
    assert_eq!(harness.store().keys().await.unwrap(), ["a", "b"]);
}

pub(in crate::store) async fn a_key_is_replaced_as_it_was_read_and_destroyed_for_good(harness: &mut impl Harness) {
    assert!(put(harness, "a", "1").await);
    assert!(replace(harness, "a", "1", "2").await);
    assert!(!replace(harness, "a", "1", "3").await && !replace(harness, "b", "1", "2").await);
    assert_eq!(key(harness, "a").await.as_deref(), Some("2"));
    let delete = || harness.store();
    assert!(delete().delete_key("a".to_owned()).await.unwrap());
    assert!(!delete().delete_key("a".to_owned()).await.unwrap());
    let was_destroyed = async |store: Arc<dyn Store>, name: &str| store.was_destroyed(name.to_owned()).await.unwrap();
    assert!(was_destroyed(harness.store(), "a").await && !was_destroyed(harness.store(), "b").await);
    assert!(!replace(harness, "a", "2", "3").await, "a rotation brings nothing back");
    harness.crash();
    assert_eq!((key(harness, "a").await, harness.store().keys().await.unwrap()), (None, Vec::new()));
    assert!(put(harness, "a", "4").await);
    assert!(was_destroyed(harness.store(), "a").await, "there was one before this");
    assert!(!harness.store().delete_key("c".to_owned()).await.unwrap());
    assert!(put(harness, "c", "1").await);
    assert!(was_destroyed(harness.store(), "c").await, "what comes later is told apart from what was before");
}
