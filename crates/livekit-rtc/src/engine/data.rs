//! Data channels: what is sent on them and what arrives, in order and once, also over a resume.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::time::Instant;

use prost::Message;
use str0m::Event as PeerEvent;
use str0m::channel::ChannelId;

use super::{Engine, Event};
use crate::data::{DataMessage, DataPacket, MAX_DATA_BYTES};
use crate::error::RoomError;
use crate::ids::{Identity, ParticipantSid, StreamId};
use crate::proto::{self, DataValue};
use crate::stream::{self, Assembler, Received, TextMessage, TextOptions};

const RELIABLE: &str = "_reliable";
const LOSSY: &str = "_lossy";
/// Bytes that may wait to be sent.
const MAX_QUEUED: usize = 1 << 20;
/// Bytes of sent packets that are kept, to be sent again after a resume.
const MAX_KEPT: usize = 256 << 10;
/// Texts that are being written at once.
const MAX_TEXTS: usize = 256;

/// The data channels' state.
pub(super) struct Data {
    reliable: Option<Channel>,
    lossy: Option<Channel>,
    queue: VecDeque<Packet>,
    queued: usize,
    /// Of the last reliable packet.
    sequence: u32,
    kept: VecDeque<Packet>,
    kept_bytes: usize,
    /// The last reliable packet of each sender.
    seen: HashMap<ParticipantSid, u32>,
    assembler: Assembler,
    texts: HashMap<StreamId, OpenText>,
}

#[derive(Clone, Copy)]
struct Channel {
    id: ChannelId,
    is_open: bool,
}

/// An encoded packet; one without a number is sent unreliably.
#[derive(Clone)]
struct Packet {
    sequence: Option<u32>,
    bytes: Vec<u8>,
}

/// A text that is being written.
struct OpenText {
    chunks: u64,
    to: Vec<Identity>,
}

impl Data {
    pub(super) fn new(max_stream_bytes: usize) -> Self {
        Self {
            reliable: None,
            lossy: None,
            queue: VecDeque::new(),
            queued: 0,
            sequence: 0,
            kept: VecDeque::new(),
            kept_bytes: 0,
            seen: HashMap::new(),
            assembler: Assembler::new(max_stream_bytes),
            texts: HashMap::new(),
        }
    }

    /// Adds our channels to the first offer.
    pub(super) fn add_channels(&mut self, mut add: impl FnMut(&'static str, bool) -> ChannelId) {
        self.reliable.get_or_insert_with(|| Channel { id: add(RELIABLE, true), is_open: false });
        self.lossy.get_or_insert_with(|| Channel { id: add(LOSSY, false), is_open: false });
    }

    /// A new session has channels of its own; what it has not sent is sent on those.
    pub(super) fn forget_channels(&mut self) {
        (self.reliable, self.lossy) = (None, None);
        self.seen.clear();
        self.kept.clear();
        self.kept_bytes = 0;
    }

    pub(super) fn forget(&mut self, identity: &Identity, sid: &ParticipantSid) {
        self.assembler.forget(identity);
        self.seen.remove(sid);
    }

    pub(super) fn receive_states(&self) -> Vec<proto::DataChannelReceiveState> {
        let state = |(sid, last_seq): (&ParticipantSid, &u32)| proto::DataChannelReceiveState {
            publisher_sid: sid.to_string(),
            last_seq: *last_seq,
        };
        self.seen.iter().map(state).collect()
    }

    fn push(&mut self, packet: Packet) -> Result<(), RoomError> {
        if self.queued + packet.bytes.len() > MAX_QUEUED {
            return Err(RoomError::QueueFull);
        }
        self.queued += packet.bytes.len();
        self.queue.push_back(packet);
        Ok(())
    }

    fn keep(&mut self, packet: Packet) {
        self.kept_bytes += packet.bytes.len();
        self.kept.push_back(packet);
        while self.kept_bytes > MAX_KEPT {
            let Some(oldest) = self.kept.pop_front() else {
                break;
            };
            self.kept_bytes -= oldest.bytes.len();
        }
    }
}

impl Engine {
    /// Sends a data packet, as soon as the media is connected.
    ///
    /// # Errors
    /// It is too large, too much is waiting, or the stay is over.
    pub fn send_data(&mut self, now: Instant, packet: DataPacket) -> Result<(), RoomError> {
        if packet.payload.len() > MAX_DATA_BYTES {
            return Err(RoomError::TooLarge(MAX_DATA_BYTES));
        }
        let user = proto::UserPacket {
            participant_identity: self.local.identity.to_string(),
            payload: packet.payload,
            topic: Some(packet.topic),
        };
        self.send_value(packet.reliable, &packet.to, DataValue::User(user))?;
        self.flush_data(now);
        Ok(())
    }

