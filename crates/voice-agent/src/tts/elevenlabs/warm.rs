//! A connection that is open before anybody speaks.

use std::sync::Arc;
use std::time::Duration;

use reqwest::{Client, Url};
use tokio::sync::Notify;
use tokio::time::timeout;
use tokio_util::sync::{CancellationToken, DropGuard};

/// Longest time to open or use a connection.
const TIMEOUT: Duration = Duration::from_secs(10);

/// Opens a connection at the start and whenever one was lost, and uses one now and then. Dropping it ends that.
#[derive(Debug)]
pub(super) struct Warmth {
    lost: Arc<Notify>,
    _guard: DropGuard,
}

impl Warmth {
    /// Keeps this client warm for this host. Must be called on the runtime.
    pub(super) fn start(client: Client, url: Url, every: Duration) -> Self {
        let (lost, closed) = (Arc::new(Notify::new()), CancellationToken::new());
        let guard = closed.clone().drop_guard();
        let news = Arc::clone(&lost);
        tokio::spawn(closed.run_until_cancelled_owned(async move {
            loop {
                use_one(&client, &url).await;
                // Whether it is time or one was lost is all the same.
                let _due = timeout(every, news.notified()).await;
            }
        }));
        Self { lost, _guard: guard }
    }

    /// A connection is being used. Dropping the answer without having read it to its end loses the connection, and another
    /// one is opened, unless one is unused.
    pub(super) fn using(&self) -> Using {
        Using { lost: Some(Arc::clone(&self.lost)) }
    }
}

/// A connection in use.
#[derive(Debug)]
pub(super) struct Using {
    lost: Option<Arc<Notify>>,
}

impl Using {
    /// All was read: it can be used again.
    pub(super) fn end(&mut self) {
        self.lost = None;
    }
}

impl Drop for Using {
    fn drop(&mut self) {
        if let Some(lost) = &self.lost {
            lost.notify_one();
        }
    }
}

/// The least that can be asked for, without the key. Whatever is answered, the connection is open then.
async fn use_one(client: &Client, url: &Url) {
    if !matches!(timeout(TIMEOUT, client.head(url.clone()).send()).await, Ok(Ok(_))) {
        // Whoever speaks next finds out by himself, and says it.
        tracing::debug!(provider = super::PROVIDER, "no connection can be opened in advance");
    }
}
