//! Lines whose connection holds.

use std::time::Duration;

use tokio::time::{Instant, advance};
use voice_core::provider::ProviderErrorKind;

use super::super::DeepgramConfig;
use super::server::{Desk, Heard, config, failed, interim, last, settle, used, utterance};
use crate::audio::format::AudioFormat;
use crate::stt::SttLine as _;

fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

#[tokio::test(start_paused = true)]
async fn an_utterance_is_heard_and_billed() {
    let (mut desk, mut server) = Desk::connected().await;
    desk.begin(1);
    desk.speak(600);
    server.hear_audio(600).await;
    server.guess(0, 600, "Buy").await;
    assert_eq!(desk.event().await, interim(1, "Buy"));
    desk.speak(400);
    desk.line().finish(1, 0);
    assert_eq!(server.hear_out().await, Heard::Finalize);
    assert_eq!(server.audio_ms(), 1_000);
    assert_eq!(desk.event().await, used(1, 1_000));
    server.answer(0, 1_000, "Buy milk.").await;
    assert_eq!(desk.event().await, last(1, 1, "Buy milk."));
    desk.line().forget(utterance(1));
    assert!(desk.is_silent().await && server.hears_nothing().await);
}

#[tokio::test(start_paused = true)]
async fn nothing_is_sent_of_no_utterance_and_audio_is_what_was_given() {
    let (mut desk, mut server) = Desk::connected().await;
    desk.speak(100);
    desk.line().finish(1, 0);
    assert!(server.hears_nothing().await);
    desk.begin(1);
    desk.line().audio(vec![1, 2, 3].into());
    desk.line().audio(bytes::Bytes::new());
    desk.line().audio(vec![4, 5, 6].into());
    let mut audio = Vec::new();
    while audio.len() < 6 {
        let Heard::Audio(piece) = server.hear().await else { panic!() };
        assert_eq!(piece.len() % 2, 0);
        audio.extend_from_slice(&piece);
    }
    assert_eq!(audio, [1, 2, 3, 4, 5, 6]);
}

#[tokio::test(start_paused = true)]
async fn a_telephones_audio_is_counted_by_its_own_measure() {
    let mut desk = Desk::with(config(), AudioFormat::Mulaw8k);
    let mut server = desk.accept().await;
    desk.begin(1);
    desk.speak(500);
    desk.line().finish(1, 0);
    assert_eq!(server.hear_out().await, Heard::Finalize);
    assert_eq!((server.audio_ms(), desk.event().await), (500, used(1, 500)));
    server.answer(0, 500, "Yes.").await;
    assert_eq!(desk.event().await, last(1, 1, "Yes."));
}

#[tokio::test(start_paused = true)]
async fn an_utterance_goes_on_after_it_was_finished() {
    let (mut desk, mut server) = Desk::connected().await;
    desk.begin(1);
    desk.speak(1_000);
    desk.line().finish(1, 0);
    assert_eq!(server.hear_out().await, Heard::Finalize);
    // On it goes, before the answer.
    desk.speak(600);
    server.answer(0, 1_000, "Add milk").await;
    assert_eq!(desk.told().await, last(1, 1, "Add milk"));
    server.hear_audio(1_600).await;
    server.guess(1_000, 1_600, "and hon").await;
    assert_eq!(desk.told().await, interim(1, "Add milk and hon"));
    desk.line().finish(2, 0);
    assert_eq!(server.hear_out().await, Heard::Finalize);
    assert_eq!(desk.event().await, used(1, 600));
    server.answer(1_000, 1_600, "and honey.").await;
    assert_eq!(desk.event().await, last(1, 2, "Add milk and honey."));
}

#[tokio::test(start_paused = true)]
async fn a_finalize_without_an_answer_is_waited_for_no_longer_than_is_set() {
    let (mut desk, mut server) = Desk::connected().await;
    desk.begin(1);
    desk.speak(1_000);
    server.hear_audio(1_000).await;
    server.segment(0, 800, "Buy milk.").await;
    assert_eq!(desk.event().await, interim(1, "Buy milk."));
    desk.line().finish(1, 0);
    assert_eq!(server.hear_out().await, Heard::Finalize);
    let asked = Instant::now();
    assert_eq!(desk.told().await, last(1, 1, "Buy milk."));
    assert_eq!(asked.elapsed(), ms(250));
}

