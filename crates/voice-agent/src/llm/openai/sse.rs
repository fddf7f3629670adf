//! Server-sent events, decoded as they come: <https://html.spec.whatwg.org/multipage/server-sent-events.html>.
//!
//! Of an event only its data is of interest here. Lines end in LF, CRLF or CR; reads may cut anywhere, also inside a UTF-8
//! code point, because a line is looked at when it is whole.

/// Longest event, in bytes: a line, or all of an event's data. An answer's events are a few hundred bytes.
pub const MAX_EVENT_BYTES: usize = 256 * 1024;

/// An event that is too long to be one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("an event has more than {MAX_EVENT_BYTES} bytes")]
pub struct EventTooLong;

/// Makes events of the bytes of a stream.
#[derive(Debug, Clone, Default)]
pub struct SseDecoder {
    line: Vec<u8>,
    data: String,
    has_data: bool,
    /// The last byte was a CR: an LF that follows belongs to it.
    after_cr: bool,
    has_begun: bool,
}

impl SseDecoder {
    /// Takes the next bytes; the data of every event that they complete is put to `events`.
    ///
    /// # Errors
    /// [`EventTooLong`]; nothing more is to be expected of such a stream.
    pub fn handle_bytes(&mut self, bytes: &[u8], events: &mut Vec<String>) -> Result<(), EventTooLong> {
        for &byte in bytes {
            let follows_cr = std::mem::replace(&mut self.after_cr, byte == b'\r');
            match byte {
                b'\n' if follows_cr => {}
                b'\n' | b'\r' => self.end_line(events)?,
                _ if self.line.len() >= MAX_EVENT_BYTES => return Err(EventTooLong),
                _ => self.line.push(byte),
            }
        }
        Ok(())
    }

    /// The stream is over. Strictly an event without its blank line is none; but servers leave the last one out.
    ///
    /// # Errors
    /// [`EventTooLong`]
    pub fn handle_end(&mut self, events: &mut Vec<String>) -> Result<(), EventTooLong> {
        if !self.line.is_empty() {
            self.end_line(events)?;
        }
        self.end_event(events);
        Ok(())
    }

    fn end_line(&mut self, events: &mut Vec<String>) -> Result<(), EventTooLong> {
        let line = std::mem::take(&mut self.line);
        let mut line = line.as_slice();
        if !std::mem::replace(&mut self.has_begun, true) {
            line = line.strip_prefix(b"\xef\xbb\xbf").unwrap_or(line);
        }
        if line.is_empty() {
            self.end_event(events);
            return Ok(());
        }
        let (field, value) = match line.iter().position(|byte| *byte == b':') {
            Some(at) => (&line[..at], &line[at + 1..]),
            None => (line, &[][..]),
        };
        // A comment's field is empty; what the others are for is not ours.
        if field == b"data" { self.add_data(value.strip_prefix(b" ").unwrap_or(value)) } else { Ok(()) }
    }

    fn add_data(&mut self, value: &[u8]) -> Result<(), EventTooLong> {
        if std::mem::replace(&mut self.has_data, true) {
            self.data.push('\n');
        }
        self.data.push_str(&String::from_utf8_lossy(value));
        if self.data.len() > MAX_EVENT_BYTES { Err(EventTooLong) } else { Ok(()) }
    }

