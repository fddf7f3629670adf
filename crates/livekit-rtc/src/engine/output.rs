//! What an engine asks of its shell, and what it tells the application.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use str0m::net::Transmit;

use crate::audio::AudioFrame;
use crate::data::DataMessage;
use crate::error::{CloseReason, DisconnectReason, RoomError};
use crate::ids::{Identity, TrackCid, TrackSid};
use crate::participant::{ConnectionQuality, Participant, Speaker, Track};
use crate::peer::Role;
use crate::stream::{ByteMessage, TextMessage};
use crate::video::Picture;

/// Something that the shell is to do.
#[derive(Debug)]
pub enum Output {
    /// Open a signalling WebSocket at this address with this token as `Authorization: Bearer`, in place of any other. If
    /// it cannot be opened, or is lost later on, say [`handle_link_lost`](super::Engine::handle_link_lost).
    Connect {
        /// `ws://…` or `wss://…`.
        url: String,
        /// Keep it out of logs.
        token: Token,
    },
    /// Send this binary message on the signalling socket.
    Signal(Vec<u8>),
    /// Close the signalling socket, after what was sent before.
    Disconnect,
    /// Close all sockets of this connection and open new ones: a UDP socket, unless [`Transport::Tcp`](super::Transport)
    /// is wanted. Say [`handle_local_address`](super::Engine::handle_local_address) for each, then
    /// [`handle_bound`](super::Engine::handle_bound).
    Bind(Role),
    /// Open a TCP connection to the server for this connection, and carry packets in the framing of RFC 4571.
    ConnectTcp {
        /// For which connection.
        role: Role,
        /// Where to.
        remote: SocketAddr,
    },
    /// Send a packet.
    Transmit {
        /// From which connection's socket.
        role: Role,
        /// From where, to where, what.
        transmit: Transmit,
    },
    /// 20 ms of a track that is listened to.
    Audio {
        /// Which.
        track: TrackSid,
        /// What was heard.
        frame: AudioFrame,
    },
    /// The answer to [`take_picture`](super::Engine::take_picture).
    Picture {
        /// The number of the request.
        request: u32,
        /// The picture, or why there is none.
        picture: Result<Picture, RoomError>,
    },
    /// The answer to [`set_attributes`](super::Engine::set_attributes).
    Answered {
        /// The number of the request.
        request: u32,
        /// Whether it was done.
        result: Result<(), RoomError>,
    },
    /// Something to tell the application.
    Event(Event),
}

/// A token, which `Debug` does not show.
#[derive(Clone, PartialEq, Eq)]
pub struct Token(pub String);

impl std::fmt::Debug for Token {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Token(…)")
    }
}

/// Something that happened in the room.
///
/// `Debug` shows no texts, data and pictures; but names and attributes, which may be a caller's number.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Event {
    /// We are in the room: the first event, and only once.
    Joined {
        /// The room's name.
        room: String,
        /// Who we are in it.
        identity: Identity,
        /// Who else is here.
        participants: Vec<Participant>,
    },
    /// Our media is connected and others hear us; data may flow.
    Active,
    /// The connection is interrupted and being mended. Audio that is sent meanwhile is lost.
    Reconnecting,
    /// The connection is back, in the same session: nothing has changed.
    Resumed,
    /// The connection is back in a new session. Our tracks are published again and our attributes set again; the others'
    /// tracks have new ids, and were announced again.
    Rejoined,
    /// Somebody came.
    ParticipantJoined(Participant),
    /// Somebody's media is connected: what we say now is heard.
    ParticipantActive(Identity),
    /// Somebody left.
    ParticipantLeft {
        /// Who, as last seen.
        participant: Participant,
        /// Why.
        reason: DisconnectReason,
    },
    /// Attributes of somebody have changed; an empty value is one that was removed.
    AttributesChanged {
        /// Whose; may be ourselves.
        identity: Identity,
        /// Those that changed.
        changed: BTreeMap<String, String>,
    },
    /// Name or metadata of somebody have changed.
    MetadataChanged {
        /// Whose.
        identity: Identity,
        /// A name for people.
        name: String,
        /// Free text of the application.
        metadata: String,
    },
    /// Somebody publishes a track.
    TrackPublished {
        /// Who.
        identity: Identity,
        /// Which.
        track: Track,
    },
    /// Somebody publishes a track no more.
    TrackUnpublished {
        /// Who.
        identity: Identity,
        /// Which.
        track: TrackSid,
    },
    /// A track reaches us from now on.
    TrackSubscribed {
        /// Whose.
        identity: Identity,
        /// Which.
        track: Track,
    },
    /// A track reaches us no more.
    TrackUnsubscribed {
        /// Which.
        track: TrackSid,
    },
    /// A track cannot reach us: its codec is not ours, or it is gone.
    SubscriptionFailed {
        /// Which.
        track: TrackSid,
    },
    /// Somebody muted a track, or unmuted it.
    TrackMuted {
        /// Whose.
        identity: Identity,
        /// Which.
        track: TrackSid,
        /// Silent from now on.
        muted: bool,
    },
    /// The server knows our track.
    LocalTrackPublished {
        /// Ours.
        cid: TrackCid,
        /// The server's.
        sid: TrackSid,
    },
    /// The server does not take our track.
    LocalTrackRefused {
        /// Ours.
        cid: TrackCid,
        /// The server's number for why.
        reason: i32,
    },
    /// The server muted our track, or wants it back.
    LocalTrackMuted {
        /// Ours.
        cid: TrackCid,
        /// Silent from now on.
        muted: bool,
    },
    /// Somebody hears our track.
    LocalTrackHeard {
        /// Ours.
        cid: TrackCid,
    },
    /// Who speaks has changed.
    Speakers(Vec<Speaker>),
    /// Somebody's connection has changed.
    Quality {
        /// Whose; may be ourselves.
        identity: Identity,
        /// What it is like now.
        quality: ConnectionQuality,
    },
    /// A text is here: chat, or whatever its topic says.
    Text(TextMessage),
    /// A file or other bytes are here.
    Bytes(ByteMessage),
    /// A data packet is here.
    Data(DataMessage),
    /// A caller by telephone pressed a key.
    Dtmf {
        /// Who.
        from: Identity,
        /// Which: `0` to `9`, `*`, `#`, `A` to `D`.
        digit: String,
    },
    /// The room's metadata has changed.
    RoomMetadata(String),
    /// The server gave us a new token; it is used when the connection is mended.
    TokenRefreshed,
    /// The stay is over. Nothing follows.
    Closed(CloseReason),
}
