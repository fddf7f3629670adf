//! From the socket to one stream: a bounded queue that never holds the socket up.
//!
//! The socket carries everybody's audio, so it waits for nobody. A stream that is not read may have
//! [`MAX_QUEUED_BYTES`] and [`MAX_QUEUED`] events waiting; when that is full, the stream fails with `unavailable`, after
//! what is queued, and its context is cancelled. A chunk's whole audio fits many times, so only a session that is stuck gets
//! there.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};

use futures_util::StreamExt as _;
use futures_util::stream::{self, BoxStream};
use tokio::sync::mpsc;
use tokio_util::sync::{CancellationToken, DropGuard, WaitForCancellationFutureOwned};
use voice_core::input::WordTiming;
use voice_core::provider::{ProviderErrorKind, ProviderFailure};

use crate::tts::TtsEvent;

/// Bytes of audio that may wait: a minute and a half at 24 kHz.
const MAX_QUEUED_BYTES: usize = 4 * 1024 * 1024;
/// Events that may wait.
const MAX_QUEUED: usize = 4_096;

/// How a stream ends.
type Ending = Result<Vec<WordTiming>, ProviderFailure>;

/// What the two ends share.
#[derive(Debug, Default)]
struct Shared {
    queued_bytes: AtomicUsize,
    /// Set before the queue is closed; a queue that closes without it has broken off.
    ending: OnceLock<Ending>,
}

/// Why an event was not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NotTaken {
    /// Nobody listens any more.
    Gone,
    /// Too much waits already.
    Full,
}

/// The socket's end. Dropping it without an ending breaks the stream off as `disconnected`.
#[derive(Debug)]
pub(super) struct Sink {
    events: mpsc::Sender<TtsEvent>,
    shared: Arc<Shared>,
    dropped: CancellationToken,
}

impl Sink {
    /// Queues an event.
    ///
    /// # Errors
    /// [`NotTaken`].
    pub(super) fn send(&self, event: TtsEvent) -> Result<(), NotTaken> {
        let bytes = if let TtsEvent::Audio(audio) = &event { audio.len() } else { 0 };
        // Only this end adds: between the two steps it can but shrink.
        if self.shared.queued_bytes.load(Ordering::Acquire) + bytes > MAX_QUEUED_BYTES {
            return Err(NotTaken::Full);
        }
        self.shared.queued_bytes.fetch_add(bytes, Ordering::AcqRel);
        self.events.try_send(event).map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => NotTaken::Full,
            mpsc::error::TrySendError::Closed(_) => NotTaken::Gone,
        })
    }

    /// The audio is complete.
    pub(super) fn finish(self, words: Vec<WordTiming>) {
        self.end(Ok(words));
    }

    /// Nothing more comes, because of this.
    pub(super) fn fail(self, failure: ProviderFailure) {
        self.end(Err(failure));
    }

    fn end(self, ending: Ending) {
        // It consumes the only sink: nothing was set before.
        let _first = self.shared.ending.set(ending);
    }

    /// Whether nobody listens any more.
    pub(super) fn is_dropped(&self) -> bool {
        self.dropped.is_cancelled()
    }

    /// Waits until nobody listens any more, which comes for every stream, also for one that has ended.
    pub(super) fn until_dropped(&self) -> WaitForCancellationFutureOwned {
        self.dropped.clone().cancelled_owned()
    }
}

/// The stream's end.
struct Events {
    queue: mpsc::Receiver<TtsEvent>,
    shared: Arc<Shared>,
    over: bool,
    _guard: DropGuard,
}

impl Events {
    async fn next(&mut self) -> Option<Result<TtsEvent, ProviderFailure>> {
        if self.over {
            return None;
        }
        if let Some(event) = self.queue.recv().await {
            if let TtsEvent::Audio(audio) = &event {
                self.shared.queued_bytes.fetch_sub(audio.len(), Ordering::AcqRel);
            }
            return Some(Ok(event));
        }
        self.over = true;
        Some(match self.shared.ending.get() {
            Some(Ok(words)) => Ok(TtsEvent::Done { words: words.clone() }),
            Some(Err(failure)) => Err(*failure),
            None => Err(ProviderErrorKind::Disconnected.into()),
        })
    }
}

/// A queue's two ends.
pub(super) fn pair() -> (Sink, BoxStream<'static, Result<TtsEvent, ProviderFailure>>) {
    let (events, queue) = mpsc::channel(MAX_QUEUED);
    let (shared, dropped) = (Arc::<Shared>::default(), CancellationToken::new());
    let sink = Sink { events, shared: Arc::clone(&shared), dropped: dropped.clone() };
    let ours = Events { queue, shared, over: false, _guard: dropped.drop_guard() };
    let stream = stream::unfold(ours, |mut events| async move { events.next().await.map(|event| (event, events)) });
    (sink, stream.boxed())
}
