//! Reading a recording back: both sides as samples.

use std::io::Cursor;

use ogg::reading::{OggReadError, PacketReader};
use opus::{Channels, Decoder};

use super::packet::LAYOUT;

/// The rate at which sides are given, in Hz: what recognisers hear.
const RATE_HZ: u32 = 16_000;
/// Samples of an Opus packet at most: 120 ms.
const MOST_SAMPLES: usize = 1_920;

/// Why a recording cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum DecodeError {
    /// It is no Ogg file, or a damaged one.
    #[error("the recording's pages: {0}")]
    Ogg(#[from] OggReadError),
    /// A packet of it is no Opus.
    #[error("the recording's sound: {0}")]
    Opus(#[from] opus::Error),
    /// It is Ogg, and not of our making.
    #[error("the file is no recording of two sides")]
    Foreign,
}

/// Both sides of a recording, the caller's first, as PCM16 at 16 kHz.
///
/// # Errors
/// [`DecodeError`].
pub fn decode(ogg: &[u8]) -> Result<[Vec<i16>; 2], DecodeError> {
    let mut reader = PacketReader::new(Cursor::new(ogg));
    let head = reader.read_packet()?.ok_or(DecodeError::Foreign)?;
    let is_ours = head.data.len() == 23 && head.data.starts_with(b"OpusHead\x01\x02") && head.data[16..] == LAYOUT;
    let skip = head.data.get(10..12).map_or(0, |skip| u16::from_le_bytes([skip[0], skip[1]]));
    if !is_ours || reader.read_packet()?.is_none() {
        return Err(DecodeError::Foreign);
    }
    let mut decoders = [Decoder::new(RATE_HZ, Channels::Mono)?, Decoder::new(RATE_HZ, Channels::Mono)?];
    let mut sides = [Vec::new(), Vec::new()];
    while let Some(packet) = reader.read_packet()? {
        let (first, second) = split(&packet.data).ok_or(DecodeError::Foreign)?;
        for ((decoder, side), packet) in decoders.iter_mut().zip(&mut sides).zip([first.as_slice(), second]) {
            let mut samples = [0; MOST_SAMPLES];
            let count = decoder.decode(packet, &mut samples, false)?;
            side.extend_from_slice(&samples[..count]);
        }
    }
    let skip = usize::from(skip) / 3;
    Ok(sides.map(|side| side.get(skip..).unwrap_or_default().to_vec()))
}

/// The two packets that were joined.
fn split(joined: &[u8]) -> Option<(Vec<u8>, &[u8])> {
    let (head, rest) = joined.split_at_checked(1)?;
    let (length, rest) = match rest {
        [low @ 252..=255, high, rest @ ..] => (usize::from(*high) * 4 + usize::from(*low), rest),
        [length, rest @ ..] => (usize::from(*length), rest),
        [] => return None,
    };
    let (frame, second) = rest.split_at_checked(length)?;
    Some(([head, frame].concat(), second))
}

#[cfg(test)]
mod tests {
    use super::super::packet::join;
    use super::*;

    #[test]
    fn packets_of_every_length_are_told_apart_again() {
        for length in 0..=1_275_usize {
            let first: Vec<u8> = std::iter::once(0x48).chain((0..length).map(|n| n as u8)).collect();
            let joined = join(&[first.clone(), vec![0x48, 1, 2]]);
            assert_eq!(split(&joined), Some((first, [0x48, 1, 2].as_slice())), "{length}");
        }
        assert_eq!((split(&[]), split(&[0x48]), split(&[0x48, 9, 1])), (None, None, None));
    }

    #[test]
    fn what_is_no_recording_is_said_to_be_none() {
        for bytes in [b"".as_slice(), b"RIFF....WAVEfmt "] {
            assert!(matches!(decode(bytes), Err(DecodeError::Ogg(_) | DecodeError::Foreign)));
        }
    }
}
