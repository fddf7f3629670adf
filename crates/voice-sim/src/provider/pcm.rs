//! Samples as bytes: PCM, the telephone's codings and WAV files.

use voice_caller::mulaw::{decode as decode_mulaw, encode as encode_mulaw};

/// How samples are coded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Encoding {
    /// 16 bits, little endian.
    Linear16,
    /// 32-bit floats, little endian.
    Float32,
    /// G.711 µ-law.
    Mulaw,
    /// G.711 A-law.
    Alaw,
}

impl Encoding {
    /// Bytes of a sample.
    pub const fn width(self) -> usize {
        match self {
            Self::Linear16 => 2,
            Self::Float32 => 4,
            Self::Mulaw | Self::Alaw => 1,
        }
    }

    /// Samples as bytes.
    pub fn encode(self, pcm: &[i16]) -> Vec<u8> {
        match self {
            Self::Linear16 => pcm.iter().flat_map(|sample| sample.to_le_bytes()).collect(),
            Self::Float32 => pcm.iter().flat_map(|sample| (f32::from(*sample) / 32_768.0).to_le_bytes()).collect(),
            Self::Mulaw => pcm.iter().map(|sample| encode_mulaw(*sample)).collect(),
            Self::Alaw => pcm.iter().map(|sample| encode_alaw(*sample)).collect(),
        }
    }

    /// Bytes as samples; none when they are not a whole number of samples.
    pub fn decode(self, bytes: &[u8]) -> Option<Vec<i16>> {
        match self {
            Self::Linear16 => {
                let (pairs, rest) = bytes.as_chunks::<2>();
                rest.is_empty().then(|| pairs.iter().map(|pair| i16::from_le_bytes(*pair)).collect())
            }
            Self::Float32 => {
                let (quads, rest) = bytes.as_chunks::<4>();
                rest.is_empty()
                    .then(|| quads.iter().map(|quad| (f32::from_le_bytes(*quad) * 32_767.0) as i16).collect())
            }
            Self::Mulaw => Some(bytes.iter().map(|byte| decode_mulaw(*byte)).collect()),
            Self::Alaw => Some(bytes.iter().map(|byte| decode_alaw(*byte)).collect()),
        }
    }
}

/// One sample in G.711 A-law: sign, segment and four bits, every other bit inverted.
fn encode_alaw(sample: i16) -> u8 {
    let sign = if sample < 0 { 0 } else { 0x80 };
    let magnitude = u32::from(if sample < 0 { !sample } else { sample }.unsigned_abs()) >> 4;
    let code = match magnitude.checked_ilog2() {
        Some(bit @ 5..) => ((bit - 3) << 4) | ((magnitude >> (bit - 4)) & 0x0f),
        _ => magnitude,
    };
    (sign | low_byte(code)) ^ 0x55
}

fn decode_alaw(byte: u8) -> i16 {
    let code = byte ^ 0x55;
    let segment = u32::from(code >> 4) & 7;
    let inside = i32::from(code & 0x0f);
    let magnitude = if segment == 0 { inside * 16 + 8 } else { (inside * 16 + 264) << (segment - 1) };
    narrow(if code & 0x80 == 0 { -magnitude } else { magnitude })
}

fn low_byte(value: u32) -> u8 {
    u8::try_from(value & 0xff).unwrap_or_default()
}

fn narrow(value: i32) -> i16 {
    i16::try_from(value).unwrap_or(if value < 0 { i16::MIN } else { i16::MAX })
}

/// A mono WAV file of 16-bit samples.
pub fn wav(pcm: &[i16], rate: u32) -> Vec<u8> {
    let data = Encoding::Linear16.encode(pcm);
    let length = u32::try_from(data.len()).unwrap_or(u32::MAX);
    let mut file = Vec::with_capacity(44 + data.len());
    file.extend_from_slice(b"RIFF");
    file.extend_from_slice(&length.saturating_add(36).to_le_bytes());
    file.extend_from_slice(b"WAVEfmt \x10\0\0\0\x01\0\x01\0");
    file.extend_from_slice(&rate.to_le_bytes());
    file.extend_from_slice(&rate.saturating_mul(2).to_le_bytes());
    file.extend_from_slice(b"\x02\0\x10\0data");
    file.extend_from_slice(&length.to_le_bytes());
    file.extend(data);
    file
}

/// Why a file is not a WAV file that can be decoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum WavError {
    /// No RIFF header, or no format and data in it.
    #[error("not a WAV file")]
    NotWav,
    /// The file ends before its header says so, or goes on after it.
    #[error("the lengths in the WAV header are wrong")]
    Length,
    /// Not mono, or not coded as 16-bit PCM, 32-bit floats or G.711.
    #[error("a WAV format that is not simulated")]
    Format,
}

