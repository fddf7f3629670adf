//! What the process knows of its providers: one board for all sessions, and the probes that go on beside them.
//!
//! The judgement is the core's ([`voice_core::failover::Health`]); this keeps its clock, tells the sessions, and asks resting
//! providers now and then whether they are well again, off every caller's path.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use futures_util::future::BoxFuture;
use tokio::sync::{Notify, watch};
use tokio_util::sync::CancellationToken;
use voice_core::CoreConfig;
use voice_core::cost::{Prices, Quantity, Usage};
use voice_core::failover::{Chains, EMBEDDED, FailoverConfig, Health};
use voice_core::ids::RungId;
use voice_core::input::ProviderHealth;
use voice_core::output::AttemptResult;
use voice_core::provider::{ProviderErrorKind, ProviderFailure, Stage};

use crate::driver::Providers;
use crate::ledger::{Ledger, PROBE_CHANNEL};
use crate::readiness::{StageHealth, Watched};
use crate::telemetry::Events;

/// The longest that a probe may take.
const PROBE: Duration = Duration::from_secs(5);

/// What came of a probe: what it used, as the provider charges it; nothing where that is not known, or costs nothing.
pub type Probed = Result<Option<Quantity>, ProviderFailure>;

/// How all providers are, for every session of the process.
pub struct Board {
    health: Mutex<Health>,
    news: watch::Sender<Arc<Vec<ProviderHealth>>>,
    /// Somebody was put to rest: the probes' next time may have changed.
    changed: Notify,
    started: Instant,
    chains: Chains,
    events: Arc<Events>,
}

impl std::fmt::Debug for Board {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Board").field("chains", &self.chains).finish_non_exhaustive()
    }
}

impl Board {
    /// All providers are well.
    pub fn new(chains: Chains, config: FailoverConfig, events: Arc<Events>) -> Self {
        let health = Health::new(&chains, config);
        let news = watch::Sender::new(Arc::new(health.all()));
        events.chains(&chains);
        events.providers(&chains, &news.borrow(), |_, _| None);
        Self { health: Mutex::new(health), news, changed: Notify::new(), started: Instant::now(), chains, events }
    }

    /// The settings with these providers' chains, and the board for them.
    pub fn for_providers(providers: &Providers, core: CoreConfig, events: &Arc<Events>) -> (CoreConfig, Arc<Self>) {
        let core = CoreConfig { chains: providers.chains(), ..core };
        let board = Self::new(core.chains.clone(), core.failover.clone(), Arc::clone(events));
        (core, Arc::new(board))
    }

    /// What sessions are to know, from now on.
    pub fn news(&self) -> watch::Receiver<Arc<Vec<ProviderHealth>>> {
        self.news.subscribe()
    }

    /// Takes what came of asking a provider.
    pub fn report(&self, stage: Stage, rung: RungId, result: AttemptResult) {
        self.change(|health, now_ms| health.report(now_ms, stage, rung, result));
    }

    /// What readiness is to look after: each stage's chain.
    pub fn watched(board: &Arc<Self>) -> Vec<Watched> {
        let chains = [("stt_providers", Stage::Stt), ("llm_providers", Stage::Llm), ("tts_providers", Stage::Tts)];
        let watched = chains.map(|(name, stage)| Watched {
            stage: name,
            // The embedded models are looked after by themselves.
            optional: board.chains.of(stage).iter().any(|rung| rung.provider == EMBEDDED),
            rung: Arc::new(ChainHealth { board: Arc::clone(board), stage }) as Arc<dyn StageHealth>,
        });
        watched.into()
    }

    /// Why a provider rests, if it does.
    fn resting(&self, stage: Stage, rung: RungId) -> Option<ProviderErrorKind> {
        self.lock().resting(stage, rung)
    }

