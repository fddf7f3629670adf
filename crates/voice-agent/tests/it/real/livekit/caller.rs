//! A person in a room, with a microphone and an ear for the agent: a participant of our own crate.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime};

use livekit_rtc::audio::{Origin, SampleRate, level};
use livekit_rtc::token::{AccessToken, Grants};
use livekit_rtc::{
    Event, Events, PublishOptions, Room, RoomOptions, TextMessage, TextOptions, Track, TrackKind, TrackSid,
};
use voice_agent::audio::resample::read_wav;

use super::PATIENCE;
use super::server::{Server, subscribed, until};
use crate::real::browser::transcribe;
use crate::real::process::fixture;

const CAPTIONS: &str = "lk.transcription";
const STATE: &str = "lk.agent.state";
/// The agent's voice is louder than this, as a share of full scale.
const LOUD: f32 = 0.01;

/// What was heard of the agent.
#[derive(Default)]
pub(super) struct Heard {
    pub(super) samples: Vec<i16>,
    /// When it was loud.
    loud: Vec<Instant>,
    frames: Frames,
}

/// Frames of the agent's voice: those that came, those that were lost and came as the next packet's spare copy, and those
/// that were lost and made up.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Frames {
    pub(super) received: usize,
    pub(super) restored: usize,
    pub(super) concealed: usize,
}

impl std::ops::Sub for Frames {
    type Output = Self;

    fn sub(self, before: Self) -> Self {
        Self {
            received: self.received - before.received,
            restored: self.restored - before.restored,
            concealed: self.concealed - before.concealed,
        }
    }
}

pub(super) struct Caller {
    pub(super) room: Room,
    pub(super) events: Events,
    microphone: livekit_rtc::AudioSource,
    heard: Arc<Mutex<Heard>>,
    /// The agent's state, as far as the events were looked at.
    state: String,
}

impl Caller {
    pub(super) async fn join(rooms: &Server, room: &str, identity: &str) -> Self {
        Self::join_by(rooms, Server::token(room, identity)).await
    }

    /// Comes as LiveKit's SIP service brings callers by telephone: its attributes say what the trunk said of the number.
    pub(super) async fn call(rooms: &Server, room: &str, number: &str) -> Self {
        let token = AccessToken::new(Grants::join(room)).identity("sip_caller").kind_sip();
        let token = token.attribute("sip.phoneNumber", number).attribute("sip.callID", "SCL_1");
        let token = token.attribute("sip.callStatus", "active");
        Self::join_by(rooms, token.sign(&Server::key(), SystemTime::now()).unwrap()).await
    }

    async fn join_by(rooms: &Server, token: String) -> Self {
        let options = RoomOptions { rate: SampleRate::Hz16000, ..RoomOptions::default() };
        let (room, mut events) = Room::connect(rooms.address(), token, options).await.unwrap();
        let published = PublishOptions { rate: SampleRate::Hz16000, ..PublishOptions::default() };
        let microphone = room.publish_audio(published).await.unwrap();
        let track = subscribed(&mut events).await;
        let caller = Self { room, events, microphone, heard: Arc::default(), state: String::new() };
        caller.listen(&track).await;
        caller
    }

    async fn listen(&self, track: &Track) {
        assert_eq!(track.kind, TrackKind::Audio);
        let mut sound = self.room.listen(&track.sid).await.unwrap();
        let ear = Arc::clone(&self.heard);
        tokio::spawn(async move {
            while let Some(frame) = sound.next().await {
                let mut heard = ear.lock().unwrap();
                match frame.origin {
                    Origin::Received => heard.frames.received += 1,
                    Origin::Restored => heard.frames.restored += 1,
                    Origin::Concealed => heard.frames.concealed += 1,
                    Origin::Silence => {}
                }
                if level(&frame.samples) > LOUD {
                    heard.loud.push(Instant::now());
                }
                heard.samples.extend(frame.samples);
            }
        });
    }

    /// Hears the next agent, or the same one once more.
    pub(super) async fn hears_another(&mut self) -> Track {
        let track = subscribed(&mut self.events).await;
        self.listen(&track).await;
        track
    }

    /// Looks at events, noting the agent's state, until one is as wanted.
    async fn until<T>(&mut self, mut wanted: impl FnMut(&Event) -> Option<T>) -> T {
        let state = &mut self.state;
        until(&mut self.events, |event| {
            note(state, event);
            wanted(event)
        })
        .await
    }

    /// Waits until the agent changes to this state.
    pub(super) async fn sees(&mut self, state: &str) {
        self.until(|event| match event {
            Event::AttributesChanged { changed, .. } => (changed.get(STATE)? == state).then_some(()),
            _ => None,
        })
        .await;
    }

