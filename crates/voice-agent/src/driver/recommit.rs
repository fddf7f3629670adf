//! A commit is made until its outcome is known.
//!
//! When the store does not answer, the commit may have happened or not. The same commit happens once, so making it again
//! is safe, and its answer settles the matter.

use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::Instant;
use voice_core::ids::CommitId;

use super::Done;
use crate::store::{CommitOutcome, StoreError};

/// After so many tries without an answer the session is told that nobody knows: the caller waits for it.
const TRIES_BEFORE_DOUBT: u32 = 3;
/// What was promised to the caller is tried for so long after the session's end.
const AFTER_THE_END: Duration = Duration::from_secs(300);
/// The time between two tries from then on.
pub(super) const BETWEEN_TRIES: Duration = Duration::from_millis(500);

/// Makes a commit, again and again while nobody knows what became of it, or while it waits (`waits`) for a store that is away; says
/// in between that this is so. It goes on until the store has answered, with a pause of `between` once the session was told;
/// whoever gives the commit up before drops it. After the session's end one that waits is tried for [`AFTER_THE_END`] more.
pub(super) async fn until_known<F>(
    mut make: impl FnMut() -> F,
    between: Duration,
    (commit, waits): (CommitId, bool),
    session: &mpsc::Sender<Done>,
) -> Result<CommitOutcome, StoreError>
where
    F: Future<Output = Result<CommitOutcome, StoreError>>,
{
    let mut outcome = make().await;
    // Nothing of it happened: one that need not wait is made anew later, with what has come since.
    if outcome.as_ref().is_err_and(is_away) && !waits {
        return outcome;
    }
    let (mut tries, mut told, mut ended) = (1, false, None);
    // From here on a refusal says only that this try was not taken: an earlier one may have been.
    let mut in_doubt = false;
    while let Err(error) = &outcome
        && !settles(error)
    {
        in_doubt |= !is_away(error);
        if !told && (!in_doubt || tries >= TRIES_BEFORE_DOUBT) {
            told = true;
            let news = if in_doubt { Done::Doubt { commit } } else { Done::Postponed { commit } };
            // The session may have ended: that is seen next.
            let _gone = session.send(news).await;
        }
        if told {
            if session.is_closed() && ended.get_or_insert_with(Instant::now).elapsed() >= patience(waits && !in_doubt) {
                return outcome;
            }
            tokio::time::sleep(between).await;
        }
        tries += 1;
        outcome = make().await;
    }
    if tries > 1 {
        tracing::warn!(commit = commit.0, tries, "the outcome of a commit was unknown for a while");
    }
    outcome
}

/// For how long a commit is made after the session's end.
const fn patience(was_promised: bool) -> Duration {
    if was_promised { AFTER_THE_END } else { Duration::ZERO }
}

/// The store says that it did not take it. A session that ran out under its owner is put back by whoever keeps the sessions.
const fn is_away(error: &StoreError) -> bool {
    matches!(error, StoreError::Unavailable(_) | StoreError::Full(_) | StoreError::NotFound(_))
}

/// Whether nothing of an earlier try of the same commit is to be heard after this answer.
fn settles(error: &StoreError) -> bool {
    !is_away(error) && !matches!(error, StoreError::Timeout(_) | StoreError::Unknown(_))
}

#[cfg(test)]
mod tests {
    use super::*;

    const COMMIT: CommitId = CommitId(7);
    const MADE: CommitOutcome = CommitOutcome::Committed { tasks_rev: Some(3) };

    fn timeout() -> Result<CommitOutcome, StoreError> {
        Err(StoreError::Timeout(1_500))
    }

    /// What comes of these answers of the store, how often it was asked, and whether the session heard of a doubt.
    async fn run(answers: Vec<Result<CommitOutcome, StoreError>>) -> (Result<CommitOutcome, StoreError>, usize, bool) {
        let (sender, mut doubts) = mpsc::channel(4);
        let (mut asked, mut answers) = (0, answers.into_iter());
        let outcome = until_known(
            || {
                asked += 1;
                std::future::ready(answers.next().unwrap_or_else(timeout))
            },
            Duration::ZERO,
            (COMMIT, false),
            &sender,
        )
        .await;
        (outcome, asked, matches!(doubts.try_recv(), Ok(Done::Doubt { commit: COMMIT })))
    }

    #[tokio::test]
    async fn a_short_silence_of_the_store_is_nobodys_concern() {
        let (outcome, asked, doubted) = run(vec![timeout(), timeout(), Ok(MADE)]).await;
        assert!(matches!(outcome, Ok(MADE)), "{outcome:?}");
        assert_eq!((asked, doubted), (3, false));
    }

    #[tokio::test]
    async fn the_session_hears_of_a_doubt_and_later_of_the_outcome() {
        let down = || Err(StoreError::Unavailable("no connection".to_owned()));
        let answers = vec![timeout(), timeout(), timeout(), down(), down(), Ok(CommitOutcome::Conflict)];
        let (outcome, asked, doubted) = run(answers).await;
        assert!(matches!(outcome, Ok(CommitOutcome::Conflict)), "{outcome:?}");
        assert_eq!((asked, doubted), (6, true));
    }

    #[tokio::test]
    async fn what_was_refused_at_once_did_not_happen() {
        let (outcome, asked, doubted) = run(vec![Err(StoreError::Unavailable("full queue".to_owned()))]).await;
        assert!(matches!(outcome, Err(StoreError::Unavailable(_))));
        assert_eq!((asked, doubted), (1, false));
    }

    #[tokio::test]
    async fn when_the_session_is_over_nobody_goes_on_asking() {
        let (sender, doubts) = mpsc::channel(4);
        drop(doubts);
        let outcome = until_known(|| std::future::ready(timeout()), Duration::ZERO, (COMMIT, false), &sender).await;
        assert!(matches!(outcome, Err(StoreError::Timeout(_))));
    }

    #[tokio::test(start_paused = true)]
    async fn a_change_waits_for_a_store_that_is_away_and_outlives_its_session() {
        let away = || Err(StoreError::Full("no room".to_owned()));
        let (sender, mut news) = mpsc::channel(4);
        let mut tries = 0;
        let make = || {
            tries += 1;
            std::future::ready(if tries < 9 { away() } else { Ok(MADE) })
        };
        let made = until_known(make, BETWEEN_TRIES, (COMMIT, true), &sender);
        let gone = async {
            assert!(matches!(news.recv().await, Some(Done::Postponed { commit: COMMIT })));
            drop(news);
        };
        assert!(matches!(tokio::join!(made, gone).0, Ok(MADE)));

        let (sender, news) = mpsc::channel(4);
        drop(news);
        let outcome = until_known(|| std::future::ready(away()), BETWEEN_TRIES, (COMMIT, true), &sender).await;
        assert!(matches!(outcome, Err(StoreError::Full(_))), "not for ever: {outcome:?}");
    }
}
