//! A look at the caller's screen: the picture, and what was read in it once somebody wanted to know.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::watch;

use super::ocr::Ocr;
use super::picture::Picture;
use super::reading::Reading;
use crate::model::pool::{Lane, ModelPool};
use crate::telemetry::Events;

/// The pool's name in metrics, threads and logs.
pub const MODEL: &str = "ocr";
/// Pictures that may wait to be read. Whoever waited longer would not be answered in time.
pub const MOST_WAITING: usize = 4;
/// The share of the wait for a language model in which a picture is read, and waits for that: the model has to answer with it.
const SHARE_PERCENT: u32 = 70;

/// Reads pictures on a pool of its own: seconds of a core, never on the runtime's threads.
pub struct Reader {
    pool: Arc<ModelPool<Ocr>>,
    events: Arc<Events>,
    read_for: Duration,
}

impl Reader {
    /// A reader on this pool. A language model that wants to know what was read is waited for so long
    /// (`deadline.llm_first_ms`): what is not read in seven tenths of it is left out, the smallest print first.
    pub fn new(pool: Arc<ModelPool<Ocr>>, events: Arc<Events>, model_waits: Duration) -> Self {
        let waiting = Arc::clone(&pool);
        events.watch_queue(MODEL, move || waiting.stats().queued());
        Self { pool, events, read_for: model_waits * SHARE_PERCENT / 100 }
    }

    /// What is written in the picture; nothing when it cannot be read, of which the log has the reason.
    /// And whether that is all.
    async fn read(&self, picture: Picture) -> Option<(Reading, bool)> {
        let until = Instant::now() + self.read_for;
        let job = move |ocr: &mut Ocr| {
            let image = picture.decode().map_err(|error| error.to_string())?;
            let read = ocr.read(&image, until).map_err(|error| error.to_string())?;
            Ok::<_, String>((Reading::of(&image, read), Instant::now() < until))
        };
        let answer = match self.pool.submit(Lane::Urgent, job) {
            Ok(answer) => answer.await,
            Err(error) => Err(error),
        };
        let done = match answer {
            Ok(done) => done,
            Err(error) => {
                tracing::warn!(model = MODEL, %error, "a screen was not read");
                return None;
            }
        };
        self.events.model_waited(MODEL, done.waited);
        match done.value {
            Ok((reading, is_whole)) => {
                self.events.screen_read(reading.lines().len(), done.ran);
                Some((reading, is_whole))
            }
            Err(error) => {
                tracing::error!(model = MODEL, error, "a screen was not read");
                None
            }
        }
    }
}

/// How far the reading of a picture has come: not begun, under way, or done with what was read, and whether that is all.
#[derive(Clone, Default)]
enum Progress {
    #[default]
    Unread,
    Reading,
    Read(Option<Arc<Reading>>, bool),
}

/// A picture of the caller's screen in one turn. It lives in memory, and no longer than the conversation speaks of it.
pub struct Seen {
    picture: Picture,
    reader: Option<Arc<Reader>>,
    progress: watch::Sender<Progress>,
}

impl std::fmt::Debug for Seen {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Seen").field("picture", &self.picture).finish_non_exhaustive()
    }
}

impl Seen {
    /// What was seen; without a reader nothing of it can be read.
    pub fn new(picture: Picture, reader: Option<Arc<Reader>>) -> Self {
        Self { picture, reader, progress: watch::Sender::default() }
    }

    /// What was seen and has been read.
    #[cfg(test)]
    pub(crate) fn with_reading(picture: Picture, reading: Reading) -> Self {
        let progress = watch::Sender::new(Progress::Read(Some(Arc::new(reading)), true));
        Self { picture, reader: None, progress }
    }

    /// The picture.
    pub const fn picture(&self) -> &Picture {
        &self.picture
    }

    /// Waits until the picture is read, which begins with the first who asks and goes on when they have given up: who asks again
    /// finds what was done. Needs a tokio runtime.
    pub async fn read(self: &Arc<Self>) {
        let begins = self.progress.send_if_modified(|progress| {
            let is_unread = matches!(progress, Progress::Unread);
            if is_unread {
                *progress = Progress::Reading;
            }
            is_unread
        });
        if begins {
            let seen = Arc::clone(self);
            tokio::spawn(async move {
                let reading = match &seen.reader {
                    Some(reader) => reader.read(seen.picture.clone()).await,
                    None => None,
                };
                let progress = match reading {
                    Some((reading, is_whole)) => Progress::Read(Some(Arc::new(reading)), is_whole),
                    None => Progress::Read(None, false),
                };
                seen.progress.send_replace(progress);
            });
        }
        let mut progress = self.progress.subscribe();
        // The sender is ours: it does not go before we do.
        let _read = progress.wait_for(|progress| matches!(progress, Progress::Read(..))).await;
    }

    /// Whether its reading failed, or ended before all was read: another look may have more time.
    pub fn is_to_be_read_again(&self) -> bool {
        matches!(*self.progress.borrow(), Progress::Read(_, false))
    }

    /// What is written there, once it was read.
    pub fn reading(&self) -> Option<Arc<Reading>> {
        match &*self.progress.borrow() {
            Progress::Read(reading, _) => reading.clone(),
            Progress::Unread | Progress::Reading => None,
        }
    }
}
