//! Threads that own a model each, and the bounded queue before them.
//!
//! Models take milliseconds to seconds of CPU: nothing for the runtime's threads. A job is a closure over the model; the
//! caller awaits its answer. What a caller can rely on:
//!
//! - **The queue is bounded.** A job that finds its lane full is refused at once ([`PoolError::Full`], which a provider reports as
//!   `unavailable`): waiting behind a full queue would only make the reply later than its deadline.
//! - **Two lanes.** [`Lane::Urgent`] work (a final transcript, the next sentence) goes before [`Lane::Speculative`] work (partial results),
//!   and each lane has a queue of its own, so that speculation can never fill the urgent one.
//! - **Cancelling is dropping.** A job whose caller has gone before it began is skipped.
//! - **A panic ends one job.** Its caller gets [`PoolError::Panicked`]; the model, whose state nobody knows, is built anew.
//! - **A model that cannot be built anew costs its worker, not the jobs.** The others take them; the worker tries again every
//!   [`REBUILD_EVERY`]. With no worker left, each job is one more try. [`StageHealth`] tells readiness.

use std::collections::VecDeque;
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use tokio::sync::oneshot;

use super::runtime::ModelError;
use crate::readiness::{Health, StageHealth};

/// How often a worker that lost its model tries to build it anew.
const REBUILD_EVERY: Duration = Duration::from_secs(5);

/// Which jobs go first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lane {
    /// Somebody waits for it in silence.
    Urgent,
    /// It may turn out to be of no use; done when nothing urgent waits.
    Speculative,
}

/// Why a job has no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PoolError {
    /// Its lane is full.
    #[error("the model pool's queue is full")]
    Full,
    /// The pool is shutting down.
    #[error("the model pool is closed")]
    Closed,
    /// The job panicked.
    #[error("the model panicked")]
    Panicked,
    /// The model could not be built anew after a panic; the next job tries again.
    #[error("the model could not be reloaded")]
    ModelLost,
}

/// What a pool needs to know.
#[derive(Debug, Clone, Copy)]
pub struct PoolConfig {
    /// The model's name, for threads and logs (threads show its first 12 bytes).
    pub name: &'static str,
    /// Threads, with a model each.
    pub workers: usize,
    /// Jobs that may wait in each lane.
    pub queue_limit: usize,
}

/// A pool's counters: gauges of now, and totals since the start.
#[derive(Debug, Default)]
pub struct PoolStats {
    lost: AtomicUsize,
    queued: AtomicUsize,
    running: AtomicUsize,
    finished: AtomicU64,
    refused: AtomicU64,
    skipped: AtomicU64,
    panicked: AtomicU64,
    wait_us: AtomicU64,
    run_us: AtomicU64,
}

impl PoolStats {
    /// Workers whose model could not be built anew.
    pub fn lost(&self) -> usize {
        self.lost.load(Ordering::Relaxed)
    }

    /// Jobs waiting in both lanes.
    pub fn queued(&self) -> usize {
        self.queued.load(Ordering::Relaxed)
    }

    /// Jobs being run.
    pub fn running(&self) -> usize {
        self.running.load(Ordering::Relaxed)
    }

    /// Jobs that were answered.
    pub fn finished(&self) -> u64 {
        self.finished.load(Ordering::Relaxed)
    }

    /// Jobs that found their lane full.
    pub fn refused(&self) -> u64 {
        self.refused.load(Ordering::Relaxed)
    }

    /// Jobs whose caller had gone before they began.
    pub fn skipped(&self) -> u64 {
        self.skipped.load(Ordering::Relaxed)
    }

    /// Jobs that panicked.
    pub fn panicked(&self) -> u64 {
        self.panicked.load(Ordering::Relaxed)
    }

    /// The time that all begun jobs waited in the queue.
    pub fn total_wait(&self) -> Duration {
        Duration::from_micros(self.wait_us.load(Ordering::Relaxed))
    }

    /// The time that all begun jobs ran.
    pub fn total_run(&self) -> Duration {
        Duration::from_micros(self.run_us.load(Ordering::Relaxed))
    }
}

/// A job's answer, with its share of time.
#[derive(Debug)]
pub struct Done<R> {
    /// What the job returned.
    pub value: R,
    /// How long it waited in the queue.
    pub waited: Duration,
    /// How long it ran.
    pub ran: Duration,
}

/// The answer of a submitted job, to be awaited. Dropping it before the job begins cancels the job.
#[derive(Debug)]
pub struct Answer<R> {
    receiver: oneshot::Receiver<Result<Done<R>, PoolError>>,
}

impl<R> Future for Answer<R> {
    type Output = Result<Done<R>, PoolError>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        // A sender is dropped unused only with the queue of a pool that is gone.
        Pin::new(&mut self.receiver).poll(context).map(|answer| answer.unwrap_or(Err(PoolError::Closed)))
    }
}

/// How a worker's attempt at a job went.
enum Attempt {
    Finished,
    Skipped,
    Panicked,
}

