//! `livekit_models.proto`: what is sent on the data channels.

use std::collections::HashMap;

use prost::{Message, Oneof};

#[derive(Clone, PartialEq, Message)]
pub(crate) struct DataPacket {
    /// 0 reliable, 1 lossy. Outdated, but older peers read it.
    #[prost(int32, tag = "1")]
    pub(crate) kind: i32,
    #[prost(string, tag = "4")]
    pub(crate) participant_identity: String,
    #[prost(string, repeated, tag = "5")]
    pub(crate) destination_identities: Vec<String>,
    #[prost(uint32, tag = "16")]
    pub(crate) sequence: u32,
    #[prost(string, tag = "17")]
    pub(crate) participant_sid: String,
    #[prost(oneof = "DataValue", tags = "2, 6, 9, 13, 14, 15")]
    pub(crate) value: Option<DataValue>,
}

/// `DataPacket.value`.
#[derive(Clone, PartialEq, Oneof)]
pub(crate) enum DataValue {
    #[prost(message, tag = "2")]
    User(UserPacket),
    #[prost(message, tag = "6")]
    SipDtmf(SipDtmf),
    #[prost(message, tag = "9")]
    ChatMessage(ChatMessage),
    #[prost(message, tag = "13")]
    StreamHeader(StreamHeader),
    #[prost(message, tag = "14")]
    StreamChunk(StreamChunk),
    #[prost(message, tag = "15")]
    StreamTrailer(StreamTrailer),
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct UserPacket {
    #[prost(string, tag = "5")]
    pub(crate) participant_identity: String,
    #[prost(bytes = "vec", tag = "2")]
    pub(crate) payload: Vec<u8>,
    #[prost(string, optional, tag = "4")]
    pub(crate) topic: Option<String>,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct SipDtmf {
    #[prost(uint32, tag = "3")]
    pub(crate) code: u32,
    #[prost(string, tag = "4")]
    pub(crate) digit: String,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct ChatMessage {
    #[prost(string, tag = "1")]
    pub(crate) id: String,
    #[prost(int64, tag = "2")]
    pub(crate) timestamp: i64,
    #[prost(string, tag = "4")]
    pub(crate) message: String,
    #[prost(bool, tag = "5")]
    pub(crate) deleted: bool,
}

/// `DataStream.Header`.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct StreamHeader {
    #[prost(string, tag = "1")]
    pub(crate) stream_id: String,
    /// Milliseconds since 1970.
    #[prost(int64, tag = "2")]
    pub(crate) timestamp: i64,
    #[prost(string, tag = "3")]
    pub(crate) topic: String,
    #[prost(string, tag = "4")]
    pub(crate) mime_type: String,
    #[prost(uint64, optional, tag = "5")]
    pub(crate) total_length: Option<u64>,
    #[prost(map = "string, string", tag = "8")]
    pub(crate) attributes: HashMap<String, String>,
    #[prost(bytes = "vec", optional, tag = "11")]
    pub(crate) inline_content: Option<Vec<u8>>,
    /// 0 none, 1 raw deflate: sent only to who announces that it reads it, which this crate does not.
    #[prost(int32, tag = "12")]
    pub(crate) compression: i32,
    #[prost(oneof = "ContentHeader", tags = "9, 10")]
    pub(crate) content_header: Option<ContentHeader>,
}

/// `DataStream.Header.content_header`.
#[derive(Clone, PartialEq, Oneof)]
pub(crate) enum ContentHeader {
    #[prost(message, tag = "9")]
    Text(TextHeader),
    #[prost(message, tag = "10")]
    Byte(ByteHeader),
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct TextHeader {
    #[prost(int32, tag = "1")]
    pub(crate) operation_type: i32,
    #[prost(int32, tag = "2")]
    pub(crate) version: i32,
    #[prost(string, tag = "3")]
    pub(crate) reply_to_stream_id: String,
    #[prost(bool, tag = "5")]
    pub(crate) generated: bool,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct ByteHeader {
    #[prost(string, tag = "1")]
    pub(crate) name: String,
}

/// `DataStream.Chunk`.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct StreamChunk {
    #[prost(string, tag = "1")]
    pub(crate) stream_id: String,
    #[prost(uint64, tag = "2")]
    pub(crate) chunk_index: u64,
    #[prost(bytes = "vec", tag = "3")]
    pub(crate) content: Vec<u8>,
    #[prost(int32, tag = "4")]
    pub(crate) version: i32,
}

/// `DataStream.Trailer`.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct StreamTrailer {
    #[prost(string, tag = "1")]
    pub(crate) stream_id: String,
    /// Empty when the stream is whole.
    #[prost(string, tag = "2")]
    pub(crate) reason: String,
    #[prost(map = "string, string", tag = "3")]
    pub(crate) attributes: HashMap<String, String>,
}
