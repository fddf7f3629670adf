//! Text and byte streams (LiveKit's data streams): a header, chunks in order, and a trailer, each a reliable data packet.
//! Chat, captions and files go over them.

use std::collections::{BTreeMap, HashMap};
use std::time::{Duration, Instant};

use crate::ids::{Identity, StreamId};
use crate::proto::{ContentHeader, DataValue, StreamChunk, StreamHeader, StreamTrailer, TextHeader};

/// Bytes of a chunk: a packet may have 16 KiB with everything around it.
const MAX_CHUNK: usize = 15_000;
/// Streams that may be arriving at once; the one that has been still for longest makes room.
const MAX_OPEN: usize = 64;
/// Without a chunk for this long a stream is given up.
const MAX_STILL: Duration = Duration::from_secs(60);

/// A text that a participant sent, whole.
#[derive(Clone, PartialEq, Eq)]
pub struct TextMessage {
    /// This stream.
    pub stream: StreamId,
    /// Who sent it.
    pub from: Identity,
    /// What it is: `lk.chat`, `lk.transcription`, or the application's own.
    pub topic: String,
    /// The text.
    pub text: String,
    /// What the sender noted beside it.
    pub attributes: BTreeMap<String, String>,
    /// When it was sent by the sender's clock, in milliseconds since 1970.
    pub sent_at_ms: i64,
}

/// Bytes that a participant sent, whole: a file, a picture.
#[derive(Clone, PartialEq, Eq)]
pub struct ByteMessage {
    /// This stream.
    pub stream: StreamId,
    /// Who sent it.
    pub from: Identity,
    /// What it is.
    pub topic: String,
    /// The file's name, as the sender gave it: do not open it as a path.
    pub name: String,
    /// As the sender gave it.
    pub mime_type: String,
    /// The content.
    pub bytes: Vec<u8>,
    /// What the sender noted beside it.
    pub attributes: BTreeMap<String, String>,
}

// What people write stays out of logs.
impl std::fmt::Debug for TextMessage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "TextMessage({:?}, {} bytes)", self.topic, self.text.len())
    }
}

impl std::fmt::Debug for ByteMessage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "ByteMessage({:?}, {} bytes)", self.topic, self.bytes.len())
    }
}

/// What is said of a text that is sent.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TextOptions {
    /// What it is: `lk.chat`, `lk.transcription`, or the application's own.
    pub topic: String,
    /// What is noted beside it.
    pub attributes: BTreeMap<String, String>,
    /// To whom; everybody, if empty.
    pub to: Vec<Identity>,
}

impl TextOptions {
    /// A text of this topic, to everybody.
    pub fn topic(topic: impl Into<String>) -> Self {
        Self { topic: topic.into(), ..Self::default() }
    }

    /// Notes this beside it.
    #[must_use]
    pub fn attribute(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.attributes.insert(name.into(), value.into());
        self
    }

    /// Sends it to this participant, and to others that were named, but not to everybody.
    #[must_use]
    pub fn to(mut self, identity: Identity) -> Self {
        self.to.push(identity);
        self
    }
}

pub(crate) fn header(stream: &StreamId, options: &TextOptions, total_length: Option<usize>, unix_ms: i64) -> DataValue {
    DataValue::StreamHeader(StreamHeader {
        stream_id: stream.to_string(),
        timestamp: unix_ms,
        topic: options.topic.clone(),
        mime_type: "text/plain".into(),
        total_length: total_length.map(|length| length as u64),
        attributes: options.attributes.clone().into_iter().collect(),
        content_header: Some(ContentHeader::Text(TextHeader::default())),
        ..StreamHeader::default()
    })
}

/// A text as chunks, from this index on. None is cut inside a character.
pub(crate) fn chunks(stream: &StreamId, first: u64, text: &str) -> Vec<DataValue> {
    let mut rest = text;
    let mut chunks = Vec::new();
    while !rest.is_empty() {
        let (chunk, after) = rest.split_at(rest.floor_char_boundary(MAX_CHUNK));
        rest = after;
        chunks.push(DataValue::StreamChunk(StreamChunk {
            stream_id: stream.to_string(),
            chunk_index: first + chunks.len() as u64,
            content: chunk.as_bytes().to_vec(),
            ..StreamChunk::default()
        }));
    }
    chunks
}

