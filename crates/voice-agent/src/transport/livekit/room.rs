//! One room and its session: until one of them is done with the other.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use livekit_rtc::audio::SampleRate;
use livekit_rtc::{
    AudioSource, Event, Events as RoomEvents, Identity, Participant, PublishOptions, Room, TextMessage, Track,
    TrackKind, TrackSid, TrackSource,
};
use tokio::sync::{mpsc, watch};
use tokio::task::AbortHandle;
use tokio::time::Instant;
use voice_core::ids::ConnectionId;
use voice_core::input::{HangUp, Key};
use voice_core::output::{AgentState, ClientEvent};

use super::caller::Arrival;
use super::captions::{Captions, Told, show_state, tell};
use super::page::{PageLine, Said, TOPIC};
use super::playout::{Passed, Playout, Position};
use super::reach::{Found, Reach, wait_until_heard};
use super::vouch::PAGE_SESSION;
use super::{Settings, sip};
use crate::app::Shared;
use crate::driver::api::{Command, Outbound, SendError, SessionHandle};
use crate::sessions::Live;
use crate::transport::browser::CallerMessage;
use crate::transport::close;
use crate::transport::end::{End, dropped, refused};

/// What is typed in a room's chat.
const CHAT: &str = "lk.chat";
/// How often the session is told what was heard.
const REPORT_EVERY: Duration = Duration::from_millis(100);
/// Captions that may wait to be sent; further ones are left out.
const CAPTIONS_QUEUE: usize = 256;
/// A picture is on its way from the room to the session for less than this.
const PICTURE_UNDER_WAY_MS: u64 = 300;
/// Bytes of a frame of the agent's voice: 20 ms at 24 kHz.
const FRAME_BYTES: usize = 960;
const FRAME_MS: u64 = 20;

/// A room and its session.
pub(super) struct Stay {
    app: Shared,
    room: Room,
    name: String,
    caller: Participant,
    handle: SessionHandle,
    connection: ConnectionId,
    /// What the session says on this connection.
    inbox: mpsc::Receiver<Outbound>,
    voice: AudioSource,
    playout: Playout,
    reach: Reach,
    /// The session has this room as its connection: not while nobody here can hear it.
    is_attached: bool,
    /// What happened before the session began.
    kept: Vec<Event>,
    /// The caller's microphones, in the order in which they came: the last of them is listened to.
    microphones: Vec<TrackSid>,
    /// What is heard of the caller now.
    microphone: Option<(TrackSid, AbortHandle)>,
    /// The screen that the caller shares.
    screen: Option<TrackSid>,
    /// The caller is our own page; others are told things as LiveKit's front ends read them.
    page: Option<PageLine>,
    captions: mpsc::Sender<Told>,
    state: watch::Sender<AgentState>,
    patience: Duration,
    /// Until when a caller whose connection was lost is waited for.
    missing: Option<Instant>,
}

