//! Audio between two of our participants.

use std::time::{Duration, Instant};

use livekit_rtc::audio::{EncoderOptions, SampleRate};
use livekit_rtc::{Event, PublishOptions, RoomOptions, Track, Transport};

use crate::server::{Server, subscribed, until};
use crate::sound::{LEVEL, listen, say, share, steady, wait_for_sound};

/// Longest wait for a sound that is being made.
const PATIENCE: Duration = Duration::from_secs(5);

fn options(transport: Transport) -> RoomOptions {
    RoomOptions { rate: SampleRate::Hz16000, transport, ..RoomOptions::default() }
}

/// Two participants say a tone each, and hear the other's.
async fn hear_each_other(server: &Server, transport: Transport) {
    let (bob, mut bob_events) = server.join_with("kitchen", "bob", options(transport)).await;
    let started = Instant::now();
    let (ada, mut ada_events) = server.join_with("kitchen", "ada", options(transport)).await;
    println!("joined after {:?}", started.elapsed());
    let from_ada = ada.publish_audio(steady()).await.unwrap();
    let from_bob = bob.publish_audio(steady()).await.unwrap();
    let at_bob = subscribed(&mut bob_events).await;
    println!("our track reached the other after {:?}", started.elapsed());
    let at_ada = subscribed(&mut ada_events).await;
    assert_eq!((&at_bob.sid, &at_ada.sid), (from_ada.sid(), from_bob.sid()));
    let (mut at_bob, mut at_ada) = (bob.listen(&at_bob.sid).await.unwrap(), ada.listen(&at_ada.sid).await.unwrap());

    let saying = async { tokio::join!(say(&from_ada, 400.0, 400), say(&from_bob, 700.0, 400)) };
    let hearing = async {
        tokio::join!(
            async {
                wait_for_sound(&mut at_bob).await;
                listen(&mut at_bob, 150).await
            },
            async {
                wait_for_sound(&mut at_ada).await;
                listen(&mut at_ada, 150).await
            },
        )
    };
    let (heard_by_bob, heard_by_ada) = tokio::select! {
        heard = hearing => heard,
        _ = saying => panic!("8 s were said, and 3 s not heard"),
    };
    for (heard, hz) in [(heard_by_bob, 400.0), (heard_by_ada, 700.0)] {
        let (level, gap, silent) = (heard.level(), heard.longest_gap, heard.silent);
        println!("{hz} Hz: level {level:.3}, longest gap {gap:?}, {silent} of 150 frames silent");
        assert!((heard.level() / LEVEL - 1.0).abs() < 0.25, "{hz} Hz has the level {}", heard.level());
        let share = heard.samples.chunks(1_600).map(|piece| share(piece, hz, 16_000.0)).fold(1.0, f64::min);
        assert!(share > 0.9, "of {hz} Hz there is {share} in 100 ms");
        assert_eq!(heard.concealed, 0, "the loopback loses nothing");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn two_participants_hear_each_other() {
    let Some(server) = Server::start("two_participants_hear_each_other") else { return };
    hear_each_other(&server, Transport::Auto).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn they_do_over_tcp_alone() {
    let Some(server) = Server::start("they_do_over_tcp_alone") else { return };
    hear_each_other(&server, Transport::Tcp).await;
}

/// The server sends a new track in the media section of one that is gone, with sequence numbers of its own: below the old ones,
/// half of the time.
#[tokio::test(flavor = "multi_thread")]
async fn each_microphone_that_takes_the_place_of_another_is_heard() {
    let Some(server) = Server::start("each_microphone_that_takes_the_place") else { return };
    let (ada, _ada_events) = server.join_with("kitchen", "ada", options(Transport::Auto)).await;
    let (bob, mut bob_events) = server.join_with("kitchen", "bob", options(Transport::Auto)).await;
    for number in 1..=8 {
        let source = ada.publish_audio(steady()).await.unwrap();
        let track = subscribed(&mut bob_events).await;
        let mut stream = bob.listen(&track.sid).await.unwrap();
        let heard = async { tokio::time::timeout(PATIENCE, wait_for_sound(&mut stream)).await };
        tokio::select! {
            heard = heard => heard.unwrap_or_else(|_| panic!("microphone {number} is not heard")),
            () = say(&source, 400.0, 1_000) => panic!("microphone {number} is not heard"),
        }
        source.unpublish().await.unwrap();
        until(&mut bob_events, |event| (*event == gone(&track)).then_some(())).await;
    }
}

fn gone(track: &Track) -> Event {
    Event::TrackUnsubscribed { track: track.sid.clone() }
}

/// On a busy machine a participant has no time for moments. What arrived meanwhile is heard as it was said.
#[test]
fn who_is_late_for_packets_that_are_here_hears_no_silence_in_their_place() {
    let Some(server) = Server::start("who_is_late_for_packets") else { return };
    let elsewhere = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let (_ada, _ada_events, source) = elsewhere.block_on(async {
        let (ada, events) = server.join_with("kitchen", "ada", options(Transport::Auto)).await;
        let source = ada.publish_audio(steady()).await.unwrap();
        (ada, events, source)
    });
    elsewhere.spawn(async move { say(&source, 400.0, 1_000).await });
    let here = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let heard = here.block_on(async {
        let (bob, mut bob_events) = server.join_with("kitchen", "bob", options(Transport::Auto)).await;
        let track = subscribed(&mut bob_events).await;
        let mut stream = bob.listen(&track.sid).await.unwrap();
        wait_for_sound(&mut stream).await;
        let busy = async {
            for _ in 0..8 {
                tokio::time::sleep(Duration::from_millis(150)).await;
                std::thread::sleep(Duration::from_millis(200));
            }
        };
        tokio::join!(listen(&mut stream, 150), busy).0
    });
    println!("eight times late by 200 ms: {} of 150 frames silent, longest gap {:?}", heard.silent, heard.longest_gap);
    // Each time there were seven, 56 in all. Two times seven are left for Ada's thread, which may be late itself.
    assert!(heard.silent <= 14, "{} frames of silence", heard.silent);
    assert_eq!(heard.concealed, 0, "the loopback loses nothing");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_cleared_is_not_heard() {
    let Some(server) = Server::start("what_is_cleared_is_not_heard") else { return };
    let (ada, _ada_events) = server.join_with("kitchen", "ada", options(Transport::Auto)).await;
    let (bob, mut bob_events) = server.join_with("kitchen", "bob", options(Transport::Auto)).await;
    let source = ada.publish_audio(steady()).await.unwrap();
    let track = subscribed(&mut bob_events).await;
    let mut stream = bob.listen(&track.sid).await.unwrap();
    say(&source, 400.0, 50).await;
    wait_for_sound(&mut stream).await;
    let hearing = tokio::spawn(async move { listen(&mut stream, 250).await });
    say(&source, 400.0, 20).await;
    // The queue holds 20 frames; they go.
    source.clear();
    let played = source.played_ms();
    say(&source, 900.0, 50).await;
    source.wait_played().await;
    // A frame may have been on its way.
    assert!((1_000..=1_020).contains(&(source.played_ms() - played)), "only what was pushed after");
    let heard = hearing.await.unwrap();
    let first = heard.samples.chunks(320).position(|piece| share(piece, 900.0, 16_000.0) > 0.8);
    let last = heard.samples.chunks(320).rposition(|piece| share(piece, 400.0, 16_000.0) > 0.8);
    assert!(first.is_some(), "the second tone is heard");
    assert!(last < first, "the first tone ends before it");
}

#[tokio::test(flavor = "multi_thread")]
async fn silence_is_not_sent_and_heard_all_the_same() {
    let Some(server) = Server::start("silence_is_not_sent_and_heard_all_the_same") else { return };
    let (ada, _ada_events) = server.join_with("kitchen", "ada", options(Transport::Auto)).await;
    let (bob, mut bob_events) = server.join_with("kitchen", "bob", options(Transport::Auto)).await;
    let encoder = EncoderOptions::default();
    let source = ada.publish_audio(PublishOptions { encoder, ..steady() }).await.unwrap();
    let track = subscribed(&mut bob_events).await;
    let mut stream = bob.listen(&track.sid).await.unwrap();
    // A tone that comes and goes, as speech does.
    for syllable in 0..8 {
        say(&source, 300.0 + 50.0 * f64::from(syllable), 5).await;
        source.wait_played().await;
    }
    wait_for_sound(&mut stream).await;
    let started = Instant::now();
    let heard = listen(&mut stream, 100).await;
    let took = started.elapsed().as_secs_f64();
    assert!(heard.silent > 30, "{} of 100 frames were not sent", heard.silent);
    assert!((1.2..3.0).contains(&took), "100 frames are 2 s, and took {took} s");
    drop(source);
}
