//! How much of the disk recordings take, and what is told of those that go.

use super::*;

#[tokio::test]
async fn what_is_being_made_counts_too_and_ends_before_it_fills_the_disk() {
    let mut case = Case::new();
    (case.settings.spool_max_mb, case.settings.delay_ms) = (0, 0);
    let here = case.start("one");
    let (consent, mut tape) = (agreed(), here.tape(AudioFormat::Pcm24k));
    caller_speaks(&mut tape, consent.permit(), 0);
    assert!(tape.is_on());
    // Nobody has stopped the tape.
    here.settle().await;
    assert_eq!(here.one(Kind::Sound).await.end, End::Whole);
    assert_eq!(here.recorder.live_bytes.load(Ordering::Relaxed), 0);
}

#[tokio::test]
async fn what_a_round_of_retention_deleted_is_reported() {
    let case = Case::new();
    let here = case.start("one");
    let (consent, mut tape) = (agreed(), here.tape(AudioFormat::Pcm24k));
    caller_speaks(&mut tape, consent.permit(), 0);
    tape.stop();
    here.settle().await;
    here.vault.destroy_user_key(&ana()).await.unwrap();
    let (told, mut reported) = mpsc::unbounded_channel();
    let report: Report = Arc::new(move |deleted| {
        told.send(deleted).unwrap();
        Box::pin(std::future::ready(()))
    });
    let rounds = tokio::spawn(retention::run(Arc::clone(&here.recorder), report));
    assert_eq!(reported.recv().await, Some(Deleted { old: 0, unreadable: 1 }));
    rounds.abort();
}

#[tokio::test]
async fn what_cannot_be_deleted_is_counted_and_what_went_beside_it_is_reported_all_the_same() {
    let case = Case::new();
    let here = case.start("one");
    let (stays, goes) = (stored(&case, "two").await, stored(&case, "three").await);
    let in_days = |days| SystemClock.now() + jiff::SignedDuration::from_hours(24) * days;
    let overdue = || {
        let text = here.recorder.events.metrics().exposition().unwrap();
        let series = "voice_retention_overdue{kind=\"recordings\"} ";
        text.lines().find_map(|line| line.strip_prefix(series)).unwrap().parse::<u64>().unwrap()
    };
    assert_eq!(overdue(), 0);
    // What a copy that was killed would have left beside it cannot be deleted as a file.
    let beside = case.folder.path().join("recordings").join(stays.to_string()).with_extension("new");
    std::fs::create_dir(&beside).unwrap();
    let retention::Round { deleted, refused } = retention::expire(&here.recorder, in_days(91)).await;
    assert_eq!((deleted, overdue(), refused.is_some()), (Deleted { old: 1, unreadable: 0 }, 1, true));
    assert!(here.recorder.sealed(&goes).await.unwrap().is_none());
    std::fs::remove_dir(&beside).unwrap();
    assert_eq!(expired(&here.recorder, in_days(91)).await, Deleted::default());
    assert_eq!(overdue(), 0);
}

#[tokio::test]
async fn what_waits_of_somebody_who_is_erased_elsewhere_goes_and_what_is_sealed_under_another_key_stays() {
    let case = Case::new();
    let name = stored(&case, "one").await;
    let here = case.start("two");
    let [at, waits] = ["recordings", "recordings-waiting/gone"].map(|folder| case.folder.path().join(folder));
    let waits = waits.join(name.to_string());
    std::fs::create_dir_all(waits.parent().unwrap()).unwrap();
    std::fs::rename(at.join(name.to_string()), waits).unwrap();
    let key = here.vault.user_key(&ana()).await.unwrap();
    for (fate, left) in [(Fate::Kept, 1), (Fate::Replaced(key.id()), 1), (Fate::Destroyed, 0)] {
        here.recorder.forget_waiting(key.owner(), fate).await.unwrap();
        assert_eq!(here.recorder.list(None).await.unwrap().len(), left, "{fate:?}");
    }
}
