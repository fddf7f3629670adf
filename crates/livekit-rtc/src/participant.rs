//! Participants and their tracks, as the server reports them.

use std::collections::BTreeMap;

use crate::ids::{Identity, ParticipantSid, TrackSid};
use crate::proto;

/// What is known of a participant of the room.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Participant {
    /// Unique in the room.
    pub identity: Identity,
    /// This stay in the room.
    pub sid: ParticipantSid,
    /// A name for people; may be empty.
    pub name: String,
    /// How it came here.
    pub kind: ParticipantKind,
    /// Free text of the application.
    pub metadata: String,
    /// The application's attributes, and LiveKit's own (`lk.agent.state`, `sip.phoneNumber`).
    pub attributes: BTreeMap<String, String>,
    /// What it publishes, subscribed or not.
    pub tracks: Vec<Track>,
    /// Its media is connected. Before that it would not hear us.
    pub active: bool,
    /// When it came, in milliseconds since 1970 by the server's clock; 0 if the server does not say. A rejoin counts anew.
    pub joined_at_ms: i64,
    pub(crate) version: u32,
}

impl Participant {
    /// Somebody of whom nothing else is known: for tests of what meets participants.
    pub fn new(identity: impl Into<Identity>, sid: impl Into<ParticipantSid>, kind: ParticipantKind) -> Self {
        Self {
            identity: identity.into(),
            sid: sid.into(),
            name: String::new(),
            kind,
            metadata: String::new(),
            attributes: BTreeMap::new(),
            tracks: Vec::new(),
            active: false,
            joined_at_ms: 0,
            version: 0,
        }
    }

    /// The track of that id, if the participant publishes it.
    pub fn track(&self, sid: &TrackSid) -> Option<&Track> {
        self.tracks.iter().find(|track| track.sid == *sid)
    }

    pub(crate) fn from_proto(info: proto::ParticipantInfo) -> Self {
        Self {
            active: info.state == proto::ParticipantInfo::ACTIVE,
            joined_at_ms: if info.joined_at_ms > 0 { info.joined_at_ms } else { info.joined_at.saturating_mul(1_000) },
            identity: info.identity.into(),
            sid: info.sid.into(),
            name: info.name,
            kind: ParticipantKind::from_number(info.kind),
            metadata: info.metadata,
            attributes: info.attributes.into_iter().collect(),
            tracks: info.tracks.into_iter().map(Track::from_proto).collect(),
            version: info.version,
        }
    }
}

/// How a participant came into the room.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ParticipantKind {
    /// A person with an app or a browser.
    Standard,
    /// A stream brought in by LiveKit's ingress.
    Ingress,
    /// A recorder.
    Egress,
    /// A caller by telephone, through LiveKit's SIP service.
    Sip,
    /// An agent.
    Agent,
    /// A kind that this crate does not know.
    Other(i32),
}

impl ParticipantKind {
    pub(crate) fn from_number(kind: i32) -> Self {
        match kind {
            0 => Self::Standard,
            1 => Self::Ingress,
            2 => Self::Egress,
            3 => Self::Sip,
            4 => Self::Agent,
            other => Self::Other(other),
        }
    }
}

/// A published track.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Track {
    /// This publication.
    pub sid: TrackSid,
    /// Audio or video.
    pub kind: TrackKind,
    /// Where the media comes from.
    pub source: TrackSource,
    /// The publisher's name for it; may be empty.
    pub name: String,
    /// The publisher sends nothing for now.
    pub muted: bool,
    /// Pixels; 0 for audio.
    pub width: u32,
    /// Pixels; 0 for audio.
    pub height: u32,
    /// The codec, as `audio/opus`.
    pub mime_type: String,
    /// Encrypted end to end: its media is noise to this crate, which has no key.
    pub encrypted: bool,
}

impl Track {
    pub(crate) fn from_proto(info: proto::TrackInfo) -> Self {
        Self {
            sid: info.sid.into(),
            kind: TrackKind::from_number(info.r#type),
            source: TrackSource::from_number(info.source),
            name: info.name,
            muted: info.muted,
            width: info.width,
            height: info.height,
            mime_type: info.mime_type,
            encrypted: info.encryption != 0,
        }
    }
}

/// Whether a track is heard or seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum TrackKind {
    /// Heard.
    Audio,
    /// Seen.
    Video,
    /// A kind that this crate does not know.
    Other(i32),
}

impl TrackKind {
    pub(crate) fn from_number(kind: i32) -> Self {
        match kind {
            proto::TrackInfo::AUDIO => Self::Audio,
            proto::TrackInfo::VIDEO => Self::Video,
            other => Self::Other(other),
        }
    }
}

/// Where a track's media comes from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum TrackSource {
    /// Not said.
    #[default]
    Unknown,
    /// A camera.
    Camera,
    /// A microphone; agents publish their voice as one.
    Microphone,
    /// A shared screen.
    ScreenShare,
    /// The sound of a shared screen.
    ScreenShareAudio,
    /// A source that this crate does not know.
    Other(i32),
}

impl TrackSource {
    pub(crate) fn from_number(source: i32) -> Self {
        match source {
            0 => Self::Unknown,
            1 => Self::Camera,
            2 => Self::Microphone,
            3 => Self::ScreenShare,
            4 => Self::ScreenShareAudio,
            other => Self::Other(other),
        }
    }

    pub(crate) fn number(self) -> i32 {
        match self {
            Self::Unknown => 0,
            Self::Camera => 1,
            Self::Microphone => 2,
            Self::ScreenShare => 3,
            Self::ScreenShareAudio => 4,
            Self::Other(other) => other,
        }
    }
}

/// How good the server finds a participant's connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ConnectionQuality {
    /// Much is lost.
    Poor,
    /// Some is lost.
    Good,
    /// Nothing to complain of.
    Excellent,
    /// Nothing arrives.
    Lost,
}

impl ConnectionQuality {
    pub(crate) fn from_number(quality: i32) -> Option<Self> {
        match quality {
            0 => Some(Self::Poor),
            1 => Some(Self::Good),
            2 => Some(Self::Excellent),
            3 => Some(Self::Lost),
            _ => None,
        }
    }
}

/// Who speaks, and how loud.
#[derive(Clone, Debug, PartialEq)]
pub struct Speaker {
    /// Who.
    pub sid: ParticipantSid,
    /// From 0 to 1; 1 is the loudest.
    pub level: f32,
    /// False: has just stopped.
    pub active: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_came_when_is_told_by_old_servers_too() {
        for (joined_at, joined_at_ms, expected) in [(7, 7_250, 7_250), (7, 0, 7_000), (0, 0, 0)] {
            let info = proto::ParticipantInfo { joined_at, joined_at_ms, ..Default::default() };
            assert_eq!(Participant::from_proto(info).joined_at_ms, expected);
        }
    }
}
