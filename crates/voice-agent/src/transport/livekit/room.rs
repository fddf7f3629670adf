//! One room: the first person in it is the caller, and the room carries their session until one of them is done with the other.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use jiff::tz::TimeZone;
use livekit_rtc::audio::SampleRate;
use livekit_rtc::error::DisconnectReason;
use livekit_rtc::worker::{Assignment, Worker};
use livekit_rtc::{
    Address, AudioSource, Event, Events as RoomEvents, Identity, Participant, ParticipantKind, PublishOptions, Room,
    RoomOptions, TextMessage, Track, TrackKind, TrackSid, TrackSource,
};
use serde_json::{Map, json};
use tokio::sync::{mpsc, watch};
use tokio::task::AbortHandle;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use voice_core::ids::ConnectionId;
use voice_core::input::{HangUp, Key};
use voice_core::output::{AgentState, ClientEvent};

use super::captions::Captions;
use super::playout::{Playout, Position};
use super::takeover::send_another;
use super::{AGENT_STATE, Settings};
use crate::app::Shared;
use crate::driver::api::{Command, Outbound, SendError, SessionHandle};
use crate::sessions::{NewSession, SessionError};
use crate::store::{Channel, SessionDoc, UserId};
use crate::transport::close;
use crate::transport::end::{End, dropped, refused};

/// The key of `context` that says that a session is in a room, and in which.
pub(super) const ROOM: &str = "livekit_room";
/// What a telephone's number is called among the attributes of a SIP participant.
const SIP_NUMBER: &str = "sip.phoneNumber";
/// What is typed in a room's chat.
const CHAT: &str = "lk.chat";
/// The agent's sound waits in the room for so long at most: the session sends 400 ms ahead.
const VOICE_QUEUE: Duration = Duration::from_millis(1_000);
/// How often the session is told what was heard.
const REPORT_EVERY: Duration = Duration::from_millis(100);
/// Captions that may wait to be sent; further ones are left out.
const CAPTIONS_QUEUE: usize = 256;
/// Bytes of a frame of the agent's voice: 20 ms at 24 kHz.
const FRAME_BYTES: usize = 960;
const FRAME_MS: u64 = 20;

/// Whether a session is in a room, where sound is not what a telephone or a page sends, whatever its channel is.
pub(crate) fn is_in_room(doc: &SessionDoc) -> bool {
    doc.context.contains_key(ROOM)
}

/// Goes to a room, and stays as long as there is something to do.
pub(super) async fn carry(
    app: Shared,
    settings: Arc<Settings>,
    worker: Worker,
    assignment: Assignment,
    ended: CancellationToken,
) {
    let (job, name) = (assignment.job.id.clone(), assignment.job.room.clone());
    let end = match ended.run_until_cancelled(stay(&app, &settings, assignment)).await {
        Some(end) => end,
        None => End::new(close::ENDED, "the server ended the job"),
    };
    app.events.room_left(job.as_str(), end.code, &end.reason);
    if end.code == close::HANDED_OVER {
        // The session goes on elsewhere, and so must its agent. What fails is logged; the next one is sent by whoever misses us.
        let _sent = send_another(&settings, &name).await;
    }
    let result = if end.code == close::FAILED || end.code == close::INTERNAL { Err(end.reason) } else { Ok(()) };
    // The worker may be over: the server learns of the end of the job by our leaving.
    let _over = worker.finish(&job, result).await;
}

async fn stay(app: &Shared, settings: &Settings, assignment: Assignment) -> End {
    let address = assignment.url.as_deref().and_then(|url| Address::parse(url).ok());
    let address = address.unwrap_or_else(|| settings.address.clone());
    let options = RoomOptions { rate: SampleRate::Hz16000, audio_queue: VOICE_QUEUE, ..RoomOptions::default() };
    let (room, mut events) = match Room::connect(address, assignment.token, options).await {
        Ok(joined) => joined,
        Err(reason) => return End::new(close::INTERNAL, format!("the room cannot be joined: {reason}")),
    };
    let end = match find_caller(&mut events, settings.caller_timeout).await {
        Ok(arrival) => match Stay::begin(app, settings, &assignment.job.room, room.clone(), arrival).await {
            Ok((stay, inbox)) => stay.run(events, inbox).await,
            Err(end) => end,
        },
        Err(end) => end,
    };
    room.close().await;
    end
}

