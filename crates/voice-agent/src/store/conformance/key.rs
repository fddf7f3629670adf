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
    let [a, b] = [("a", "1.of-a"), ("b", "1.of-b")].map(|(name, wrapped)| (name.to_owned(), wrapped.to_owned()));
    assert_eq!(keys(harness).await, [a, b]);
}

/// All of them, page by page, in order.
async fn keys(harness: &impl Harness) -> Vec<(String, String)> {
    let (mut keys, mut after) = (BTreeSet::new(), None);
    loop {
        let page = harness.store().keys(after).await.unwrap();
        keys.extend(page.keys);
        match page.next {
            Some(next) => after = Some(next),
            None => return keys.into_iter().collect(),
        }
    }
}

pub(in crate::store) async fn many_keys_are_read_in_pages(harness: &mut impl Harness) {
    for number in 0..512 {
        assert!(put(harness, &format!("{number:04}"), &format!("1.{number}")).await);
    }
    assert!(harness.store().keys(None).await.unwrap().next.is_some());
    let all = (0..512).map(|number| (format!("{number:04}"), format!("1.{number}"))).collect::<Vec<_>>();
    assert_eq!(keys(harness).await, all);
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
    assert_eq!((key(harness, "a").await, keys(harness).await), (None, Vec::new()));
    assert!(put(harness, "a", "4").await);
    assert!(was_destroyed(harness.store(), "a").await, "there was one before this");
    assert!(!harness.store().delete_key("c".to_owned()).await.unwrap());
    assert!(put(harness, "c", "1").await);
    assert!(was_destroyed(harness.store(), "c").await, "what comes later is told apart from what was before");
}