/// The samples of a mono WAV file, and their rate in Hz.
///
/// # Errors
/// [`WavError`] when it is none, or another kind.
pub fn parse_wav(file: &[u8]) -> Result<(Vec<i16>, u32), WavError> {
    let body = file.strip_prefix(b"RIFF").ok_or(WavError::NotWav)?;
    let (length, body) = le32(body).ok_or(WavError::NotWav)?;
    if length != body.len() {
        return Err(WavError::Length);
    }
    let mut rest = body.strip_prefix(b"WAVE").ok_or(WavError::NotWav)?;
    let mut format = None;
    while let Some((name, after)) = rest.split_at_checked(4) {
        let (length, after) = le32(after).ok_or(WavError::Length)?;
        let (chunk, after) = after.split_at_checked(length).ok_or(WavError::Length)?;
        match name {
            b"fmt " => format = Some(wav_format(chunk)?),
            b"data" => {
                let (encoding, rate) = format.ok_or(WavError::NotWav)?;
                return encoding.decode(chunk).map(|pcm| (pcm, rate)).ok_or(WavError::Length);
            }
            _ => {}
        }
        // Chunks of an odd length are padded.
        rest = after.get(length % 2..).unwrap_or_default();
    }
    Err(WavError::NotWav)
}

fn wav_format(chunk: &[u8]) -> Result<(Encoding, u32), WavError> {
    let field = |at: usize| chunk.get(at..at + 2).map(|two| u16::from_le_bytes([two[0], two[1]]));
    let (Some(kind), Some(channels), Some(bits)) = (field(0), field(2), field(14)) else {
        return Err(WavError::NotWav);
    };
    let (rate, _) = chunk.get(4..).and_then(le32).ok_or(WavError::NotWav)?;
    let encoding = match (kind, bits) {
        (1, 16) => Encoding::Linear16,
        (3, 32) => Encoding::Float32,
        (6, 8) => Encoding::Alaw,
        (7, 8) => Encoding::Mulaw,
        _ => return Err(WavError::Format),
    };
    let rate = u32::try_from(rate).map_err(|_| WavError::Format)?;
    if channels != 1 || !(8_000..=192_000).contains(&rate) {
        return Err(WavError::Format);
    }
    Ok((encoding, rate))
}

fn le32(bytes: &[u8]) -> Option<(usize, &[u8])> {
    let (four, rest) = bytes.split_first_chunk::<4>()?;
    Some((usize::try_from(u32::from_le_bytes(*four)).ok()?, rest))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_reference_codes_of_g711() {
        assert_eq!(
            (encode_mulaw(0), encode_mulaw(-1), encode_mulaw(32_767), encode_mulaw(-32_768)),
            (0xff, 0x7f, 0x80, 0)
        );
        assert_eq!(
            (encode_alaw(0), encode_alaw(-1), encode_alaw(32_767), encode_alaw(-32_768)),
            (0xd5, 0x55, 0xaa, 0x2a)
        );
        for byte in 0..=u8::MAX {
            assert_eq!(encode_alaw(decode_alaw(byte)), byte, "{byte:#x}");
            let again = encode_mulaw(decode_mulaw(byte));
            assert!(again == byte || (byte == 0x7f && again == 0xff), "{byte:#x}");
        }
    }

    proptest! {
        #[test]
        fn samples_survive_each_encoding(pcm in proptest::collection::vec(any::<i16>(), 0..200)) {
            for encoding in [Encoding::Linear16, Encoding::Float32, Encoding::Mulaw, Encoding::Alaw] {
                let bytes = encoding.encode(&pcm);
                prop_assert_eq!(bytes.len(), pcm.len() * encoding.width());
                let again = encoding.decode(&bytes).expect("whole samples");
                for (a, b) in pcm.iter().zip(&again) {
                    let error = (i32::from(*a) - i32::from(*b)).abs();
                    prop_assert!(error <= i32::from(a.unsigned_abs()) / 20 + 40, "{:?}: {} became {}", encoding, a, b);
                }
            }
            prop_assert_eq!(parse_wav(&wav(&pcm, 16_000)), Ok((pcm, 16_000)));
        }

        #[test]
        fn no_bytes_make_the_parser_panic(mut file in proptest::collection::vec(any::<u8>(), 0..100), cut in 0usize..60) {
            let _any_answer = parse_wav(&file);
            let mut real = wav(&[1, 2, 3], 8_000);
            real.truncate(cut);
            prop_assert!(cut >= 50 || parse_wav(&real).is_err());
            file.splice(0..0, *b"RIFF");
            let _any_answer = parse_wav(&file);
        }
    }
}
