//! What the keeper decides.

use reqwest::Url;
use reqwest::header::HeaderValue;

use super::*;

const FIRST_MS: u64 = 250;
const LONGEST_MS: u64 = 30_000;
const GONE: ProviderFailure = ProviderFailure { kind: ProviderErrorKind::Disconnected, retry_after_ms: None };

fn shared() -> Shared {
    let key = HeaderValue::from_static("key");
    let url = Url::parse("ws://127.0.0.1:1").unwrap();
    let speaker = Speaker { model: String::new(), voice_id: String::new(), language: String::new(), speed: None };
    let settings = Settings {
        address: Address { url, version: key.clone(), key, timeout: LEAST_LIFE },
        speaker: Arc::new(speaker),
        prefix: "".into(),
        contexts_per_socket: 1,
        max_sockets: 2,
        keep_context: LEAST_LIFE,
        patience: Patience { ping: LEAST_LIFE, idle: LEAST_LIFE },
        backoff: (Duration::from_millis(FIRST_MS), Duration::from_millis(LONGEST_MS)),
    };
    Shared {
        settings,
        state: Mutex::default(),
        changed: Notify::new(),
        hurry: Notify::new(),
        closed: CancellationToken::new(),
    }
}

/// A socket with so many speeches.
fn open(shared: &Shared, id: u64, speeches: u64) -> mpsc::Receiver<Command> {
    let (commands, queue) = mpsc::channel(1);
    let speeches = (0..speeches).map(SpeechKey).collect();
    shared.lock().sockets.push(Entry { id, commands, speeches, is_tired: false });
    queue
}

#[test]
fn pauses_grow_and_differ_and_have_an_end() {
    let shared = shared();
    assert_eq!(shared.pause(0), Duration::ZERO);
    for (failures, whole_ms) in [(1, 250), (2, 500), (3, 1_000), (7, 16_000), (8, LONGEST_MS), (u32::MAX, LONGEST_MS)] {
        let pauses: Vec<u128> = (0..20).map(|_| shared.pause(failures).as_millis()).collect();
        let whole = u128::from(whole_ms);
        assert!(pauses.iter().all(|pause| (whole / 2..=whole).contains(pause)), "{failures}: {pauses:?}");
        assert!(pauses.iter().any(|pause| *pause != pauses[0]), "{failures}: {pauses:?}");
    }
}

#[test]
fn a_socket_is_needed_at_first_when_all_are_full_and_when_all_are_tired() {
    let shared = shared();
    assert_eq!(shared.need(), Some(Duration::ZERO));
    let _one = open(&shared, 1, 0);
    assert_eq!(shared.need(), None);
    shared.is_tired(1);
    assert_eq!(shared.need(), Some(Duration::ZERO));
    assert_eq!(shared.lock().sockets.len(), 1, "it serves until another is there");
    let _two = open(&shared, 2, 1);
    assert_eq!(shared.need(), Some(Duration::ZERO));
    let _three = open(&shared, 3, 1);
    assert_eq!(shared.need(), None);
    let ids: Vec<u64> = shared.lock().sockets.iter().map(|entry| entry.id).collect();
    assert_eq!(ids, [2, 3]);
}

#[test]
fn a_loss_after_a_good_time_is_mended_at_once_and_young_deaths_are_not() {
    let shared = shared();
    for (lived, has_pause) in [
        (LEAST_LIFE, false),
        (Duration::ZERO, false),
        (Duration::ZERO, true),
        (Duration::ZERO, true),
        (LEAST_LIFE, false),
    ] {
        let _socket = open(&shared, 1, 0);
        shared.gone(1, lived, false, GONE);
        assert_eq!(shared.need().is_some_and(|pause| !pause.is_zero()), has_pause);
    }
}

#[test]
fn one_that_spoke_is_no_young_death() {
    let shared = shared();
    for _ in 0..5 {
        let _socket = open(&shared, 1, 0);
        shared.gone(1, Duration::from_secs(1), true, GONE);
        assert_eq!(shared.need(), Some(Duration::ZERO));
    }
}

#[test]
fn a_probe_waits_for_what_the_provider_asked_for_and_not_for_what_was_thought_of_its_refusal() {
    for (kind, waits) in [(ProviderErrorKind::RateLimited, true), (ProviderErrorKind::NotServed, false)] {
        let shared = Arc::new(shared());
        shared.failed(ProviderFailure { kind, retry_after_ms: Some(3_600_000) });
        let pool = Pool { shared: Arc::clone(&shared) };
        pool.hurry();
        assert_eq!(shared.lock().not_before.is_some(), waits, "{kind:?}");
    }
}

#[test]
fn the_last_sockets_loss_is_not_punished_for_what_failed_beside_it() {
    let shared = shared();
    let _socket = open(&shared, 1, 1);
    shared.failed(GONE);
    assert!(shared.need().is_some_and(|pause| pause.as_millis() >= u128::from(FIRST_MS / 2)));
    shared.gone(1, LEAST_LIFE, false, GONE);
    assert_eq!(shared.need(), Some(Duration::ZERO));
    // One that was told to leave is not missed.
    shared.failed(GONE);
    shared.gone(1, LEAST_LIFE, false, GONE);
    assert_ne!(shared.need(), Some(Duration::ZERO));
}

#[test]
fn the_providers_wish_is_kept_to_within_reason() {
    let shared = shared();
    shared.failed(ProviderFailure { kind: ProviderErrorKind::RateLimited, retry_after_ms: Some(20_000) });
    assert!(shared.need().is_some_and(|pause| pause.as_secs() >= 19));
    shared.failed(ProviderFailure { kind: ProviderErrorKind::BadRequest, retry_after_ms: Some(3_600_000) });
    assert!(shared.need().is_some_and(|pause| pause <= LONGEST_WAIT));
}
