//! The page in a room: what it is told and says beside the sound is the protocol of its WebSocket (docs/protocol.md), as text streams
//! of one topic. The sound, and the picture of a shared screen, are tracks.

use std::time::Duration;

use axum::extract::ws::Message;
use livekit_rtc::{Event, Events as RoomEvents, Identity, Participant, Room, TextOptions, Track};
use serde::Deserialize;
use serde_json::{Number, json};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout};
use tokio_util::task::TaskTracker;

use super::reach::Reach;
use crate::blocking::{self, MANY_TASKS};
use crate::config::Limits;
use crate::driver::api::Outbound;
use crate::transport::browser::{CallerMessage, SUBPROTOCOL, decode_text, encode, error_event, pong_event};
use crate::transport::end::End;
use crate::transport::{TokenBucket, close};

/// The topic of the text streams, in both directions.
pub(super) const TOPIC: &str = SUBPROTOCOL;
/// The farewell of a stay may take so long.
const FAREWELL: Duration = Duration::from_millis(500);

/// What a page says before, and beside, the protocol of its WebSocket.
#[derive(Debug, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Opening {
    /// Whether anybody is there; asked until a `pong` comes, since what is said to somebody whose media is not connected is lost.
    Ping { t: Number },
    /// The page hears us and we hear the page: the session may begin, or begin again after an interruption.
    Begin,
}

/// What a message of a page's asks for.
pub(super) enum Said {
    /// The session is to be told this.
    Message(CallerMessage),
    /// The connection is to begin, or to begin again.
    Begin,
    /// It was dealt with.
    Nothing,
}

/// One page in one room.
pub(super) struct PageLine {
    limits: Limits,
    max_text_chars: usize,
    bucket: TokenBucket,
    began: Instant,
    queue: mpsc::Sender<String>,
    writing: JoinHandle<()>,
}

impl PageLine {
    pub(super) fn open(
        room: &Room,
        page: &Participant,
        limits: &Limits,
        max_text_chars: usize,
        tasks: &TaskTracker,
    ) -> Self {
        let (queue, waiting) = mpsc::channel(limits.outbound_queue);
        Self {
            bucket: TokenBucket::new(limits.messages_per_second, limits.message_burst),
            limits: limits.clone(),
            max_text_chars,
            began: Instant::now(),
            queue,
            writing: tasks.spawn(write(room.clone(), page.identity.clone(), waiting)),
        }
    }

    /// Waits for the page to say that it is there. The tracks that reach us meanwhile are kept, and who hears us is noted.
    pub(super) async fn wait_for_page(
        &mut self,
        events: &mut RoomEvents,
        page: &Participant,
        tracks: &mut Vec<Track>,
        reach: &mut Reach,
        patience: Duration,
    ) -> Result<(), End> {
        let beginning = async {
            while let Some(event) = events.next().await {
                // Nothing was heard yet that could be cut.
                reach.note(&event);
                match event {
                    Event::Text(text) if text.from == page.identity && text.topic == TOPIC => {
                        if let Said::Begin = self.read(&text.text)? {
                            return Ok(());
                        }
                    }
                    Event::TrackSubscribed { identity, track } if identity == page.identity => tracks.push(track),
                    Event::TrackUnsubscribed { track } => tracks.retain(|known| known.sid != track),
                    Event::ParticipantLeft { participant, .. } if participant.identity == page.identity => {
                        return Err(End::new(close::LOST, "the page left before it began"));
                    }
                    Event::Closed(reason) => return Err(End::new(close::LOST, reason.to_string())),
                    _ => {}
                }
            }
            Err(End::new(close::LOST, "the room is gone"))
        };
        timeout(patience, beginning).await.unwrap_or_else(|_| Err(End::new(close::LOST, "the page did not begin")))
    }

    /// Reads what the page said; what is not the protocol ends the stay, as it would end a WebSocket.
    pub(super) fn read(&mut self, text: &str) -> Result<Said, End> {
        if !self.bucket.take(self.began.elapsed()) {
            return Err(End::new(close::FLOOD, "too many messages"));
        }
        if text.len() <= self.limits.max_message_bytes {
            match serde_json::from_str(text) {
                Ok(Opening::Ping { t }) => return self.send(pong_event(&t)).map(|()| Said::Nothing),
                Ok(Opening::Begin) => return Ok(Said::Begin),
                Err(_) => {}
            }
        }
        let message = decode_text(text, self.limits.max_message_bytes);
        match message.map_err(|error| End::new(error.code(), error.to_string()))? {
            CallerMessage::Text { text } => self.check_length(text),
            message => Ok(Said::Message(message)),
        }
    }

    fn check_length(&self, text: String) -> Result<Said, End> {
        let (chars, most) = (text.chars().count(), self.max_text_chars);
        if text.trim().is_empty() || chars > most {
            let sentence = format!("A message has 1 to {most} characters; this one has {chars}.");
            return self.send(error_event("text_length", &sentence)).map(|()| Said::Nothing);
        }
        Ok(Said::Message(CallerMessage::Text { text }))
    }

    /// Tells the page what its WebSocket would tell it. Sound goes another way.
    pub(super) fn tell(&self, outbound: &Outbound) -> Result<(), End> {
        if matches!(outbound, Outbound::Audio(_) | Outbound::Close { .. }) {
            return Ok(());
        }
        let is_long = matches!(outbound, Outbound::Tasks(tasks) if tasks.len() > MANY_TASKS);
        blocking::run(is_long, || encode(outbound)).into_iter().try_for_each(|message| self.send(message))
    }