    /// Sends a whole text.
    ///
    /// # Errors
    /// Too much is waiting, or the stay is over; nothing of it was sent then.
    pub fn send_text(&mut self, now: Instant, options: &TextOptions, text: &str) -> Result<StreamId, RoomError> {
        if self.data.queued + text.len() > MAX_QUEUED / 2 {
            return Err(RoomError::QueueFull);
        }
        let stream = self.next_stream();
        let header = stream::header(&stream, options, Some(text.len()), self.unix_ms(now));
        self.send_value(true, &options.to, header)?;
        for chunk in stream::chunks(&stream, 0, text) {
            self.send_value(true, &options.to, chunk)?;
        }
        self.send_value(true, &options.to, stream::trailer(&stream, BTreeMap::new()))?;
        self.flush_data(now);
        Ok(stream)
    }

    /// Begins a text that is sent as it is written.
    ///
    /// # Errors
    /// Too much is waiting, too many texts are open, or the stay is over.
    pub fn open_text(&mut self, now: Instant, options: &TextOptions) -> Result<StreamId, RoomError> {
        if self.data.texts.len() >= MAX_TEXTS {
            return Err(RoomError::QueueFull);
        }
        let stream = self.next_stream();
        let header = stream::header(&stream, options, None, self.unix_ms(now));
        self.send_value(true, &options.to, header)?;
        self.data.texts.insert(stream.clone(), OpenText { chunks: 0, to: options.to.clone() });
        self.flush_data(now);
        Ok(stream)
    }

    /// Sends more of a text that was begun; of one that is not open nothing is sent.
    ///
    /// # Errors
    /// Too much is waiting, or the stay is over.
    pub fn write_text(&mut self, now: Instant, stream: &StreamId, text: &str) -> Result<(), RoomError> {
        let Some(open) = self.data.texts.get_mut(stream) else {
            return Ok(());
        };
        let chunks = stream::chunks(stream, open.chunks, text);
        open.chunks += chunks.len() as u64;
        let to = open.to.clone();
        for chunk in chunks {
            self.send_value(true, &to, chunk)?;
        }
        self.flush_data(now);
        Ok(())
    }

    /// Ends a text that was begun, with more attributes for it.
    ///
    /// # Errors
    /// Too much is waiting, or the stay is over.
    pub fn close_text(
        &mut self,
        now: Instant,
        stream: &StreamId,
        attributes: BTreeMap<String, String>,
    ) -> Result<(), RoomError> {
        if let Some(open) = self.data.texts.remove(stream) {
            self.send_value(true, &open.to, stream::trailer(stream, attributes))?;
            self.flush_data(now);
        }
        Ok(())
    }

    fn next_stream(&mut self) -> StreamId {
        let number = self.next_number();
        StreamId::from(format!("{}-{number}", self.config.nonce))
    }

    fn send_value(&mut self, reliable: bool, to: &[Identity], value: DataValue) -> Result<(), RoomError> {
        if self.closed().is_some() {
            return Err(RoomError::Closed);
        }
        let sequence = reliable.then(|| self.data.sequence + 1);
        let packet = proto::DataPacket {
            kind: i32::from(!reliable),
            participant_identity: self.local.identity.to_string(),
            destination_identities: to.iter().map(Identity::to_string).collect(),
            sequence: sequence.unwrap_or_default(),
            participant_sid: self.local.sid.to_string(),
            value: Some(value),
        };
        self.data.push(Packet { sequence, bytes: packet.encode_to_vec() })?;
        self.data.sequence = sequence.unwrap_or(self.data.sequence);
        Ok(())
    }