/// The caller, and what reached us of them already.
struct Arrival {
    caller: Participant,
    tracks: Vec<Track>,
}

/// Waits for somebody to talk to.
async fn find_caller(events: &mut RoomEvents, patience: Duration) -> Result<Arrival, End> {
    let mut tracks: Vec<(Identity, Track)> = Vec::new();
    let found = timeout(patience, async {
        while let Some(event) = events.next().await {
            let caller = match event {
                Event::Joined { participants, .. } => participants.into_iter().find(is_person),
                Event::ParticipantJoined(participant) => Some(participant).filter(is_person),
                Event::TrackSubscribed { identity, track } => {
                    tracks.push((identity, track));
                    None
                }
                Event::Closed(reason) => return Err(End::new(close::LOST, reason.to_string())),
                _ => None,
            };
            if let Some(caller) = caller {
                return Ok(caller);
            }
        }
        Err(End::new(close::LOST, "the room is gone"))
    });
    let caller = found.await.unwrap_or_else(|_| Err(End::new(close::ENDED, "nobody came")))?;
    let theirs = tracks.into_iter().filter(|(identity, _)| *identity == caller.identity).map(|(_, track)| track);
    Ok(Arrival { tracks: theirs.collect(), caller })
}

fn is_person(participant: &Participant) -> bool {
    matches!(participant.kind, ParticipantKind::Standard | ParticipantKind::Sip)
}

/// What is told to the room, by a task of its own: the room's answers are not waited for by the sound.
enum Told {
    Caller(ClientEvent),
    Microphone(TrackSid),
    ReplyIsOver,
}

/// A room and its session.
struct Stay {
    app: Shared,
    room: Room,
    caller: Participant,
    handle: SessionHandle,
    connection: ConnectionId,
    voice: AudioSource,
    playout: Playout,
    /// What is heard of the caller now.
    microphone: Option<(TrackSid, AbortHandle)>,
    /// The screen that the caller shares.
    screen: Option<TrackSid>,
    captions: mpsc::Sender<Told>,
    state: watch::Sender<AgentState>,
    patience: Duration,
}

impl Stay {
    async fn begin(
        app: &Shared,
        settings: &Settings,
        name: &str,
        room: Room,
        arrival: Arrival,
    ) -> Result<(Self, mpsc::Receiver<Outbound>), End> {
        let Arrival { caller, tracks } = arrival;
        let token = settings.session(name, caller.sid.as_str());
        let live = app.sessions.open_or_begin(&token, new_session(&caller, name)).await.map_err(|e| no_session(&e))?;
        let options = PublishOptions { rate: SampleRate::Hz24000, ..PublishOptions::default() };
        let published = room.publish_audio(options).await;
        let voice = published.map_err(|error| End::new(close::INTERNAL, format!("no voice in the room: {error}")))?;
        let (captions, to_tell) = mpsc::channel(CAPTIONS_QUEUE);
        app.connections.spawn(tell(Captions::new(room.clone(), voice.sid().to_string()), to_tell));
        let (state, states) = watch::channel(AgentState::Listening);
        app.connections.spawn(show_state(room.clone(), states));
        let connection = ConnectionId(app.next_connection());
        let mut stay = Self {
            app: Arc::clone(app),
            room,
            caller,
            handle: live.handle,
            connection,
            voice,
            playout: Playout::default(),
            microphone: None,
            screen: None,
            captions,
            state,
            patience: settings.caller_timeout,
        };
        app.events.connection_opened(live.id.as_str(), connection.0);
        let (outbound, inbox) = mpsc::channel(app.config.limits.outbound_queue);
        stay.tell(Command::Attach { connection, voice: true, outbound })?;
        for track in tracks {
            stay.take_track(track).await?;
        }
        Ok((stay, inbox))
    }
}

