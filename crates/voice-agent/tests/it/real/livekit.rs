//! Callers in rooms of a real livekit-server (`make test-livekit` builds it; without it these tests say that they do nothing).
#![expect(clippy::print_stdout, reason = "what is measured is read in the test's output")]

mod caller;
mod drill;
mod page;
mod python;
mod recorded;
mod trouble;

use std::time::{Duration, Instant};

use livekit_rtc::error::{CloseReason, DisconnectReason};
use livekit_rtc::{Event, TextMessage, TextOptions};

use super::process::{Home, Process, eventually};
use crate::redis_server::RedisServer;
use caller::Caller;
use server::Server;

#[path = "../../../../livekit-rtc/tests/livekit/server.rs"]
#[expect(dead_code, reason = "the crate's own tests need more of it")]
mod server;

#[path = "../../../../livekit-rtc/tests/livekit/network.rs"]
mod network;

#[path = "../../../../livekit-rtc/tests/livekit/proxy.rs"]
#[expect(dead_code, reason = "the crate's own tests need more of it")]
mod proxy;

/// Longest wait for anything that the agent says.
const PATIENCE: Duration = Duration::from_secs(30);

/// Where agents of ours work for this server.
async fn home(rooms: &Server) -> Home {
    home_at(rooms.port).await
}

/// The same by another way to it.
async fn home_at(port: u16) -> Home {
    let url = format!("ws://127.0.0.1:{port}");
    Home::with([("LIVEKIT_URL", &url), ("LIVEKIT_API_KEY", "devkey"), ("LIVEKIT_API_SECRET", server::SECRET)]).await
}

async fn registered(agent: Process) -> Process {
    eventually("the worker is registered", async || !agent.logged("registered with LiveKit").is_empty()).await;
    agent
}

