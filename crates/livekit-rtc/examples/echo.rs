//! A worker that goes to every new room and says back what it hears, a second later:
//!
//! ```text
//! LIVEKIT_URL=ws://127.0.0.1:7880 LIVEKIT_API_KEY=devkey LIVEKIT_API_SECRET=secret \
//!     cargo run -p livekit-rtc --example echo
//! ```
//!
//! Ctrl-C drains it: it takes no more rooms, and ends when the last one is empty. A second one ends it at once.

#![expect(clippy::print_stderr, reason = "a command's output")]

use std::collections::VecDeque;

use anyhow::{Context, Result, bail};
use livekit_rtc::token::ApiKey;
use livekit_rtc::worker::{Agent, Assignment, Worker, WorkerEvent, WorkerOptions};
use livekit_rtc::{
    Address, AudioStream, Event, Events, PublishOptions, Room, RoomOptions, SampleRate, TextOptions, TrackKind,
};

/// Frames of 20 ms between hearing and saying.
const DELAY: usize = 50;
/// Rooms at once that count as full.
const FULL: f32 = 20.0;

#[tokio::main]
async fn main() -> Result<()> {
    let variable = |name: &str| std::env::var(name).with_context(|| format!("{name} is not set"));
    let address = Address::parse(&variable("LIVEKIT_URL")?)?;
    let key = ApiKey::new(variable("LIVEKIT_API_KEY")?, variable("LIVEKIT_API_SECRET")?);
    let (worker, mut events) = Worker::start(address.clone(), key, WorkerOptions::default());
    let mut rooms = tokio::task::JoinSet::new();
    let mut draining = false;
    loop {
        tokio::select! {
            event = events.next() => match event {
                Some(WorkerEvent::Offered(job)) => worker.accept(&job.id, Agent::default()).await?,
                Some(WorkerEvent::Assigned(assignment)) => {
                    rooms.spawn(work(worker.clone(), address.clone(), assignment));
                }
                Some(WorkerEvent::Drained) => return Ok(()),
                Some(WorkerEvent::Refused(error)) => bail!(error),
                Some(event) => eprintln!("{event:?}"),
                None => return Ok(()),
            },
            Some(done) = rooms.join_next() => done??,
            _ = tokio::signal::ctrl_c() => {
                if std::mem::replace(&mut draining, true) {
                    return Ok(());
                }
                worker.drain().await?;
            }
        }
        worker.set_load(f32::from(u16::try_from(rooms.len())?) / FULL).await?;
    }
}

/// One room, from joining it to telling how it went.
async fn work(worker: Worker, address: Address, assignment: Assignment) -> Result<()> {
    let result = echo(address, assignment.token).await.map_err(|error| error.to_string());
    worker.finish(&assignment.job.id, result).await?;
    Ok(())
}

async fn echo(address: Address, token: String) -> Result<()> {
    let options = RoomOptions { rate: SampleRate::Hz24000, ..RoomOptions::default() };
    let (room, mut events) = Room::connect(address, token, options).await?;
    room.send_text(TextOptions::topic("lk.chat"), "Say something, and I say it again.").await?;
    let mut stream = first_voice(&room, &mut events).await?;
    let source = room.publish_audio(PublishOptions { rate: SampleRate::Hz24000, ..PublishOptions::default() }).await?;
    let mut late = VecDeque::new();
    let echo = async {
        while let Some(frame) = stream.next().await {
            late.push_back(frame.samples);
            if late.len() > DELAY
                && let Some(samples) = late.pop_front()
            {
                source.push(samples).await?;
            }
        }
        anyhow::Ok(())
    };
    let empty = async {
        while let Some(event) = events.next().await {
            if matches!(event, Event::ParticipantLeft { .. }) && room.participants().await?.is_empty() {
                break;
            }
        }
        anyhow::Ok(())
    };
    tokio::select! {
        echoed = echo => echoed?,
        left = empty => left?,
    }
    room.close().await;
    Ok(())
}

/// Waits for somebody's microphone.
async fn first_voice(room: &Room, events: &mut Events) -> Result<AudioStream> {
    while let Some(event) = events.next().await {
        if let Event::TrackSubscribed { track, .. } = event
            && track.kind == TrackKind::Audio
        {
            return Ok(room.listen(&track.sid).await?);
        }
    }
    bail!("nobody spoke")
}
