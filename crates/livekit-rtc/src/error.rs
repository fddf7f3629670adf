//! What can go wrong, and why a stay in a room ended.
//!
//! No error holds a token, an address's query or anything that a participant said.

use thiserror::Error;

/// An address that is not one of a LiveKit server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum AddressError {
    /// Not `ws://`, `wss://`, `http://` or `https://`.
    #[error("a LiveKit address begins with ws://, wss://, http:// or https://")]
    Scheme,
    /// No host, or something behind it that does not belong there.
    #[error("the LiveKit address has no usable host")]
    Host,
}

/// A token could not be signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("the access token could not be signed")]
pub struct TokenError;

/// The signalling socket (or the worker's) could not be opened, or was lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum LinkError {
    /// The server answered the upgrade with this HTTP status: 401 for a bad token, 404 for no such room or session.
    #[error("the server refused with HTTP status {0}")]
    Refused(u16),
    /// No connection: the name is unknown, nobody listens, TLS failed.
    #[error("the server cannot be reached")]
    Unreachable,
    /// Nothing happened in time.
    #[error("the server did not answer in time")]
    Timeout,
    /// The server closed the socket.
    #[error("the server closed the connection")]
    Closed,
    /// Signalling works, but the media connections do not.
    #[error("no media comes through")]
    Media,
    /// Something arrived that is not LiveKit's protocol.
    #[error("the server sent what is not its protocol")]
    Protocol,
}

/// Why a stay in a room ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum CloseReason {
    /// [`Room::close`](crate::Room::close), or the last handle was dropped.
    #[error("left the room")]
    Left,
    /// The server said so.
    #[error("the server ended the stay: {0}")]
    Server(DisconnectReason),
    /// The connection was lost, and every attempt to get it back failed; the last one so.
    #[error("the connection was lost: {0}")]
    Lost(LinkError),
    /// The application does not read its events: their queue ran over.
    #[error("the events of the room were not read")]
    EventsNotRead,
    /// The machine has no socket to give.
    #[error("no socket could be opened")]
    NoSocket,
}

/// The reasons that a server gives (`DisconnectReason`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Error)]
#[non_exhaustive]
pub enum DisconnectReason {
    /// None was given.
    #[error("unknown reason")]
    Unknown,
    /// The client asked for it.
    #[error("client initiated")]
    ClientInitiated,
    /// Another participant joined with the same identity.
    #[error("duplicate identity")]
    DuplicateIdentity,
    /// The server shuts down.
    #[error("server shutdown")]
    ServerShutdown,
    /// Removed through the server's API.
    #[error("participant removed")]
    ParticipantRemoved,
    /// The room was deleted through the server's API.
    #[error("room deleted")]
    RoomDeleted,
    /// The server's view of the session is another one; a new session is needed.
    #[error("state mismatch")]
    StateMismatch,
    /// The join did not come to an end.
    #[error("join failure")]
    JoinFailure,
    /// The session moves to another server.
    #[error("migration")]
    Migration,
    /// The signalling socket was closed.
    #[error("signal close")]
    SignalClose,
    /// Everybody left, or the room's time was up.
    #[error("room closed")]
    RoomClosed,
    /// A caller did not answer.
    #[error("user unavailable")]
    UserUnavailable,
    /// A caller declined.
    #[error("user rejected")]
    UserRejected,
    /// The telephone line failed.
    #[error("SIP trunk failure")]
    SipTrunkFailure,
    /// Signalling was silent for too long.
    #[error("connection timeout")]
    ConnectionTimeout,
    /// Media was lost.
    #[error("media failure")]
    MediaFailure,
    /// The agent failed.
    #[error("agent error")]
    AgentError,
    /// A reason that this crate does not know.
    #[error("reason {0}")]
    Other(i32),
}

impl DisconnectReason {
    pub(crate) fn from_number(reason: i32) -> Self {
        match reason {
            0 => Self::Unknown,
            1 => Self::ClientInitiated,
            2 => Self::DuplicateIdentity,
            3 => Self::ServerShutdown,
            4 => Self::ParticipantRemoved,
            5 => Self::RoomDeleted,
            6 => Self::StateMismatch,
            7 => Self::JoinFailure,
            8 => Self::Migration,
            9 => Self::SignalClose,
            10 => Self::RoomClosed,
            11 => Self::UserUnavailable,
            12 => Self::UserRejected,
            13 => Self::SipTrunkFailure,
            14 => Self::ConnectionTimeout,
            15 => Self::MediaFailure,
            16 => Self::AgentError,
            other => Self::Other(other),
        }
    }
}

/// Something asked of a room was not done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum RoomError {
    /// The stay is over.
    #[error("the room is closed")]
    Closed,
    /// The server's answer: the token's grants do not allow it, or a limit is reached.
    #[error("the server refused the request (reason {0})")]
    Refused(i32),
    /// The server did not answer in time.
    #[error("no answer in time")]
    Timeout,
    /// More is waiting to be sent than may wait.
    #[error("too much is waiting to be sent")]
    QueueFull,
    /// Larger than what may be sent at once, in bytes.
    #[error("larger than {0} bytes")]
    TooLarge(usize),
    /// No such track, or it is not subscribed.
    #[error("no such track")]
    UnknownTrack,
    /// The track showed no picture in time.
    #[error("the track showed no picture in time")]
    NoPicture,
    /// The codec does not take this.
    #[error(transparent)]
    Audio(#[from] AudioError),
}

/// The Opus codec refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum AudioError {
    /// A frame that is not 20 ms long.
    #[error("an audio frame of {got} samples, where 20 ms are {expected}")]
    FrameSize {
        /// Samples that were given.
        got: usize,
        /// Samples of 20 ms at the rate in use.
        expected: usize,
    },
    /// The codec could not be made, or failed.
    #[error("the Opus codec failed")]
    Codec,
}