    fn end_event(&mut self, events: &mut Vec<String>) {
        if std::mem::take(&mut self.has_data) {
            events.push(std::mem::take(&mut self.data));
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Decodes pieces to the end.
    fn decode<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> Result<Vec<String>, EventTooLong> {
        let (mut decoder, mut events) = (SseDecoder::default(), Vec::new());
        for piece in pieces {
            decoder.handle_bytes(piece, &mut events)?;
        }
        decoder.handle_end(&mut events)?;
        Ok(events)
    }

    fn whole(text: &str) -> Vec<String> {
        decode([text.as_bytes()]).unwrap()
    }

    #[test]
    fn events_are_separated_by_blank_lines() {
        assert_eq!(whole("data: one\n\ndata: two\n\n"), ["one", "two"]);
        assert_eq!(whole("data: one\r\n\r\ndata: two\r\n\r\n"), ["one", "two"]);
        assert_eq!(whole("data: one\r\rdata: two\r\r"), ["one", "two"]);
        assert_eq!(whole("data: one\n\r\ndata: two\r\n\n"), ["one", "two"]);
        assert_eq!(whole("\u{feff}data: one\n\n"), ["one"]);
    }

    #[test]
    fn only_data_counts() {
        assert_eq!(whole(": keep-alive\n\nevent: x\nid: 7\nretry: 9\ndata: one\n: in it\n\nevent: y\n\n"), ["one"]);
        assert_eq!(whole("data:one\n\ndata:  two\n\ndata\n\ndata:\n\n"), ["one", " two", "", ""]);
        assert_eq!(whole("data: {\"a\":\ndata: 1}\n\n"), ["{\"a\":\n1}"]);
        assert_eq!(whole("datax: no\n\n data: no\n\nDATA: no\n\n"), [""; 0]);
    }

    #[test]
    fn the_last_event_may_lack_its_blank_line() {
        assert_eq!(whole("data: [DONE]"), ["[DONE]"]);
        assert_eq!(whole("data: [DONE]\n"), ["[DONE]"]);
        assert_eq!(whole(""), [""; 0]);
    }

    #[test]
    fn a_read_may_end_inside_a_code_point_or_a_line_end() {
        let text = "data: caf\u{e9} \u{1f600}\r\n\r\n".as_bytes();
        for at in 0..=text.len() {
            let (first, second) = text.split_at(at);
            assert_eq!(decode([first, second]).unwrap(), ["caf\u{e9} \u{1f600}"], "{at}");
        }
        assert_eq!(decode([&b"data: \xff\xfe!\n\n"[..]]).unwrap(), ["\u{fffd}\u{fffd}!"]);
    }

    #[test]
    fn no_event_is_longer_than_it_may_be() {
        let fits = format!("data:{}\n\n", "x".repeat(MAX_EVENT_BYTES - 5));
        assert_eq!(whole(&fits)[0].len(), MAX_EVENT_BYTES - 5);
        let endless = vec![b'x'; MAX_EVENT_BYTES + 1];
        assert_eq!(decode([endless.as_slice()]), Err(EventTooLong));
        let many = "data: x\n".repeat(MAX_EVENT_BYTES / 2 + 1);
        assert_eq!(decode([many.as_bytes()]), Err(EventTooLong));
        // Events that are over do not add up.
        assert_eq!(whole(&"data: x\n\n".repeat(MAX_EVENT_BYTES)).len(), MAX_EVENT_BYTES);
    }

    /// Streams that look like one, and may be anything.
    fn stream() -> impl Strategy<Value = Vec<u8>> {
        let piece = prop_oneof![
            Just(b"data: ".to_vec()),
            Just(b"data:".to_vec()),
            Just(b"\n".to_vec()),
            Just(b"\r\n".to_vec()),
            Just(b"\r".to_vec()),
            Just(b": comment".to_vec()),
            Just("\u{e9}\u{1f600}".as_bytes().to_vec()),
            Just(b"\xef\xbb\xbf".to_vec()),
            Just(b"[DONE]".to_vec()),
            prop::collection::vec(any::<u8>(), 0..4),
        ];
        prop::collection::vec(piece, 0..40).prop_map(|pieces| pieces.concat())
    }

    proptest! {
        #[test]
        fn however_the_bytes_are_cut_the_events_are_the_same(
            bytes in stream(),
            cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..8),
        ) {
            let mut at: Vec<usize> = cuts.iter().map(|cut| cut.index(bytes.len() + 1)).collect();
            at.extend([0, bytes.len()]);
            at.sort_unstable();
            let pieces = at.windows(2).map(|pair| &bytes[pair[0]..pair[1]]);
            let by_byte = bytes.chunks(1);
            let expected = decode([bytes.as_slice()]);
            prop_assert_eq!(&decode(pieces), &expected);
            prop_assert_eq!(&decode(by_byte), &expected);
        }

        #[test]
        fn arbitrary_bytes_never_panic(bytes in any::<Vec<u8>>()) {
            let events = decode([bytes.as_slice()]).unwrap();
            // Every event is made of bytes of its own; a byte that is no UTF-8 becomes three.
            prop_assert!(events.iter().map(|event| event.len()).sum::<usize>() <= 3 * bytes.len());
        }
    }
}
