//! A commit is made until its outcome is known.
//!
//! When the store does not answer, the commit may have happened or not. The same commit happens once, so making it again
//! is safe, and its answer settles the matter.

use std::time::Duration;

use tokio::sync::mpsc;
use voice_core::ids::CommitId;

use super::Done;
use crate::store::{CommitOutcome, StoreError};

/// After so many tries without an answer the session is told that nobody knows: the caller waits for it.
const TRIES_BEFORE_DOUBT: u32 = 3;
/// The time between two tries from then on.
pub(super) const BETWEEN_TRIES: Duration = Duration::from_millis(500);

/// Makes a commit, again and again while nobody knows what became of it; says in between that this is so. It goes on until
/// the store has answered or the session is over, with a pause of `between` once it is in doubt; whoever gives the commit up before drops it.
pub(super) async fn until_known<F>(
    mut make: impl FnMut() -> F,
    between: Duration,
    commit: CommitId,
    doubts: &mpsc::Sender<Done>,
) -> Result<CommitOutcome, StoreError>
where
    F: Future<Output = Result<CommitOutcome, StoreError>>,
{
    let mut tries = 1;
    let mut outcome = make().await;
    if !matches!(outcome, Err(StoreError::Timeout(_) | StoreError::Unknown(_))) {
        return outcome;
    }
    // From here on a refusal says only that this try was not taken: an earlier one may have been.
    while outcome.as_ref().is_err_and(|error| !settles(error)) {
        if tries == TRIES_BEFORE_DOUBT {
            // The session may have ended: that is seen next.
            let _gone = doubts.send(Done::Doubt { commit }).await;
        }
        if tries >= TRIES_BEFORE_DOUBT {
            if doubts.is_closed() {
                return outcome;
            }
            tokio::time::sleep(between).await;
        }
        tries += 1;
        outcome = make().await;
    }
    tracing::warn!(%commit, tries, "the outcome of a commit was unknown for a while");
    outcome
}

/// Whether nothing of an earlier try of the same commit is to be heard after this answer.
fn settles(error: &StoreError) -> bool {
    let passing = matches!(error, StoreError::Timeout(_) | StoreError::Unknown(_));
    !passing && !matches!(error, StoreError::Unavailable(_) | StoreError::Full(_))
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
            COMMIT,
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
        let outcome = until_known(|| std::future::ready(timeout()), Duration::ZERO, COMMIT, &sender).await;
        assert!(matches!(outcome, Err(StoreError::Timeout(_))));
    }
}
