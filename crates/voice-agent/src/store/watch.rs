//! Who wants to know that a user's tasks changed, or that a user objects to recordings.

use tokio::sync::broadcast;

use super::UserId;

/// How many changes a slow listener may be behind before he is told to read afresh.
const BACKLOG: usize = 256;

/// A user's tasks changed; read them to see how.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TasksChanged {
    /// Whose.
    pub user_id: UserId,
    /// The revision they have now.
    pub tasks_rev: u64,
}

/// What others do to a user, and live sessions have to know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// The tasks changed.
    Tasks(TasksChanged),
    /// The user is not to be recorded any more: it is written down.
    Objection(UserId),
}

/// The changes of everybody's tasks, and everybody's objections, as they are committed.
#[derive(Debug)]
pub struct TaskEvents(broadcast::Receiver<News>);

/// A change, or that changes may have been missed.
type News = Option<Change>;

impl TaskEvents {
    /// Waits until the tasks of `user` change. `Some(rev)` is the new revision; `None` that the store is gone. A
    /// listener who is far behind is told of a change that may not be one: with revision 0.
    pub async fn changed(&mut self, user: &UserId) -> Option<u64> {
        loop {
            match self.0.recv().await {
                Ok(Some(Change::Tasks(change))) if change.user_id == *user => return Some(change.tasks_rev),
                Ok(Some(_)) => {}
                Ok(None) | Err(broadcast::error::RecvError::Lagged(_)) => return Some(0),
                Err(broadcast::error::RecvError::Closed) => return None,
            }
        }
    }
}

impl TaskEvents {
    /// Waits until anybody's tasks change, or somebody objects. `Some(None)` says that something was missed; `None` that the store is gone.
    pub async fn next(&mut self) -> Option<Option<Change>> {
        match self.0.recv().await {
            Ok(change) => Some(change),
            Err(broadcast::error::RecvError::Lagged(_)) => Some(None),
            Err(broadcast::error::RecvError::Closed) => None,
        }
    }
}

/// The sending side, which a store holds.
#[derive(Debug, Clone)]
pub(crate) struct TaskNews(broadcast::Sender<News>);

impl TaskNews {
    /// News without a listener yet.
    pub(crate) fn new() -> Self {
        Self(broadcast::channel(BACKLOG).0)
    }

    /// A new listener.
    pub(crate) fn listen(&self) -> TaskEvents {
        TaskEvents(self.0.subscribe())
    }

    /// Tells the listeners, if there are any.
    pub(crate) fn tell(&self, user_id: &UserId, tasks_rev: u64) {
        // An error only says that nobody listens.
        let _listeners = self.0.send(Some(Change::Tasks(TasksChanged { user_id: user_id.clone(), tasks_rev })));
    }

    /// Tells the listeners that somebody objects to recordings.
    pub(crate) fn tell_objection(&self, user: &UserId) {
        let _listeners = self.0.send(Some(Change::Objection(user.clone())));
    }

    /// Tells the listeners that there may have been changes which nobody told.
    pub(crate) fn tell_missed(&self) {
        let _listeners = self.0.send(None);
    }
}
