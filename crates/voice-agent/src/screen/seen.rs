//! A look at the caller's screen: the picture, and what was read in it once somebody wanted to know.

use std::sync::{Arc, OnceLock};

use super::ocr::Ocr;
use super::picture::Picture;
use super::reading::Reading;
use crate::model::pool::{Lane, ModelPool};
use crate::telemetry::Events;

/// The pool's name in metrics, threads and logs.
pub const MODEL: &str = "ocr";

/// Reads pictures on a pool of its own: seconds of a core, never on the runtime's threads.
pub struct Reader {
    pool: Arc<ModelPool<Ocr>>,
    events: Arc<Events>,
}

impl Reader {
    /// A reader on this pool.
    pub fn new(pool: Arc<ModelPool<Ocr>>, events: Arc<Events>) -> Self {
        let waiting = Arc::clone(&pool);
        events.watch_queue(MODEL, move || waiting.stats().queued());
        Self { pool, events }
    }

    /// What is written in the picture; nothing when it cannot be read, of which the log has the reason.
    async fn read(&self, picture: Picture) -> Option<Reading> {
        let job = move |ocr: &mut Ocr| match picture.decode() {
            Ok(image) => ocr.read(&image).map(|pieces| Reading::of(&image, pieces)).map_err(|error| error.to_string()),
            Err(error) => Err(error.to_string()),
        };
        let answer = match self.pool.submit(Lane::Urgent, job) {
            Ok(answer) => answer.await,
            Err(error) => Err(error),
        };
        match answer {
            Ok(done) => {
                self.events.model_waited(MODEL, done.waited);
                done.value.inspect_err(|error| tracing::error!(model = MODEL, %error, "a screen was not read")).ok()
            }
            Err(error) => {
                tracing::error!(model = MODEL, %error, "a screen was not read");
                None
            }
        }
    }
}

/// A picture of the caller's screen in one turn. It lives in memory, and no longer than the conversation speaks of it.
pub struct Seen {
    picture: Picture,
    reader: Option<Arc<Reader>>,
    reading: OnceLock<Option<Reading>>,
}

impl std::fmt::Debug for Seen {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Seen").field("picture", &self.picture).finish_non_exhaustive()
    }
}

impl Seen {
    /// What was seen; without a reader nothing of it can be read.
    pub const fn new(picture: Picture, reader: Option<Arc<Reader>>) -> Self {
        Self { picture, reader, reading: OnceLock::new() }
    }

    /// What was seen and has been read.
    #[cfg(test)]
    pub(crate) fn with_reading(picture: Picture, reading: Reading) -> Self {
        Self { picture, reader: None, reading: OnceLock::from(Some(reading)) }
    }

    /// The picture.
    pub const fn picture(&self) -> &Picture {
        &self.picture
    }

    /// Reads the picture, if nobody has. Takes about a second.
    pub async fn read(&self) {
        if self.reading.get().is_some() {
            return;
        }
        let reading = match &self.reader {
            Some(reader) => reader.read(self.picture.clone()).await,
            None => None,
        };
        // Somebody else may have read the same meanwhile.
        let _same = self.reading.set(reading);
    }

    /// What is written there, once it was read.
    pub fn reading(&self) -> Option<&Reading> {
        self.reading.get().and_then(Option::as_ref)
    }
}
