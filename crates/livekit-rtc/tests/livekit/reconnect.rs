//! What the connection survives.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use livekit_rtc::audio::SampleRate;
use livekit_rtc::token::Grants;
use livekit_rtc::{AudioStream, Event, Events, Room, RoomOptions, TextOptions};
use tokio::task::JoinHandle;

use crate::network::{drop_datagrams, is_in_a_network_of_its_own};
use crate::proxy::Proxy;
use crate::server::{Server, join_at, subscribed, until};
use crate::sound::{listen, say, steady, wait_for_sound};

fn options() -> RoomOptions {
    RoomOptions { rate: SampleRate::Hz16000, ..RoomOptions::default() }
}

fn is(wanted: Event) -> impl Fn(&Event) -> Option<()> {
    move |event| (*event == wanted).then_some(())
}

/// Ada says a tone of so many frames, which Bob hears from here on.
async fn hear(ada: &Room, bob: &Room, bob_events: &mut Events, frames: u32) -> (JoinHandle<()>, AudioStream) {
    let source = ada.publish_audio(steady()).await.unwrap();
    let track = subscribed(bob_events).await;
    let mut stream = bob.listen(&track.sid).await.unwrap();
    let saying = tokio::spawn(async move { say(&source, 400.0, frames).await });
    wait_for_sound(&mut stream).await;
    (saying, stream)
}

#[tokio::test(flavor = "multi_thread")]
async fn lost_signalling_is_resumed_and_audio_goes_on() {
    let Some(server) = Server::start("lost_signalling_is_resumed_and_audio_goes_on") else { return };
    let proxy = Proxy::start(server.port).await;
    let (ada, mut ada_events) = join_at(proxy.port, "kitchen", "ada", options()).await;
    let (bob, mut bob_events) = server.join_with("kitchen", "bob", options()).await;
    let (saying, mut stream) = hear(&ada, &bob, &mut bob_events, 600).await;

    proxy.cut();
    until(&mut ada_events, is(Event::Reconnecting)).await;
    let lost = Instant::now();
    until(&mut ada_events, is(Event::Resumed)).await;
    println!("resumed after {:?}", lost.elapsed());
    let heard = listen(&mut stream, 150).await;
    println!("longest gap {:?}, {} silent, {} concealed", heard.longest_gap, heard.silent, heard.concealed);
    assert!(heard.longest_gap < Duration::from_millis(500), "{:?}", heard.longest_gap);
    assert!(!heard.ended, "it is the same track");

    // And both ways of data still work.
    ada.send_text(TextOptions::topic("t"), "still here").await.unwrap();
    let text = |event: &Event| matches!(event, Event::Text(text) if text.text == "still here").then_some(());
    until(&mut bob_events, text).await;
    bob.send_text(TextOptions::topic("t"), "still here").await.unwrap();
    until(&mut ada_events, text).await;
    saying.abort();
}

