//! Who seals something of whom in this process: before a person's key is destroyed, it is waited for.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use crate::store::UserId;

/// All that is being sealed here.
#[derive(Debug, Default)]
pub(super) struct Sealings {
    live: Mutex<HashMap<UserId, usize>>,
    ended: Notify,
}

impl Sealings {
    pub(super) fn begin(self: &Arc<Self>, user: &UserId) -> Sealing {
        *self.lock().entry(user.clone()).or_default() += 1;
        Sealing { user: user.clone(), all: Arc::clone(self) }
    }

    /// Waits until nothing of this user is.
    pub(super) async fn ended(&self, user: &UserId) {
        loop {
            let mut ended = std::pin::pin!(self.ended.notified());
            // From here on no end is missed.
            ended.as_mut().enable();
            if !self.lock().contains_key(user) {
                return;
            }
            ended.await;
        }
    }

    /// Of whom something is.
    pub(super) fn users(&self) -> Vec<UserId> {
        self.lock().keys().cloned().collect()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<UserId, usize>> {
        self.live.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Something of a user is being sealed, for as long as this is there.
#[derive(Debug)]
pub struct Sealing {
    user: UserId,
    all: Arc<Sealings>,
}

impl Drop for Sealing {
    fn drop(&mut self) {
        let mut live = self.all.lock();
        if let Some(count) = live.get_mut(&self.user) {
            *count -= 1;
            if *count == 0 {
                live.remove(&self.user);
            }
        }
        drop(live);
        self.all.ended.notify_waiters();
    }
}
