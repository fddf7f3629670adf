//! The client against a server that plays Twilio: a message is sent once, whatever goes wrong.

use voice_sim::provider::{ProviderServers, Script, Service};

use super::*;
use crate::config::Secret;
use crate::store::{SqliteOptions, SqliteStore, Store, SystemClock};
use crate::telemetry::Metrics;

struct House {
    servers: ProviderServers,
    texter: Texter,
    store: Arc<dyn Store>,
    events: Arc<Events>,
    _data: tempfile::TempDir,
}

impl House {
    async fn new() -> Self {
        Self::with(Script::default(), |_| {}).await
    }

    async fn with(script: Script, change: impl FnOnce(&mut Config)) -> Self {
        let servers = ProviderServers::start(script).await.unwrap();
        let mut config = Config::default();
        let keys = servers.keys();
        config.twilio.account_sid.clone_from(&keys.twilio_sid);
        config.twilio.from_number.clone_from(&keys.twilio_number);
        config.secrets.twilio_auth_token = Some(Secret::new(keys.twilio_token.clone()));
        config.twilio.base_url = servers.base_url(voice_sim::provider::Provider::Twilio);
        config.twilio.sms_retry_ms = 10;
        config.twilio.sms_attempt_ms = 500;
        change(&mut config);
        let data = tempfile::tempdir().unwrap();
        let store: Arc<dyn Store> = Arc::new(SqliteStore::open(data.path(), SqliteOptions::default()).unwrap());
        let events = Arc::new(Events::new(Metrics::new("rules", &[])));
        let opt_outs = OptOuts::new(Arc::clone(&store), None);
        let texter = Texter::new(&config, opt_outs, Arc::new(SystemClock), Arc::clone(&events));
        Self { servers, texter, store, events, _data: data }
    }

    fn fault(&self, fault: &str) {
        self.servers.fault(fault.parse().unwrap()).unwrap();
    }

    fn bodies(&self) -> Vec<String> {
        self.servers.sms().into_iter().map(|sms| sms.body).collect()
    }

    fn counted(&self, series: &str) -> bool {
        let text = self.events.metrics().exposition().unwrap();
        text.lines().any(|line| line == series)
    }
}

fn number() -> PhoneNumber {
    PhoneNumber::parse("+15551234567").unwrap()
}

#[tokio::test]
async fn a_text_is_sent_in_as_many_messages_as_it_takes_and_counted() {
    let house = House::with(Script::default(), |config| config.twilio.sms_max_segments = 1).await;
    let sentence = format!("{}.", "word ".repeat(25).trim_end());
    house.texter.send(&number(), &format!("{sentence} {sentence}")).await.unwrap();
    assert_eq!(house.bodies(), [sentence.as_str(), sentence.as_str()]);
    assert_eq!(house.servers.sms()[0].to, "+15551234567");
    assert!(house.counted("voice_sms_sent_total{outcome=\"sent\"} 2") && house.counted("voice_sms_segments_total 2"));
    assert_eq!(house.servers.journal().warnings(), Vec::<String>::new());
}

#[tokio::test]
async fn what_was_taken_although_the_answer_says_otherwise_is_not_sent_again() {
    for fault in ["twilio=500@start*1", "twilio=hang@start*1", "twilio=cut@start*1", "twilio=malformed@start*1"] {
        let house = House::new().await;
        house.fault(fault);
        house.texter.send(&number(), "Added milk.").await.unwrap();
        assert_eq!(house.bodies(), ["Added milk."], "{fault}");
    }
}

#[tokio::test]
async fn what_was_not_taken_is_sent_again() {
    for fault in ["twilio=503@connect*1", "twilio=429@connect*2", "twilio=hang@connect*1", "twilio=refuse@connect*1"] {
        let house = House::new().await;
        house.fault(fault);
        house.texter.send(&number(), "Added milk.").await.unwrap();
        assert_eq!(house.bodies(), ["Added milk."], "{fault}");
    }
}

#[tokio::test]
async fn an_older_message_of_the_same_words_is_not_taken_for_this_one() {
    let house = House::new().await;
    let mut clock = jiff::Timestamp::now();
    clock += jiff::SignedDuration::from_secs(3_600);
    house.texter.send(&number(), "Added milk.").await.unwrap();
    let later = Texter { clock: Arc::new(crate::store::ManualClock::new(clock)), ..house.texter };
    house.servers.fault("twilio=503@connect*1".parse().unwrap()).unwrap();
    later.send(&number(), "Added milk.").await.unwrap();
    assert_eq!(house.servers.sms().len(), 2);
}

#[tokio::test]
async fn it_gives_up_in_the_end_and_says_how_it_stands() {
    let house = House::new().await;
    house.fault("twilio=429@connect");
    assert!(matches!(house.texter.send(&number(), "x").await, Err(Unsent::Twilio(RestError::Failed))));
    house.servers.clear_faults();
    house.fault("twilio=503@connect");
    assert!(matches!(house.texter.send(&number(), "x").await, Err(Unsent::Twilio(RestError::Unsure))));
    house.servers.clear_faults();
    house.fault("twilio=401@connect");
    assert!(matches!(house.texter.send(&number(), "x").await, Err(Unsent::Twilio(RestError::Refused(20_003)))));
    assert_eq!(house.bodies(), Vec::<String>::new());
    assert!(house.servers.journal().of(Service::Twilio).len() <= 4 + 4 + 1, "bounded");
}

#[tokio::test]
async fn who_wants_none_gets_none_and_who_told_twilio_so_told_us() {
    let unreachable = [("+15550000009".to_owned(), 21_610)].into();
    let house = House::with(Script { unreachable, ..Script::default() }, |_| {}).await;
    house.store.set_opted_out(user_of(&number()), true).await.unwrap();
    assert!(matches!(house.texter.send(&number(), "x").await, Err(Unsent::OptedOut)));
    assert!(house.servers.journal().of(Service::Twilio).is_empty(), "Twilio is not even asked");
    house.store.set_opted_out(user_of(&number()), false).await.unwrap();
    house.texter.send(&number(), "x").await.unwrap();

    let other = PhoneNumber::parse("+15550000009").unwrap();
    assert!(matches!(house.texter.send(&other, "x").await, Err(Unsent::Twilio(RestError::OptedOut))));
    assert!(house.store.is_opted_out(user_of(&other)).await.unwrap());
    assert!(matches!(house.texter.send(&other, "x").await, Err(Unsent::OptedOut)));
}

#[tokio::test]
async fn without_an_account_nothing_is_sent() {
    let house = House::with(Script::default(), |config| config.twilio.from_number.clear()).await;
    assert!(!house.texter.can_send());
    assert!(matches!(house.texter.send(&number(), "x").await, Err(Unsent::NotConfigured)));
    assert!(house.counted("voice_sms_sent_total{outcome=\"not_configured\"} 1"));
}
