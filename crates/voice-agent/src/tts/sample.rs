//! Whole samples from bytes that come cut anywhere.

use bytes::{Bytes, BytesMut};

use crate::audio::format::AudioFormat;

/// Puts the pieces of a stream together to whole samples.
#[derive(Debug, Clone)]
pub(super) struct Samples {
    format: AudioFormat,
    /// The beginning of a sample whose end has not come.
    rest: Bytes,
    /// Bytes of whole samples so far.
    bytes: u64,
}

impl Samples {
    /// No audio yet.
    pub(super) const fn new(format: AudioFormat) -> Self {
        Self { format, rest: Bytes::new(), bytes: 0 }
    }

    /// Takes the next piece, and answers the whole samples that are there now; there may be none.
    pub(super) fn push(&mut self, piece: Bytes) -> Bytes {
        let mut whole = if self.rest.is_empty() {
            piece
        } else {
            let mut joined = BytesMut::with_capacity(self.rest.len() + piece.len());
            joined.extend_from_slice(&self.rest);
            joined.extend_from_slice(&piece);
            joined.freeze()
        };
        let cut = whole.len() % self.format.bytes_per_sample();
        // A copy: a slice would keep all of the piece in memory.
        self.rest = Bytes::copy_from_slice(&whole.split_off(whole.len() - cut));
        self.bytes += whole.len() as u64;
        whole
    }

    /// Whether no sample is cut.
    pub(super) const fn is_whole(&self) -> bool {
        self.rest.is_empty()
    }

    /// Bytes of whole samples so far.
    pub(super) const fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Milliseconds so far.
    pub(super) const fn audio_ms(&self) -> u64 {
        self.bytes / self.format.bytes_per_ms() as u64
    }
}

/// Whether a piece of audio is the beginning of a file, which was not asked for: an MP3, a WAV, an Ogg, a FLAC or a WebM.
/// Played as samples it would be noise. (What begins an MP3 without a tag could be samples as well.)
pub(super) fn is_file(piece: &[u8]) -> bool {
    let tagged = piece.starts_with(b"ID3") && piece.get(3).is_some_and(|version| (2..=4).contains(version));
    tagged || [&b"RIFF"[..], b"OggS", b"fLaC", b"\x1a\x45\xdf\xa3"].iter().any(|magic| piece.starts_with(magic))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn any_split_gives_the_same_samples(audio: Vec<u8>, cuts in prop::collection::vec(0usize..64, 0..40), mulaw: bool) {
            let format = if mulaw { AudioFormat::Mulaw8k } else { AudioFormat::Pcm24k };
            let mut samples = Samples::new(format);
            let (mut left, mut joined) = (audio.as_slice(), Vec::new());
            for cut in cuts {
                let (piece, after) = left.split_at(cut.min(left.len()));
                let whole = samples.push(Bytes::copy_from_slice(piece));
                prop_assert_eq!(whole.len() % format.bytes_per_sample(), 0);
                joined.extend_from_slice(&whole);
                left = after;
            }
            joined.extend_from_slice(&samples.push(Bytes::copy_from_slice(left)));
            let whole = audio.len() - audio.len() % format.bytes_per_sample();
            prop_assert_eq!(&joined[..], &audio[..whole]);
            prop_assert_eq!(samples.is_whole(), whole == audio.len());
            prop_assert_eq!(samples.bytes(), whole as u64);
        }
    }

    #[test]
    fn files_are_known_by_their_first_bytes() {
        for file in [&b"ID3\x04\0\0"[..], b"RIFF\x24\0", b"OggS\0\x02", b"fLaC\0", b"\x1a\x45\xdf\xa3\x01"] {
            assert!(is_file(file), "{file:?}");
        }
        for samples in [&b""[..], b"ID3", b"ID3\x7f", b"RIFE", &[0; 64]] {
            assert!(!is_file(samples), "{samples:?}");
        }
    }

    #[test]
    fn milliseconds_are_of_the_format() {
        for (format, bytes) in [(AudioFormat::Pcm24k, 4_800), (AudioFormat::Pcm16k, 3_200), (AudioFormat::Mulaw8k, 800)]
        {
            let mut samples = Samples::new(format);
            samples.push(vec![0; bytes].into());
            assert_eq!(samples.audio_ms(), 100);
        }
    }
}
