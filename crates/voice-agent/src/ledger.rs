//! What is spent, by day: collected in memory, put into the store in batches, and known to every session.
//!
//! Nobody's turn waits for any of this. A batch that the store did not answer is sent again under its name, and the store
//! adds it once; what is not yet in it when the process goes down is sent last.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use tokio::sync::watch;
use voice_core::ceiling::{AtCeiling, Ceilings, CostStep};
use voice_core::cost::{NanoUsd, Quantity, Usage};

use crate::store::{Channel, Clock, Spend, SpendKey, SpendSum, Store, StoreError};

/// The channel of what was spent on no call: the probes of resting providers.
pub const PROBE_CHANNEL: &str = "probe";
/// The stage under which the calls themselves are counted.
pub const CALL_STAGE: &str = "call";

/// The ceilings as they hold on a channel: a caller by telephone cannot go on in text.
pub fn ceilings_on(ceilings: &Ceilings, channel: Channel) -> Ceilings {
    let at_ceiling = if channel == Channel::Phone { AtCeiling::Close } else { ceilings.at_ceiling };
    Ceilings { at_ceiling, ..ceilings.clone() }
}

#[derive(Debug)]
struct State {
    today: Date,
    /// Of today, by everybody, as the store last said.
    stored: NanoUsd,
    unsaved: BTreeMap<SpendKey, SpendSum>,
    /// On its way to the store, under this name.
    batch: Option<(String, Spend)>,
    batches: u64,
    /// The share of the day's ceiling that sessions were told of, in percent.
    told: Option<u128>,
}

impl State {
    fn turn_page(&mut self, today: Date) {
        if self.today != today {
            (self.today, self.stored) = (today, NanoUsd::default());
        }
    }

    fn today(&self) -> NanoUsd {
        let of_today = |(key, sum): (&SpendKey, &SpendSum)| if key.day == self.today { sum.used } else { NanoUsd(0) };
        let batch = self.batch.iter().flat_map(|(_, amounts)| amounts.iter().map(|(key, sum)| (key, sum)));
        self.stored + self.unsaved.iter().chain(batch).map(of_today).sum()
    }
}

/// What this process spends, and what everybody has spent today.
pub struct Ledger {
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    ceilings: Ceilings,
    /// What batches' names begin with: unique among all processes.
    name: String,
    state: Mutex<State>,
    news: watch::Sender<NanoUsd>,
    flushing: tokio::sync::Mutex<()>,
}

impl std::fmt::Debug for Ledger {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Ledger").field("ceilings", &self.ceilings).field("today", &self.today()).finish_non_exhaustive()
    }
}

impl Ledger {
    /// An empty ledger over this store. `name` begins the names of its batches, and must be unique among all processes.
    pub fn new(store: Arc<dyn Store>, clock: Arc<dyn Clock>, ceilings: Ceilings, name: String) -> Self {
        let state = State {
            today: date(clock.now()),
            stored: NanoUsd::default(),
            unsaved: BTreeMap::new(),
            batch: None,
            batches: 0,
            told: None,
        };
        let (state, news) = (Mutex::new(state), watch::Sender::new(NanoUsd::default()));
        Self { store, clock, ceilings, name, state, news, flushing: tokio::sync::Mutex::default() }
    }

    /// Something was used that costs.
    pub fn book(&self, channel: &str, usage: &Usage, cost: NanoUsd, wasted: bool) {
        let quantity = match usage.quantity {
            Quantity::AudioMs(ms) => ms,
            Quantity::Tokens { input, output, .. } => input.saturating_add(output),
        };
        let wasted = if wasted { cost } else { NanoUsd::default() };
        let sum = SpendSum { used: cost, wasted, quantity, records: 1 };
        self.add(channel, &usage.provider, usage.stage.as_str(), sum);
    }

    /// A call ended, or is counted as ended; its caller was connected for so long.
    pub fn call_ended(&self, channel: &str, connected_ms: u64) {
        self.add(channel, "", CALL_STAGE, SpendSum { quantity: connected_ms, records: 1, ..SpendSum::default() });
    }

