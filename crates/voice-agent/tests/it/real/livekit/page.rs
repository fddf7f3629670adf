//! Our page in a real Chromium joins through a room, with LiveKit's own browser client.

use serde_json::Value;

use super::server::Server;
use super::{home, registered};
use crate::real::browser::{Script, can_browse, root, transcribe};
use crate::real::phone::wav;
use crate::real::process::{eventually, fixture};
use crate::real::talk_over::Call;
use crate::real::{screen, talk_over};
use crate::server::{Session, problem};

const ROOM: [(&str, &str); 1] = [("ROOM", "1")];

#[tokio::test(flavor = "multi_thread")]
async fn somebody_talks_to_the_page_through_a_room_and_goes_on_after_a_kill() {
    let Some(rooms) = Server::start("the_page_talks") else { return };
    if !can_browse() {
        return;
    }
    let pictures = root().join("target/first-call-room");
    let played = pictures.join("played.wav");
    let home = home(&rooms).await;
    let agent = registered(home.start().await).await;
    // The microphone's file begins when the microphone opens, and the room is joined after that: in seconds on a busy machine.
    let unhurried = [ROOM[0], ("LEAD_MS", "12000")];
    let mut script = Script::start(&agent, &pictures, &played, &unhurried);

    let line = script.line().await;
    assert_eq!(line, "ready for restart", "{line}");
    let addr = agent.kill();
    let agent = registered(home.start_on(addr).await).await;
    script.tell("server restarted").await;
    let report: Value = serde_json::from_str(&script.line().await).unwrap();
    assert_eq!(report["ok"], true, "{report:#}");

    let reply = report["reply"].as_str().unwrap().to_lowercase();
    assert!(reply.contains("added") && reply.contains("review the proposal"), "{reply}");
    assert!(report["back"].as_str().unwrap().contains("Where were we?"), "{report}");
    assert!(report["second"].as_str().unwrap().to_lowercase().contains("review the proposal"), "{report}");
    assert_eq!(report["tasks"].as_array().unwrap().len(), 1, "{report}");
    let heard = transcribe(&wav(&played));
    assert!(heard.contains("added") && heard.contains("proposal"), "{heard:?}");

    // It was one session all along, and its history is whole.
    let text = |field: &str| report["session"][field].as_str().unwrap().to_owned();
    let session = Session { id: text("sessionId"), token: text("token"), body: Value::Null };
    let history = agent.history(&session).await;
    let said = |who: &str, words: &str| {
        history.iter().any(|line| line.starts_with(who) && line.to_lowercase().contains(words))
    };
    assert!(said("user", "proposal") && said("assistant", "added review the proposal"), "{history:#?}");
    assert!(said("assistant", "i'm back.") && said("user", "what's on my list?"), "{history:#?}");
    println!("steps of the call: {}", report["steps"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_speaks_over_the_agent_in_a_room_stops_it_and_sees_what_was_not_heard() {
    let Some(rooms) = Server::start("the_page_interrupts") else { return };
    if !can_browse() {
        return;
    }
    let home = home(&rooms).await;
    let env = talk_over::PATIENT.map(|(name, value)| (name, value.to_owned())).into();
    let agent = registered(home.start_as("patient", env).await).await;
    let call = Call::with(&agent, "interruption", &wav(&fixture("voice_review_the_proposal.wav")), &ROOM).await;

    let (heard, unheard) = call.shown();
    let unheard = unheard.expect("the page shows what was not heard");
    assert!(heard.len() >= 3 && unheard.len() >= 5, "{heard:?} | {unheard:?}");
    assert_eq!(call.kept(), heard, "history holds what was heard, and no more");
    assert_eq!(agent.metric("voice_interruptions_total{kind=\"real\"}").await, 1.0);
    // The loudspeaker gave what history says, and nothing of the rest.
    let spoken = transcribe(&call.played);
    let lost: Vec<&String> =
        unheard[3..].iter().filter(|word| talk_over::is_telling(word) && !heard.contains(word)).collect();
    assert!(lost.len() >= 3 && lost.iter().all(|word| !spoken.contains(word.as_str())), "{lost:?} in {spoken:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn by_voice_tasks_come_of_a_tab_that_is_shared_in_a_room() {
    let Some(rooms) = Server::start("the_page_shares") else { return };
    if !can_browse() {
        return;
    }
    let home = home(&rooms).await;
    let agent = registered(home.start().await).await;

    screen::tasks_come_of_the_three_pages(&agent, &ROOM).await;
    assert!(agent.metric("voice_screen_looks_total{result=\"seen\"}").await >= 3.0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_language_model_that_sees_is_sent_the_picture_of_a_tab_that_is_shared_in_a_room() {
    let Some(rooms) = Server::start("a_model_sees_the_page") else { return };
    if !can_browse() {
        return;
    }
    let home = home(&rooms).await;
    let (providers, env) = screen::model_that_sees().await;
    let agent = registered(home.start_as("sees", env).await).await;
    let report = screen::shared(&agent, "mail", "Create a task from this.", true, &ROOM).await;
    assert_eq!(screen::titles(&report), ["Review the contract"], "{report:#}");
    screen::saw_the_mail(&providers);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_page_goes_directly_where_livekit_cannot_be_reached() {
    let Some(mut rooms) = Server::start("the_page_goes_directly") else { return };
    if !can_browse() {
        return;
    }
    let home = home(&rooms).await;
    let agent = registered(home.start().await).await;
    let caller = agent.user("ada").await;
    let invitation: Value = agent.get("/api/livekit/token", &caller.token).await.json().await.unwrap();
    assert_eq!(invitation["url"], format!("ws://127.0.0.1:{}", rooms.port));
    problem(agent.get("/api/livekit/token", "nobody's").await, 401, "unauthorized").await;
    rooms.kill();
    let is_away = async || agent.get("/api/livekit/token", &caller.token).await.status() == 503;
    eventually("no rooms are offered", is_away).await;

    let pictures = root().join("target/first-call-direct");
    let mut script = Script::start(&agent, &pictures, &pictures.join("played.wav"), &[("RESTART", "0")]);
    let report: Value = serde_json::from_str(&script.line().await).unwrap();
    assert_eq!(report["ok"], true, "{report:#}");
    let notice = report["notice"].as_str().unwrap_or_default();
    assert!(notice.contains("goes directly to the server"), "{report:#}");
}
