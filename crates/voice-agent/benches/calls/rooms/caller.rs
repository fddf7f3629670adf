//! One caller in a room: a microphone and an ear, in real time.

use std::time::{Duration, Instant, SystemTime};

use anyhow::{Context as _, Result, bail};
use livekit_rtc::audio::{Origin, SampleRate, level};
use livekit_rtc::token::{AccessToken, ApiKey, Grants};
use livekit_rtc::{Address, AudioSource, Event, PublishOptions, Room, RoomOptions, TrackKind};
use serde::{Deserialize, Serialize};
use tokio::sync::watch;
use tokio::time::{MissedTickBehavior, interval, sleep, timeout};

use crate::microphone::Speech;

/// The agent's voice is louder than this, as a share of full scale.
const LOUD: f32 = 0.01;
/// After so much silence of the agent its words are over.
const WORDS_ARE_OVER: Duration = Duration::from_millis(400);
/// Longest wait for an agent, and for an answer.
const PATIENCE: Duration = Duration::from_secs(20);

/// What callers tell afterwards. Times are milliseconds.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Told {
    /// From the last frame with speech handed over to the first sound of the reply that was decoded.
    pub(crate) turns: Vec<f64>,
    /// From the beginning of the join to the first sound of the greeting.
    pub(crate) greeted: Vec<f64>,
    pub(crate) unanswered: u64,
    /// Turns that were answered before the caller had finished; they count for nothing else.
    pub(crate) too_early: u64,
    /// Frames of the agent's voice that were made up, and all that were heard.
    pub(crate) concealed: u64,
    pub(crate) heard: u64,
    pub(crate) connected_ms: f64,
    pub(crate) failed: Vec<String>,
}

impl Told {
    pub(crate) fn add(&mut self, other: Self) {
        self.turns.extend(other.turns);
        self.greeted.extend(other.greeted);
        self.unanswered += other.unanswered;
        self.too_early += other.too_early;
        self.concealed += other.concealed;
        self.heard += other.heard;
        self.connected_ms += other.connected_ms;
        self.failed.extend(other.failed);
    }
}

/// What an ear has heard so far.
#[derive(Debug, Clone, Copy)]
struct Ear {
    /// When the agent was last heard.
    loud: Instant,
    concealed: u64,
    heard: u64,
}

/// Joins a room of its own, and talks there until then.
pub(crate) async fn talk(
    address: &Address,
    key: &ApiKey,
    speech: &Speech,
    number: u64,
    until: Instant,
) -> Result<Told> {
    let began = Instant::now();
    let name = format!("bench-{}-{number}", std::process::id());
    let token = AccessToken::new(Grants::join(&name)).identity("caller").sign(key, SystemTime::now())?;
    let options = RoomOptions { rate: SampleRate::Hz16000, ..RoomOptions::default() };
    let (room, mut events) = Room::connect(address.clone(), token, options).await?;
    let published = PublishOptions { rate: SampleRate::Hz16000, ..PublishOptions::default() };
    let microphone = room.publish_audio(published).await?;
    let agent = async {
        while let Some(event) = events.next().await {
            match event {
                Event::TrackSubscribed { track, .. } if track.kind == TrackKind::Audio => return Ok(track.sid),
                Event::Closed(reason) => bail!("the room is gone: {reason}"),
                _ => {}
            }
        }
        bail!("the room is gone")
    };
    let agent = timeout(PATIENCE, agent).await.context("no agent came")??;
    let mut sound = room.listen(&agent).await?;
    let (tell, ear) = watch::channel(Ear { loud: began, concealed: 0, heard: 0 });
    let listening = tokio::spawn(async move {
        while let Some(frame) = sound.next().await {
            tell.send_modify(|ear| {
                ear.heard += u64::from(frame.origin == Origin::Received);
                ear.concealed += u64::from(frame.origin == Origin::Concealed);
                if level(&frame.samples) > LOUD {
                    ear.loud = Instant::now();
                }
            });
        }
    });
    // Whatever else happens in the room is read, or the stay would end.
    let reading = tokio::spawn(async move { while events.next().await.is_some() {} });
    let mut caller = Caller { microphone, ear, told: Told::default() };
    let talked = caller.converse(speech, number, began, until).await;
    let ear = *caller.ear.borrow();
    let told = Told {
        connected_ms: began.elapsed().as_secs_f64() * 1_000.0,
        concealed: ear.concealed,
        heard: ear.heard,
        ..std::mem::take(&mut caller.told)
    };
    room.close().await;
    listening.abort();
    reading.abort();
    talked.map(|()| told)
}

struct Caller {
    microphone: AudioSource,
    ear: watch::Receiver<Ear>,
    told: Told,
}

impl Caller {
    async fn converse(&mut self, speech: &Speech, number: u64, began: Instant, until: Instant) -> Result<()> {
        let greeted = self.hear_after(began).await?.context("the agent does not greet")?;
        self.told.greeted.push((greeted - began).as_secs_f64() * 1_000.0);
        for turn in 0.. {
            self.hear_out().await?;
            if Instant::now() >= until {
                break;
            }
            // Callers do not all speak at the same moment.
            sleep(Duration::from_millis(300 + (number * 31 + turn * 17) % 30 * 20)).await;
            self.turn(speech).await?;
        }
        Ok(())
    }

    async fn turn(&mut self, speech: &Speech) -> Result<()> {
        let mut ticks = interval(Duration::from_millis(20));
        ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
        let spoke = Instant::now();
        for frame in &speech.frames {
            ticks.tick().await;
            self.microphone.push(frame.to_vec()).await?;
        }
        let said = Instant::now();
        if self.ear.borrow().loud > spoke {
            self.told.too_early += 1;
            return Ok(());
        }
        match self.hear_after(said).await? {
            Some(heard) => self.told.turns.push((heard - said).as_secs_f64() * 1_000.0),
            None => self.told.unanswered += 1,
        }
        Ok(())
    }

    /// When the agent was first heard after this; nothing if it was not.
    async fn hear_after(&mut self, after: Instant) -> Result<Option<Instant>> {
        match timeout(PATIENCE, self.ear.wait_for(|ear| ear.loud > after)).await {
            Ok(heard) => Ok(Some(heard.context("the agent's voice ended")?.loud)),
            Err(_) => Ok(None),
        }
    }

    /// Waits until the agent has been silent for a while.
    async fn hear_out(&mut self) -> Result<()> {
        loop {
            let silent_at = self.ear.borrow_and_update().loud + WORDS_ARE_OVER;
            if Instant::now() >= silent_at {
                return Ok(());
            }
            tokio::time::sleep_until(silent_at.into()).await;
        }
    }
}