    /// Sends what waits, as far as the channels are open and have room. Before we are active, others would not know who
    /// speaks.
    pub(super) fn flush_data(&mut self, now: Instant) {
        if !self.local.active {
            return;
        }
        let (data, Some(peer)) = (&mut self.data, self.publisher.as_mut()) else {
            return;
        };
        while let Some(packet) = data.queue.front() {
            let channel = if packet.sequence.is_some() { data.reliable } else { data.lossy };
            let Some(channel) = channel.filter(|channel| channel.is_open) else {
                return;
            };
            if !peer.write_data(now, channel.id, &packet.bytes) {
                return;
            }
            if let Some(packet) = data.queue.pop_front() {
                data.queued -= packet.bytes.len();
                if packet.sequence.is_some() {
                    data.keep(packet);
                }
            }
        }
    }

    /// After a resume: the server's last packet of ours is this; what came after it is sent again.
    pub(super) fn repeat_data(&mut self, last: u32) {
        let missed = |packet: &mut Packet| packet.sequence.is_some_and(|sequence| sequence > last);
        // The newest are at the back.
        while let Some(packet) = self.data.kept.pop_back_if(missed) {
            self.data.kept_bytes -= packet.bytes.len();
            self.data.queued += packet.bytes.len();
            self.data.queue.push_front(packet);
        }
    }

    pub(super) fn handle_publisher_event(&mut self, now: Instant, event: PeerEvent) {
        match event {
            PeerEvent::ChannelOpen(id, _) => {
                for channel in [&mut self.data.reliable, &mut self.data.lossy].into_iter().flatten() {
                    channel.is_open |= channel.id == id;
                }
            }
            PeerEvent::ChannelData(data) => self.handle_data(now, &data.data),
            _ => {}
        }
    }

    /// A data packet has come.
    pub(super) fn handle_data(&mut self, now: Instant, bytes: &[u8]) {
        let Ok(packet) = proto::DataPacket::decode(bytes) else {
            tracing::debug!("data packet left out");
            return;
        };
        if packet.sequence > 0 && !packet.participant_sid.is_empty() {
            let known = self.roster.values().any(|one| one.sid.as_str() == packet.participant_sid);
            let sid = ParticipantSid::from(packet.participant_sid);
            if self.data.seen.get(&sid).is_some_and(|last| packet.sequence <= *last) {
                return; // Sent again after a resume, ours or theirs.
            }
            if known {
                self.data.seen.insert(sid, packet.sequence);
            }
        }
        if let Some(value) = packet.value {
            self.handle_value(now, packet.participant_identity.into(), value);
        }
    }

    fn handle_value(&mut self, now: Instant, from: Identity, value: DataValue) {
        let received = match value {
            DataValue::User(user) => {
                // Servers before protocol 14 name the sender inside.
                let from = if from.as_str().is_empty() { user.participant_identity.into() } else { from };
                let topic = user.topic.unwrap_or_default();
                self.tell(Event::Data(DataMessage { from, topic, payload: user.payload }));
                return;
            }
            DataValue::SipDtmf(dtmf) => {
                self.tell(Event::Dtmf { from, digit: dtmf.digit });
                return;
            }
            // The chat of older clients.
            DataValue::ChatMessage(chat) => (!chat.deleted).then(|| {
                Received::Text(TextMessage {
                    stream: chat.id.into(),
                    from,
                    topic: "lk.chat".into(),
                    text: chat.message,
                    attributes: BTreeMap::new(),
                    sent_at_ms: chat.timestamp,
                })
            }),
            DataValue::StreamHeader(header) => self.data.assembler.handle_header(now, &from, header),
            DataValue::StreamChunk(chunk) => {
                self.data.assembler.handle_chunk(now, &from, &chunk);
                None
            }
            DataValue::StreamTrailer(trailer) => self.data.assembler.handle_trailer(&from, trailer),
        };
        match received {
            Some(Received::Text(text)) => self.tell(Event::Text(text)),
            Some(Received::Bytes(bytes)) => self.tell(Event::Bytes(bytes)),
            None => {}
        }
    }
}