#[tokio::test(start_paused = true)]
async fn an_answer_may_be_empty() {
    let (mut desk, mut server) = Desk::connected().await;
    desk.begin(1);
    desk.speak(1_000);
    server.hear_audio(1_000).await;
    server.segment(0, 800, "Buy milk.").await;
    desk.line().finish(1, 0);
    assert_eq!(server.hear_out().await, Heard::Finalize);
    server.answer(800, 1_000, "").await;
    assert_eq!(desk.told().await, interim(1, "Buy milk."));
    let now = Instant::now();
    assert_eq!((desk.told().await, now.elapsed()), (last(1, 1, "Buy milk."), ms(0)));
}

#[tokio::test(start_paused = true)]
async fn what_is_final_already_needs_no_question() {
    let (mut desk, mut server) = Desk::connected().await;
    desk.begin(1);
    desk.speak(1_000);
    server.hear_audio(1_000).await;
    server.segment(0, 1_000, "Buy milk.").await;
    assert_eq!(desk.event().await, interim(1, "Buy milk."));
    desk.line().finish(1, 0);
    assert_eq!((desk.event().await, desk.event().await), (used(1, 1_000), last(1, 1, "Buy milk.")));
    assert!(server.hears_nothing().await);
}

#[tokio::test(start_paused = true)]
async fn a_server_that_only_listens_is_never_taken_to_have_heard_nothing() {
    let (mut desk, mut server) = Desk::connected().await;
    desk.begin(1);
    desk.speak(1_000);
    desk.line().finish(1, 0);
    assert_eq!(server.hear_out().await, Heard::Finalize);
    assert_eq!(desk.event().await, used(1, 1_000));
    // It is for the session to lose patience.
    advance(ms(3_000)).await;
    assert!(desk.is_silent().await);
    // The next utterance had better have another connection.
    desk.begin(2);
    desk.speak(200);
    let mut other = desk.accept().await;
    other.hear_audio(200).await;
    assert_eq!(server.hear_out().await, Heard::End);
    desk.line().finish(1, 0);
    assert_eq!(other.hear_out().await, Heard::Finalize);
    other.answer(0, 200, "Yes.").await;
    assert_eq!(desk.told().await, last(2, 1, "Yes."));
}

#[tokio::test(start_paused = true)]
async fn late_results_of_a_forgotten_utterance_do_not_leak() {
    let (mut desk, mut server) = Desk::connected().await;
    desk.begin(1);
    desk.speak(1_000);
    server.hear_audio(1_000).await;
    // Without a word: a new one begins.
    desk.begin(2);
    desk.speak(500);
    // What is left of the old one is not to be part of the new one's first segment.
    assert_eq!(server.hear().await, Heard::Finalize);
    assert_eq!(desk.event().await, used(1, 1_000));
    server.hear_audio(1_500).await;
    server.guess(0, 1_000, "old words").await;
    server.answer(0, 1_000, "Old words.").await;
    server.guess(1_000, 1_400, "new").await;
    assert_eq!(desk.event().await, interim(2, "new"));
    desk.line().finish(1, 0);
    assert_eq!(server.hear_out().await, Heard::Finalize);
    server.answer(1_000, 1_500, "New words.").await;
    assert_eq!((desk.event().await, desk.event().await), (used(2, 500), last(2, 1, "New words.")));
}

#[tokio::test(start_paused = true)]
async fn a_forgotten_utterance_is_heard_no_more() {
    let (mut desk, mut server) = Desk::connected().await;
    desk.begin(1);
    desk.speak(500);
    server.hear_audio(500).await;
    desk.line().forget(utterance(7));
    desk.line().forget(utterance(1));
    desk.speak(500);
    assert_eq!(server.hear().await, Heard::Finalize);
    server.answer(0, 500, "Never mind").await;
    assert_eq!(desk.event().await, used(1, 500));
    assert!(desk.is_silent().await && server.hears_nothing().await);
}