    fn add(&self, channel: &str, provider: &str, stage: &str, sum: SpendSum) {
        let day = date(self.clock.now());
        let key = SpendKey { day, channel: channel.to_owned(), provider: provider.to_owned(), stage: stage.to_owned() };
        let mut state = self.lock();
        state.turn_page(day);
        state.unsaved.entry(key).or_default().add(sum);
        self.tell(&mut state);
    }

    /// What everybody has spent today, as far as this process knows.
    pub fn today(&self) -> NanoUsd {
        let mut state = self.lock();
        state.turn_page(date(self.clock.now()));
        state.today()
    }

    /// The ceilings.
    pub const fn ceilings(&self) -> &Ceilings {
        &self.ceilings
    }

    /// What everybody has spent today, whenever that has changed by what matters to a session; never, without a ceiling.
    pub fn news(&self) -> watch::Receiver<NanoUsd> {
        self.news.subscribe()
    }

    /// Whether a new call may begin on this channel. If not, says when the next day begins.
    ///
    /// # Errors
    /// The time from which on calls are taken again.
    pub fn admit(&self, channel: Channel) -> Result<(), Timestamp> {
        let (step, _) = ceilings_on(&self.ceilings, channel).due(NanoUsd::default(), self.today());
        if step == CostStep::Close { Err(self.midnight()) } else { Ok(()) }
    }

    /// When the day ends, in UTC.
    fn midnight(&self) -> Timestamp {
        let now = self.clock.now();
        let tomorrow = date(now).tomorrow().and_then(|day| day.to_zoned_datetime(TimeZone::UTC));
        tomorrow.map_or(now, |midnight| midnight.timestamp())
    }

    /// Seconds until the day ends, in UTC; one at least.
    pub fn seconds_left(&self) -> u64 {
        let left: SignedDuration = self.midnight().duration_since(self.clock.now());
        u64::try_from(left.as_secs()).unwrap_or(0).max(1)
    }

    /// Puts what was collected into the store, and looks what the others have spent.
    ///
    /// # Errors
    /// [`StoreError`]: nothing is lost then, and the next time tries again.
    pub async fn flush(&self) -> Result<(), StoreError> {
        let _one_at_a_time = self.flushing.lock().await;
        while let Some((name, amounts)) = self.next_batch() {
            self.store.add_spend(name, amounts).await?;
            self.batch_is_saved();
        }
        let today = date(self.clock.now());
        if self.ceilings.day.0 > 0 {
            let spend = self.store.spend(today, today).await?;
            let stored = spend.iter().map(|(_, sum)| sum.used).sum();
            let mut state = self.lock();
            state.turn_page(today);
            state.stored = stored;
            self.tell(&mut state);
        }
        Ok(())
    }

    fn next_batch(&self) -> Option<(String, Spend)> {
        let mut state = self.lock();
        if state.batch.is_none() && !state.unsaved.is_empty() {
            state.batches += 1;
            let name = format!("{}-{}", self.name, state.batches);
            let amounts = std::mem::take(&mut state.unsaved).into_iter().collect();
            state.batch = Some((name, amounts));
        }
        state.batch.clone()
    }

    fn batch_is_saved(&self) {
        let mut state = self.lock();
        if let Some((_, amounts)) = state.batch.take() {
            let today = state.today;
            state.stored += amounts.iter().filter(|(key, _)| key.day == today).map(|(_, sum)| sum.used).sum();
        }
    }

