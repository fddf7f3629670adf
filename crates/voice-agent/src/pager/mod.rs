//! Whoever is on call is told, by PagerDuty: once for what is wrong, and once when it is well again.
//!
//! One task tells, one event after the other, off every caller's path. What waits is bounded, and so is how often PagerDuty is
//! asked. An alert is the region's: its instances tell of the same thing under the same key.

mod wire;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use reqwest::header::RETRY_AFTER;
use reqwest::{Client, Url};
use serde_json::Value;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep, sleep_until};
use voice_core::provider::Stage;

pub use wire::Source;
use wire::Verdict;

use crate::config::{Config, Secret};
use crate::sms::{body_of, client};
use crate::telemetry::Events;

/// The longest pause before another try.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);
/// That something is well is tried again so long after PagerDuty did not take it, until it does: an alert stays open till then.
const RESOLVE_AGAIN: Duration = Duration::from_secs(30);
/// Most bytes of an answer that are read; nothing in it is needed.
const MAX_ANSWER: usize = 16 * 1024;

/// What is to be told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum News {
    /// Nobody serves this stage, and text does not take its place, for this reason.
    Wrong(Stage, &'static str),
    /// The stage is served again.
    Well(Stage),
}

impl News {
    const fn parts(self) -> (&'static str, Stage, &'static str) {
        match self {
            Self::Wrong(stage, reason) => ("trigger", stage, reason),
            Self::Well(stage) => ("resolve", stage, "it is well again"),
        }
    }
}

/// Tells whoever is on call.
#[derive(Debug, Clone)]
pub struct Pager {
    queue: mpsc::Sender<News>,
    missed: Missed,
    events: Arc<Events>,
}

/// Stages that are well, which found no room in the queue: there are few of them, and none is lost.
#[derive(Debug, Clone, Default)]
struct Missed(Arc<Mutex<BTreeSet<Stage>>>);

impl Missed {
    fn stages(&self) -> MutexGuard<'_, BTreeSet<Stage>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Pager {
    /// With the service of these settings, and the task that tells it, to be spawned. Without a routing key nobody is told, and the
    /// log says so.
    pub fn new(
        config: &Config,
        source: Source,
        events: &Arc<Events>,
    ) -> (Self, impl Future<Output = ()> + Send + use<>) {
        let (queue, news) = mpsc::channel(config.pagerduty.queue.max(1));
        let (desk, missed) = (Desk::new(config, source, Arc::clone(events)), Missed::default());
        (Self { queue, missed: missed.clone(), events: Arc::clone(events) }, desk.run(news, missed))
    }

    /// Nobody serves this stage, and text does not take its place, for this reason: a bounded word.
    pub fn wrong(&self, stage: Stage, reason: &'static str) {
        self.missed.stages().remove(&stage);
        let news = News::Wrong(stage, reason);
        if self.queue.try_send(news).is_err() {
            let (action, stage, _) = news.parts();
            self.events.paged(action, stage, "dropped", "too much waits to be told");
        }
    }

    /// The stage is served again.
    pub fn well(&self, stage: Stage) {
        if self.queue.try_send(News::Well(stage)).is_err() {
            self.missed.stages().insert(stage);
        }
    }
}

/// Where events are taken.
struct Service {
    client: Client,
    attempt: Duration,
    url: Url,
    key: Secret,
}

/// Why something was not told.
struct Untold {
    /// As a metric label.
    outcome: &'static str,
    /// The same event may be taken another time.
    may_pass: bool,
}

/// What tells.
struct Desk {
    service: Option<Service>,
    source: Source,
    events: Arc<Events>,
    attempts: u32,
    retry: Duration,
    repeat: Duration,
    /// The least time between two requests.
    gap: Duration,
    next: Instant,
    /// What was told to be wrong, and when.
    open: BTreeMap<Stage, Instant>,
    /// What is well and could not be told, and when that is tried again.
    untold: BTreeMap<Stage, Instant>,
    resolve_again: Duration,
}

impl Desk {
    fn new(config: &Config, source: Source, events: Arc<Events>) -> Self {
        let page = &config.pagerduty;
        Self {
            service: service(config),
            source,
            events,
            attempts: page.attempts,
            retry: Duration::from_millis(page.retry_ms),
            repeat: Duration::from_millis(page.repeat_ms),
            gap: Duration::from_secs(60) / page.events_per_minute.max(1),
            next: Instant::now(),
            open: BTreeMap::new(),
            untold: BTreeMap::new(),
            resolve_again: RESOLVE_AGAIN,
        }
    }

