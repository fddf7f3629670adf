//! The whole ladder against servers that play Twilio and PagerDuty.

use voice_core::failover::{Chains, FailoverConfig, Rung};
use voice_core::ids::RungId;
use voice_core::output::AttemptResult;
use voice_core::provider::ProviderErrorKind;
use voice_sim::provider::{Journal, Provider, ProviderServers, Script, Service};

use super::*;
use crate::config::{Config, Secret};
use crate::pager::Source;
use crate::sms::OptOuts;
use crate::store::{SqliteOptions, SqliteStore, Store, SystemClock};
use crate::telemetry::{Events, Metrics};

const PATIENCE: Duration = Duration::from_secs(20);

struct House {
    servers: ProviderServers,
    ladder: Arc<Ladder>,
    tasks: TaskTracker,
    stop: CancellationToken,
    events: Arc<Events>,
    _data: tempfile::TempDir,
}

impl House {
    async fn new() -> Self {
        let servers = ProviderServers::start(Script::default()).await.unwrap();
        let (mut config, keys) = (Config::default(), servers.keys());
        config.twilio.account_sid.clone_from(&keys.twilio_sid);
        config.twilio.from_number.clone_from(&keys.twilio_number);
        config.secrets.twilio_auth_token = Some(Secret::new(keys.twilio_token.clone()));
        config.twilio.base_url = servers.base_url(Provider::Twilio);
        config.secrets.pagerduty_key = Some(Secret::new(keys.pagerduty.clone()));
        config.pagerduty.base_url = servers.base_url(Provider::PagerDuty);
        config.pagerduty.events_per_minute = 60_000;
        let data = tempfile::tempdir().unwrap();
        let store: Arc<dyn Store> = Arc::new(SqliteStore::open(data.path(), SqliteOptions::default()).unwrap());
        let events = Arc::new(Events::new(Metrics::new("rules", &[])));
        let opt_outs = OptOuts::new(store, None);
        let texter = Arc::new(Texter::new(&config, opt_outs, Arc::new(SystemClock), Arc::clone(&events)));
        let source = Source { region: "eu".to_owned(), instance: "i".to_owned(), url: String::new() };
        let (pager, paging) = Pager::new(&config, source, &events);
        let (tasks, stop) = (TaskTracker::new(), CancellationToken::new());
        tasks.spawn(paging);
        let ladder = Ladder::start(texter, pager, Duration::from_secs(600), &tasks, &stop);
        Self { servers, ladder, tasks, stop, events, _data: data }
    }

    async fn until(&self, is_so: impl FnMut(&Journal) -> bool) {
        self.servers.wait(PATIENCE, is_so).await.unwrap();
    }

    /// Waits until so many messages were sent, and no moment longer.
    async fn sent(&self, count: usize) {
        // What was taken is counted when the answer to it is here.
        let series = format!("voice_sms_sent_total{{outcome=\"sent\"}} {count}");
        let counted = || self.events.metrics().exposition().unwrap().lines().any(|line| line == series);
        let waited = tokio::time::timeout(PATIENCE, async {
            while !counted() {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        });
        waited.await.unwrap();
    }

    fn states(&self) -> Vec<(String, u32)> {
        self.servers.alerts().into_iter().map(|alert| (alert.state, alert.triggers)).collect()
    }

    fn board(&self) -> Arc<Board> {
        let rung = |name: &str| vec![Rung::new(name, "m")];
        let chains = Chains { stt: rung("deepgram"), llm: rung("openai"), tts: rung("cartesia") };
        let config = FailoverConfig { blip_ms: 0, ..FailoverConfig::default() };
        let board = Arc::new(Board::new(chains, config, Arc::clone(&self.events)));
        self.ladder.watch(&board, &self.tasks, &self.stop);
        board
    }
}

fn fallen(number: &str) -> Fallen {
    Fallen { stage: Stage::Tts, by_phone: true, number: PhoneNumber::parse(number) }
}

fn fail(board: &Board, stage: Stage) {
    board.report(stage, RungId(0), AttemptResult::Failed { failure: ProviderErrorKind::Auth.into() });
}

fn pages(journal: &Journal, action: &str) -> usize {
    journal.count(Service::PagerDuty, action)
}

#[tokio::test]
async fn a_caller_whose_voice_failed_is_texted_once_in_a_while_and_nobody_is_paged() {
    let house = House::new().await;
    house.ladder.voice_failed(fallen("+15551234567"));
    house.sent(1).await;
    house.ladder.voice_failed(fallen("+15551234567"));
    house.ladder.voice_failed(fallen("+15557654321"));
    house.sent(2).await;
    let sent: Vec<(String, String)> = house.servers.sms().into_iter().map(|sms| (sms.to, sms.body)).collect();
    let expected = ["+15551234567", "+15557654321"].map(|to| (to.to_owned(), VOICE_FAILED.to_owned()));
    assert_eq!(sent, expected);
    house.ladder.answered(Stage::Tts);
    assert_eq!(house.states(), []);
}

#[tokio::test]
async fn when_the_text_fails_too_somebody_is_paged_once_and_told_when_it_is_well() {
    let house = House::new().await;
    house.servers.fault("twilio=401@connect".parse().unwrap()).unwrap();
    house.ladder.voice_failed(fallen("+15551234567"));
    house.until(|journal| pages(journal, "trigger") == 1).await;
    house.ladder.voice_failed(fallen("+15557654321"));
    house.until(|journal| journal.of(Service::Twilio).len() == 2).await;
    house.ladder.answered(Stage::Llm);
    house.ladder.answered(Stage::Tts);
    house.until(|journal| pages(journal, "resolve") == 1).await;
    assert_eq!(house.states(), [("resolve".to_owned(), 1)]);
}

#[tokio::test]
async fn a_withheld_number_cannot_be_texted() {
    let house = House::new().await;
    house.ladder.voice_failed(fallen("anonymous"));
    house.until(|journal| pages(journal, "trigger") == 1).await;
    let event = house.servers.alerts().pop().unwrap();
    assert!(event.summary.contains("no_number"), "{event:?}");
}

#[tokio::test]
async fn text_that_nobody_answers_is_no_way_out() {
    let house = House::new().await;
    let board = house.board();
    // A page shows its text; but somebody has to answer.
    house.ladder.voice_failed(Fallen { stage: Stage::Tts, by_phone: false, number: None });
    fail(&board, Stage::Tts);
    fail(&board, Stage::Llm);
    house.until(|journal| pages(journal, "trigger") == 1).await;
    assert!(house.servers.alerts()[0].summary.contains("nobody answers"), "{:?}", house.servers.alerts());
    let answered = AttemptResult::Answered { after_ms: 1 };
    board.report(Stage::Llm, RungId(0), answered);
    house.ladder.answered(Stage::Llm);
    house.until(|journal| pages(journal, "resolve") == 1).await;
    assert_eq!(house.states(), [("resolve".to_owned(), 1)]);
}