impl Stay {
    async fn run(mut self, mut events: RoomEvents, mut inbox: mpsc::Receiver<Outbound>) -> End {
        let mut reports = tokio::time::interval(REPORT_EVERY);
        reports.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let going_away = self.app.going_away.clone();
        // Until when a caller whose connection was lost is waited for.
        let mut missing: Option<tokio::time::Instant> = None;
        let end = loop {
            let late = async {
                match missing {
                    Some(until) => tokio::time::sleep_until(until).await,
                    None => std::future::pending().await,
                }
            };
            let done = tokio::select! {
                outbound = inbox.recv() => match outbound {
                    Some(outbound) => self.say(outbound).await,
                    None => Err(dropped(&self.handle)),
                },
                event = events.next() => match event {
                    Some(event) => self.take(event, &mut missing).await,
                    None => Err(End::new(close::LOST, "the room is gone")),
                },
                _ = reports.tick() => {
                    let position = self.playout.position(self.voice.played_ms());
                    position.map_or(Ok(()), |position| self.report(position))
                }
                () = late => Err(self.hang_up("the caller did not come back")),
                () = going_away.cancelled() => Err(End::new(close::GOING_AWAY, "the server is going away")),
            };
            if let Err(end) = done {
                break end;
            }
        };
        if let Some((_, hearing)) = self.microphone.take() {
            hearing.abort();
        }
        // If the session is over or has a newer connection, it takes no notice of this.
        let _ignored_when_over = self.handle.send(Command::Detach { connection: self.connection });
        end
    }

    fn tell(&self, command: Command) -> Result<(), End> {
        self.handle.send(command).map_err(|error| refused(&self.handle, error))
    }

    /// A session that has no place for a report hears the next one, which says more.
    fn report(&self, Position { speech, played_ms }: Position) -> Result<(), End> {
        match self.handle.send(Command::Playout { connection: self.connection, speech, played_ms }) {
            Ok(()) | Err(SendError::Full) => Ok(()),
            Err(SendError::Ended) => Err(refused(&self.handle, SendError::Ended)),
        }
    }

    /// The caller is gone: history keeps what was heard up to now.
    fn hang_up(&mut self, why: &str) -> End {
        let heard = self.playout.clear(self.voice.played_ms());
        let told = heard.map_or(Ok(()), |position| self.report(position));
        let told = told.and_then(|()| self.tell(Command::HangUp { by: HangUp::Caller }));
        told.err().unwrap_or_else(|| End::new(close::ENDED, why))
    }

    /// What the session says, into the room.
    async fn say(&mut self, outbound: Outbound) -> Result<(), End> {
        match outbound {
            Outbound::Audio(bytes) => self.speak(&bytes).await,
            Outbound::SpeechStarted { speech, .. } => {
                self.playout.begin(speech, 0);
                Ok(())
            }
            Outbound::SpeechResumed { speech, from_ms } => {
                self.playout.begin(speech, from_ms);
                Ok(())
            }
            Outbound::SpeechFinished { speech, .. } => {
                self.playout.finish(speech);
                self.caption(Told::ReplyIsOver);
                Ok(())
            }
            Outbound::Clear { .. } => {
                self.voice.clear();
                self.caption(Told::ReplyIsOver);
                let stopped = self.playout.clear(self.voice.played_ms());
                stopped.map_or(Ok(()), |position| self.report(position))
            }
            Outbound::Look { look } => {
                self.look(look);
                Ok(())
            }
            Outbound::Event(ClientEvent::State { state }) => {
                // Nobody shows it when the room is gone.
                let _gone = self.state.send(state);
                Ok(())
            }
            Outbound::Event(event) => {
                self.caption(Told::Caller(event));
                Ok(())
            }
            Outbound::Close { code, reason } => Err(End::new(code, reason)),
            Outbound::Ready(_) | Outbound::Tasks(_) => Ok(()),
        }
    }

