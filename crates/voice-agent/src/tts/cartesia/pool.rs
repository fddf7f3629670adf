//! The sockets of the process: kept open, warm and few.
//!
//! A keeper task opens sockets beside everybody's path: the first one at the start, one more when all are full, a fresh one
//! before the server closes one that idles, and another at once when one is lost. After failures it waits, longer each time;
//! whoever wants to speak meanwhile is refused at once with the last failure, and can go on with another voice. Whoever
//! comes while a socket is being opened waits for it, as long as connecting may take.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, mpsc};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use voice_core::provider::{ProviderErrorKind, ProviderFailure};

use super::context::{Contexts, Job, Names};
use super::socket::{self, Address, Command, Patience, Socket, WebSocket};
use super::wire::Speaker;
use crate::tts::SpeechKey;

/// Commands that may wait for one socket. When it is full its task is stuck, and the job is refused.
const MAX_COMMANDS: usize = 512;
/// A socket that lived for less, and spoke nothing, counts as a failure to open one.
const LEAST_LIFE: Duration = Duration::from_secs(5);
/// The provider's wish not to be asked is kept to for so long.
const LONGEST_WAIT: Duration = Duration::from_secs(60);

/// What a pool needs to know.
#[derive(Debug, Clone)]
pub(super) struct Settings {
    pub(super) address: Address,
    pub(super) speaker: Arc<Speaker>,
    /// What the names of contexts begin with.
    pub(super) prefix: Arc<str>,
    pub(super) contexts_per_socket: usize,
    pub(super) max_sockets: usize,
    /// How long after its last audio a context can be spoken in.
    pub(super) keep_context: Duration,
    pub(super) patience: Patience,
    /// The first pause after a failure, and the longest.
    pub(super) backoff: (Duration, Duration),
}

/// A socket that is open.
#[derive(Debug)]
struct Entry {
    id: u64,
    commands: mpsc::Sender<Command>,
    speeches: HashSet<SpeechKey>,
    /// It idled for so long that another is to take its place.
    is_tired: bool,
}

#[derive(Debug, Default)]
struct State {
    sockets: Vec<Entry>,
    /// What came before a socket was open.
    waiting: Vec<Job>,
    /// The keeper pauses: whoever comes is refused for this.
    down: Option<ProviderFailure>,
    /// How the last socket failed, to open or to live.
    last: Option<ProviderFailure>,
    /// Before this the provider does not want to be asked.
    not_before: Option<Instant>,
    /// Attempts in a row that opened none.
    refusals: u32,
    /// Sockets in a row that were lost young.
    short_lives: u32,
    /// Sockets so far.
    opened: u64,
}

impl State {
    /// Remembers a failure, and what the provider said with it of when to come back.
    fn note(&mut self, failure: ProviderFailure) {
        let wanted = failure.retry_after_ms.map(Duration::from_millis).map(|wait| wait.min(LONGEST_WAIT));
        self.not_before = wanted.map(|wait| Instant::now() + wait);
        self.last = Some(failure);
    }

    fn refuse_waiting(&mut self, failure: ProviderFailure) {
        for job in self.waiting.drain(..) {
            job.sink.fail(failure);
        }
    }
}

/// What the keeper, the sockets and the callers share.
#[derive(Debug)]
pub(super) struct Shared {
    settings: Settings,
    state: Mutex<State>,
    /// There may be something to do for the keeper.
    changed: Notify,
    /// Somebody wants to know now, whatever was decided about pauses.
    hurry: Notify,
    closed: CancellationToken,
}

/// The pool. Dropping it lets the sockets finish what they speak, and leave.
#[derive(Debug)]
pub(super) struct Pool {
    shared: Arc<Shared>,
}

impl Pool {
    /// A pool that opens its first socket at once. Must be called on the runtime.
    pub(super) fn start(settings: Settings) -> Self {
        let shared = Arc::new(Shared {
            settings,
            state: Mutex::default(),
            changed: Notify::new(),
            hurry: Notify::new(),
            closed: CancellationToken::new(),
        });
        tokio::spawn(keep(Arc::clone(&shared)));
        Self { shared }
    }

    /// Has a chunk spoken: by the socket that has its speech, or by the one that has least to do.
    pub(super) fn speak(&self, job: Job) {
        self.shared.place(job);
    }

    /// No chunk follows in this speech.
    pub(super) fn end(&self, speech: SpeechKey) {
        let mut state = self.shared.lock();
        for job in state.waiting.iter_mut().filter(|job| job.speech == Some(speech)) {
            job.ends = true;
        }
        if let Some(entry) = state.sockets.iter().find(|entry| entry.speeches.contains(&speech)) {
            // When its queue is full the context ends by itself a second after its last audio.
            let _told = entry.commands.try_send(Command::End(speech));
        }
    }