#[tokio::test(start_paused = true)]
async fn an_idle_line_opens_with_silence_and_is_kept_alive() {
    let (mut desk, mut server) = Desk::connected().await;
    let opened = Instant::now();
    // Its first audio has to come within 10 s.
    let Heard::Audio(silence) = server.hear().await else { panic!() };
    assert_eq!((opened.elapsed(), silence), (ms(4_000), vec![0; 640].into()));
    assert_eq!((server.hear().await, opened.elapsed()), (Heard::KeepAlive, ms(8_000)));
    assert_eq!((server.hear().await, opened.elapsed()), (Heard::KeepAlive, ms(12_000)));
    // The silence counts in the times of what follows, and is paid for.
    desk.begin(1);
    desk.speak(500);
    desk.line().finish(1, 0);
    assert_eq!(server.hear_out().await, Heard::Finalize);
    assert_eq!(server.audio_ms(), 520);
    server.answer(0, 520, "Yes.").await;
    assert_eq!((desk.event().await, desk.event().await), (used(1, 520), last(1, 1, "Yes.")));
    let heard = Instant::now();
    assert_eq!((server.hear().await, heard.elapsed()), (Heard::KeepAlive, ms(4_000)));
}

#[tokio::test(start_paused = true)]
async fn a_telephones_silence_is_no_crack() {
    let mut desk = Desk::with(config(), AudioFormat::Mulaw8k);
    let mut server = desk.accept().await;
    assert_eq!(server.hear().await, Heard::Audio(vec![0xff; 160].into()));
}

#[tokio::test(start_paused = true)]
async fn a_line_that_was_heard_of_needs_no_silence() {
    let (mut desk, mut server) = Desk::connected().await;
    desk.begin(1);
    desk.speak(100);
    server.hear_audio(100).await;
    let heard = Instant::now();
    assert_eq!((server.hear().await, heard.elapsed()), (Heard::KeepAlive, ms(4_000)));
}

#[tokio::test(start_paused = true)]
async fn a_server_that_says_nothing_for_long_is_asked_whether_it_is_there() {
    let (mut desk, mut server) = Desk::connected().await;
    let opened = Instant::now();
    let mut pings = 0;
    // Hearing it makes the answer.
    while opened.elapsed() < ms(200_000) {
        pings += u32::from(server.hear().await == Heard::Ping);
    }
    assert!((5..=7).contains(&pings), "{pings}");
    assert!(desk.is_silent().await);
    // Now it hears nothing.
    let deaf = Instant::now();
    assert_eq!(desk.event().await, failed(None, ProviderErrorKind::Disconnected));
    assert!(deaf.elapsed() <= ms(42_000), "{:?}", deaf.elapsed());
    let _other = desk.accept().await;
}

#[tokio::test(start_paused = true)]
async fn what_waited_for_the_connection_is_sent_at_the_servers_pace() {
    let mut desk = Desk::new();
    desk.begin(1);
    desk.speak(4_000);
    desk.line().finish(1, 0);
    advance(ms(900)).await;
    let mut server = desk.accept().await;
    let opened = Instant::now();
    server.hear_audio(1_000).await;
    assert_eq!(opened.elapsed(), ms(0));
    assert_eq!(server.hear_out().await, Heard::Finalize);
    let (took, least, most) = (opened.elapsed(), ms(2_400 - 20), ms(2_400 + 20));
    assert!(least <= took && took <= most, "{took:?}");
    assert_eq!(server.audio_ms(), 4_000);
    server.answer(0, 4_000, "All of it.").await;
    assert_eq!(desk.told().await, last(1, 1, "All of it."));
}

#[tokio::test(start_paused = true)]
async fn a_server_that_reads_slowly_loses_nothing() {
    let mut desk = Desk::new();
    let mut server = desk.accept_with(4_096).await;
    desk.begin(1);
    for _ in 0..50 {
        desk.speak(20);
        settle().await;
        server.hear().await;
        advance(ms(20)).await;
    }
    desk.line().finish(1, 0);
    assert_eq!(server.hear_out().await, Heard::Finalize);
    assert_eq!(server.audio_ms(), 1_000);
    server.answer(0, 1_000, "Slowly.").await;
    assert_eq!(desk.told().await, last(1, 1, "Slowly."));
}