    async fn run(mut self, mut news: mpsc::Receiver<News>, missed: Missed) {
        loop {
            let again = self.untold.values().min().copied();
            tokio::select! {
                one = news.recv() => match one {
                    Some(one) => self.take(one).await,
                    None => return,
                },
                () = sleep_until(again.unwrap_or_else(Instant::now)), if again.is_some() => self.tell_again().await,
            }
            // Behind all that was told before.
            while news.is_empty() {
                let Some(stage) = missed.stages().pop_first() else { break };
                self.take(News::Well(stage)).await;
            }
        }
    }

    /// Tells once more what is well, where it is time to.
    async fn tell_again(&mut self) {
        let now = Instant::now();
        let due: Vec<Stage> = self.untold.iter().filter(|(_, at)| **at <= now).map(|(stage, _)| *stage).collect();
        for stage in due {
            self.take(News::Well(stage)).await;
        }
    }

    async fn take(&mut self, news: News) {
        let (action, stage, why) = news.parts();
        let told = self.open.get(&stage).copied();
        self.untold.remove(&stage);
        match news {
            News::Wrong(..) if told.is_some_and(|at| at.elapsed() < self.repeat) => {
                self.events.paged(action, stage, "merged", why);
                return;
            }
            // Nobody was told that it was not.
            News::Well(_) if told.is_none() => return,
            News::Wrong(..) | News::Well(_) => {}
        }
        match self.send(news).await {
            Ok(()) => {
                match news {
                    News::Wrong(..) => self.open.insert(stage, Instant::now()),
                    News::Well(_) => self.open.remove(&stage),
                };
                self.events.paged(action, stage, "sent", why);
            }
            Err(Untold { outcome, may_pass }) => {
                self.events.paged(action, stage, outcome, why);
                if may_pass && matches!(news, News::Well(_)) {
                    self.untold.insert(stage, Instant::now() + self.resolve_again);
                }
            }
        }
    }

    async fn send(&mut self, news: News) -> Result<(), Untold> {
        let Some(key) = self.service.as_ref().map(|service| service.key.clone()) else {
            return Err(Untold { outcome: "not_configured", may_pass: false });
        };
        let event = match news {
            News::Wrong(stage, reason) => wire::trigger(key.reveal(), &self.source, stage, reason),
            News::Well(stage) => wire::resolve(key.reveal(), &self.source, stage),
        };
        for attempt in 0..self.attempts {
            sleep_until(self.next).await;
            self.next = Instant::now() + self.gap;
            let after = match self.post(&event).await {
                Verdict::Taken => return Ok(()),
                Verdict::Refused => return Err(Untold { outcome: "failed", may_pass: false }),
                Verdict::Later(after) => after,
            };
            if attempt + 1 < self.attempts {
                sleep(after.unwrap_or(self.retry.saturating_mul(1 << attempt.min(8))).min(LONGEST_PAUSE)).await;
            }
        }
        Err(Untold { outcome: "failed", may_pass: true })
    }

    async fn post(&self, event: &Value) -> Verdict {
        let Some(service) = &self.service else { return Verdict::Refused };
        let Ok(response) = service.client.post(service.url.clone()).timeout(service.attempt).json(event).send().await
        else {
            return Verdict::Later(None);
        };
        let retry_after = response.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok()).map(str::to_owned);
        let verdict = wire::verdict(response.status().as_u16(), retry_after.as_deref());
        // So that the connection can be used again; what it says changes nothing.
        drop(body_of(response, MAX_ANSWER).await);
        verdict
    }
}

fn service(config: &Config) -> Option<Service> {
    let key = config.secrets.pagerduty_key.clone()?;
    let mut url = Url::parse(&config.pagerduty.base_url).ok()?;
    url.path_segments_mut().ok()?.pop_if_empty().extend(["v2", "enqueue"]);
    let attempt = Duration::from_millis(config.pagerduty.attempt_ms);
    Some(Service { client: client(attempt)?, attempt, url, key })
}

#[cfg(test)]
mod tests;
