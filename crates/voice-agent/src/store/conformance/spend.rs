//! What was spent is added up, once, and kept.

use jiff::civil::{Date, date};
use voice_core::cost::NanoUsd;

use super::*;

const TODAY: Date = date(2026, 11, 18);

fn amount(day: Date, channel: &str, used: u64) -> (SpendKey, SpendSum) {
    let key = SpendKey { day, channel: channel.to_owned(), provider: "openai".to_owned(), stage: "llm".to_owned() };
    (key, SpendSum { used: NanoUsd(used), wasted: NanoUsd(used / 10), quantity: 7, records: 1 })
}

fn day_of(sum: &[(SpendKey, SpendSum)]) -> Vec<(String, u64, u64, u64, u64)> {
    let flat =
        |(key, sum): &(SpendKey, SpendSum)| (key.channel.clone(), sum.used.0, sum.wasted.0, sum.quantity, sum.records);
    sum.iter().map(flat).collect()
}

pub(in crate::store) async fn spend_is_added_up(harness: &mut impl Harness) {
    let store = harness.store();
    store.add_spend("b1".to_owned(), vec![amount(TODAY, "phone", 100), amount(TODAY, "browser", 20)]).await.unwrap();
    store.add_spend("b2".to_owned(), vec![amount(TODAY, "phone", 300)]).await.unwrap();
    let tomorrow = TODAY.tomorrow().unwrap();
    store.add_spend("b3".to_owned(), vec![amount(tomorrow, "phone", 1)]).await.unwrap();
    let spend = store.spend(TODAY, TODAY).await.unwrap();
    let expected = [("browser".to_owned(), 20, 2, 7, 1), ("phone".to_owned(), 400, 40, 14, 2)];
    assert_eq!(day_of(&spend), expected);
    assert_eq!(store.spend(TODAY, tomorrow).await.unwrap().len(), 3);
    assert_eq!(store.spend(tomorrow, TODAY).await.unwrap(), []);
}

pub(in crate::store) async fn a_batch_is_added_once(harness: &mut impl Harness) {
    let batch = || vec![amount(TODAY, "phone", 100)];
    harness.store().add_spend("b1".to_owned(), batch()).await.unwrap();
    harness.store().add_spend("b1".to_owned(), batch()).await.unwrap();
    harness.crash();
    harness.store().add_spend("b1".to_owned(), batch()).await.unwrap();
    let spend = harness.store().spend(TODAY, TODAY).await.unwrap();
    assert_eq!(day_of(&spend), [("phone".to_owned(), 100, 10, 7, 1)]);
}

pub(in crate::store) async fn two_who_spend_at_once_lose_nothing(harness: &mut impl Harness) {
    let store = harness.store();
    let adds = (0..40).map(|n| store.add_spend(format!("b{n}"), vec![amount(TODAY, "phone", 10)]));
    for added in futures_util::future::join_all(adds).await {
        added.unwrap();
    }
    let spend = store.spend(TODAY, TODAY).await.unwrap();
    assert_eq!(day_of(&spend), [("phone".to_owned(), 400, 40, 280, 40)]);
}

pub(in crate::store) async fn old_spend_is_forgotten(harness: &mut impl Harness) {
    let store = harness.store();
    store.add_spend("b1".to_owned(), vec![amount(TODAY, "phone", 100)]).await.unwrap();
    harness.advance(SPEND_TTL - Duration::from_secs(2 * 24 * 3600));
    store.sweep().await.unwrap();
    assert_eq!(store.spend(TODAY, TODAY).await.unwrap().len(), 1);
    harness.advance(Duration::from_secs(4 * 24 * 3600));
    store.sweep().await.unwrap();
    assert_eq!(store.spend(TODAY, TODAY).await.unwrap(), []);
}
