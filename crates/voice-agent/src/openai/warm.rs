//! How many connections there are: the pool does not say, so that it is reckoned from what is asked of it.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

/// The connections, as far as is known.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Count {
    open: usize,
    busy: usize,
}

/// Keeps count, and says when too few are spare.
#[derive(Debug)]
pub(super) struct Ledger {
    spare: usize,
    count: Mutex<Count>,
    short: Notify,
}

impl Ledger {
    /// A ledger of no connections, that wants so many of them spare.
    pub(super) fn new(spare: usize) -> Self {
        Self { spare, count: Mutex::default(), short: Notify::new() }
    }

    /// How many connections are wanted beyond those in use.
    pub(super) const fn spare(&self) -> usize {
        self.spare
    }

    /// A request takes a connection, or opens one.
    pub(super) fn take(self: &Arc<Self>) -> InUse {
        self.change(|count| {
            count.busy += 1;
            count.open = count.open.max(count.busy);
        });
        InUse { ledger: Arc::clone(self), given_back: false }
    }

    /// So many connections that nobody uses were seen to be open.
    pub(super) fn settle(&self, idle: usize) {
        let mut count = self.lock();
        count.open = count.busy + idle;
    }

    /// Waits until fewer are spare than are wanted.
    pub(super) async fn is_short(&self) {
        self.short.notified().await;
    }

    fn change(&self, change: impl FnOnce(&mut Count)) {
        let is_short = {
            let mut count = self.lock();
            change(&mut count);
            count.open.saturating_sub(count.busy) < self.spare
        };
        if is_short {
            self.short.notify_one();
        }
    }

    fn lock(&self) -> MutexGuard<'_, Count> {
        // Every change leaves the count whole, so a panic elsewhere leaves nothing half done.
        self.count.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A connection in use. Dropped before it is given back, it is lost.
#[derive(Debug)]
pub(super) struct InUse {
    ledger: Arc<Ledger>,
    given_back: bool,
}

impl InUse {
    /// The answer was read to its end: the connection is free for another request.
    pub(super) fn give_back(&mut self) {
        if !std::mem::replace(&mut self.given_back, true) {
            self.ledger.change(|count| count.busy -= 1);
        }
    }
}

impl Drop for InUse {
    fn drop(&mut self) {
        if !self.given_back {
            self.ledger.change(|count| {
                count.busy -= 1;
                count.open = count.open.saturating_sub(1);
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;

    use super::*;

    impl Ledger {
        fn is_short_now(&self) -> bool {
            self.is_short().now_or_never().is_some()
        }
    }

    #[test]
    fn a_lost_connection_is_missed_and_a_returned_one_is_not() {
        let ledger = Arc::new(Ledger::new(1));
        ledger.settle(2);
        let mut first = ledger.take();
        assert!(!ledger.is_short_now(), "one is spare");
        first.give_back();
        drop(first);
        assert_eq!(*ledger.lock(), Count { open: 2, busy: 0 });
        drop(ledger.take());
        assert!(!ledger.is_short_now(), "one is left, and spare");
        drop(ledger.take());
        assert!(ledger.is_short_now());
        ledger.settle(1);
        assert_eq!(*ledger.lock(), Count { open: 1, busy: 0 });
    }

    #[test]
    fn when_all_are_busy_one_is_missed() {
        let ledger = Arc::new(Ledger::new(1));
        ledger.settle(1);
        let _one = ledger.take();
        assert!(ledger.is_short_now());
        // A third request opens a connection of its own.
        let _others = (ledger.take(), ledger.take());
        assert_eq!(*ledger.lock(), Count { open: 3, busy: 3 });
    }

    #[test]
    fn where_none_is_wanted_none_is_missed() {
        let ledger = Arc::new(Ledger::new(0));
        drop(ledger.take());
        assert!(!ledger.is_short_now());
    }
}
