//! Workers of ours, dispatched by the real server.

use std::time::{Duration, SystemTime};

use livekit_rtc::worker::{Agent, Assignment, Job, Worker, WorkerEvent, WorkerEvents, WorkerOptions};
use livekit_rtc::{Address, Event, JobId, ParticipantKind, Room, RoomOptions, dispatch};

use crate::server::{Server, until};

async fn next(events: &mut WorkerEvents) -> WorkerEvent {
    let next = tokio::time::timeout(Duration::from_secs(30), events.next());
    next.await.expect("nothing in 30 s").expect("the worker is over")
}

async fn start(address: Address, agent_name: &str) -> (Worker, WorkerEvents) {
    let options = WorkerOptions { agent_name: agent_name.into(), ..WorkerOptions::default() };
    let (worker, mut events) = Worker::start(address, Server::key(), options);
    assert!(matches!(next(&mut events).await, WorkerEvent::Registered { .. }));
    (worker, events)
}

async fn offered(events: &mut WorkerEvents) -> Job {
    match next(events).await {
        WorkerEvent::Offered(job) => job,
        other => panic!("{other:?} is no offer"),
    }
}

async fn assigned(worker: &Worker, events: &mut WorkerEvents) -> Assignment {
    let job = offered(events).await;
    worker.accept(&job.id, Agent { name: "Chef".into(), ..Agent::default() }).await.unwrap();
    match next(events).await {
        WorkerEvent::Assigned(assignment) => assignment,
        other => panic!("{other:?} is no assignment"),
    }
}

async fn dispatch_to(server: &Server, agent_name: &str, room: &str, metadata: &str) -> dispatch::Dispatch {
    let key = Server::key();
    let request = dispatch::create(&server.address(), &key, agent_name, room, metadata, SystemTime::now()).unwrap();
    serde_json::from_slice(&post(request).await).unwrap()
}

async fn post(request: dispatch::Request) -> Vec<u8> {
    let post = reqwest::Client::new().post(request.url).header("Authorization", request.authorization);
    let response = post.header("Content-Type", "application/json").body(request.body).send().await.unwrap();
    assert!(response.status().is_success(), "{}", response.status());
    response.bytes().await.unwrap().to_vec()
}