    async fn speak(&mut self, bytes: &Bytes) -> Result<(), End> {
        for frame in bytes.chunks_exact(FRAME_BYTES) {
            let samples = frame.chunks_exact(2).map(|pair| i16::from_le_bytes([pair[0], pair[1]])).collect();
            // Its queue has room for more than the session sends ahead.
            self.voice.push(samples).await.map_err(|error| End::new(close::LOST, error.to_string()))?;
            self.playout.push(FRAME_MS);
        }
        Ok(())
    }

    /// A caption that there is no room for is left out.
    fn caption(&self, told: Told) {
        if self.captions.try_send(told).is_err() {
            tracing::debug!("a caption was left out");
        }
    }

    /// What happens in the room.
    async fn take(&mut self, event: Event, missing: &mut Option<tokio::time::Instant>) -> Result<(), End> {
        let is_theirs = |identity: &Identity| *identity == self.caller.identity;
        match event {
            Event::TrackSubscribed { identity, track } if is_theirs(&identity) => self.take_track(track).await,
            Event::TrackUnsubscribed { track } | Event::TrackUnpublished { track, .. } => self.lose_track(&track),
            Event::Text(text) if is_theirs(&text.from) && text.topic == CHAT => self.read(text),
            Event::Dtmf { from, digit } if is_theirs(&from) => {
                Key::parse(&digit).map_or(Ok(()), |key| self.tell(Command::Key { connection: self.connection, key }))
            }
            Event::ParticipantLeft { participant, reason } if is_theirs(&participant.identity) => {
                let is_over = participant.kind == ParticipantKind::Sip
                    || matches!(reason, DisconnectReason::ClientInitiated | DisconnectReason::ParticipantRemoved);
                if is_over {
                    return Err(self.hang_up("the caller left"));
                }
                *missing = Some(tokio::time::Instant::now() + self.patience);
                Ok(())
            }
            Event::ParticipantJoined(participant) if is_theirs(&participant.identity) => {
                *missing = None;
                self.caller = participant;
                Ok(())
            }
            Event::Closed(reason) => Err(End::new(close::LOST, reason.to_string())),
            _ => Ok(()),
        }
    }

    async fn take_track(&mut self, track: Track) -> Result<(), End> {
        match (track.kind, track.source) {
            (TrackKind::Audio, TrackSource::ScreenShareAudio) => Ok(()),
            (TrackKind::Audio, _) => self.listen(track.sid).await,
            (TrackKind::Video, TrackSource::ScreenShare) => {
                self.screen = Some(track.sid);
                self.tell(Command::Sharing { connection: self.connection, is_shared: true })
            }
            _ => Ok(()),
        }
    }

    /// The caller's sound, frame by frame, by a task of its own.
    async fn listen(&mut self, sid: TrackSid) -> Result<(), End> {
        let Ok(mut sound) = self.room.listen(&sid).await else {
            // It is gone already: another comes, or the caller leaves.
            return Ok(());
        };
        let (handle, connection, events) = (self.handle.clone(), self.connection, Arc::clone(&self.app.events));
        let hearing = self.app.connections.spawn(async move {
            while let Some(frame) = sound.next().await {
                let Ok(frame) = <Box<[i16; 320]>>::try_from(frame.samples.into_boxed_slice()) else { continue };
                match handle.send(Command::Audio { connection, frame, mulaw: None }) {
                    Ok(()) => {}
                    Err(SendError::Full) => events.frames_dropped("queue_full", 1),
                    Err(SendError::Ended) => return,
                }
            }
        });
        self.caption(Told::Microphone(sid.clone()));
        if let Some((_, before)) = self.microphone.replace((sid, hearing.abort_handle())) {
            before.abort();
        }
        Ok(())
    }

    fn lose_track(&mut self, sid: &TrackSid) -> Result<(), End> {
        if self.screen.as_ref() == Some(sid) {
            self.screen = None;
            return self.tell(Command::Sharing { connection: self.connection, is_shared: false });
        }
        if let Some((_, hearing)) = self.microphone.take_if(|(microphone, _)| microphone == sid) {
            hearing.abort();
        }
        Ok(())
    }