impl Stay {
    pub(super) async fn begin(
        app: &Shared,
        settings: &Settings,
        name: &str,
        room: Room,
        arrival: Arrival,
        live: Live,
        events: &mut RoomEvents,
    ) -> Result<Self, End> {
        let Arrival { caller, mut tracks } = arrival;
        let options = PublishOptions { rate: SampleRate::Hz24000, ..PublishOptions::default() };
        let published = room.publish_audio(options).await;
        let voice = published.map_err(|error| End::new(close::INTERNAL, format!("no voice in the room: {error}")))?;
        let (captions, to_tell) = mpsc::channel(CAPTIONS_QUEUE);
        app.connections.spawn(tell(Captions::new(room.clone(), voice.sid().to_string()), to_tell));
        let mut reach = Reach::new(voice.cid().clone());
        let page = if caller.attributes.contains_key(PAGE_SESSION) {
            let (limits, most) = (&app.config.limits, app.config.session.max_text_chars);
            let mut page = PageLine::open(&room, &caller, limits, most, &app.connections);
            page.wait_for_page(events, &caller, &mut tracks, &mut reach, settings.caller_timeout).await?;
            Some(page)
        } else {
            None
        };
        let kept = wait_until_heard(&voice, &mut reach, events, &caller, settings.caller_timeout).await?;
        let (state, states) = watch::channel(AgentState::Listening);
        app.connections.spawn(show_state(room.clone(), states));
        let mut stay = Self {
            app: Arc::clone(app),
            room,
            name: name.to_owned(),
            caller,
            handle: live.handle,
            connection: ConnectionId(0),
            inbox: mpsc::channel(1).1,
            voice,
            playout: Playout::default(),
            reach,
            is_attached: false,
            kept,
            microphones: Vec::new(),
            microphone: None,
            screen: None,
            page,
            captions,
            state,
            patience: settings.caller_timeout,
            missing: None,
        };
        stay.attach()?;
        app.events.connection_opened(live.id.as_str(), stay.connection.0);
        for track in tracks {
            stay.take_track(track).await?;
        }
        Ok(stay)
    }

    /// Begins a connection of the session, in the place of the one before.
    fn attach(&mut self) -> Result<(), End> {
        let (outbound, inbox) = mpsc::channel(self.app.config.limits.outbound_queue);
        self.connection = ConnectionId(self.app.next_connection());
        self.inbox = inbox;
        self.is_attached = true;
        let (connection, room) = (self.connection, Some(self.name.clone()));
        self.tell(Command::Attach { connection, voice: true, outbound, room })
    }

    /// Nobody hears the agent: what it was saying waits from here on, and so does the session.
    fn cut(&mut self, was_sure: bool) -> Result<(), End> {
        tracing::info!(room = self.name, "nobody in the room can hear the agent");
        self.voice.clear();
        let heard = self.playout.clear(self.passed());
        // What went out since the signalling was lost went nowhere.
        heard.filter(|_| was_sure).map_or(Ok(()), |position| self.report(position))?;
        self.caption(Told::ReplyIsOver);
        self.is_attached = false;
        self.tell(Command::Detach { connection: self.connection })
    }

    /// The connection was interrupted, and the caller may have missed something: the session goes on where it was surely heard, and a page is
    /// told anew how things stand.
    async fn begin_again(&mut self) -> Result<(), End> {
        self.voice.clear();
        if let Some(position) = self.playout.clear(self.passed()) {
            self.report(position)?;
        }
        self.attach()?;
        if let Some((sid, hearing)) = self.microphone.take() {
            hearing.abort();
            self.listen(sid).await?;
        }
        if self.screen.is_some() {
            self.tell(Command::Sharing { connection: self.connection, is_shared: true })?;
        }
        Ok(())
    }
}