    /// Probes resting providers until `stop`.
    /// What they use is booked as overhead, on no call.
    pub async fn probe(self: Arc<Self>, providers: Providers, books: Books, stop: CancellationToken) {
        while !stop.is_cancelled() {
            let now_ms = self.now_ms();
            let due = self.lock().due_probes(now_ms);
            for (stage, rung) in due {
                let (board, books, probe) = (Arc::clone(&self), books.clone(), probe_of(&providers, stage, rung));
                tokio::spawn(async move {
                    let late = Err(ProviderFailure::from(ProviderErrorKind::Timeout));
                    let result = tokio::time::timeout(PROBE, probe).await.unwrap_or(late);
                    if let Ok(Some(quantity)) = result {
                        board.book(&books, stage, rung, quantity);
                    }
                    board.probed(stage, rung, result.map(drop));
                });
            }
            let next_ms = self.lock().next_probe_ms();
            let wait = next_ms.map_or(Duration::MAX, |due_ms| Duration::from_millis(due_ms.saturating_sub(now_ms)));
            tokio::select! {
                () = sleep(wait) => {}
                () = self.changed.notified() => {}
                () = stop.cancelled() => {}
            }
        }
    }

    /// Books what a request cost that was made for no call.
    pub fn book(&self, books: &Books, stage: Stage, rung: RungId, quantity: Quantity) {
        let Some(rung) = self.chains.of(stage).get(usize::from(rung.0)) else { return };
        let (provider, model) = (rung.provider.clone(), rung.model.clone());
        let usage = Usage { stage, provider, model, quantity, reply: None, utterance: None, wasted: false };
        let cost = books.prices.price(&usage);
        self.events.probe_spent(&usage, cost);
        books.ledger.book(PROBE_CHANNEL, &usage, cost, false);
    }

    fn probed(&self, stage: Stage, rung: RungId, result: Result<(), ProviderFailure>) {
        let label = self.chains.label(stage, rung);
        self.events.provider_probed(stage, label, result.err().map(|failure| failure.kind));
        self.change(|health, now_ms| health.probed(now_ms, stage, rung, result));
    }

    fn change(&self, change: impl FnOnce(&mut Health, u64) -> Option<ProviderHealth>) {
        let now_ms = self.now_ms();
        let mut health = self.lock();
        if let Some(news) = change(&mut health, now_ms) {
            let all = health.all();
            // With the lock still held, so that of two changes at once the newer table is published last.
            self.events.providers(&self.chains, &all, |stage, rung| health.resting(stage, rung));
            self.news.send_replace(Arc::new(all));
            drop(health);
            self.events.provider_health(self.chains.label(news.stage, news.rung), news);
        }
        self.changed.notify_one();
    }

    fn now_ms(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Health> {
        self.health.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Where what probes use is booked.
#[derive(Debug, Clone)]
pub struct Books {
    /// What is spent, by day.
    pub ledger: Arc<Ledger>,
    /// What providers charge.
    pub prices: Arc<Prices>,
}

/// One stage's chain, for readiness.
struct ChainHealth {
    board: Arc<Board>,
    stage: Stage,
}

impl StageHealth for ChainHealth {
    fn health(&self) -> crate::readiness::Health {
        use crate::readiness::Health;
        let rungs = self.board.chains.of(self.stage).iter().enumerate();
        let outside = rungs.filter(|(_, rung)| rung.provider != EMBEDDED);
        let mut resting = Vec::new();
        let mut all = true;
        for (at, rung) in outside {
            match self.board.resting(self.stage, RungId(u8::try_from(at).unwrap_or(u8::MAX))) {
                Some(ProviderErrorKind::NotServed) => {
                    resting.push(format!("{}/{} is not served by its provider", rung.provider, rung.model));
                }
                Some(kind) => resting.push(format!("{}/{} is resting ({})", rung.provider, rung.model, kind.as_str())),
                None => all = false,
            }
        }
        match (resting.is_empty(), all) {
            (true, _) => Health::Well,
            (false, true) => Health::Out(resting.join(", ")),
            (false, false) => Health::Trouble(resting.join(", ")),
        }
    }
}

async fn sleep(wait: Duration) {
    if wait == Duration::MAX {
        std::future::pending::<()>().await;
    }
    tokio::time::sleep(wait).await;
}

fn probe_of(providers: &Providers, stage: Stage, rung: RungId) -> BoxFuture<'static, Probed> {
    let at = usize::from(rung.0);
    let probe = match stage {
        Stage::Stt => providers.stt.get(at).map(|stt| stt.probe()),
        Stage::Llm => providers.llm.get(at).map(|llm| llm.probe()),
        Stage::Tts => providers.tts.get(at).map(|tts| tts.probe()),
    };
    probe.unwrap_or_else(|| Box::pin(std::future::ready(Ok(None))))
}