    /// Tells the page how the stay ended, as a WebSocket's close code does, and waits until that is on its way. Where another agent
    /// comes to the room, or the room is gone, there is nothing to tell.
    pub(super) async fn close(self, end: &End) {
        if !matches!(end.code, close::HANDED_OVER | close::LOST) {
            let farewell = json!({"type": "closed", "code": end.code, "reason": end.reason});
            // One that is not told notices that the agent is gone.
            let _ = self.queue.try_send(farewell.to_string());
        }
        drop(self.queue);
        let _late = timeout(FAREWELL, self.writing).await;
    }

    fn send(&self, message: Message) -> Result<(), End> {
        let Message::Text(text) = message else { return Ok(()) };
        self.queue.try_send(text.as_str().to_owned()).map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => {
                End::new(close::TOO_SLOW, "the reader is too slow: its queue was full")
            }
            mpsc::error::TrySendError::Closed(_) => End::new(close::LOST, "the page cannot be written to"),
        })
    }
}

/// Writes to the page, in order, until there is nobody to write to.
async fn write(room: Room, page: Identity, mut waiting: mpsc::Receiver<String>) {
    while let Some(text) = waiting.recv().await {
        if let Err(error) = room.send_text(TextOptions::topic(TOPIC).to(page.clone()), text).await {
            tracing::info!(%error, "the page in a room cannot be written to");
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;
    use crate::driver::api::Ready;

    fn line() -> (PageLine, mpsc::Receiver<String>) {
        let limits = Limits { outbound_queue: 4, message_burst: 8, ..Limits::default() };
        let (queue, waiting) = mpsc::channel(limits.outbound_queue);
        let line = PageLine {
            bucket: TokenBucket::new(1, limits.message_burst),
            limits,
            max_text_chars: 5,
            began: Instant::now(),
            queue,
            writing: tokio::spawn(async {}),
        };
        (line, waiting)
    }

    fn told(waiting: &mut mpsc::Receiver<String>) -> Value {
        serde_json::from_str(&waiting.try_recv().expect("something is told")).unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn a_page_is_answered_before_it_begins() {
        let (mut line, mut waiting) = line();
        assert!(matches!(line.read(r#"{"type":"ping","t":1.5}"#), Ok(Said::Nothing)));
        assert_eq!(told(&mut waiting), json!({"type": "pong", "t": 1.5}));
        assert!(matches!(line.read(r#"{"type":"begin"}"#), Ok(Said::Begin)));
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_typed_has_the_length_of_a_message() {
        let (mut line, mut waiting) = line();
        let said = line.read(r#"{"type":"text","text":"milk"}"#);
        assert!(matches!(said, Ok(Said::Message(CallerMessage::Text { text })) if text == "milk"));
        for text in ["", " ", "eggs, too"] {
            assert!(matches!(line.read(&json!({"type": "text", "text": text}).to_string()), Ok(Said::Nothing)));
            assert_eq!(told(&mut waiting)["code"], "text_length");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_not_the_protocol_ends_the_stay() {
        for (text, code) in [
            ("", close::PROTOCOL),
            (r#"{"type":"shout"}"#, close::PROTOCOL),
            (r#"{"type":"ping"}"#, close::PROTOCOL),
            (&" ".repeat(32_769), close::TOO_LARGE),
        ] {
            let (mut line, _waiting) = line();
            assert_eq!(line.read(text).err().map(|end| end.code), Some(code), "{}", text.len());
        }
        let (mut line, _waiting) = line();
        let mute = r#"{"type":"mute","muted":true}"#;
        let codes: Vec<u16> = (0..9).filter_map(|_| line.read(mute).err()).map(|end| end.code).collect();
        assert_eq!(codes, [close::FLOOD]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_page_is_told_everything_but_the_sound_and_one_that_does_not_read_is_too_slow() {
        let (line, mut waiting) = line();
        line.tell(&Outbound::Audio(vec![0; 960].into())).unwrap();
        line.tell(&Outbound::Look { look: 7 }).unwrap();
        assert_eq!(told(&mut waiting), json!({"type": "look", "look_id": 7}));
        assert!(waiting.try_recv().is_err());
        let ready = Outbound::Ready(Ready {
            session_id: "s".to_owned(),
            resumed: false,
            channel: "browser".to_owned(),
            agent: "TaskAgent".to_owned(),
            recording: false,
            records: false,
            screens: true,
            muted: false,
        });
        let codes: Vec<u16> = (0..5).filter_map(|_| line.tell(&ready).err()).map(|end| end.code).collect();
        assert_eq!(codes, [close::TOO_SLOW]);
    }

    #[tokio::test(start_paused = true)]
    async fn the_end_is_told_unless_another_agent_comes() {
        for (code, is_told) in [(close::REPLACED, true), (close::HANDED_OVER, false), (close::LOST, false)] {
            let (line, mut waiting) = line();
            line.close(&End::new(code, "why")).await;
            let farewell = waiting.recv().await;
            let expected = json!({"type": "closed", "code": code, "reason": "why"}).to_string();
            assert_eq!(farewell, is_told.then_some(expected), "{code}");
        }
    }
}