pub(crate) fn trailer(stream: &StreamId, attributes: BTreeMap<String, String>) -> DataValue {
    DataValue::StreamTrailer(StreamTrailer {
        stream_id: stream.to_string(),
        reason: String::new(),
        attributes: attributes.into_iter().collect(),
    })
}

/// A stream that is here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Received {
    Text(TextMessage),
    Bytes(ByteMessage),
}

/// Puts arriving streams together.
#[derive(Debug)]
pub(crate) struct Assembler {
    open: HashMap<(Identity, String), Open>,
    max_bytes: usize,
}

#[derive(Debug)]
struct Open {
    header: StreamHeader,
    content: Vec<u8>,
    next_chunk: u64,
    touched: Instant,
}

impl Assembler {
    /// One that takes streams up to this many bytes.
    pub(crate) fn new(max_bytes: usize) -> Self {
        Self { open: HashMap::new(), max_bytes }
    }

    pub(crate) fn handle_header(
        &mut self,
        now: Instant,
        from: &Identity,
        mut header: StreamHeader,
    ) -> Option<Received> {
        let too_long = header.total_length.is_some_and(|length| length > self.max_bytes as u64);
        // Compressed ones are sent only to who announces that it reads them, and we do not.
        if too_long || header.compression != 0 {
            return None;
        }
        if let Some(content) = header.inline_content.take() {
            return (content.len() <= self.max_bytes)
                .then(|| whole(from.clone(), header, content, HashMap::new()))
                .flatten();
        }
        self.open.retain(|_, open| now.saturating_duration_since(open.touched) < MAX_STILL);
        if self.open.len() >= MAX_OPEN {
            let oldest = self.open.iter().min_by_key(|(_, open)| open.touched).map(|(key, _)| key.clone());
            oldest.map(|key| self.open.remove(&key));
        }
        let key = (from.clone(), header.stream_id.clone());
        self.open.insert(key, Open { header, content: Vec::new(), next_chunk: 0, touched: now });
        None
    }

    pub(crate) fn handle_chunk(&mut self, now: Instant, from: &Identity, chunk: &StreamChunk) {
        let key = (from.clone(), chunk.stream_id.clone());
        let Some(open) = self.open.get_mut(&key) else {
            return;
        };
        if chunk.chunk_index < open.next_chunk {
            return; // Doubled.
        }
        let fits = open.content.len().saturating_add(chunk.content.len()) <= self.max_bytes;
        if chunk.chunk_index > open.next_chunk || !fits {
            self.open.remove(&key);
            return;
        }
        open.content.extend_from_slice(&chunk.content);
        open.next_chunk += 1;
        open.touched = now;
    }

    pub(crate) fn handle_trailer(&mut self, from: &Identity, trailer: StreamTrailer) -> Option<Received> {
        let open = self.open.remove(&(from.clone(), trailer.stream_id))?;
        let promised = open.header.total_length.unwrap_or(open.content.len() as u64);
        let is_whole = trailer.reason.is_empty() && promised == open.content.len() as u64;
        is_whole.then(|| whole(from.clone(), open.header, open.content, trailer.attributes)).flatten()
    }

    /// The sender has left: nothing more comes of what it had begun.
    pub(crate) fn forget(&mut self, from: &Identity) {
        self.open.retain(|(identity, _), _| identity != from);
    }
}

