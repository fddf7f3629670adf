//! The pager against a server that plays PagerDuty.

use voice_sim::provider::{Provider, ProviderServers, Script, Service};

use super::*;
use crate::telemetry::Metrics;

struct House {
    servers: ProviderServers,
    desk: Desk,
    events: Arc<Events>,
}

impl House {
    async fn with(change: impl FnOnce(&mut Config)) -> Self {
        let servers = ProviderServers::start(Script::default()).await.unwrap();
        let mut config = Config::default();
        config.secrets.pagerduty_key = Some(Secret::new(servers.keys().pagerduty.clone()));
        config.pagerduty.base_url = servers.base_url(Provider::PagerDuty);
        config.pagerduty.retry_ms = 10;
        config.pagerduty.attempt_ms = 500;
        change(&mut config);
        let events = Arc::new(Events::new(Metrics::new("rules", &[])));
        let source = Source { region: "eu".to_owned(), instance: "i".to_owned(), url: String::new() };
        let mut desk = Desk::new(&config, source, Arc::clone(&events));
        desk.gap = Duration::from_millis(1);
        Self { servers, desk, events }
    }

    /// State and count of each alert.
    fn alerts(&self) -> Vec<(String, u32)> {
        self.servers.alerts().into_iter().map(|alert| (alert.state, alert.triggers)).collect()
    }

    fn counted(&self, action: &str, outcome: &str) -> String {
        let text = self.events.metrics().exposition().unwrap();
        let series = format!("voice_pages_total{{action=\"{action}\",outcome=\"{outcome}\"}} ");
        text.lines().find_map(|line| line.strip_prefix(&series)).unwrap().to_owned()
    }
}

const WRONG: News = News::Wrong(Stage::Tts, "refused");
const WELL: News = News::Well(Stage::Tts);

#[tokio::test]
async fn what_is_wrong_is_told_once_and_once_when_it_is_well() {
    let mut house = House::with(|_| {}).await;
    house.desk.take(WELL).await;
    for _ in 0..3 {
        house.desk.take(WRONG).await;
    }
    house.desk.take(News::Wrong(Stage::Llm, "no_answers")).await;
    assert_eq!(house.alerts(), [("trigger".to_owned(), 1), ("trigger".to_owned(), 1)]);
    house.desk.take(WELL).await;
    house.desk.take(WELL).await;
    assert_eq!(house.alerts(), [("resolve".to_owned(), 1), ("trigger".to_owned(), 1)]);
    house.desk.take(WRONG).await;
    assert_eq!(house.alerts().len(), 3, "it is wrong anew");
    assert_eq!((house.counted("trigger", "sent"), house.counted("trigger", "merged")), ("3".into(), "2".into()));
    assert_eq!(house.counted("resolve", "sent"), "1");
    assert_eq!(house.servers.journal().warnings(), Vec::<String>::new());
}

#[tokio::test]
async fn what_stays_wrong_is_told_again_after_a_while() {
    let mut house = House::with(|config| config.pagerduty.repeat_ms = 0).await;
    house.desk.take(WRONG).await;
    house.desk.take(WRONG).await;
    assert_eq!(house.alerts(), [("trigger".to_owned(), 2)], "one alert");
}

#[tokio::test]
async fn it_is_tried_again_within_bounds_and_what_was_not_told_is_told_the_next_time() {
    let mut house = House::with(|_| {}).await;
    house.servers.fault("pagerduty=503@connect*2".parse().unwrap()).unwrap();
    house.desk.take(WRONG).await;
    assert_eq!(house.alerts(), [("trigger".to_owned(), 1)]);

    let mut house = House::with(|config| config.pagerduty.attempts = 3).await;
    house.servers.fault("pagerduty=503@connect".parse().unwrap()).unwrap();
    house.desk.take(WRONG).await;
    assert_eq!(
        (house.servers.journal().of(Service::PagerDuty).len(), house.counted("trigger", "failed").as_str()),
        (3, "1")
    );
    house.servers.clear_faults();
    house.desk.take(WRONG).await;
    assert_eq!(house.alerts(), [("trigger".to_owned(), 1)]);
}