    fn read(&self, text: TextMessage) -> Result<(), End> {
        let length = text.text.chars().count();
        if text.text.trim().is_empty() || length > self.app.config.session.max_text_chars {
            tracing::info!(length, "a message in a room's chat is empty or too long; it is passed over");
            return Ok(());
        }
        self.tell(Command::Text { text: text.text, answer: None })
    }

    /// A key frame of the shared screen is a picture of it.
    fn look(&self, look: u64) {
        let (room, handle, connection) = (self.room.clone(), self.handle.clone(), self.connection);
        let (screen, wait) = (self.screen.clone(), Duration::from_millis(self.app.config.screen.wait_ms));
        self.app.connections.spawn(async move {
            let picture = match screen {
                Some(screen) => room.take_picture(&screen, wait).await.map(|picture| Bytes::from(picture.webp)),
                None => Ok(Bytes::new()),
            };
            let piece = picture.unwrap_or_else(|error| {
                tracing::info!(%error, "the room gave no picture of the screen");
                Bytes::new()
            });
            // A session that is over looks at nothing any more.
            let _over = handle.send(Command::Picture { connection, look, piece, is_last: true });
        });
    }
}

/// Who they are is what their token says, for which the holder of the LiveKit keys vouches.
fn new_session(caller: &Participant, room: &str) -> NewSession {
    let mut context = Map::new();
    context.insert(ROOM.to_owned(), json!(room));
    let number = caller.attributes.get(SIP_NUMBER).filter(|_| caller.kind == ParticipantKind::Sip);
    let (user, channel) = match number {
        Some(number) => {
            context.insert("phone_number".to_owned(), json!(number));
            (format!("phone:{number}"), Channel::Phone)
        }
        None if caller.kind == ParticipantKind::Sip => (format!("anon-{}", caller.sid), Channel::Phone),
        // Nobody in a room is the owner of a telephone's tasks because of a name.
        None => (format!("livekit:{}", caller.identity), Channel::Browser),
    };
    NewSession {
        user: UserId::new(user),
        channel,
        consent: None,
        wording: String::new(),
        time_zone: time_zone(caller),
        context,
    }
}

/// Where the caller's "today" is: what the application noted, if it did.
fn time_zone(caller: &Participant) -> TimeZone {
    let noted = caller.attributes.get("time_zone").and_then(|name| TimeZone::get(name).ok());
    noted.unwrap_or(TimeZone::UTC)
}

fn no_session(error: &SessionError) -> End {
    match error {
        SessionError::Ended => End::new(close::ENDED, "the session has ended"),
        SessionError::Spent | SessionError::Full | SessionError::Held(_) => {
            End::new(close::TRY_LATER, error.to_string())
        }
        SessionError::Unknown | SessionError::Store(_) | SessionError::Random(_) => {
            tracing::error!(%error, "a room has no session");
            End::new(close::INTERNAL, "a fault of the server")
        }
    }
}

/// Writes the captions, as long as there is a stay.
async fn tell(mut captions: Captions, mut told: mpsc::Receiver<Told>) {
    while let Some(told) = told.recv().await {
        match told {
            Told::Microphone(sid) => captions.hear(sid.to_string()),
            Told::ReplyIsOver => captions.end_reply().await,
            Told::Caller(ClientEvent::Transcript { utterance_id, text, r#final }) => {
                captions.caller(utterance_id, &text, r#final).await;
            }
            Told::Caller(ClientEvent::AgentText { reply_id, text, .. }) => captions.agent(reply_id, &text).await,
            Told::Caller(_) => {}
        }
    }
}

/// Shows what the agent is doing; of states that follow each other quickly the last.
async fn show_state(room: Room, mut states: watch::Receiver<AgentState>) {
    loop {
        let state = match *states.borrow_and_update() {
            AgentState::Listening => "listening",
            AgentState::Thinking => "thinking",
            AgentState::Speaking => "speaking",
        };
        if let Err(error) = room.set_attributes(BTreeMap::from([(AGENT_STATE.to_owned(), state.to_owned())])).await {
            tracing::debug!(%error, "the agent's state was not shown");
        }
        if states.changed().await.is_err() {
            return;
        }
    }
}