async fn finished(worker: &Worker, job: &JobId) {
    worker.finish(job, Ok(())).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_room_gets_an_agent() {
    let Some(server) = Server::start("a_new_room_gets_an_agent") else { return };
    let (worker, mut events) = start(server.address(), "").await;
    let (ada, mut ada_events) = server.join("kitchen", "ada").await;
    let assignment = assigned(&worker, &mut events).await;
    assert_eq!(assignment.job.room, "kitchen");
    let joined = Room::connect(server.address(), assignment.token, RoomOptions::default()).await;
    let (agent, mut agent_events) = joined.unwrap();
    let participant = until(&mut ada_events, |event| match event {
        Event::ParticipantJoined(participant) => Some(participant.clone()),
        _ => None,
    });
    let participant = participant.await;
    assert_eq!((participant.kind, participant.name.as_str()), (ParticipantKind::Agent, "Chef"));
    assert_eq!(participant.identity.as_str(), format!("agent-{}", assignment.job.id));
    until(&mut agent_events, |event| matches!(event, Event::Active).then_some(())).await;
    agent.set_attributes([("lk.agent.state".to_owned(), "listening".to_owned())].into()).await.unwrap();
    agent.close().await;
    finished(&worker, &assignment.job.id).await;
    drop(ada);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_named_agent_is_dispatched_with_its_metadata() {
    let Some(server) = Server::start("a_named_agent_is_dispatched_with_its_metadata") else { return };
    let (worker, mut events) = start(server.address(), "chef").await;
    // No automatic jobs for it: the first offer is the dispatch.
    let (_ada, _ada_events) = server.join("cellar", "ada").await;
    let dispatched = dispatch_to(&server, "chef", "kitchen", "soup").await;
    let job = offered(&mut events).await;
    let what = (job.room.as_str(), job.metadata.as_str(), job.agent_name.as_str(), job.dispatch_id.as_str());
    assert_eq!(what, ("kitchen", "soup", "chef", dispatched.id.as_str()));
    worker.reject(&job.id).await.unwrap();

    // The server forgets a rejected job; another dispatch is another job.
    dispatch_to(&server, "chef", "kitchen", "more soup").await;
    let assignment = assigned(&worker, &mut events).await;
    assert_eq!(assignment.job.metadata, "more soup");
    let list = dispatch::list(&server.address(), &Server::key(), "kitchen", SystemTime::now()).unwrap();
    let listed = dispatch::listed(&post(list).await).unwrap();
    // A new room is also dispatched to workers without a name, whether there are any or not.
    assert_eq!(listed.iter().filter(|dispatch| dispatch.agent_name == "chef").count(), 2);
    let (_agent, _agent_events) =
        Room::connect(server.address(), assignment.token, RoomOptions::default()).await.unwrap();

    // Taking the dispatch back ends the job.
    let taken = listed.iter().find(|dispatch| dispatch.metadata == "more soup").unwrap();
    let (address, key, now) = (server.address(), Server::key(), SystemTime::now());
    post(dispatch::delete(&address, &key, "kitchen", &taken.id, now).unwrap()).await;
    assert_eq!(next(&mut events).await, WorkerEvent::Terminated(assignment.job.id.clone()));
    finished(&worker, &assignment.job.id).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn full_and_draining_workers_get_no_jobs() {
    let Some(server) = Server::start("full_and_draining_workers_get_no_jobs") else { return };
    let (busy, mut busy_events) = start(server.address(), "chef").await;
    let (idle, mut idle_events) = start(server.address(), "chef").await;
    busy.set_load(1.0).await.unwrap();
    // The server confirms no status; on the loopback it has it long before this is over.
    tokio::time::sleep(Duration::from_millis(200)).await;
    let mut jobs = Vec::new();
    for room in ["one", "two", "three"] {
        dispatch_to(&server, "chef", room, "").await;
        jobs.push(assigned(&idle, &mut idle_events).await.job.id);
    }
    // The idle one goes, the busy one has time again.
    idle.drain().await.unwrap();
    busy.set_load(0.2).await.unwrap();
    tokio::time::sleep(Duration::from_millis(200)).await;
    dispatch_to(&server, "chef", "four", "").await;
    assert_eq!(assigned(&busy, &mut busy_events).await.job.room, "four");
    for job in &jobs {
        finished(&idle, job).await;
    }
    assert_eq!(next(&mut idle_events).await, WorkerEvent::Drained);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_survives_its_server() {
    let Some(mut server) = Server::start("a_worker_survives_its_server") else { return };
    let (worker, mut events) = start(server.address(), "chef").await;
    dispatch_to(&server, "chef", "kitchen", "").await;
    let assignment = assigned(&worker, &mut events).await;
    server.restart();
    assert!(matches!(next(&mut events).await, WorkerEvent::Lost(_)));
    assert!(matches!(next(&mut events).await, WorkerEvent::Registered { .. }));
    finished(&worker, &assignment.job.id).await;
    dispatch_to(&server, "chef", "cellar", "").await;
    assert_eq!(assigned(&worker, &mut events).await.job.room, "cellar");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_key_ends_a_worker() {
    let Some(server) = Server::start("a_wrong_key_ends_a_worker") else { return };
    let key = livekit_rtc::token::ApiKey::new("devkey", "another secret of more than thirty-two letters");
    let (_worker, mut events) = Worker::start(server.address(), key, WorkerOptions::default());
    assert!(matches!(next(&mut events).await, WorkerEvent::Refused(_)));
    assert_eq!(events.next().await, None);
}