    /// Tells the sessions when another hundredth of the ceiling is reached, or a new day has begun.
    fn tell(&self, state: &mut State) {
        let Some(ceiling) = Some(u128::from(self.ceilings.day.0)).filter(|ceiling| *ceiling > 0) else { return };
        let today = state.today();
        let share = u128::from(today.0) * 100 / ceiling;
        if state.told.replace(share) != Some(share) {
            self.news.send_replace(today);
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Every change is whole before a panic could come.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn date(at: Timestamp) -> Date {
    at.to_zoned_datetime(TimeZone::UTC).date()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use voice_core::provider::Stage;

    use super::*;
    use crate::store::{ManualClock, SqliteOptions, SqliteStore};

    struct House {
        clock: Arc<ManualClock>,
        store: Arc<dyn Store>,
        _folder: tempfile::TempDir,
    }

    impl House {
        fn new() -> Self {
            let folder = tempfile::tempdir().unwrap();
            let clock = Arc::new(ManualClock::new("2026-11-18T23:00:00Z".parse().unwrap()));
            let options = SqliteOptions { clock: Arc::clone(&clock) as Arc<dyn Clock>, ..SqliteOptions::default() };
            let store = Arc::new(SqliteStore::open(folder.path(), options).unwrap());
            Self { clock, store, _folder: folder }
        }

        fn ledger(&self, name: &str, at_ceiling: AtCeiling) -> Ledger {
            let ceilings = Ceilings { day: NanoUsd(1_000), at_ceiling, ..Ceilings::default() };
            Ledger::new(Arc::clone(&self.store), Arc::clone(&self.clock) as Arc<dyn Clock>, ceilings, name.to_owned())
        }
    }

    fn usage() -> Usage {
        let (provider, model) = ("deepgram".to_owned(), "nova-3".to_owned());
        let quantity = Quantity::AudioMs(500);
        Usage { stage: Stage::Stt, provider, model, quantity, reply: None, utterance: None, wasted: false }
    }

    #[tokio::test]
    async fn two_processes_know_of_each_others_spend_and_a_new_day_begins_with_none() {
        let house = House::new();
        let (here, there) = (house.ledger("here", AtCeiling::Close), house.ledger("there", AtCeiling::Close));
        let mut news = there.news();
        here.book("phone", &usage(), NanoUsd(600), false);
        assert_eq!((here.today(), there.today()), (NanoUsd(600), NanoUsd(0)));
        here.flush().await.unwrap();
        there.book("phone", &usage(), NanoUsd(400), true);
        there.flush().await.unwrap();
        assert_eq!(there.today(), NanoUsd(1_000));
        assert_eq!(*news.borrow_and_update(), NanoUsd(1_000));
        assert_eq!(there.admit(Channel::Browser), Err("2026-11-19T00:00:00Z".parse().unwrap()));
        assert_eq!(there.seconds_left(), 3_600);
        house.clock.advance(Duration::from_secs(3_600));
        assert_eq!(there.admit(Channel::Browser), Ok(()));
        there.flush().await.unwrap();
        assert_eq!(*news.borrow_and_update(), NanoUsd(0));
        let spend = house.store.spend("2026-11-18".parse().unwrap(), "2026-11-19".parse().unwrap()).await.unwrap();
        let sum = SpendSum { used: NanoUsd(1_000), wasted: NanoUsd(400), quantity: 1_000, records: 2 };
        assert_eq!(spend.iter().map(|(_, sum)| *sum).collect::<Vec<_>>(), [sum]);
    }

    #[tokio::test]
    async fn a_page_may_begin_in_text_where_the_day_is_spent_and_a_telephone_may_not() {
        let ledger = House::new().ledger("here", AtCeiling::Text);
        ledger.book("browser", &usage(), NanoUsd(1_000), false);
        assert!(ledger.admit(Channel::Browser).is_ok() && ledger.admit(Channel::Phone).is_err());
        ledger.book("browser", &usage(), NanoUsd(200), false);
        assert!(ledger.admit(Channel::Browser).is_err());
    }

    #[tokio::test]
    async fn sessions_hear_of_every_hundredth_and_no_more() {
        let ledger = House::new().ledger("here", AtCeiling::Close);
        let mut news = ledger.news();
        ledger.book("phone", &usage(), NanoUsd(9), false);
        assert!(news.has_changed().unwrap());
        news.mark_unchanged();
        ledger.book("phone", &usage(), NanoUsd(0), false);
        assert!(!news.has_changed().unwrap());
        ledger.book("phone", &usage(), NanoUsd(1), false);
        assert!(news.has_changed().unwrap());
    }
}