/// What a worker does next.
enum Next<M> {
    Job(Job<M>),
    Rebuild,
    Closed,
}

/// A job on its way: told the model, or that there is none.
type Job<M> = Box<dyn FnOnce(Option<&mut M>) -> Attempt + Send>;
type Factory<M> = dyn Fn() -> Result<M, ModelError> + Send + Sync;

/// A pool of models of one kind; shared by reference or in an `Arc`.
#[derive(Debug)]
pub struct ModelPool<M> {
    shared: Arc<Shared<M>>,
    threads: Mutex<Vec<JoinHandle<()>>>,
}

struct Shared<M> {
    config: PoolConfig,
    queue: Mutex<Queue<M>>,
    work: Condvar,
    stats: PoolStats,
    factory: Box<Factory<M>>,
}

impl<M> std::fmt::Debug for Shared<M> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Shared")
            .field("config", &self.config)
            .field("stats", &self.stats)
            .finish_non_exhaustive()
    }
}

struct Queue<M> {
    urgent: VecDeque<Job<M>>,
    speculative: VecDeque<Job<M>>,
    closed: bool,
}

impl<M> Shared<M> {
    /// No code that can panic runs under this lock, so its content is always sound.
    fn queue(&self) -> MutexGuard<'_, Queue<M>> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<M: Send + 'static> ModelPool<M> {
    /// Builds a model for each worker and starts the threads. The factory is kept, to replace a model after a panic.
    ///
    /// # Errors
    /// What the factory said, or that a thread could not be started.
    pub fn start(
        config: PoolConfig,
        factory: impl Fn() -> Result<M, ModelError> + Send + Sync + 'static,
    ) -> Result<Self, ModelError> {
        let models = (0..config.workers.max(1)).map(|_| factory()).collect::<Result<Vec<M>, _>>()?;
        let queue = Queue { urgent: VecDeque::new(), speculative: VecDeque::new(), closed: false };
        let shared = Arc::new(Shared {
            config,
            queue: Mutex::new(queue),
            work: Condvar::new(),
            stats: PoolStats::default(),
            factory: Box::new(factory),
        });
        let pool = Self { shared: Arc::clone(&shared), threads: Mutex::new(Vec::new()) };
        for (number, model) in models.into_iter().enumerate() {
            let shared = Arc::clone(&shared);
            let name = format!("{:.12}-{number}", config.name);
            // When a thread cannot be started, dropping the pool ends those that were.
            let thread = std::thread::Builder::new()
                .name(name)
                .spawn(move || shared.work_until_closed(model))
                .map_err(|error| ModelError::Runtime(format!("no thread for {}: {error}", config.name)))?;
            pool.threads().push(thread);
        }
        Ok(pool)
    }

    /// Puts a job in its lane now; its answer is to be awaited.
    ///
    /// # Errors
    /// At once [`PoolError::Full`] or [`PoolError::Closed`]; from the future the other ones.
    pub fn submit<R: Send + 'static>(
        &self,
        lane: Lane,
        job: impl FnOnce(&mut M) -> R + Send + 'static,
    ) -> Result<Answer<R>, PoolError> {
        let (sender, receiver) = oneshot::channel();
        let (submitted, shared) = (Instant::now(), Arc::clone(&self.shared));
        let job: Job<M> = Box::new(move |model| shared.attempt(model, job, submitted, sender));
        let mut queue = self.shared.queue();
        if queue.closed {
            return Err(PoolError::Closed);
        }
        let waiting = match lane {
            Lane::Urgent => &mut queue.urgent,
            Lane::Speculative => &mut queue.speculative,
        };
        if waiting.len() >= self.shared.config.queue_limit {
            self.shared.stats.refused.fetch_add(1, Ordering::Relaxed);
            return Err(PoolError::Full);
        }
        waiting.push_back(job);
        self.shared.stats.queued.fetch_add(1, Ordering::Relaxed);
        drop(queue);
        // All of them, since one without a model leaves the job to the others.
        self.shared.work.notify_all();
        Ok(Answer { receiver })
    }

    /// [`Self::submit`] and its answer in one, for callers that care for neither.
    ///
    /// # Errors
    /// Any [`PoolError`].
    pub async fn run<R: Send + 'static>(
        &self,
        lane: Lane,
        job: impl FnOnce(&mut M) -> R + Send + 'static,
    ) -> Result<R, PoolError> {
        Ok(self.submit(lane, job)?.await?.value)
    }

    /// The pool's counters.
    pub fn stats(&self) -> &PoolStats {
        &self.shared.stats
    }

    /// Takes no more jobs, finishes those that wait (a gone caller's are skipped) and joins the threads. Blocks: call it off the runtime.
    pub fn shutdown(&self) {
        self.close();
        let threads = std::mem::take(&mut *self.threads());
        for thread in threads {
            if thread.join().is_err() {
                tracing::error!(model = self.shared.config.name, "a model thread panicked outside a job");
            }
        }
    }
}

