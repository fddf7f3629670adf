//! How many requests wait for each model. It is asked when somebody looks: a depth that was noted as a request came would
//! stand for ever on an idle server.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Mutex, PoisonError};

use super::Metrics;
use super::metrics::ByModel;

/// Tells how many requests wait now.
type Depth = Box<dyn Fn() -> usize + Send + Sync>;

/// The models' queues, by the models' names.
#[derive(Default)]
pub(super) struct Queues(Mutex<BTreeMap<&'static str, Depth>>);

impl fmt::Debug for Queues {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Queues").finish_non_exhaustive()
    }
}

impl Queues {
    pub(super) fn watch(&self, model: &'static str, depth: Depth) {
        // Every change is whole before a panic could come.
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(model, depth);
    }

    pub(super) fn measure(&self, metrics: &Metrics) {
        for (model, depth) in self.0.lock().unwrap_or_else(PoisonError::into_inner).iter() {
            let labels = ByModel { model: (*model).to_owned() };
            metrics.model_queue.get_or_create(&labels).set(i64::try_from(depth()).unwrap_or(i64::MAX));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::super::Events;
    use super::*;

    #[test]
    fn a_queue_that_has_emptied_stands_at_nought() {
        let events = Events::new(Metrics::new("rules", &[]));
        let waiting = Arc::new(AtomicUsize::new(1));
        let seen = Arc::clone(&waiting);
        events.watch_queue("hibari", move || seen.load(Ordering::Relaxed));
        for depth in [1, 0] {
            waiting.store(depth, Ordering::Relaxed);
            let line = format!("voice_model_queue_depth{{model=\"hibari\"}} {depth}");
            assert!(events.exposition().unwrap().lines().any(|found| found == line), "no line {line:?}");
        }
    }
}
