//! `livekit_models.proto`: rooms, participants and their tracks.

use std::collections::HashMap;

use prost::Message;

#[derive(Clone, PartialEq, Message)]
pub(crate) struct Room {
    #[prost(string, tag = "1")]
    pub(crate) sid: String,
    #[prost(string, tag = "2")]
    pub(crate) name: String,
    #[prost(string, tag = "8")]
    pub(crate) metadata: String,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct ParticipantPermission {
    #[prost(bool, tag = "1")]
    pub(crate) can_subscribe: bool,
    #[prost(bool, tag = "2")]
    pub(crate) can_publish: bool,
    #[prost(bool, tag = "3")]
    pub(crate) can_publish_data: bool,
    #[prost(bool, tag = "7")]
    pub(crate) hidden: bool,
    #[prost(bool, tag = "10")]
    pub(crate) can_update_metadata: bool,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct ParticipantInfo {
    #[prost(string, tag = "1")]
    pub(crate) sid: String,
    #[prost(string, tag = "2")]
    pub(crate) identity: String,
    /// 0 joining, 1 joined, 2 active, 3 disconnected.
    #[prost(int32, tag = "3")]
    pub(crate) state: i32,
    #[prost(message, repeated, tag = "4")]
    pub(crate) tracks: Vec<TrackInfo>,
    #[prost(string, tag = "5")]
    pub(crate) metadata: String,
    /// Seconds since 1970; `joined_at_ms` is what newer servers say.
    #[prost(int64, tag = "6")]
    pub(crate) joined_at: i64,
    #[prost(string, tag = "9")]
    pub(crate) name: String,
    #[prost(uint32, tag = "10")]
    pub(crate) version: u32,
    #[prost(message, optional, tag = "11")]
    pub(crate) permission: Option<ParticipantPermission>,
    #[prost(int32, tag = "14")]
    pub(crate) kind: i32,
    #[prost(map = "string, string", tag = "15")]
    pub(crate) attributes: HashMap<String, String>,
    #[prost(int32, tag = "16")]
    pub(crate) disconnect_reason: i32,
    #[prost(int64, tag = "17")]
    pub(crate) joined_at_ms: i64,
}

impl ParticipantInfo {
    pub(crate) const ACTIVE: i32 = 2;
    pub(crate) const DISCONNECTED: i32 = 3;
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct TrackInfo {
    #[prost(string, tag = "1")]
    pub(crate) sid: String,
    /// 0 audio, 1 video, 2 data.
    #[prost(int32, tag = "2")]
    pub(crate) r#type: i32,
    #[prost(string, tag = "3")]
    pub(crate) name: String,
    #[prost(bool, tag = "4")]
    pub(crate) muted: bool,
    #[prost(uint32, tag = "5")]
    pub(crate) width: u32,
    #[prost(uint32, tag = "6")]
    pub(crate) height: u32,
    #[prost(int32, tag = "9")]
    pub(crate) source: i32,
    #[prost(string, tag = "11")]
    pub(crate) mime_type: String,
    #[prost(string, tag = "12")]
    pub(crate) mid: String,
    #[prost(bool, tag = "15")]
    pub(crate) disable_red: bool,
    /// 0 none: what is encrypted end to end cannot be heard here.
    #[prost(int32, tag = "16")]
    pub(crate) encryption: i32,
    #[prost(string, tag = "17")]
    pub(crate) stream: String,
}

impl TrackInfo {
    pub(crate) const AUDIO: i32 = 0;
    pub(crate) const VIDEO: i32 = 1;
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct ServerInfo {
    #[prost(string, tag = "2")]
    pub(crate) version: String,
    #[prost(int32, tag = "3")]
    pub(crate) protocol: i32,
    #[prost(int32, tag = "7")]
    pub(crate) agent_protocol: i32,
}