#[tokio::test(start_paused = true)]
async fn a_server_that_reads_nothing_fails_the_utterance() {
    let mut desk = Desk::new();
    let _server = desk.accept_with(4_096).await;
    desk.begin(1);
    desk.speak(1_000);
    let began = Instant::now();
    assert_eq!(desk.told().await, failed(1, ProviderErrorKind::Stalled));
    assert_eq!(began.elapsed(), ms(2_000));
    // Said once; and the next one finds another connection.
    desk.speak(100);
    desk.line().finish(1, 0);
    assert!(desk.is_silent().await);
    let _other = desk.accept().await;
}

#[tokio::test(start_paused = true)]
async fn audio_that_does_not_fit_fails_the_utterance() {
    let small = DeepgramConfig { buffer_ms: 1_000, ..config() };
    // No connection, and the line's task takes what comes.
    let mut desk = Desk::with(small.clone(), AudioFormat::Pcm16k);
    desk.begin(1);
    for _ in 0..51 {
        desk.speak(20);
        settle().await;
    }
    assert_eq!(desk.event().await, failed(1, ProviderErrorKind::Unusable));
    desk.speak(100);
    // All at once, so that the line's task has no time to take it.
    desk.begin(2);
    desk.speak(1_020);
    desk.line().finish(1, 0);
    assert_eq!(desk.event().await, failed(2, ProviderErrorKind::Unusable));
    desk.begin(3);
    desk.speak(200);
    desk.line().finish(1, 0);
    let mut server = desk.accept().await;
    assert_eq!(server.hear_out().await, Heard::Finalize);
    assert_eq!(server.audio_ms(), 200);
    assert!(desk.told_nothing_but_bills().await);
}

#[tokio::test(start_paused = true)]
async fn a_session_that_does_not_listen_loses_nothing_and_may_leave() {
    let (mut desk, mut server) = Desk::connected().await;
    desk.begin(1);
    desk.speak(100);
    server.hear_audio(100).await;
    for n in 0..200 {
        server.guess(0, 100, &n.to_string()).await;
    }
    settle().await;
    for n in 0..100 {
        assert_eq!(desk.event().await, interim(1, &n.to_string()));
    }
    settle().await;
    // The queue is full again, and nobody will ever empty it.
    drop(desk.line.take());
    while server.hear().await != Heard::CloseStream {}
}

#[tokio::test(start_paused = true)]
async fn a_line_that_is_dropped_says_goodbye_and_hears_the_rest_out() {
    let (mut desk, mut server) = Desk::connected().await;
    desk.begin(1);
    desk.speak(500);
    server.hear_audio(500).await;
    drop(desk.line.take());
    assert_eq!(server.hear().await, Heard::CloseStream);
    assert_eq!(desk.event().await, used(1, 500));
    server.segment(0, 500, "The rest").await;
    server.say(include_str!("../fixtures/metadata.json")).await;
    assert_eq!(server.hear().await, Heard::End);
    assert_eq!(desk.events.recv().await, None);
}

#[tokio::test(start_paused = true)]
async fn a_farewell_that_is_not_answered_takes_no_longer_than_is_set() {
    let (mut desk, mut server) = Desk::connected().await;
    settle().await;
    drop(desk.line.take());
    assert_eq!(server.hear().await, Heard::CloseStream);
    let said = Instant::now();
    assert_eq!((server.hear().await, said.elapsed()), (Heard::End, ms(2_000)));
}

#[tokio::test(start_paused = true)]
async fn a_session_that_is_gone_leaves_no_line() {
    let (mut desk, mut server) = Desk::connected().await;
    let (_told, gone) = tokio::sync::mpsc::channel(1);
    drop(std::mem::replace(&mut desk.events, gone));
    desk.begin(1);
    desk.speak(100);
    server.hear_audio(100).await;
    server.guess(0, 100, "Anybody").await;
    assert_eq!(server.hear().await, Heard::CloseStream);
}
