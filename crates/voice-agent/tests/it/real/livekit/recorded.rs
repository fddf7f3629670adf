//! Recordings of calls in rooms: after a yes to the question, both sides as they were heard, until "stop recording"; whichever process has the room.

use std::path::Path;
use std::time::Duration;

use voice_agent::embedded;
use voice_agent::model::runtime::default_models_dir;
use voice_agent::vault::End;

use super::caller::Caller;
use super::server::Server;
use super::{home, registered};
use crate::real::process::{Home, Process, eventually};
use crate::real::recording::moved::{ON_DISK_MS, Part, hold_the_call, parts, shared};
use crate::real::recording::{files, nothing_is_readable};
use crate::redis_server::RedisServer;

/// Says a sentence, and is silent for a second.
async fn speak(caller: &Caller, text: &str) {
    let mut pcm = embedded::say(&default_models_dir(), text, 16_000).unwrap();
    pcm.extend([0; 16_000]);
    caller.speaks(&pcm).await;
}

/// An agent on this Redis that records, on the one disk.
async fn start(home: &Home, redis: &RedisServer) -> Process {
    registered(home.start_as("data", shared(redis)).await).await
}

/// The beginning of a call: asked, agreed, and a task.
async fn agree_and_add(caller: &mut Caller) {
    caller.reads("may this call be recorded").await;
    caller.sees("listening").await;
    speak(caller, "Yes, please.").await;
    caller.reads("thank you. say 'stop recording'").await;
    caller.sees("listening").await;
    caller.says("voice_review_the_proposal.wav").await;
    caller.reads("added review the proposal").await;
    caller.sees("listening").await;
}

/// The rest: a question, "stop recording", and what is said after it.
async fn ask_and_stop(caller: &mut Caller) {
    caller.says("stt_what_are_my_tasks.wav").await;
    caller.reads("you have one").await;
    caller.sees("listening").await;
    speak(caller, "Stop recording.").await;
    caller.reads("recording has been stopped").await;
    caller.sees("listening").await;
    caller.says("stt_undo_the_last_change.wav").await;
    caller.reads("undo the last change").await;
    caller.sees("speaking").await;
    caller.sees("listening").await;
}

/// Everything of this many files is stored.
async fn stored(data_dir: &Path, count: usize) {
    let is_so = async || files(&data_dir.join("recordings")).len() == count;
    eventually("all files are stored", is_so).await;
    nothing_is_readable(
        &["recordings", "recordings-waiting"].map(|name| data_dir.join(name)),
        &["proposal", "livekit:ada"],
    );
}

/// The rest of the call with its second agent, and the recording of both: what each had of it, and how the first one's ends.
async fn goes_on(mut caller: Caller, redis: &RedisServer, home: &Home, second: &Process, end: End) -> [Part; 2] {
    ask_and_stop(&mut caller).await;
    caller.room.close().await;
    let data_dir = home.path().join("data");
    stored(&data_dir, 4).await;
    let all = parts(redis, &data_dir, second).await;
    let both: [Part; 2] = all.try_into().unwrap_or_else(|all| panic!("{all:#?}"));
    hold_the_call(&both[0], &both[1]);
    assert_eq!(both[0].end, end);
    nothing_from_before_the_yes(&both[0]);
    both
}

fn nothing_from_before_the_yes(part: &Part) {
    assert!(["may this call", "training", "yes"].iter().all(|words| part.lacks(words)), "{part:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_in_a_room_is_recorded_from_the_yes_until_the_caller_says_stop() {
    let Some(rooms) = Server::start("a_call_in_a_room_is_recorded") else { return };
    let (redis, home) = (RedisServer::start(), home(&rooms).await);
    let agent = start(&home, &redis).await;
    let mut caller = Caller::join(&rooms, "kitchen", "ada").await;
    agree_and_add(&mut caller).await;
    ask_and_stop(&mut caller).await;
    caller.room.close().await;
    let data_dir = home.path().join("data");
    stored(&data_dir, 2).await;

    let all = parts(&redis, &data_dir, &agent).await;
    let [part] = all.as_slice() else { panic!("{all:#?}") };
    assert_eq!(part.end, End::Whole);
    for (who, words) in
        [("caller", "proposal"), ("caller", "what are my tasks"), ("agent", "added"), ("agent", "you have one")]
    {
        assert!(part.has(who, words), "{words} in {part:#?}");
    }
    assert!(["undo the", "undid", "has been stopped"].iter().all(|words| part.lacks(words)), "{part:#?}");
    assert!(part.writes("agent", "thank you. say 'stop recording'"), "{part:#?}");
    nothing_from_before_the_yes(part);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_room_whose_agent_is_killed_is_recorded_by_the_next_one_until_the_caller_says_stop() {
    let Some(rooms) = Server::start("a_room_whose_agent_is_killed") else { return };
    let (redis, home) = (RedisServer::start(), home(&rooms).await);
    let first = start(&home, &redis).await;
    let mut caller = Caller::join(&rooms, "kitchen", "ada").await;
    agree_and_add(&mut caller).await;
    let second = start(&home, &redis).await;
    tokio::time::sleep(Duration::from_millis(ON_DISK_MS)).await;
    first.kill();
    caller.reads("i'm back. we were discussing your task list").await;
    caller.sees("listening").await;
    let [_, after] = goes_on(caller, &redis, &home, &second, End::Recovered).await;
    assert!(after.writes("agent", "i'm back"), "{after:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_room_that_is_handed_over_is_recorded_by_both_agents_until_the_caller_says_stop() {
    let Some(rooms) = Server::start("a_room_that_is_handed_over") else { return };
    let (redis, home) = (RedisServer::start(), home(&rooms).await);
    let mut first = start(&home, &redis).await;
    let mut caller = Caller::join(&rooms, "kitchen", "ada").await;
    agree_and_add(&mut caller).await;
    let second = start(&home, &redis).await;
    first.terminate();
    eventually("the other has the call", async || second.metric("voice_agent_active_sessions").await == 1.0).await;
    assert!(first.exit().await.success());
    let [_, after] = goes_on(caller, &redis, &home, &second, End::Whole).await;
    nothing_from_before_the_yes(&after);
}