/// One of several agents with one Redis.
async fn start(home: &Home, name: &str, redis: &RedisServer) -> Process {
    registered(home.start_as(name, vec![("REDIS_URL", redis.url())]).await).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_caller_in_a_room_talks_reads_types_and_leaves() {
    let Some(rooms) = Server::start("a_caller_in_a_room") else { return };
    let home = home(&rooms).await;
    let agent = registered(home.start().await).await;
    let mut caller = Caller::join(&rooms, "kitchen", "ada").await;

    caller.sees("speaking").await;
    caller.reads("how can i help").await;
    caller.sees("listening").await;
    let heard = caller.has_heard();
    assert!(heard.contains("hello") && heard.contains("how can i help"), "from its first word on: {heard:?}");

    caller.says("voice_review_the_proposal.wav").await;
    caller.reads("review the proposal").await;
    caller.reads("added review the proposal").await;
    caller.sees("listening").await;
    let heard = caller.has_heard();
    assert!(heard.contains("added") && heard.contains("proposal"), "{heard:?}");

    caller.chats("what's on my list?").await;
    caller.reads("review the proposal").await;

    caller.is_shown("listening").await;
    caller.tries_another_microphone().await;
    caller.says("voice_review_the_proposal.wav").await;
    let caption = caller.caption("review the proposal").await;
    let named = caption.attributes.get("lk.transcribed_track_id").map(String::as_str);
    assert_eq!(named, Some(caller.microphone().as_str()), "the first microphone is heard again: {caption:?}");

    caller.room.close().await;
    let left = async || agent.logged("left a room").iter().any(|line| line["reason"] == "the caller left");
    eventually("the agent has left", left).await;
    eventually("the session is over", async || agent.metric("voice_agent_active_sessions").await == 0.0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_not_heard_of_a_reply_leaves_the_captions() {
    let Some(rooms) = Server::start("what_was_not_heard_of_a_reply") else { return };
    let home = home(&rooms).await;
    let _agent = registered(home.start().await).await;
    let mut caller = Caller::join(&rooms, "kitchen", "ada").await;
    caller.sees("listening").await;
    trouble::has_a_long_list_read(&mut caller).await;
    caller.chats("thank you").await;
    let [shown, heard] = caller.sees_a_caption_replaced().await;
    assert!(!heard.text.is_empty() && heard.text.len() < shown.text.len(), "{shown:?} {heard:?}");
    assert!(shown.text.starts_with(&heard.text), "{shown:?} {heard:?}");
    let noted = |text: &TextMessage, name: &str| text.attributes.get(name).cloned();
    assert_eq!(noted(&heard, "lk.transcription_final").as_deref(), Some("true"));
    assert_eq!(noted(&heard, "lk.transcribed_track_id"), noted(&shown, "lk.transcribed_track_id"));
}

#[tokio::test(flavor = "multi_thread")]
async fn callers_by_sip_are_known_by_their_number_and_by_nothing_else() {
    let Some(rooms) = Server::start("callers_by_sip") else { return };
    let home = home(&rooms).await;
    let agent = registered(home.start().await).await;
    for (call, number, task) in [("one", "anonymous", "buy milk"), ("two", "+15551234567", "buy eggs")] {
        let mut caller = Caller::call(&rooms, call, number).await;
        caller.is_shown("listening").await;
        caller.chats(&format!("add {task}")).await;
        caller.reads(&format!("added {task}")).await;
        caller.room.close().await;
    }
    let over = async || agent.metric("voice_agent_active_sessions").await == 0.0;
    eventually("both have hung up", over).await;
    for (call, number, expected) in [("three", "anonymous", "your list is empty"), ("four", "+15551234567", "buy eggs")]
    {
        let mut caller = Caller::call(&rooms, call, number).await;
        caller.is_shown("listening").await;
        caller.chats("what's on my list?").await;
        caller.reads(expected).await;
        caller.room.close().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_by_sip_ends_with_the_callers_hang_up_and_with_the_agents() {
    let Some(rooms) = Server::start("a_call_by_sip_ends") else { return };
    let home = home(&rooms).await;
    let agent = registered(home.start().await).await;

    // LiveKit's SIP service says so before it leaves; or it is gone.
    for (call, says_so) in [("one", true), ("two", false)] {
        let mut caller = Caller::call(&rooms, call, "+15551234567").await;
        caller.is_shown("listening").await;
        let hung_up = Instant::now();
        if says_so {
            caller.room.set_attributes([("sip.callStatus".to_owned(), "hangup".to_owned())].into()).await.unwrap();
        } else {
            caller.room.close().await;
        }
        eventually("the call is over", async || agent.metric("voice_agent_active_sessions").await == 0.0).await;
        let after = hung_up.elapsed();
        println!("by telephone: the call is over {after:?} after the caller hung up (says so: {says_so})");
        assert!(after < Duration::from_secs(5), "a browser is waited for, a telephone is not: {after:?}");
    }
    let ends = agent.logged("session ended");
    assert!(ends.len() == 2 && ends.iter().all(|end| end["reason"] == "hung_up"), "{ends:#?}");
    assert!(ends.iter().all(|end| end["channel"] == "phone" && end["outcome"] == "completed"), "{ends:#?}");

    // The agent says goodbye, and hangs up.
    let mut caller = Caller::call(&rooms, "three", "+15551234567").await;
    caller.is_shown("listening").await;
    caller.chats("goodbye").await;
    let removed = CloseReason::Server(DisconnectReason::ParticipantRemoved);
    caller.meets(&Event::Closed(removed)).await;
    let heard = caller.has_heard();
    assert!(heard.contains("bye"), "its last words were heard: {heard:?}");

    // Who came with an app stays where they are.
    let mut caller = Caller::join(&rooms, "four", "ada").await;
    caller.is_shown("listening").await;
    caller.chats("goodbye").await;
    caller.is_left_alone().await;
    assert!(caller.room.participants().await.is_ok_and(|others| others.is_empty()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_agents_room_is_taken_over_by_another_with_its_history() {
    let Some(rooms) = Server::start("a_killed_agents_room") else { return };
    let redis = RedisServer::start();
    let home = home(&rooms).await;
    let first = start(&home, "first", &redis).await;
    let mut caller = Caller::join(&rooms, "kitchen", "ada").await;
    caller.sees("listening").await;
    caller.room.send_text(TextOptions::topic("lk.chat"), "add buy milk").await.unwrap();
    caller.reads("added buy milk").await;

    let second = start(&home, "second", &redis).await;
    first.kill();
    caller.reads("i'm back. we were discussing your task list").await;
    caller.room.send_text(TextOptions::topic("lk.chat"), "what's on my list?").await.unwrap();
    caller.reads("buy milk").await;
    assert_eq!(second.logged("its process is gone: another agent is asked for").len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_people_the_first_is_the_caller_and_stays_so_when_the_agent_is_killed() {
    let Some(rooms) = Server::start("of_two_people_the_first") else { return };
    let redis = RedisServer::start();
    let home = home(&rooms).await;
    let first = start(&home, "first", &redis).await;
    let mut caller = Caller::join(&rooms, "kitchen", "zoe").await;
    caller.sees("listening").await;
    caller.chats("add buy milk").await;
    caller.reads("added buy milk").await;
    // Her name comes first, and she second: nobody asked her.
    let (listener, _events) = rooms.join("kitchen", "ada").await;
    listener.send_text(TextOptions::topic("lk.chat"), "add buy eggs").await.unwrap();
    caller.chats("what's on my list?").await;
    let list = caller.reads("buy milk").await;
    assert!(!list.to_lowercase().contains("eggs"), "{list}");

    let second = start(&home, "second", &redis).await;
    first.kill();
    caller.reads("i'm back. we were discussing your task list").await;
    caller.chats("what's on my list?").await;
    let list = caller.reads("buy milk").await;
    assert!(!list.to_lowercase().contains("eggs"), "{list}");
    assert_eq!(second.logged("its process is gone: another agent is asked for").len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_planned_stop_moves_a_room_to_another_agent_without_a_word() {
    let Some(rooms) = Server::start("a_planned_stop_moves_a_room") else { return };
    let redis = RedisServer::start();
    let home = home(&rooms).await;
    let mut first = start(&home, "first", &redis).await;
    let mut caller = Caller::join(&rooms, "kitchen", "ada").await;
    caller.sees("listening").await;
    caller.room.send_text(TextOptions::topic("lk.chat"), "add buy milk").await.unwrap();
    caller.reads("added buy milk").await;

    let second = start(&home, "second", &redis).await;
    first.terminate();
    eventually("the other has the call", async || second.metric("voice_agent_active_sessions").await == 1.0).await;
    assert!(first.exit().await.success());
    caller.room.send_text(TextOptions::topic("lk.chat"), "what's on my list?").await.unwrap();
    let next = caller.reads("").await;
    assert!(next.to_lowercase().contains("buy milk"), "nothing was said in between: {next}");
}
