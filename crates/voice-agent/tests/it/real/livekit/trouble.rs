//! What goes wrong on the way to a room: the conversation goes on, and how long it stood still is told.

use std::time::{Duration, Instant};

use livekit_rtc::{Event, TextOptions};

use super::caller::Caller;
use super::network::{drop_datagrams, is_in_a_network_of_its_own};
use super::proxy::Proxy;
use super::server::Server;
use super::{home, home_at, registered};
use crate::real::interruption::a_long_list;

/// No gap is longer; those that were measured are a quarter of it and less, and a busy machine makes them longer.
const LONG: Duration = Duration::from_secs(10);

/// Makes a list, has it read, and waits until it is in the midst of it.
pub(super) async fn has_a_long_list_read(caller: &mut Caller) {
    caller.room.send_text(TextOptions::topic("lk.chat"), a_long_list()).await.unwrap();
    caller.reads("added").await;
    // This cuts the rest of that answer short.
    let asked = Instant::now();
    caller.room.send_text(TextOptions::topic("lk.chat"), "what's on my list?").await.unwrap();
    caller.hears_after(asked).await;
    tokio::time::sleep(Duration::from_secs(3)).await;
}

/// One spoken turn, with its answer heard, when the agent has said what it had to say: a list that is read out may have the same words.
async fn speaks_and_is_answered(caller: &mut Caller) {
    caller.catches_up().await;
    caller.is_shown("listening").await;
    let _ = caller.has_heard();
    caller.says("voice_review_the_proposal.wav").await;
    caller.reads("review the proposal").await;
    caller.is_shown("speaking").await;
    caller.sees("listening").await;
    let heard = caller.has_heard();
    assert!(heard.contains("proposal"), "{heard:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agents_lost_signalling_is_not_heard() {
    let Some(rooms) = Server::start("an_agents_lost_signalling") else { return };
    let proxy = Proxy::start(rooms.port).await;
    let home = home_at(proxy.port).await;
    let agent = registered(home.start().await).await;
    let mut caller = Caller::join(&rooms, "kitchen", "ada").await;
    caller.sees("listening").await;
    has_a_long_list_read(&mut caller).await;

    let cut = Instant::now();
    proxy.cut();
    tokio::time::sleep(Duration::from_secs(3)).await;
    let before = caller.longest_silence(cut - Duration::from_secs(3), cut);
    let after = caller.longest_silence(cut, Instant::now());
    println!("signalling cut: longest silence in 3 s of speech {before:?} before, {after:?} after");
    assert!(after < before + Duration::from_millis(700), "{before:?}, {after:?}");
    speaks_and_is_answered(&mut caller).await;
    // The worker's socket was cut, too, and is back.
    assert!(agent.logged("registered with LiveKit").len() >= 2);
    assert_eq!(agent.logged("left a room").len(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restarted_livekit_server_is_joined_again_and_the_conversation_goes_on() {
    let Some(mut rooms) = Server::start("a_restarted_livekit_server") else { return };
    let home = home(&rooms).await;
    let agent = registered(home.start().await).await;
    let mut caller = Caller::join(&rooms, "kitchen", "ada").await;
    caller.sees("listening").await;
    has_a_long_list_read(&mut caller).await;

    let killed = Instant::now();
    rooms.restart();
    caller.meets(&Event::Rejoined).await;
    println!("server restarted: the caller is back after {:?}", killed.elapsed());
    let voice = caller.hears_another().await;
    // The list may have come to its end meanwhile: something new is asked for.
    let asked = Instant::now();
    caller.room.send_text(TextOptions::topic("lk.chat"), "what's on my list?").await.unwrap();
    let heard = caller.hears_after(asked.max(killed + Duration::from_millis(300))).await;
    println!("server restarted: the agent is heard again {:?} after the kill", heard - killed);
    assert!(heard - killed < LONG, "{:?}", heard - killed);
    let caption = caller.caption("norway").await;
    let named = caption.attributes.get("lk.transcribed_track_id").map(String::as_str);
    assert_eq!(named, Some(voice.sid.as_str()), "the agent's track has a new id");
    speaks_and_is_answered(&mut caller).await;
    assert_eq!(agent.metric("voice_agent_active_sessions").await, 1.0, "it is the same session, and the only one");
    assert_eq!(agent.logged("session started").len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_udp_the_conversation_goes_by_tcp() {
    let Some(rooms) = Server::start_with("without_udp", "  force_tcp: true\n") else { return };
    let home = home(&rooms).await;
    let _agent = registered(home.start().await).await;
    let joining = Instant::now();
    let mut caller = Caller::join(&rooms, "kitchen", "ada").await;
    let heard = caller.hears_after(joining).await;
    println!("TCP only: the first word {:?} after the caller began to join", heard - joining);
    assert!(heard - joining < LONG, "{:?}", heard - joining);
    speaks_and_is_answered(&mut caller).await;
}

/// Every twentieth packet is lost on each of the two links and each way, in a network namespace of this test's own.
#[tokio::test(flavor = "multi_thread")]
async fn with_one_packet_in_twenty_lost_the_conversation_goes_on() {
    const TEST: &str = "with_one_packet_in_twenty_lost";
    if !is_in_a_network_of_its_own(TEST, "meta l4proto udp numgen random mod 100 < 5 drop") {
        return;
    }
    let Some(rooms) = Server::start(TEST) else { return };
    let home = home(&rooms).await;
    let _agent = registered(home.start().await).await;
    let joining = Instant::now();
    let mut caller = Caller::join(&rooms, "kitchen", "ada").await;
    let heard = caller.hears_after(joining).await;
    println!("5 % loss: the first word {:?} after the caller began to join", heard - joining);
    speaks_and_is_answered(&mut caller).await;
    let before = caller.frames();
    has_a_long_list_read(&mut caller).await;
    tokio::time::sleep(Duration::from_secs(5)).await;
    let frames = caller.frames() - before;
    let silence = caller.longest_silence(Instant::now() - Duration::from_secs(5), Instant::now());
    println!("5 % loss on both links: {frames:?}; longest silence {silence:?}");
    assert!(silence < Duration::from_secs(2), "{silence:?}");
    // Of two links, each of which loses 5 %, a tenth is lost; nearly all of it comes with the next packet.
    assert!(frames.restored + frames.concealed > 0, "{frames:?}");
    assert!(frames.concealed * 20 < frames.received, "{frames:?}");
    speaks_and_is_answered(&mut caller).await;
}

/// No datagram arrives, of which nobody is told: a firewall that lets only TCP through.
#[tokio::test(flavor = "multi_thread")]
async fn with_udp_blocked_the_conversation_goes_by_tcp() {
    const TEST: &str = "with_udp_blocked_the_conversation_goes_by_tcp";
    if !is_in_a_network_of_its_own(TEST, "meta l4proto udp drop") {
        return;
    }
    let Some(rooms) = Server::start(TEST) else { return };
    let home = home(&rooms).await;
    let _agent = registered(home.start().await).await;
    let joining = Instant::now();
    let mut caller = Caller::join(&rooms, "kitchen", "ada").await;
    let heard = caller.hears_after(joining).await;
    println!("UDP blocked: the first word {:?} after the caller began to join", heard - joining);
    assert!(heard - joining < LONG, "{:?}", heard - joining);
    speaks_and_is_answered(&mut caller).await;
}

/// A firewall begins to drop all datagrams while the agent speaks.
#[tokio::test(flavor = "multi_thread")]
async fn when_udp_is_blocked_in_mid_call_the_conversation_goes_on_by_tcp() {
    const TEST: &str = "when_udp_is_blocked_in_mid_call";
    if !is_in_a_network_of_its_own(TEST, "counter") {
        return;
    }
    let Some(rooms) = Server::start(TEST) else { return };
    let home = home(&rooms).await;
    let agent = registered(home.start().await).await;
    let mut caller = Caller::join(&rooms, "kitchen", "ada").await;
    caller.sees("listening").await;
    has_a_long_list_read(&mut caller).await;

    drop_datagrams();
    let blocked = Instant::now();
    // What was under way is still heard.
    tokio::time::sleep(Duration::from_secs(1)).await;
    let heard = caller.hears_after(Instant::now()).await;
    println!("UDP blocked in mid-call: the agent goes on {:?} after it", heard - blocked);
    assert!(heard - blocked < 2 * LONG, "{:?}", heard - blocked);
    speaks_and_is_answered(&mut caller).await;
    assert_eq!(agent.logged("session started").len(), 1);
}