#[tokio::test(flavor = "multi_thread")]
async fn signalling_that_is_away_for_long_is_resumed() {
    let Some(server) = Server::start("signalling_that_is_away_for_long_is_resumed") else { return };
    let proxy = Proxy::start(server.port).await;
    let (ada, mut ada_events) = join_at(proxy.port, "kitchen", "ada", options()).await;
    let (_bob, mut bob_events) = server.join("kitchen", "bob").await;
    until(&mut ada_events, is(Event::Active)).await;
    proxy.refuse(true);
    until(&mut ada_events, is(Event::Reconnecting)).await;
    // Sent while there is no signalling: media and data go on.
    ada.send_text(TextOptions::topic("t"), "meanwhile").await.unwrap();
    until(&mut bob_events, |event| matches!(event, Event::Text(text) if text.text == "meanwhile").then_some(())).await;
    tokio::time::sleep(Duration::from_secs(2)).await;
    proxy.refuse(false);
    until(&mut ada_events, is(Event::Resumed)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restarted_server_is_rejoined() {
    let Some(mut server) = Server::start("a_restarted_server_is_rejoined") else { return };
    let (ada, mut ada_events) = server.join_with("kitchen", "ada", options()).await;
    let source = ada.publish_audio(steady()).await.unwrap();
    let state = BTreeMap::from([("lk.agent.state".to_owned(), "speaking".to_owned())]);
    ada.set_attributes(state.clone()).await.unwrap();
    let saying = tokio::spawn(async move {
        say(&source, 400.0, 3_000).await;
    });
    until(&mut ada_events, is(Event::Active)).await;

    server.restart();
    until(&mut ada_events, is(Event::Reconnecting)).await;
    let lost = Instant::now();
    until(&mut ada_events, is(Event::Rejoined)).await;
    println!("rejoined after {:?}", lost.elapsed());

    let (bob, mut bob_events) = server.join_with("kitchen", "bob", options()).await;
    let track = subscribed(&mut bob_events).await;
    let mut stream = bob.listen(&track.sid).await.unwrap();
    wait_for_sound(&mut stream).await;
    let others = bob.participants().await.unwrap();
    assert_eq!(others[0].attributes, state);
    saying.abort();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refreshed_token_is_taken() {
    let Some(server) = Server::start("a_refreshed_token_is_taken") else { return };
    let proxy = Proxy::start(server.port).await;
    let (_ada, mut events) = join_at(proxy.port, "kitchen", "ada", options()).await;
    until(&mut events, is(Event::Active)).await;
    // A participant that is changed through the API gets a token that says so.
    let body = serde_json::json!({"room": "kitchen", "identity": "ada", "metadata": "chef"});
    server.call("RoomService", "UpdateParticipant", Grants::admin("kitchen"), body).await;
    until(&mut events, is(Event::TokenRefreshed)).await;
    proxy.cut();
    until(&mut events, is(Event::Resumed)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_udp_tcp_is_tried() {
    // The server offers only TCP.
    let Some(server) = Server::start_with("without_udp_tcp_is_tried", "  force_tcp: true\n") else { return };
    let started = Instant::now();
    let (_ada, mut events) = server.join_with("kitchen", "ada", options()).await;
    until(&mut events, is(Event::Active)).await;
    println!("active after {:?}", started.elapsed());
}

/// Who goes by TCP needs another connection for the restart of ICE that a resume is.
#[tokio::test(flavor = "multi_thread")]
async fn lost_signalling_is_resumed_without_udp() {
    let Some(server) = Server::start_with("lost_signalling_without_udp", "  force_tcp: true\n") else { return };
    let proxy = Proxy::start(server.port).await;
    let (ada, mut ada_events) = join_at(proxy.port, "kitchen", "ada", options()).await;
    let (bob, mut bob_events) = server.join_with("kitchen", "bob", options()).await;
    let (saying, mut stream) = hear(&ada, &bob, &mut bob_events, 600).await;

    proxy.cut();
    let lost = Instant::now();
    until(&mut ada_events, is(Event::Resumed)).await;
    println!("resumed by TCP after {:?}", lost.elapsed());
    let heard = listen(&mut stream, 150).await;
    println!("longest gap {:?}, {} silent, {} concealed", heard.longest_gap, heard.silent, heard.concealed);
    assert!(heard.longest_gap < Duration::from_secs(1), "{:?}", heard.longest_gap);
    assert!(!heard.ended, "it is the same track");
    saying.abort();
}

#[tokio::test(flavor = "multi_thread")]
async fn when_udp_is_blocked_in_mid_call_the_audio_goes_on_by_tcp() {
    const TEST: &str = "when_udp_is_blocked_in_mid_call_the_audio_goes_on_by_tcp";
    if !is_in_a_network_of_its_own(TEST, "counter") {
        return;
    }
    let Some(server) = Server::start(TEST) else { return };
    let (ada, mut ada_events) = server.join_with("kitchen", "ada", options()).await;
    let (bob, mut bob_events) = server.join_with("kitchen", "bob", options()).await;
    let (saying, mut stream) = hear(&ada, &bob, &mut bob_events, 3_000).await;

    drop_datagrams();
    let blocked = Instant::now();
    until(&mut ada_events, is(Event::Resumed)).await;
    println!("who speaks is back {:?} after it", blocked.elapsed());
    until(&mut bob_events, is(Event::Resumed)).await;
    println!("who listens is back {:?} after it", blocked.elapsed());
    wait_for_sound(&mut stream).await;
    println!("and is heard {:?} after it", blocked.elapsed());
    assert!(blocked.elapsed() < Duration::from_secs(15), "{:?}", blocked.elapsed());
    let heard = listen(&mut stream, 150).await;
    println!("longest gap {:?}, {} silent, {} concealed", heard.longest_gap, heard.silent, heard.concealed);
    assert!(heard.longest_gap < Duration::from_millis(500), "{:?}", heard.longest_gap);
    assert!(!heard.ended, "it is the same track");
    saying.abort();
}
