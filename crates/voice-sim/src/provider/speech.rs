//! What a TTS makes of a text.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::code::{Code, Vocabulary, Voice, synthesize};
use super::pcm::Encoding;

/// A piece of a text: what stands between two spaces, with the space behind it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Spoken {
    /// As it was written.
    pub(crate) text: String,
    /// Its word; a piece without letters is silent, and takes no time.
    pub(crate) code: Option<Code>,
}

/// The pieces of a text; joined, they are the text.
pub(crate) fn pieces(text: &str) -> Vec<Spoken> {
    let mut all = Vec::new();
    let mut rest = text;
    while !rest.is_empty() {
        let word_begins = rest.find(|c: char| !c.is_whitespace()).unwrap_or(rest.len());
        let word_ends = rest[word_begins..].find(char::is_whitespace).map_or(rest.len(), |at| word_begins + at);
        let end = rest[word_ends..].find(|c: char| !c.is_whitespace()).map_or(rest.len(), |at| word_ends + at);
        let (piece, later) = rest.split_at(end);
        all.push(Spoken { text: piece.to_owned(), code: Vocabulary::codes(piece).first().copied() });
        rest = later;
    }
    all
}

impl Spoken {
    /// The audio of the word and the gap after it.
    pub(crate) fn audio(&self, voice: Voice, rate: u32) -> Vec<i16> {
        self.code.map(|code| synthesize(&[code], voice, rate)).unwrap_or_default()
    }

    /// How long it takes, in ms.
    pub(crate) fn length_ms(&self, voice: Voice) -> u64 {
        if self.code.is_some() { voice.pace_ms() } else { 0 }
    }

    /// For each of its characters when it begins, and how long it lasts, in ms from `start_ms` on.
    pub(crate) fn characters(&self, voice: Voice, start_ms: u64) -> Vec<(char, u64, u64)> {
        let count = self.text.chars().count().max(1) as u64;
        let length_ms = self.length_ms(voice);
        let at = |place: u64| length_ms * place / count;
        (0..).zip(self.text.chars()).map(|(n, c)| (c, start_ms + at(n), at(n + 1) - at(n))).collect()
    }
}

/// Audio that is no audio: the beginning of an MP3 file, of about that length.
pub(crate) fn wrong_audio(length: usize) -> Vec<u8> {
    let mut bytes = b"ID3\x04\0\0\0\0\0\x23TSSE\0\0\0\x0f\0\0\x03rehearsal\0".to_vec();
    bytes.extend(
        (0..length as u32).map(|n| u8::try_from((n.wrapping_mul(2_654_435_761) >> 24) & 0xff).unwrap_or_default()),
    );
    bytes.truncate(length | 1);
    bytes
}

/// Silence of that many bytes.
pub(crate) fn silence(encoding: Encoding, length: usize) -> Vec<u8> {
    let byte = match encoding {
        Encoding::Mulaw => 0xff,
        Encoding::Alaw => 0xd5,
        Encoding::Linear16 | Encoding::Float32 => 0,
    };
    vec![byte; length]
}

pub(crate) fn base64(bytes: &[u8]) -> String {
    STANDARD.encode(bytes)
}

/// Base64 of other bytes of about the same length.
pub(crate) fn replaced(base64_audio: &str, other: impl FnOnce(usize) -> Vec<u8>) -> String {
    base64(&other(STANDARD.decode(base64_audio).map_or(0, |bytes| bytes.len())))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_text_falls_into_words() {
        let spoken = pieces(" Hello  there. — Bye");
        let texts: Vec<&str> = spoken.iter().map(|piece| piece.text.as_str()).collect();
        assert_eq!(texts, [" Hello  ", "there. ", "— ", "Bye"]);
        assert_eq!(spoken.iter().filter(|piece| piece.code.is_some()).count(), 3);
        assert_eq!(spoken[3].characters(Voice::ElevenLabs, 10).last(), Some(&('e', 10 + 213, 107)));
    }

    proptest! {
        #[test]
        fn pieces_are_the_text(text in ".{0,80}") {
            let joined: String = pieces(&text).into_iter().map(|piece| piece.text).collect();
            prop_assert_eq!(joined, text);
        }
    }
}
