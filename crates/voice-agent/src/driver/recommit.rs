//! A commit is made until its outcome is known.
//!
//! When the store does not answer, the commit may have happened or not. The same commit happens once, so making it again
//! is safe, and its answer settles the matter.

use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::Instant;
use voice_core::ids::CommitId;

use super::Done;
use crate::store::{Commit, CommitOutcome, Store, StoreError, ToolCommit, UserTasks};
use crate::tasks::{TaskChange, UndoEffect};

/// After so many tries without an answer the session is told that nobody knows: the caller waits for it.
const TRIES_BEFORE_DOUBT: u32 = 3;
/// What was promised to the caller is tried for so long after the session's end.
pub(super) const AFTER_THE_END: Duration = Duration::from_secs(300);
/// A promised change that always comes too late is given up after so many times.
const MOST_TIMES_LATE: u32 = 20;
/// The time between two tries from then on.
pub(super) const BETWEEN_TRIES: Duration = Duration::from_millis(500);

/// Makes a commit as [`until_known`] does. When a change was promised, and others changed the same user's tasks before the store
/// took it, it is put on what they made of them; only where they changed the very tasks that it is about it is refused.
pub(super) async fn until_kept(
    store: &dyn Store,
    what: Commit,
    commit: CommitId,
    session: &mpsc::Sender<Done>,
) -> Result<CommitOutcome, StoreError> {
    let waits = !what.tools.is_empty();
    let (mut what, mut promised) = (what, false);
    for _ in 0..MOST_TIMES_LATE {
        let make = || store.commit(what.clone());
        let (outcome, told) = until_known(make, BETWEEN_TRIES, (commit, waits), session).await;
        promised |= told;
        if !promised || !matches!(outcome, Ok(CommitOutcome::Conflict)) {
            return outcome;
        }
        let Some(user) = what.tools.first().map(|tool| tool.user_id.clone()) else { return outcome };
        match store.tasks(user).await {
            Ok(tasks) => match put_on(&what.tools, &tasks) {
                Some(tools) => what.tools = tools,
                None => return outcome,
            },
            Err(error) => {
                tracing::warn!(commit = commit.0, %error, "the tasks cannot be read, on which a promised change is to be put");
                tokio::time::sleep(BETWEEN_TRIES).await;
            }
        }
    }
    Ok(CommitOutcome::Conflict)
}

/// The same changes on the tasks as they are now; nothing where a task that they are about is not as it was, or where they take
/// something back.
fn put_on(tools: &[ToolCommit], now: &UserTasks) -> Option<Vec<ToolCommit>> {
    let mut list = now.list.clone();
    let mut put = Vec::with_capacity(tools.len());
    for tool in tools {
        if matches!(tool.undo, UndoEffect::Pop(_)) {
            return None;
        }
        for change in &tool.changes {
            let as_it_was = match change {
                TaskChange::Created(_) => true,
                TaskChange::Updated { before: task, .. } | TaskChange::Deleted(task) => {
                    list.tasks.iter().any(|known| known == task)
                }
            };
            if !as_it_was || list.apply(std::slice::from_ref(change)).is_err() {
                return None;
            }
        }
        put.push(ToolCommit { tasks_rev: now.list.rev, ..tool.clone() });
    }
    Some(put)
}

/// Makes a commit, again and again while nobody knows what became of it, or while it waits (`waits`) for a store that is away; says
/// in between that this is so. It goes on until the store has answered, with a pause of `between` once the session was told;
/// whoever gives the commit up before drops it. After the session's end one that waits is tried for [`AFTER_THE_END`] more. Whether
/// the session was told comes with the outcome.
async fn until_known<F>(
    mut make: impl FnMut() -> F,
    between: Duration,
    (commit, waits): (CommitId, bool),
    session: &mpsc::Sender<Done>,
) -> (Result<CommitOutcome, StoreError>, bool)
where
    F: Future<Output = Result<CommitOutcome, StoreError>>,
{
    let mut outcome = make().await;
    // Nothing of it happened: one that need not wait is made anew later, with what has come since.
    if outcome.as_ref().is_err_and(is_away) && !waits {
        return (outcome, false);
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
                return (outcome, told);
            }
            tokio::time::sleep(between).await;
        }
        tries += 1;
        outcome = make().await;
    }
    if tries > 1 {
        let why = if in_doubt { "its outcome was unknown for a while" } else { "the store was away for a while" };
        tracing::warn!(commit = commit.0, tries, why, "a commit took more than one try");
    }
    (outcome, told)
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
    use voice_core::ids::ToolCallId;

    use super::*;
    use crate::store::UserId;
    use crate::tasks::{Priority, Task, TaskId, TaskList, TaskStatus};

    const COMMIT: CommitId = CommitId(7);
    const MADE: CommitOutcome = CommitOutcome::Committed { tasks_rev: Some(3) };

    fn timeout() -> Result<CommitOutcome, StoreError> {
        Err(StoreError::Timeout(1_500))
    }

    /// What comes of these answers of the store, how often it was asked, and whether the session heard of a doubt.
    async fn run(answers: Vec<Result<CommitOutcome, StoreError>>) -> (Result<CommitOutcome, StoreError>, usize, bool) {
        let (sender, mut doubts) = mpsc::channel(4);
        let (mut asked, mut answers) = (0, answers.into_iter());
        let (outcome, _) = until_known(
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
        let (outcome, _) =
            until_known(|| std::future::ready(timeout()), Duration::ZERO, (COMMIT, false), &sender).await;
        assert!(matches!(outcome, Err(StoreError::Timeout(_))));
    }

    #[test]
    fn a_promised_change_is_put_on_what_others_made_of_the_tasks_unless_it_is_about_the_same_ones() {
        let task = |title: &str| Task {
            id: TaskId::random().unwrap(),
            title: title.to_owned(),
            status: TaskStatus::Open,
            due: None,
            priority: Priority::Normal,
            created_at: jiff::Timestamp::UNIX_EPOCH,
            completed_at: None,
        };
        let (milk, bread, done) = (task("Buy milk"), task("Buy bread"), task("Call John"));
        let tool = |change: TaskChange| ToolCommit {
            call: ToolCallId(1),
            user_id: UserId::new("ada"),
            tasks_rev: 3,
            changes: vec![change],
            undo: UndoEffect::None,
            output: serde_json::json!({}),
        };
        let now =
            UserTasks { list: TaskList { rev: 7, tasks: vec![bread.clone(), done.clone()] }, ..UserTasks::default() };
        let after = Task { title: "Call Jane".to_owned(), ..done.clone() };
        for change in [
            TaskChange::Created(milk.clone()),
            TaskChange::Deleted(bread.clone()),
            TaskChange::Updated { before: done, after: after.clone() },
        ] {
            let put = put_on(&[tool(change)], &now).unwrap();
            assert_eq!(put[0].tasks_rev, 7);
        }
        // Of these the one is gone, and the other is not as it was.
        let renamed = Task { title: "Buy rye bread".to_owned(), ..bread };
        for change in [
            TaskChange::Deleted(milk),
            TaskChange::Updated { before: after.clone(), after },
            TaskChange::Deleted(renamed),
        ] {
            assert_eq!(put_on(&[tool(change)], &now), None);
        }
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
        assert!(matches!(tokio::join!(made, gone).0, (Ok(MADE), true)));

        let (sender, news) = mpsc::channel(4);
        drop(news);
        let (outcome, _) = until_known(|| std::future::ready(away()), BETWEEN_TRIES, (COMMIT, true), &sender).await;
        assert!(matches!(outcome, Err(StoreError::Full(_))), "not for ever: {outcome:?}");
    }
}