    /// A pause that is under way ends now, unless the provider asked for it. How long a model is taken for unserved was not its
    /// wish but our guess, and a probe is there to see whether it still holds.
    pub(super) fn hurry(&self) {
        let mut state = self.shared.lock();
        if state
            .last
            .is_some_and(|failure| matches!(failure.kind, ProviderErrorKind::BadRequest | ProviderErrorKind::NotServed))
        {
            state.not_before = None;
        }
        self.shared.end_pause(&mut state);
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        self.shared.closed.cancel();
        let mut state = self.shared.lock();
        // Each socket finishes what it speaks and leaves; what waits breaks off.
        state.sockets.clear();
        state.waiting.clear();
    }
}

/// Where a chunk goes.
enum Place {
    /// To this socket.
    Socket(usize),
    /// To the socket that is being opened.
    Wait,
    Nowhere(ProviderFailure),
}

/// Gives a socket a chunk to speak.
fn hand_over(entry: &mut Entry, job: Job) {
    let speech = job.speech;
    match entry.commands.try_send(Command::Speak(job)) {
        Ok(()) => {
            entry.is_tired = false;
            entry.speeches.extend(speech);
        }
        // It is stuck, or has ended just now.
        Err(error) => {
            if let Command::Speak(job) = error.into_inner() {
                job.sink.fail(ProviderErrorKind::Disconnected.into());
            }
        }
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        // Every change leaves the state whole, so a panic elsewhere leaves nothing half done.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn place(&self, job: Job) {
        let mut state = self.lock();
        let at = match self.find(&state, job.speech) {
            Place::Socket(at) => at,
            Place::Wait => return state.waiting.push(job),
            Place::Nowhere(failure) => return job.sink.fail(failure),
        };
        hand_over(&mut state.sockets[at], job);
        drop(state);
        // It may have been the last that there is room for.
        self.changed.notify_one();
    }

    /// Where a speech's next chunk goes: to the socket that has the speech, or to the one that has least to do.
    fn find(&self, state: &State, speech: Option<SpeechKey>) -> Place {
        let unavailable = Place::Nowhere(ProviderErrorKind::Unavailable.into());
        let room = self.settings.contexts_per_socket * self.settings.max_sockets;
        let has_it = |entry: &Entry| speech.is_some_and(|speech| entry.speeches.contains(&speech));
        if let Some(at) = state.sockets.iter().position(has_it) {
            return Place::Socket(at);
        }
        if state.sockets.iter().map(|entry| entry.speeches.len()).sum::<usize>() + state.waiting.len() >= room {
            return unavailable;
        }
        let least = state.sockets.iter().enumerate().min_by_key(|(_, entry)| (entry.is_tired, entry.speeches.len()));
        match (least, state.down) {
            (Some((at, _)), _) => Place::Socket(at),
            (None, Some(failure)) => Place::Nowhere(failure),
            (None, None) if self.closed.is_cancelled() => unavailable,
            (None, None) => Place::Wait,
        }
    }

    /// After which pause a socket is to be opened; none when no more is needed. Tired ones leave as soon as another is there.
    fn need(&self) -> Option<Duration> {
        let mut state = self.lock();
        let is_full = |entry: &&Entry| entry.speeches.len() >= self.settings.contexts_per_socket;
        let fresh = state.sockets.iter().filter(|entry| !entry.is_tired);
        let (count, full) = (fresh.clone().count(), fresh.filter(is_full).count());
        if count > 0 && (full < count || count >= self.settings.max_sockets) {
            state.sockets.retain(|entry| !entry.is_tired);
            return None;
        }
        // The first loss after a good time is mended at once.
        let pause = self.pause(state.refusals).max(self.pause(state.short_lives.saturating_sub(1)));
        let asked = state.not_before.map_or(Duration::ZERO, |not_before| not_before.duration_since(Instant::now()));
        Some(pause.max(asked))
    }

    /// The pause after so many failures: growing, and never the same for two processes.
    fn pause(&self, failures: u32) -> Duration {
        let (first, longest) = self.settings.backoff;
        let Some(doublings) = failures.checked_sub(1) else { return Duration::ZERO };
        let whole = first.saturating_mul(1 << doublings.min(16)).min(longest);
        // Half of it for certain, and up to the other half by chance.
        whole / 2 + whole.mul_f64(jitter() / 2.0)
    }

    /// Pauses. Until it is over, whoever comes is refused, if no other socket is open.
    async fn rest(&self, pause: Duration) {
        if pause.is_zero() {
            return;
        }
        // Made before the refusing begins: nobody's hurry is missed.
        let hurry = self.hurry.notified();
        {
            let mut state = self.lock();
            let failure = state.last.unwrap_or(ProviderErrorKind::Disconnected.into());
            state.down = Some(failure);
            state.refuse_waiting(failure);
        }
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            () = hurry => {}
            () = self.closed.cancelled() => {}
        }
        self.lock().down = None;
    }

    /// Ends a pause that is under way, unless the provider asked for it.
    fn end_pause(&self, state: &mut State) {
        if state.not_before.is_none_or(|not_before| not_before <= Instant::now()) {
            // Whoever comes now waits for what the attempt brings.
            state.down = None;
            self.hurry.notify_waiters();
        }
    }

    /// A socket is open: it takes what waits.
    fn adopt(self: &Arc<Self>, socket: WebSocket) {
        let settings = &self.settings;
        let mut state = self.lock();
        if self.closed.is_cancelled() {
            return;
        }
        state.opened += 1;
        state.refusals = 0;
        state.not_before = None;
        let id = state.opened;
        let names = Names { prefix: Arc::clone(&settings.prefix), socket: id };
        let contexts = Contexts::new(Arc::clone(&settings.speaker), names, settings.keep_context);
        let (commands, queue) = mpsc::channel(MAX_COMMANDS);
        let mut entry = Entry { id, commands, speeches: HashSet::new(), is_tired: false };
        for job in state.waiting.drain(..) {
            hand_over(&mut entry, job);
        }
        state.sockets.push(entry);
        drop(state);
        tokio::spawn(Socket::new(id, socket, contexts, queue, settings.patience).run(Arc::clone(self)));
    }

    /// None could be opened. What waits is refused; with other sockets open nothing is lost but room.
    fn failed(&self, failure: ProviderFailure) {
        let mut state = self.lock();
        state.refusals = state.refusals.saturating_add(1);
        state.note(failure);
        state.refuse_waiting(failure);
        let (refusals, others) = (state.refusals, state.sockets.len());
        drop(state);
        let kind = failure.kind.as_str();
        tracing::warn!(provider = super::PROVIDER, kind, refusals, others, "a socket cannot be opened");
    }

    /// A socket has ended, whether or not it ever `spoke`. One that was told to leave is not missed.
    pub(super) fn gone(&self, id: u64, lived: Duration, spoke: bool, failure: ProviderFailure) {
        let mut state = self.lock();
        let Some(at) = state.sockets.iter().position(|entry| entry.id == id) else { return };
        state.sockets.swap_remove(at);
        state.short_lives = if lived < LEAST_LIFE && !spoke { state.short_lives.saturating_add(1) } else { 0 };
        state.note(failure);
        if state.sockets.is_empty() {
            // Whatever failed before was another one beside it.
            state.refusals = 0;
            self.end_pause(&mut state);
        }
        drop(state);
        let kind = failure.kind.as_str();
        tracing::info!(provider = super::PROVIDER, kind, lived_ms = lived.as_millis(), "a socket was lost");
        self.changed.notify_one();
    }

    /// A speech has no context on this socket any more.
    pub(super) fn forget(&self, id: u64, speech: SpeechKey) {
        if let Some(entry) = self.lock().sockets.iter_mut().find(|entry| entry.id == id) {
            entry.speeches.remove(&speech);
        }
    }

    /// A socket has idled for long.
    pub(super) fn is_tired(&self, id: u64) {
        if let Some(entry) = self.lock().sockets.iter_mut().find(|entry| entry.id == id) {
            entry.is_tired = true;
        }
        self.changed.notify_one();
    }
}

/// From 0 to 1. Without the kernel's randomness there is only no jitter.
fn jitter() -> f64 {
    getrandom::u32().map_or(1.0, |random| f64::from(random) / f64::from(u32::MAX))
}

/// The keeper.
async fn keep(shared: Arc<Shared>) {
    while !shared.closed.is_cancelled() {
        match shared.need() {
            Some(pause) => open(&shared, pause).await,
            None => {
                tokio::select! {
                    () = shared.changed.notified() => {}
                    () = shared.closed.cancelled() => {}
                }
            }
        }
    }
}

/// Opens one socket, after a pause.
async fn open(shared: &Arc<Shared>, pause: Duration) {
    shared.rest(pause).await;
    tokio::select! {
        opened = socket::connect(&shared.settings.address) => match opened {
            Ok(socket) => shared.adopt(socket),
            Err(failure) => shared.failed(failure),
        },
        () = shared.closed.cancelled() => {}
    }
}

#[cfg(test)]
#[path = "pool_tests.rs"]
mod tests;