#[tokio::test]
async fn a_bad_event_is_not_repeated() {
    let mut house = House::with(|config| config.secrets.pagerduty_key = Some(Secret::new("wrong"))).await;
    house.desk.take(WRONG).await;
    assert_eq!(house.servers.journal().of(Service::PagerDuty).len(), 1);
    assert_eq!(house.counted("trigger", "failed"), "1");
}

#[tokio::test]
async fn without_a_key_nobody_is_told_and_that_is_said() {
    let mut house = House::with(|config| config.secrets.pagerduty_key = None).await;
    house.desk.take(WRONG).await;
    house.desk.take(WELL).await;
    assert_eq!(
        (house.counted("trigger", "not_configured"), house.counted("resolve", "sent")),
        ("1".into(), "0".into())
    );
    assert!(house.servers.journal().of(Service::PagerDuty).is_empty());
}

#[tokio::test]
async fn what_does_not_fit_into_the_queue_is_dropped_and_counted() {
    let house = House::with(|_| {}).await;
    let mut config = Config::default();
    config.pagerduty.queue = 1;
    let source = Source { region: String::new(), instance: String::new(), url: String::new() };
    let (pager, _nobody_runs_it) = Pager::new(&config, source, &house.events);
    pager.wrong(Stage::Tts, "refused");
    pager.wrong(Stage::Llm, "refused");
    assert_eq!(house.counted("trigger", "dropped"), "1");
}

#[tokio::test]
async fn that_it_is_well_is_told_until_it_is_taken() {
    let mut house = House::with(|config| config.pagerduty.attempts = 2).await;
    house.desk.resolve_again = Duration::from_millis(50);
    house.desk.take(WRONG).await;
    house.servers.fault("pagerduty=503@connect*5".parse().unwrap()).unwrap();
    let (queue, news) = mpsc::channel(1);
    let House { servers, desk, events } = house;
    let (told, missed) = (Arc::clone(&events), Missed::default());
    let pager = Pager { queue, missed: missed.clone(), events };
    let run = tokio::spawn(desk.run(news, missed));
    pager.well(Stage::Tts);
    let resolved = |journal: &voice_sim::provider::Journal| journal.of(Service::PagerDuty).len() == 7;
    servers.wait(Duration::from_secs(20), resolved).await.unwrap();
    // What is being told is told to its end.
    drop(pager);
    run.await.unwrap();
    let states: Vec<String> = servers.alerts().into_iter().map(|alert| alert.state).collect();
    assert_eq!(states, ["resolve"]);
    let text = told.metrics().exposition().unwrap();
    assert!(text.contains("voice_pages_total{action=\"resolve\",outcome=\"failed\"} 2\n"), "{text}");
}

#[tokio::test]
async fn that_it_is_well_is_told_behind_a_full_queue_and_not_when_it_is_wrong_again() {
    let house = House::with(|_| {}).await;
    let (queue, news) = mpsc::channel(1);
    let House { servers, desk, events } = house;
    let missed = Missed::default();
    let pager = Pager { queue, missed: missed.clone(), events };
    pager.wrong(Stage::Tts, "refused");
    pager.well(Stage::Tts);
    pager.well(Stage::Llm);
    assert_eq!(missed.stages().len(), 2);
    pager.wrong(Stage::Llm, "refused");
    assert_eq!(missed.stages().len(), 1);
    let run = tokio::spawn(desk.run(news, missed));
    servers.wait(Duration::from_secs(20), |journal| journal.of(Service::PagerDuty).len() == 2).await.unwrap();
    drop(pager);
    run.await.unwrap();
    let states: Vec<String> = servers.alerts().into_iter().map(|alert| alert.state).collect();
    assert_eq!(states, ["resolve"]);
}