    /// Waits until the agent is in this state; it may be so already, after the events that were looked at.
    pub(super) async fn is_shown(&mut self, state: &str) {
        if self.state != state {
            self.sees(state).await;
        }
    }

    /// Looks at everything that has happened: what follows is new.
    pub(super) async fn catches_up(&mut self) {
        while let Ok(Some(event)) = tokio::time::timeout(Duration::from_millis(1), self.events.next()).await {
            note(&mut self.state, &event);
        }
    }

    /// Waits for a caption, of either side, that has these words.
    pub(super) async fn reads(&mut self, words: &str) -> String {
        self.caption(words).await.text
    }

    /// The same, with what is noted beside it.
    pub(super) async fn caption(&mut self, words: &str) -> TextMessage {
        let reading = self.until(|event| match event {
            Event::Text(text) if text.topic == CAPTIONS => {
                text.text.to_lowercase().contains(words).then(|| text.clone())
            }
            _ => None,
        });
        tokio::time::timeout(PATIENCE, reading).await.expect(words)
    }

    /// Waits until what was shown of a reply is replaced: what was shown, and what takes its place.
    pub(super) async fn sees_a_caption_replaced(&mut self) -> [TextMessage; 2] {
        let mut shown: Vec<TextMessage> = Vec::new();
        let reading = self.until(|event| {
            let Event::Text(text) = event else { return None };
            let segment = text.attributes.get("lk.segment_id")?;
            if text.topic != CAPTIONS || !segment.starts_with("reply-") {
                return None;
            }
            let before = shown.iter().find(|before| before.attributes.get("lk.segment_id") == Some(segment)).cloned();
            shown.push(text.clone());
            Some([before?, text.clone()])
        });
        tokio::time::timeout(PATIENCE, reading).await.expect("a caption is replaced")
    }

    /// The server's id of the microphone that is spoken into.
    pub(super) fn microphone(&self) -> &TrackSid {
        self.microphone.sid()
    }

    /// Publishes a second microphone, waits until it is listened to, and takes it back.
    pub(super) async fn tries_another_microphone(&mut self) {
        let published = PublishOptions { rate: SampleRate::Hz16000, ..PublishOptions::default() };
        let other = self.room.publish_audio(published).await.unwrap();
        let heard = Event::LocalTrackHeard { cid: other.cid().clone() };
        self.meets(&heard).await;
        other.unpublish().await.unwrap();
    }

    /// Waits until this has happened in the room.
    pub(super) async fn meets(&mut self, wanted: &Event) {
        self.until(|event| (event == wanted).then_some(())).await;
    }

    /// Waits until somebody else leaves the room.
    pub(super) async fn is_left_alone(&mut self) {
        self.until(|event| matches!(event, Event::ParticipantLeft { .. }).then_some(())).await;
    }

    /// Types into the room's chat.
    pub(super) async fn chats(&self, text: &str) {
        self.room.send_text(TextOptions::topic("lk.chat"), text).await.unwrap();
    }

    pub(super) async fn says(&self, wav: &str) {
        self.speaks(&read_wav(&fixture(wav), 16_000).unwrap()).await;
    }

    /// Says these samples, 16 kHz.
    pub(super) async fn speaks(&self, pcm: &[i16]) {
        for frame in pcm.chunks_exact(320) {
            self.microphone.push(frame.to_vec()).await.unwrap();
        }
    }

    pub(super) fn has_heard(&self) -> String {
        transcribe(&std::mem::take(&mut self.heard.lock().unwrap().samples))
    }

    /// When the agent was first heard after this.
    pub(super) async fn hears_after(&self, after: Instant) -> Instant {
        let hearing = async {
            loop {
                if let Some(at) = self.heard.lock().unwrap().loud.iter().find(|at| **at > after) {
                    return *at;
                }
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        tokio::time::timeout(PATIENCE, hearing).await.expect("the agent is heard")
    }

    /// The longest silence of the agent between two moments, and when it was last heard before the second.
    pub(super) fn longest_silence(&self, from: Instant, to: Instant) -> Duration {
        let heard = self.heard.lock().unwrap();
        let within: Vec<Instant> = heard.loud.iter().copied().filter(|at| *at > from && *at < to).collect();
        let edges = [&[from][..], &within, &[to]].concat();
        edges.windows(2).map(|pair| pair[1] - pair[0]).max().unwrap_or_default()
    }

    /// What became of the frames of the agent's voice so far.
    pub(super) fn frames(&self) -> Frames {
        self.heard.lock().unwrap().frames
    }
}

fn note(state: &mut String, event: &Event) {
    if let Event::AttributesChanged { changed, .. } = event
        && let Some(now) = changed.get(STATE)
    {
        state.clone_from(now);
    }
}
