//! The one thread that speaks to SQLite.
//!
//! SQLite has one writer at a time anyway; a thread of its own keeps the disk off the runtime, and a bounded queue
//! before it turns a slow disk into a clear refusal instead of a growing heap.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, PoisonError, RwLock};
use std::thread::JoinHandle;
use std::time::Duration;

use rusqlite::Connection;
use tokio::sync::oneshot;

use super::StoreError;

/// What the thread does for a caller.
type Job = Box<dyn FnOnce(&mut Connection) + Send>;

/// The thread, its queue and how to wait for it.
pub(super) struct Worker {
    /// `None` once it was told to stop.
    queue: RwLock<Option<SyncSender<Job>>>,
    queued: Arc<AtomicUsize>,
    deadline: Duration,
    thread: Option<JoinHandle<()>>,
}

impl Worker {
    /// Starts the thread. `keep` (the lock on the folder) is dropped after the connection was closed.
    pub(super) fn start<K: Send + 'static>(
        conn: Connection,
        keep: K,
        limit: usize,
        deadline: Duration,
    ) -> Result<Self, StoreError> {
        let (queue, jobs) = sync_channel(limit);
        let queued = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&queued);
        let thread = std::thread::Builder::new()
            .name("store".to_owned())
            .spawn(move || {
                run(conn, &jobs, &counter);
                drop(keep);
            })
            .map_err(|error| StoreError::Unavailable(format!("no thread for the store: {error}")))?;
        Ok(Self { queue: RwLock::new(Some(queue)), queued, deadline, thread: Some(thread) })
    }

    /// How many jobs wait.
    pub(super) fn queued(&self) -> usize {
        self.queued.load(Ordering::Relaxed)
    }

    /// Does something on the thread. A caller who goes away does not undo it.
    pub(super) async fn call<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Connection) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let (reply, answer) = oneshot::channel();
        let job: Job = Box::new(move |conn| {
            let result = work(conn);
            // A caller who no longer waits knows what that means: see `StoreError::Timeout`.
            let _unheard = reply.send(result);
        });
        self.enqueue(job)?;
        match tokio::time::timeout(self.deadline, answer).await {
            Ok(Ok(result)) => result,
            Ok(Err(_)) => Err(StoreError::Unavailable("its thread stopped or failed on this request".to_owned())),
            Err(_) => Err(StoreError::Timeout(u64::try_from(self.deadline.as_millis()).unwrap_or(u64::MAX))),
        }
    }

    fn enqueue(&self, job: Job) -> Result<(), StoreError> {
        let queue = self.queue.read().unwrap_or_else(PoisonError::into_inner);
        let Some(queue) = queue.as_ref() else {
            return Err(StoreError::Unavailable("it is shut down".to_owned()));
        };
        // Counted before it is sent, so that the thread never counts below zero.
        self.queued.fetch_add(1, Ordering::Relaxed);
        queue.try_send(job).map_err(|error| {
            self.queued.fetch_sub(1, Ordering::Relaxed);
            StoreError::Unavailable(match error {
                TrySendError::Full(_) => "its queue is full; the disk is too slow for this many calls".to_owned(),
                TrySendError::Disconnected(_) => "its thread stopped".to_owned(),
            })
        })
    }
}

impl Drop for Worker {
    /// Finishes what is queued and closes the file, so that whoever opens the folder next finds it free.
    fn drop(&mut self) {
        self.queue.get_mut().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the store's thread panicked");
        }
    }
}

fn run(mut conn: Connection, jobs: &Receiver<Job>, queued: &AtomicUsize) {
    while let Ok(job) = jobs.recv() {
        queued.fetch_sub(1, Ordering::Relaxed);
        // A bug in one request must not end the store; its transaction was rolled back while unwinding.
        if catch_unwind(AssertUnwindSafe(|| job(&mut conn))).is_err() {
            tracing::error!("a request to the store panicked; it was rolled back");
        }
    }
    if let Err((_, error)) = conn.close() {
        tracing::warn!(%error, "closing the store's database failed; the next start recovers it from its log");
    }
}