/// A pool is a stage's rung; what it lost shows here.
impl<M: Send + 'static> StageHealth for ModelPool<M> {
    fn health(&self) -> Health {
        let (lost, workers) = (self.shared.stats.lost(), self.shared.config.workers.max(1));
        let name = self.shared.config.name;
        if lost == 0 {
            Health::Well
        } else if lost < workers {
            Health::Trouble(format!(
                "{lost} of {workers} workers of the model {name} lost it, and it cannot be reloaded"
            ))
        } else {
            Health::Out(format!("the model {name} was lost and cannot be reloaded"))
        }
    }
}

impl<M> ModelPool<M> {
    fn close(&self) {
        self.shared.queue().closed = true;
        self.shared.work.notify_all();
    }

    fn threads(&self) -> MutexGuard<'_, Vec<JoinHandle<()>>> {
        self.threads.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A dropped pool's threads finish what waits and end by themselves; [`ModelPool::shutdown`] waits for them.
impl<M> Drop for ModelPool<M> {
    fn drop(&mut self) {
        self.close();
    }
}

impl<M> Shared<M> {
    /// A worker thread's life.
    fn work_until_closed(&self, model: M) {
        let mut model = Some(model);
        loop {
            let job = match self.next(model.is_some()) {
                Next::Job(job) => Some(job),
                Next::Rebuild => None,
                Next::Closed => return,
            };
            if model.is_none() {
                model = self.rebuild();
                self.stats.lost.fetch_sub(usize::from(model.is_some()), Ordering::Relaxed);
            }
            let Some(job) = job else { continue };
            if matches!(job(model.as_mut()), Attempt::Panicked) {
                // Dropping a model that panicked may panic again.
                let broken = model.take();
                let _dropped = std::panic::catch_unwind(AssertUnwindSafe(move || drop(broken)));
                model = self.rebuild();
                self.stats.lost.fetch_add(usize::from(model.is_none()), Ordering::Relaxed);
            }
        }
    }

    /// Waits for what a worker is to do next.
    fn next(&self, has_model: bool) -> Next<M> {
        let mut queue = self.queue();
        let rebuild_at = Instant::now() + REBUILD_EVERY;
        loop {
            // A worker without a model leaves the jobs to those that have one.
            if has_model || self.is_out() || queue.closed {
                if let Some(job) = queue.urgent.pop_front().or_else(|| queue.speculative.pop_front()) {
                    self.stats.queued.fetch_sub(1, Ordering::Relaxed);
                    return Next::Job(job);
                }
                if queue.closed {
                    return Next::Closed;
                }
            }
            if has_model {
                queue = self.work.wait(queue).unwrap_or_else(PoisonError::into_inner);
                continue;
            }
            let left = rebuild_at.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Next::Rebuild;
            }
            queue = self.work.wait_timeout(queue, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Whether no worker has a model.
    fn is_out(&self) -> bool {
        self.stats.lost() >= self.config.workers.max(1)
    }

    fn rebuild(&self) -> Option<M> {
        let name = self.config.name;
        match std::panic::catch_unwind(AssertUnwindSafe(|| (self.factory)())) {
            Ok(Ok(model)) => Some(model),
            Ok(Err(error)) => {
                tracing::error!(model = name, %error, "the model could not be reloaded");
                None
            }
            Err(_) => {
                tracing::error!(model = name, "reloading the model panicked");
                None
            }
        }
    }

    /// Runs one job, and answers its caller.
    fn attempt<R>(
        &self,
        model: Option<&mut M>,
        job: impl FnOnce(&mut M) -> R,
        submitted: Instant,
        sender: oneshot::Sender<Result<Done<R>, PoolError>>,
    ) -> Attempt {
        let stats = &self.stats;
        if sender.is_closed() {
            stats.skipped.fetch_add(1, Ordering::Relaxed);
            return Attempt::Skipped;
        }
        // A caller that goes away while its job runs does not hear the answer, and need not.
        let answer = |result| drop(sender.send(result));
        let Some(model) = model else {
            answer(Err(PoolError::ModelLost));
            return Attempt::Finished;
        };
        let began = Instant::now();
        stats.running.fetch_add(1, Ordering::Relaxed);
        let result = std::panic::catch_unwind(AssertUnwindSafe(|| job(model)));
        stats.running.fetch_sub(1, Ordering::Relaxed);
        let (waited, ran) = (began - submitted, began.elapsed());
        stats.wait_us.fetch_add(micros(waited), Ordering::Relaxed);
        stats.run_us.fetch_add(micros(ran), Ordering::Relaxed);
        let Ok(value) = result else {
            stats.panicked.fetch_add(1, Ordering::Relaxed);
            tracing::error!(model = self.config.name, "a job panicked; its model is reloaded");
            answer(Err(PoolError::Panicked));
            return Attempt::Panicked;
        };
        stats.finished.fetch_add(1, Ordering::Relaxed);
        answer(Ok(Done { value, waited, ran }));
        Attempt::Finished
    }
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

#[cfg(test)]
#[path = "pool_tests.rs"]
mod tests;
