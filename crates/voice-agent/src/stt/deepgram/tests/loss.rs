//! Lines whose connection does not hold, or does not come about.

use std::time::Duration;

use tokio::time::{Instant, advance};
use voice_core::provider::{ProviderErrorKind, ProviderFailure};

use super::super::DeepgramConfig;
use super::server::{Desk, Heard, config, failed, interim, last, settle, used, utterance};
use crate::stt::{LineEvent, SttLine as _};

fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_is_cut_in_mid_utterance_fails_it_at_once_and_the_next_one_is_well() {
    let (mut desk, mut server) = Desk::connected().await;
    desk.begin(1);
    desk.speak(500);
    server.hear_audio(500).await;
    server.guess(0, 500, "Add a").await;
    assert_eq!(desk.event().await, interim(1, "Add a"));
    let cut = Instant::now();
    drop(server);
    assert_eq!(desk.event().await, used(1, 500));
    assert_eq!(desk.event().await, failed(1, ProviderErrorKind::Disconnected));
    assert_eq!(cut.elapsed(), ms(0));
    // Said once, whatever else is asked of it.
    desk.speak(500);
    desk.line().finish(1, 0);
    desk.line().forget(utterance(1));
    let mut server = desk.accept().await;
    assert!(cut.elapsed() <= ms(250), "{:?}", cut.elapsed());
    assert!(desk.is_silent().await && server.hears_nothing().await);
    desk.begin(2);
    desk.speak(300);
    desk.line().finish(1, 0);
    assert_eq!(server.hear_out().await, Heard::Finalize);
    assert_eq!(server.audio_ms(), 300);
    // Its times begin anew.
    server.answer(0, 300, "Buy milk.").await;
    assert_eq!((desk.event().await, desk.event().await), (used(2, 300), last(2, 1, "Buy milk.")));
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_is_cut_while_the_final_text_is_awaited_fails_the_utterance() {
    let (mut desk, mut server) = Desk::connected().await;
    desk.begin(1);
    desk.speak(500);
    desk.line().finish(1, 0);
    assert_eq!(server.hear_out().await, Heard::Finalize);
    server.close(1011, "NET-0000").await;
    assert_eq!(desk.told().await, failed(1, ProviderErrorKind::Stalled));
}

#[tokio::test(start_paused = true)]
async fn a_close_says_why() {
    for (code, reason, kind) in [
        (1008, "DATA-0000", ProviderErrorKind::BadRequest),
        (1011, "NET-0001", ProviderErrorKind::Disconnected),
        (1011, "", ProviderErrorKind::Unavailable),
        (1000, "", ProviderErrorKind::Disconnected),
    ] {
        let (mut desk, server) = Desk::connected().await;
        desk.begin(1);
        desk.speak(100);
        settle().await;
        server.close(code, reason).await;
        assert_eq!(desk.told().await, failed(1, kind), "{code} {reason}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_loss_between_utterances_is_nobodys() {
    let (mut desk, mut server) = Desk::connected().await;
    desk.begin(1);
    desk.speak(500);
    desk.line().finish(1, 0);
    assert_eq!(server.hear_out().await, Heard::Finalize);
    server.answer(0, 500, "Add milk").await;
    assert_eq!(desk.told().await, last(1, 1, "Add milk"));
    // The utterance might go on, and can.
    drop(server);
    assert_eq!(desk.event().await, failed(None, ProviderErrorKind::Disconnected));
    let mut server = desk.accept().await;
    desk.speak(400);
    desk.line().finish(2, 0);
    assert_eq!(server.hear_out().await, Heard::Finalize);
    server.answer(0, 400, "and honey.").await;
    assert_eq!((desk.event().await, desk.event().await), (used(1, 400), last(1, 2, "Add milk and honey.")));
}

#[tokio::test(start_paused = true)]
async fn attempts_grow_rarer_and_each_failure_is_told() {
    let mut desk = Desk::new();
    let mut pauses = Vec::new();
    for _ in 0..9 {
        desk.refuse(ProviderErrorKind::Unavailable).await;
        let failed_at = Instant::now();
        assert_eq!(desk.event().await, failed(None, ProviderErrorKind::Unavailable));
        drop(desk.attempt().await);
        // It gives up on the attempt that nobody answers.
        pauses.push(failed_at.elapsed());
        assert_eq!(desk.event().await, failed(None, ProviderErrorKind::Timeout));
    }
    // Two failures each time: 250 ms, then 1 s, 4 s, 10 s at most, and half of that at least.
    for (pause, longest) in pauses.iter().zip([250, 1_000, 4_000, 10_000, 10_000]) {
        assert!((ms(longest / 2)..=ms(longest + 1)).contains(pause), "{pauses:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_attempt_takes_no_longer_than_is_set() {
    let mut desk = Desk::new();
    desk.begin(1);
    desk.speak(100);
    let began = Instant::now();
    let _never = desk.attempt().await;
    assert_eq!(desk.event().await, failed(1, ProviderErrorKind::Timeout));
    assert_eq!(began.elapsed(), ms(1_000));
}

#[tokio::test(start_paused = true)]
async fn an_utterance_waits_for_an_attempt_and_fails_with_it() {
    let mut desk = Desk::new();
    desk.begin(1);
    desk.speak(300);
    settle().await;
    desk.refuse(ProviderErrorKind::Quota).await;
    assert_eq!(desk.event().await, failed(1, ProviderErrorKind::Quota));
    desk.speak(300);
    desk.line().finish(1, 0);
    assert!(desk.is_silent().await);
}

#[tokio::test(start_paused = true)]
async fn an_utterance_is_reason_to_try_at_once() {
    let slow = DeepgramConfig { reconnect_min_ms: 8_000, ..config() };
    let mut desk = Desk::with(slow, crate::audio::format::AudioFormat::Pcm16k);
    desk.refuse(ProviderErrorKind::Unavailable).await;
    assert_eq!(desk.event().await, failed(None, ProviderErrorKind::Unavailable));
    settle().await;
    assert!(desk.is_quiet());
    let now = Instant::now();
    desk.begin(1);
    desk.speak(300);
    let mut server = desk.accept().await;
    desk.line().finish(1, 0);
    assert_eq!(server.hear_out().await, Heard::Finalize);
    assert_eq!(now.elapsed(), ms(0));
    server.answer(0, 300, "Yes.").await;
    assert_eq!(desk.told().await, last(1, 1, "Yes."));
}

#[tokio::test(start_paused = true)]
async fn who_says_when_to_come_back_is_not_asked_before() {
    let mut desk = Desk::new();
    let busy = ProviderFailure { kind: ProviderErrorKind::RateLimited, retry_after_ms: Some(30_000) };
    desk.refuse(busy).await;
    assert_eq!(desk.event().await, LineEvent::Failed { utterance: None, failure: busy });
    let refused = Instant::now();
    advance(ms(10_000)).await;
    // A caller who speaks is told at once.
    desk.begin(1);
    desk.speak(300);
    assert_eq!(desk.event().await, LineEvent::Failed { utterance: Some(utterance(1)), failure: busy });
    desk.speak(300);
    desk.line().finish(1, 0);
    assert!(desk.is_silent().await && desk.is_quiet());
    let _server = desk.accept().await;
    assert_eq!(refused.elapsed(), ms(30_000));
}

#[tokio::test(start_paused = true)]
async fn what_does_not_mend_itself_is_tried_seldom() {
    let mut desk = Desk::new();
    desk.refuse(ProviderErrorKind::Auth).await;
    let refused = Instant::now();
    assert_eq!(desk.event().await, failed(None, ProviderErrorKind::Auth));
    let _server = desk.accept().await;
    assert_eq!(refused.elapsed(), ms(60_000));
}

#[tokio::test(start_paused = true)]
async fn messages_that_mean_nothing_to_us_do_no_harm() {
    let (mut desk, mut server) = Desk::connected().await;
    desk.begin(1);
    desk.speak(500);
    server.hear_audio(500).await;
    for text in [
        include_str!("../fixtures/speech_started.json"),
        include_str!("../fixtures/utterance_end.json"),
        include_str!("../fixtures/configure_failure.json"),
        include_str!("../fixtures/metadata.json"),
        r#"{"type":"Thought","depth":7}"#,
        "[]",
    ] {
        server.say(text).await;
    }
    let binary = tokio_tungstenite::tungstenite::Message::binary(vec![1, 2, 3]);
    futures_util::SinkExt::send(&mut server.socket, binary).await.unwrap();
    server.guess(0, 500, "Add").await;
    assert_eq!(desk.event().await, interim(1, "Add"));
}

#[tokio::test(start_paused = true)]
async fn what_is_no_protocol_is_no_answer() {
    for text in ["hello", "", r#"{"type":"Results","channel":3}"#, r#"{"type":"Re"#] {
        let (mut desk, mut server) = Desk::connected().await;
        desk.begin(1);
        desk.speak(500);
        server.hear_audio(500).await;
        server.say(text).await;
        assert_eq!(desk.told().await, failed(1, ProviderErrorKind::Protocol), "{text}");
        let _other = desk.accept().await;
    }
}

#[tokio::test(start_paused = true)]
async fn an_error_in_the_stream_fails_the_utterance() {
    let (mut desk, mut server) = Desk::connected().await;
    desk.begin(1);
    desk.speak(500);
    server.hear_audio(500).await;
    server.say(include_str!("../fixtures/error_net.json")).await;
    assert_eq!(desk.told().await, failed(1, ProviderErrorKind::Stalled));
}

#[tokio::test(start_paused = true)]
async fn a_message_without_end_is_refused() {
    let (mut desk, mut server) = Desk::connected().await;
    desk.begin(1);
    desk.speak(500);
    server.hear_audio(500).await;
    server.say(format!(r#"{{"type":"{}"}}"#, "x".repeat(300_000))).await;
    assert_eq!(desk.told().await, failed(1, ProviderErrorKind::Protocol));
}

#[tokio::test(start_paused = true)]
async fn a_line_that_is_dropped_before_it_is_connected_is_gone() {
    let mut desk = Desk::new();
    let attempt = desk.attempt().await;
    drop(desk.line.take());
    assert_eq!(desk.events.recv().await, None);
    assert!(attempt.is_closed());
    let mut desk = Desk::new();
    desk.refuse(ProviderErrorKind::Auth).await;
    desk.event().await;
    drop(desk.line.take());
    assert_eq!(desk.events.recv().await, None);
}
