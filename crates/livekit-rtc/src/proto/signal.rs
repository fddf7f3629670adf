//! `livekit_rtc.proto`: what is said on the signalling socket (`/rtc`).

use std::collections::HashMap;

use prost::{Message, Oneof};

use super::model::{ParticipantInfo, Room, ServerInfo, TrackInfo};

#[derive(Clone, PartialEq, Message)]
pub(crate) struct SignalRequest {
    #[prost(oneof = "ToServer", tags = "1, 2, 3, 4, 5, 6, 7, 8, 12, 14, 15, 16")]
    pub(crate) message: Option<ToServer>,
}

/// `SignalRequest.message`.
#[derive(Clone, PartialEq, Oneof)]
pub(crate) enum ToServer {
    #[prost(message, tag = "1")]
    Offer(SessionDescription),
    #[prost(message, tag = "2")]
    Answer(SessionDescription),
    #[prost(message, tag = "3")]
    Trickle(TrickleRequest),
    #[prost(message, tag = "4")]
    AddTrack(AddTrackRequest),
    #[prost(message, tag = "5")]
    Mute(MuteTrackRequest),
    #[prost(message, tag = "6")]
    Subscription(UpdateSubscription),
    #[prost(message, tag = "7")]
    TrackSetting(UpdateTrackSettings),
    #[prost(message, tag = "8")]
    Leave(LeaveRequest),
    #[prost(message, tag = "12")]
    SyncState(SyncState),
    #[prost(int64, tag = "14")]
    Ping(i64),
    #[prost(message, tag = "15")]
    UpdateMetadata(UpdateParticipantMetadata),
    #[prost(message, tag = "16")]
    PingReq(Ping),
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct SignalResponse {
    #[prost(oneof = "FromServer", tags = "1, 2, 3, 4, 5, 6, 8, 9, 10, 11, 12, 16, 17, 18, 19, 20, 21, 22, 23, 24")]
    pub(crate) message: Option<FromServer>,
}

/// `SignalResponse.message`.
#[derive(Clone, PartialEq, Oneof)]
pub(crate) enum FromServer {
    #[prost(message, tag = "1")]
    Join(Box<JoinResponse>),
    #[prost(message, tag = "2")]
    Answer(SessionDescription),
    #[prost(message, tag = "3")]
    Offer(SessionDescription),
    #[prost(message, tag = "4")]
    Trickle(TrickleRequest),
    #[prost(message, tag = "5")]
    Update(ParticipantUpdate),
    #[prost(message, tag = "6")]
    TrackPublished(TrackPublishedResponse),
    #[prost(message, tag = "8")]
    Leave(LeaveRequest),
    #[prost(message, tag = "9")]
    Mute(MuteTrackRequest),
    #[prost(message, tag = "10")]
    SpeakersChanged(SpeakersChanged),
    #[prost(message, tag = "11")]
    RoomUpdate(RoomUpdate),
    #[prost(message, tag = "12")]
    ConnectionQuality(ConnectionQualityUpdate),
    #[prost(string, tag = "16")]
    RefreshToken(String),
    #[prost(message, tag = "17")]
    TrackUnpublished(TrackUnpublishedResponse),
    #[prost(int64, tag = "18")]
    Pong(i64),
    #[prost(message, tag = "19")]
    Reconnect(ReconnectResponse),
    #[prost(message, tag = "20")]
    PongResp(Pong),
    #[prost(message, tag = "21")]
    SubscriptionResponse(SubscriptionResponse),
    #[prost(message, tag = "22")]
    RequestResponse(RequestResponse),
    #[prost(message, tag = "23")]
    TrackSubscribed(TrackSubscribed),
    #[prost(message, tag = "24")]
    RoomMoved(Box<RoomMovedResponse>),
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct SessionDescription {
    #[prost(string, tag = "1")]
    pub(crate) r#type: String,
    #[prost(string, tag = "2")]
    pub(crate) sdp: String,
    #[prost(uint32, tag = "3")]
    pub(crate) id: u32,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct TrickleRequest {
    /// JSON: the browser's `RTCIceCandidateInit`.
    #[prost(string, tag = "1")]
    pub(crate) candidate_init: String,
    #[prost(int32, tag = "2")]
    pub(crate) target: i32,
    #[prost(bool, tag = "3")]
    pub(crate) r#final: bool,
}

/// `SignalTarget`: which of the two connections is meant, seen from the participant.
pub(crate) const TARGET_PUBLISHER: i32 = 0;
pub(crate) const TARGET_SUBSCRIBER: i32 = 1;

#[derive(Clone, PartialEq, Message)]
pub(crate) struct AddTrackRequest {
    #[prost(string, tag = "1")]
    pub(crate) cid: String,
    #[prost(string, tag = "2")]
    pub(crate) name: String,
    #[prost(int32, tag = "3")]
    pub(crate) r#type: i32,
    #[prost(bool, tag = "6")]
    pub(crate) muted: bool,
    #[prost(int32, tag = "8")]
    pub(crate) source: i32,
    #[prost(bool, tag = "13")]
    pub(crate) disable_red: bool,
    #[prost(string, tag = "15")]
    pub(crate) stream: String,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct MuteTrackRequest {
    #[prost(string, tag = "1")]
    pub(crate) sid: String,
    #[prost(bool, tag = "2")]
    pub(crate) muted: bool,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct JoinResponse {
    #[prost(message, optional, tag = "1")]
    pub(crate) room: Option<Room>,
    #[prost(message, optional, tag = "2")]
    pub(crate) participant: Option<ParticipantInfo>,
    #[prost(message, repeated, tag = "3")]
    pub(crate) other_participants: Vec<ParticipantInfo>,
    #[prost(bool, tag = "6")]
    pub(crate) subscriber_primary: bool,
    /// Seconds.
    #[prost(int32, tag = "10")]
    pub(crate) ping_timeout: i32,
    /// Seconds.
    #[prost(int32, tag = "11")]
    pub(crate) ping_interval: i32,
    #[prost(message, optional, tag = "12")]
    pub(crate) server_info: Option<ServerInfo>,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct ReconnectResponse {
    #[prost(message, optional, tag = "3")]
    pub(crate) server_info: Option<ServerInfo>,
    #[prost(uint32, tag = "4")]
    pub(crate) last_message_seq: u32,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct ParticipantUpdate {
    #[prost(message, repeated, tag = "1")]
    pub(crate) participants: Vec<ParticipantInfo>,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct TrackPublishedResponse {
    #[prost(string, tag = "1")]
    pub(crate) cid: String,
    #[prost(message, optional, tag = "2")]
    pub(crate) track: Option<TrackInfo>,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct TrackUnpublishedResponse {
    #[prost(string, tag = "1")]
    pub(crate) track_sid: String,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct UpdateSubscription {
    #[prost(string, repeated, tag = "1")]
    pub(crate) track_sids: Vec<String>,
    #[prost(bool, tag = "2")]
    pub(crate) subscribe: bool,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct UpdateTrackSettings {
    #[prost(string, repeated, tag = "1")]
    pub(crate) track_sids: Vec<String>,
    #[prost(bool, tag = "3")]
    pub(crate) disabled: bool,
    /// 0 low, 1 medium, 2 high.
    #[prost(int32, tag = "4")]
    pub(crate) quality: i32,
    #[prost(uint32, tag = "5")]
    pub(crate) width: u32,
    #[prost(uint32, tag = "6")]
    pub(crate) height: u32,
}

impl UpdateTrackSettings {
    pub(crate) const HIGH: i32 = 2;
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct LeaveRequest {
    #[prost(bool, tag = "1")]
    pub(crate) can_reconnect: bool,
    #[prost(int32, tag = "2")]
    pub(crate) reason: i32,
    /// 0 disconnect, 1 resume, 2 reconnect.
    #[prost(int32, tag = "3")]
    pub(crate) action: i32,
}

impl LeaveRequest {
    pub(crate) const RESUME: i32 = 1;
    pub(crate) const RECONNECT: i32 = 2;
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct SyncState {
    #[prost(message, optional, tag = "1")]
    pub(crate) answer: Option<SessionDescription>,
    #[prost(message, optional, tag = "2")]
    pub(crate) subscription: Option<UpdateSubscription>,
    #[prost(message, repeated, tag = "3")]
    pub(crate) publish_tracks: Vec<TrackPublishedResponse>,
    #[prost(message, repeated, tag = "4")]
    pub(crate) data_channels: Vec<DataChannelInfo>,
    #[prost(message, optional, tag = "5")]
    pub(crate) offer: Option<SessionDescription>,
    #[prost(string, repeated, tag = "6")]
    pub(crate) track_sids_disabled: Vec<String>,
    #[prost(message, repeated, tag = "7")]
    pub(crate) datachannel_receive_states: Vec<DataChannelReceiveState>,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct DataChannelInfo {
    #[prost(string, tag = "1")]
    pub(crate) label: String,
    #[prost(uint32, tag = "2")]
    pub(crate) id: u32,
    #[prost(int32, tag = "3")]
    pub(crate) target: i32,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct DataChannelReceiveState {
    #[prost(string, tag = "1")]
    pub(crate) publisher_sid: String,
    #[prost(uint32, tag = "2")]
    pub(crate) last_seq: u32,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct UpdateParticipantMetadata {
    #[prost(string, tag = "1")]
    pub(crate) metadata: String,
    #[prost(string, tag = "2")]
    pub(crate) name: String,
    #[prost(map = "string, string", tag = "3")]
    pub(crate) attributes: HashMap<String, String>,
    #[prost(uint32, tag = "4")]
    pub(crate) request_id: u32,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct Ping {
    #[prost(int64, tag = "1")]
    pub(crate) timestamp: i64,
    #[prost(int64, tag = "2")]
    pub(crate) rtt: i64,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct Pong {
    #[prost(int64, tag = "1")]
    pub(crate) last_ping_timestamp: i64,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct SpeakersChanged {
    #[prost(message, repeated, tag = "1")]
    pub(crate) speakers: Vec<SpeakerInfo>,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct SpeakerInfo {
    #[prost(string, tag = "1")]
    pub(crate) sid: String,
    #[prost(float, tag = "2")]
    pub(crate) level: f32,
    #[prost(bool, tag = "3")]
    pub(crate) active: bool,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct RoomUpdate {
    #[prost(message, optional, tag = "1")]
    pub(crate) room: Option<Room>,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct ConnectionQualityUpdate {
    #[prost(message, repeated, tag = "1")]
    pub(crate) updates: Vec<ConnectionQualityInfo>,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct ConnectionQualityInfo {
    #[prost(string, tag = "1")]
    pub(crate) participant_sid: String,
    #[prost(int32, tag = "2")]
    pub(crate) quality: i32,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct SubscriptionResponse {
    #[prost(string, tag = "1")]
    pub(crate) track_sid: String,
    #[prost(int32, tag = "2")]
    pub(crate) err: i32,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct RequestResponse {
    #[prost(uint32, tag = "1")]
    pub(crate) request_id: u32,
    /// 0 means that it was carried out; the others are in [`crate::error::RefusalReason`].
    #[prost(int32, tag = "2")]
    pub(crate) reason: i32,
    #[prost(oneof = "AnsweredRequest", tags = "5")]
    pub(crate) request: Option<AnsweredRequest>,
}

/// `RequestResponse.request`: what was answered, for requests that have no id.
#[derive(Clone, PartialEq, Oneof)]
pub(crate) enum AnsweredRequest {
    #[prost(message, tag = "5")]
    AddTrack(AddTrackRequest),
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct TrackSubscribed {
    #[prost(string, tag = "1")]
    pub(crate) track_sid: String,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct RoomMovedResponse {
    #[prost(message, optional, tag = "1")]
    pub(crate) room: Option<Room>,
    #[prost(string, tag = "2")]
    pub(crate) token: String,
    #[prost(message, optional, tag = "3")]
    pub(crate) participant: Option<ParticipantInfo>,
    #[prost(message, repeated, tag = "4")]
    pub(crate) other_participants: Vec<ParticipantInfo>,
}