impl Stay {
    /// How the stay ended; and the caller, if they are still there.
    pub(super) async fn run(mut self, mut events: RoomEvents) -> (End, Option<Participant>) {
        let mut reports = tokio::time::interval(REPORT_EVERY);
        reports.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let going_away = self.app.going_away.clone();
        let mut kept = std::mem::take(&mut self.kept).into_iter();
        let end = loop {
            if let Some(event) = kept.next() {
                match self.take(event).await {
                    Ok(()) => continue,
                    Err(end) => break end,
                }
            }
            let missing = self.missing;
            let late = async {
                match missing {
                    Some(until) => tokio::time::sleep_until(until).await,
                    None => std::future::pending().await,
                }
            };
            let done = tokio::select! {
                outbound = self.inbox.recv(), if self.is_attached => match outbound {
                    Some(outbound) => self.say(outbound).await,
                    None => Err(dropped(&self.handle)),
                },
                event = events.next() => match event {
                    Some(event) => self.take(event).await,
                    None => Err(End::new(close::LOST, "the room is gone")),
                },
                _ = reports.tick() => self.look_around().await,
                () = late => Err(self.give_up("the caller did not come back")),
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
        if let Some(page) = self.page.take() {
            page.close(&end).await;
        }
        let is_here = self.missing.is_none();
        (end, is_here.then_some(self.caller))
    }

    /// What was heard is told; whether anything can be heard is found out.
    async fn look_around(&mut self) -> Result<(), End> {
        let was_sure = self.reach.is_sure();
        match self.reach.look(Instant::now(), self.voice.is_connected()) {
            Found::Cut => self.cut(was_sure),
            Found::Heard => self.begin_again().await,
            // A session without a connection has nobody to say farewell to.
            Found::Nothing if !self.is_attached && is_over(&self.handle) => Err(dropped(&self.handle)),
            Found::Nothing if was_sure => {
                let position = self.playout.position(self.passed());
                position.map_or(Ok(()), |position| self.report(position))
            }
            Found::Nothing => Ok(()),
        }
    }

    fn passed(&self) -> Passed {
        Passed { sent_ms: self.voice.played_ms(), lost_ms: self.voice.lost_ms() }
    }

    fn tell(&self, command: Command) -> Result<(), End> {
        self.handle.send(command).map_err(|error| refused(&self.handle, error))
    }

    /// A session that has no place for a report hears the next one, which says more.
    fn report(&self, Position { speech, played_ms }: Position) -> Result<(), End> {
        match self.handle.send(Command::Playout { connection: self.connection, speech, played_ms, reported: false }) {
            Ok(()) | Err(SendError::Full) => Ok(()),
            Err(SendError::Ended) => Err(refused(&self.handle, SendError::Ended)),
        }
    }

    /// The caller is gone. A page that is gone may come back to its session by another way; everybody else has hung up.
    fn give_up(&mut self, why: &str) -> End {
        if self.page.is_some() { End::new(close::LOST, why) } else { self.hang_up(why) }
    }

    /// History keeps what was heard up to now.
    fn hang_up(&mut self, why: &str) -> End {
        let heard = self.playout.clear(self.passed());
        let told = heard.map_or(Ok(()), |position| self.report(position));
        let told = told.and_then(|()| self.tell(Command::HangUp { by: HangUp::Caller }));
        told.err().unwrap_or_else(|| End::new(close::ENDED, why))
    }

    /// What the session says, into the room.
    async fn say(&mut self, outbound: Outbound) -> Result<(), End> {
        if let Some(page) = &self.page {
            page.tell(&outbound)?;
        }
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
                let stopped = self.playout.clear(self.passed());
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

    /// A caption that there is no room for is left out. A page has its own words for it.
    fn caption(&self, told: Told) {
        if self.page.is_none() && self.captions.try_send(told).is_err() {
            tracing::debug!("a caption was left out");
        }
    }

    /// What happens in the room.
    async fn take(&mut self, event: Event) -> Result<(), End> {
        let was_sure = self.reach.is_sure();
        if self.reach.note(&event) == Found::Cut {
            self.cut(was_sure)?;
        }
        let is_theirs = |identity: &Identity| *identity == self.caller.identity;
        match event {
            Event::TrackSubscribed { identity, track } if is_theirs(&identity) => self.take_track(track).await,
            Event::TrackUnsubscribed { track } | Event::TrackUnpublished { track, .. } => self.lose_track(&track).await,
            Event::Text(text) if is_theirs(&text.from) && text.topic == CHAT => self.read(text),
            Event::Text(text) if is_theirs(&text.from) && text.topic == TOPIC => self.read_page(&text.text).await,
            Event::Dtmf { from, digit } if is_theirs(&from) => {
                Key::parse(&digit).map_or(Ok(()), |key| self.tell(Command::Key { connection: self.connection, key }))
            }
            Event::LocalTrackPublished { cid, sid } if cid == *self.voice.cid() => {
                // In a new session of the server's the same track has another id.
                self.caption(Told::Voice(sid));
                Ok(())
            }
            Event::ParticipantLeft { participant, reason } if is_theirs(&participant.identity) => {
                self.missing = Some(Instant::now() + self.patience);
                let has_left = sip::has_left(&participant, reason, self.reach.is_sure());
                if has_left { Err(self.give_up("the caller left")) } else { Ok(()) }
            }
            Event::AttributesChanged { identity, changed }
                if is_theirs(&identity) && sip::has_hung_up(&self.caller, &changed) =>
            {
                self.missing = Some(Instant::now() + self.patience);
                Err(self.give_up("the caller hung up"))
            }
            Event::ParticipantJoined(participant) if is_theirs(&participant.identity) => {
                self.missing = None;
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
            (TrackKind::Audio, _) => {
                self.microphones.retain(|known| *known != track.sid);
                self.microphones.push(track.sid.clone());
                self.listen(track.sid).await
            }
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

    async fn lose_track(&mut self, sid: &TrackSid) -> Result<(), End> {
        if self.screen.as_ref() == Some(sid) {
            self.screen = None;
            return self.tell(Command::Sharing { connection: self.connection, is_shared: false });
        }
        self.microphones.retain(|known| known != sid);
        if let Some((_, hearing)) = self.microphone.take_if(|(microphone, _)| microphone == sid) {
            hearing.abort();
            // Another one may be there still.
            if let Some(before) = self.microphones.last().cloned() {
                return self.listen(before).await;
            }
        }
        Ok(())
    }

    fn read(&self, text: TextMessage) -> Result<(), End> {
        let length = text.text.chars().count();
        if text.text.trim().is_empty() || length > self.app.config.session.max_text_chars {
            tracing::info!(length, "a message in a room's chat is empty or too long; it is passed over");
            return Ok(());
        }
        self.tell(Command::Text { text: text.text, answer: None, sid: None })
    }

    /// What the page says beside its sound. What was heard, and what is shared, the room knows better.
    async fn read_page(&mut self, text: &str) -> Result<(), End> {
        let Some(page) = self.page.as_mut() else { return Ok(()) };
        let message = match page.read(text)? {
            // Not yet, if we know better.
            Said::Begin if self.reach.is_told_so() => return Ok(()),
            Said::Begin => return self.begin_again().await,
            Said::Nothing => return Ok(()),
            Said::Message(message) => message,
        };
        let connection = self.connection;
        self.tell(match message {
            CallerMessage::Text { text } => Command::Text { text, answer: None, sid: None },
            CallerMessage::Mute { muted } => Command::Mute { connection, muted },
            CallerMessage::Consent { recording } => Command::Consent { recording },
            CallerMessage::End => Command::HangUp { by: HangUp::Caller },
            CallerMessage::Ping { .. }
            | CallerMessage::Playout { .. }
            | CallerMessage::Screen { .. }
            | CallerMessage::Picture { .. } => return Ok(()),
        })
    }

    /// A key frame of the shared screen is a picture of it.
    fn look(&self, look: u64) {
        let (room, handle, connection) = (self.room.clone(), self.handle.clone(), self.connection);
        let (screen, wait) = (self.screen.clone(), picture_within(self.app.config.screen.wait_ms));
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

fn is_over(session: &SessionHandle) -> bool {
    session.is_gone() || session.info().ended.is_some()
}

/// How long the room may take over a picture, of what the session waits for it: it gives what it has, and that is still to be in time.
fn picture_within(wait_ms: u64) -> Duration {
    Duration::from_millis(wait_ms.saturating_sub(PICTURE_UNDER_WAY_MS).max(wait_ms / 2))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_coarse_picture_comes_before_the_session_gives_up() {
        for (wait_ms, expected) in [(2_500, 2_200), (600, 300), (400, 200)] {
            assert_eq!(picture_within(wait_ms), Duration::from_millis(expected));
        }
    }
}