fn whole(from: Identity, header: StreamHeader, content: Vec<u8>, more: HashMap<String, String>) -> Option<Received> {
    let attributes = header.attributes.into_iter().chain(more).collect();
    let stream = StreamId::from(header.stream_id);
    match header.content_header? {
        ContentHeader::Text(_) => Some(Received::Text(TextMessage {
            stream,
            from,
            topic: header.topic,
            text: String::from_utf8(content).ok()?,
            attributes,
            sent_at_ms: header.timestamp,
        })),
        ContentHeader::Byte(byte) => Some(Received::Bytes(ByteMessage {
            stream,
            from,
            topic: header.topic,
            name: byte.name,
            mime_type: header.mime_type,
            bytes: content,
            attributes,
        })),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn feed(assembler: &mut Assembler, now: Instant, from: &Identity, value: DataValue) -> Option<Received> {
        match value {
            DataValue::StreamHeader(header) => assembler.handle_header(now, from, header),
            DataValue::StreamChunk(chunk) => {
                assembler.handle_chunk(now, from, &chunk);
                None
            }
            DataValue::StreamTrailer(trailer) => assembler.handle_trailer(from, trailer),
            other => panic!("{other:?} is no part of a stream"),
        }
    }

    fn send(assembler: &mut Assembler, text: &str, total_length: Option<usize>) -> Option<Received> {
        let (stream, now, ada) = (StreamId::from("s1"), Instant::now(), Identity::from("ada"));
        let options = TextOptions::topic("lk.chat").attribute("a", "1");
        feed(assembler, now, &ada, header(&stream, &options, total_length, 7));
        for chunk in chunks(&stream, 0, text) {
            assert_eq!(feed(assembler, now, &ada, chunk), None);
        }
        feed(assembler, now, &ada, trailer(&stream, BTreeMap::from([("b".into(), "2".into())])))
    }

    #[test]
    fn a_text_arrives_whole() {
        let text = "déjà vu ".repeat(4_000);
        let Some(Received::Text(message)) = send(&mut Assembler::new(100_000), &text, Some(text.len())) else {
            panic!("no text");
        };
        assert!(message.text == text);
        assert_eq!((message.topic.as_str(), message.from.as_str(), message.sent_at_ms), ("lk.chat", "ada", 7));
        assert_eq!(message.attributes, BTreeMap::from([("a".into(), "1".into()), ("b".into(), "2".into())]));
        assert_eq!(format!("{message:?}"), format!("TextMessage(\"lk.chat\", {} bytes)", text.len()));
    }

    #[test]
    fn what_is_too_long_or_not_whole_does_not_arrive() {
        assert_eq!(send(&mut Assembler::new(10), "eleven byte", None), None);
        assert_eq!(send(&mut Assembler::new(10), "eleven byte", Some(11)), None);
        assert_eq!(send(&mut Assembler::new(10), "ten", Some(4)), None);
        let mut assembler = Assembler::new(100);
        let (stream, now, ada) = (StreamId::from("s1"), Instant::now(), Identity::from("ada"));
        feed(&mut assembler, now, &ada, header(&stream, &TextOptions::default(), None, 0));
        feed(&mut assembler, now, &ada, chunks(&stream, 1, "not the first").remove(0));
        assert_eq!(feed(&mut assembler, now, &ada, trailer(&stream, BTreeMap::new())), None);
    }

    #[test]
    fn a_short_text_may_stand_in_the_header() {
        let (stream, ada) = (StreamId::from("s1"), Identity::from("ada"));
        let DataValue::StreamHeader(mut header) = header(&stream, &TextOptions::topic("t"), None, 0) else {
            panic!("no header");
        };
        header.inline_content = Some(b"hello".to_vec());
        let received = Assembler::new(100).handle_header(Instant::now(), &ada, header);
        assert!(matches!(received, Some(Received::Text(message)) if message.text == "hello"));
    }

    #[test]
    fn open_streams_are_bounded() {
        let mut assembler = Assembler::new(100);
        let (now, ada) = (Instant::now(), Identity::from("ada"));
        for number in 0..200 {
            let stream = StreamId::from(format!("s{number}"));
            let at = now + Duration::from_millis(number);
            feed(&mut assembler, at, &ada, header(&stream, &TextOptions::default(), None, 0));
        }
        assert_eq!(assembler.open.len(), MAX_OPEN);
        assert!(assembler.open.contains_key(&(ada.clone(), "s199".into())));
        assembler.forget(&ada);
        assert_eq!(assembler.open.len(), 0);
    }

    proptest! {
        #[test]
        fn chunks_are_text_and_within_the_limit(text in "\\PC{0,9000}") {
            let stream = StreamId::from("s");
            let mut joined = String::new();
            for (index, chunk) in (3..).zip(chunks(&stream, 3, &text)) {
                let DataValue::StreamChunk(chunk) = chunk else { panic!("no chunk") };
                prop_assert!(chunk.content.len() <= MAX_CHUNK);
                prop_assert_eq!(chunk.chunk_index, index);
                joined.push_str(std::str::from_utf8(&chunk.content).unwrap());
            }
            prop_assert_eq!(joined, text);
        }
    }
}
