//! What an application asks of a room.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot, watch};

use super::audio::{AudioSource, AudioStream, SourceEnd};
use crate::data::DataPacket;
use crate::engine::PublishOptions;
use crate::error::{CloseReason, RoomError};
use crate::ids::{StreamId, TrackCid, TrackSid};
use crate::participant::Participant;
use crate::stream::TextOptions;
use crate::video::Picture;

/// How long the room's task may take over a command, beside what the server takes. It does nothing long.
const ORDER_TIMEOUT: Duration = Duration::from_secs(15);

pub(super) type Answer<T> = oneshot::Sender<Result<T, RoomError>>;

/// Something that is asked of the room's task.
pub(super) enum Command {
    Publish { options: PublishOptions, answer: Answer<SourceEnd> },
    Unpublish { cid: TrackCid },
    Mute { cid: TrackCid, muted: bool },
    Listen { track: TrackSid, answer: Answer<AudioStream> },
    Subscribe { track: TrackSid, subscribe: bool },
    Picture { track: TrackSid, timeout: Duration, answer: Answer<Picture> },
    Attributes { attributes: BTreeMap<String, String>, answer: Answer<()> },
    Data { packet: DataPacket, answer: Answer<()> },
    Text { options: TextOptions, text: String, answer: Answer<StreamId> },
    OpenText { options: TextOptions, answer: Answer<StreamId> },
    WriteText { stream: StreamId, text: String, answer: Answer<()> },
    CloseText { stream: StreamId, attributes: BTreeMap<String, String> },
    Participants { answer: Answer<Vec<Participant>> },
    Leave,
}

/// A handle to a stay in a room: cheap to clone, usable from any task.
#[derive(Clone, Debug)]
pub struct Room {
    commands: mpsc::Sender<Command>,
    closed: watch::Receiver<Option<CloseReason>>,
}

impl Room {
    pub(super) fn new(commands: mpsc::Sender<Command>, closed: watch::Receiver<Option<CloseReason>>) -> Self {
        Self { commands, closed }
    }

    pub(super) async fn order(&self, command: Command) -> Result<(), RoomError> {
        self.commands.send(command).await.map_err(|_| RoomError::Closed)
    }

    async fn ask<T>(&self, command: impl FnOnce(Answer<T>) -> Command) -> Result<T, RoomError> {
        let (answer, answered) = oneshot::channel();
        self.order(command(answer)).await?;
        match tokio::time::timeout(ORDER_TIMEOUT, answered).await {
            Ok(answer) => answer.unwrap_or(Err(RoomError::Closed)),
            Err(_) => Err(RoomError::Timeout),
        }
    }

    /// Publishes audio, and waits until the server knows the track. Losses of the connection do not end it.
    ///
    /// # Errors
    /// The server refuses (the token does not allow it), does not answer, or the stay is over.
    pub async fn publish_audio(&self, options: PublishOptions) -> Result<AudioSource, RoomError> {
        let end = self.ask(|answer| Command::Publish { options, answer }).await?;
        Ok(AudioSource::new(end, self.clone()))
    }

    /// Listens to a track that reaches us: see [`Event::TrackSubscribed`](crate::Event::TrackSubscribed). A second
    /// listener takes the place of the first, whose stream ends.
    ///
    /// # Errors
    /// The track does not reach us, or is no audio.
    pub async fn listen(&self, track: &TrackSid) -> Result<AudioStream, RoomError> {
        self.ask(|answer| Command::Listen { track: track.clone(), answer }).await
    }

    /// Asks the server to send a track, or not to send it.
    ///
    /// # Errors
    /// The stay is over.
    pub async fn set_subscribed(&self, track: &TrackSid, subscribe: bool) -> Result<(), RoomError> {
        self.order(Command::Subscribe { track: track.clone(), subscribe }).await
    }

    /// Takes a picture of a video track that reaches us: its next key frame, which its sender is asked for. Video flows
    /// only for this, and two seconds longer. Wait up to three seconds; one tenth of one is usual.
    ///
    /// # Errors
    /// The track does not reach us, is muted, or shows nothing in time.
    pub async fn take_picture(&self, track: &TrackSid, timeout: Duration) -> Result<Picture, RoomError> {
        let timeout = timeout.min(ORDER_TIMEOUT);
        self.ask(|answer| Command::Picture { track: track.clone(), timeout, answer }).await
    }

    /// Sets attributes of ours; an empty value removes one. They are set again when the room is rejoined.
    ///
    /// # Errors
    /// The server refuses (the token must have [`can_update_own_metadata`](crate::token::Grants)), or does not answer.
    pub async fn set_attributes(&self, attributes: BTreeMap<String, String>) -> Result<(), RoomError> {
        self.ask(|answer| Command::Attributes { attributes, answer }).await
    }

    /// Sends a data packet; it waits until the media is connected.
    ///
    /// # Errors
    /// It is too large, too much is waiting, or the stay is over.
    pub async fn send_data(&self, packet: DataPacket) -> Result<(), RoomError> {
        self.ask(|answer| Command::Data { packet, answer }).await
    }

    /// Sends a whole text; it waits until the media is connected.
    ///
    /// # Errors
    /// Too much is waiting, or the stay is over.
    pub async fn send_text(&self, options: TextOptions, text: impl Into<String>) -> Result<StreamId, RoomError> {
        let text = text.into();
        self.ask(|answer| Command::Text { options, text, answer }).await
    }

    /// Begins a text that is sent as it is written.
    ///
    /// # Errors
    /// Too much is waiting, or the stay is over.
    pub async fn open_text(&self, options: TextOptions) -> Result<TextWriter, RoomError> {
        let stream = self.ask(|answer| Command::OpenText { options, answer }).await?;
        Ok(TextWriter { room: self.clone(), stream })
    }

    /// The others in the room, as they are now.
    ///
    /// # Errors
    /// The stay is over.
    pub async fn participants(&self) -> Result<Vec<Participant>, RoomError> {
        self.ask(|answer| Command::Participants { answer }).await
    }

    /// Leaves the room, and waits until the farewell is on its way; why the stay ended, which may have been before.
    pub async fn close(&self) -> CloseReason {
        // If the stay is over, it need not be ended.
        let _ = self.order(Command::Leave).await;
        self.closed().await
    }

    /// Waits for the end of the stay.
    pub async fn closed(&self) -> CloseReason {
        let mut closed = self.closed.clone();
        let reason = closed.wait_for(Option::is_some).await.ok().and_then(|reason| *reason);
        reason.unwrap_or(CloseReason::Left)
    }
}

/// A text that is sent as it is written. Its readers see it whole when it is closed; some, like captions, before. Dropped
/// without [`close`](Self::close), it stays unfinished, and readers leave it out.
#[derive(Debug)]
pub struct TextWriter {
    room: Room,
    stream: StreamId,
}

impl TextWriter {
    /// The stream's id.
    pub fn id(&self) -> &StreamId {
        &self.stream
    }

    /// Sends more.
    ///
    /// # Errors
    /// Too much is waiting, or the stay is over.
    pub async fn write(&self, text: impl Into<String>) -> Result<(), RoomError> {
        let (stream, text) = (self.stream.clone(), text.into());
        self.room.ask(|answer| Command::WriteText { stream, text, answer }).await
    }

    /// Ends it, with more attributes.
    ///
    /// # Errors
    /// The stay is over.
    pub async fn close(self, attributes: BTreeMap<String, String>) -> Result<(), RoomError> {
        self.room.order(Command::CloseText { stream: self.stream, attributes }).await
    }
}
