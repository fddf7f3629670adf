//! Opus in Ogg (RFC 7845): two streams of one channel each in one file, the caller's on the left, the agent's on the right. A coupled stream
//! would let one side be heard on the other's.

use ogg::writing::{PacketWriteEndInfo, PacketWriter};
use opus::{Application, Bitrate, Channels, Encoder};

use super::mix::Frame;
use crate::audio::frame::FRAME_MS;

/// Bytes of an Opus frame at most.
const MOST_BYTES: usize = 1_275;
/// Ogg counts Opus in samples of 48 kHz, whatever its encoder was given.
const GRANULES_PER_MS: u64 = 48;
/// The end of the first header: no gain; mapping family 1 (left, right), two streams, none of them coupled, each the channel of its number.
pub(super) const LAYOUT: [u8; 7] = [0, 0, 1, 2, 0, 0, 1];
/// After so many frames of nothing at all a side is not encoded any more, until it sounds again.
const RESTS_AFTER: u32 = 10;
/// One logical stream in each file.
const SERIAL: u32 = 1;
/// From this length on a frame's length takes two bytes (RFC 6716, 3.2.1).
const TWO_BYTES_FROM: usize = 252;

/// 20 ms of both sides, encoded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Packet {
    /// When it begins, in milliseconds of the session.
    pub(super) at_ms: u64,
    /// Each side's Opus packet.
    sides: [Vec<u8>; 2],
}

/// One side's encoder.
struct Voice {
    encoder: Encoder,
    /// Frames of nothing at all since it sounded last.
    silent: u32,
}

impl Voice {
    /// A frame's packet; none if it is `silence` again. A side on which nothing sounds costs nothing.
    ///
    /// It has its own bytes and no more: hundreds of them are held back.
    fn encode(&mut self, samples: &[i16], room: &mut [u8; MOST_BYTES]) -> Result<Option<Vec<u8>>, opus::Error> {
        let rested = self.silent >= RESTS_AFTER;
        self.silent = if samples.iter().all(|sample| *sample == 0) { self.silent.saturating_add(1) } else { 0 };
        if self.silent >= RESTS_AFTER {
            return Ok(None);
        }
        if rested {
            self.encoder.reset_state()?;
        }
        let length = self.encoder.encode(samples, room)?;
        Ok(room.get(..length).map(<[u8]>::to_vec))
    }
}

/// Both sides' encoders.
pub(super) struct Coder {
    voices: [Voice; 2],
    silence: [Vec<u8>; 2],
    pre_skip: u16,
}

impl std::fmt::Debug for Coder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Coder").finish_non_exhaustive()
    }
}

impl Coder {
    /// Encoders for these rates, in Hz, which take so many bits per second together.
    ///
    /// # Errors
    /// For a rate that Opus does not have.
    pub(super) fn new(rates_hz: [u32; 2], bitrate: u32) -> Result<Self, opus::Error> {
        let make = |rate_hz| {
            let mut encoder = Encoder::new(rate_hz, Channels::Mono, Application::Voip)?;
            encoder.set_bitrate(Bitrate::Bits(i32::try_from(bitrate / 2).unwrap_or(i32::MAX)))?;
            // Of ten: what the last steps add to speech nobody hears, and they cost half of the time.
            encoder.set_complexity(4)?;
            Ok::<_, opus::Error>(encoder)
        };
        let silence = |rate_hz: u32| make(rate_hz)?.encode_vec(&vec![0; samples(rate_hz)], MOST_BYTES);
        let [mut left, right] = [make(rates_hz[0])?, make(rates_hz[1])?];
        let lookahead = u32::try_from(left.get_lookahead()?).unwrap_or(0) * 48_000 / rates_hz[0];
        let pre_skip = u16::try_from(lookahead).unwrap_or(0);
        let voices = [left, right].map(|encoder| Voice { encoder, silent: RESTS_AFTER });
        Ok(Self { voices, silence: [silence(rates_hz[0])?, silence(rates_hz[1])?], pre_skip })
    }

    /// Encodes a frame.
    ///
    /// # Errors
    /// For a frame that is not 20 ms.
    pub(super) fn encode(&mut self, frame: &Frame) -> Result<Packet, opus::Error> {
        let (mut sides, mut room) = (self.silence.clone(), [0; MOST_BYTES]);
        for ((voice, samples), packet) in self.voices.iter_mut().zip(&frame.sides).zip(&mut sides) {
            if let Some(encoded) = voice.encode(samples, &mut room)? {
                *packet = encoded;
            }
        }
        Ok(Packet { at_ms: frame.at_ms, sides })
    }

    /// Takes out what was said in a packet, on both sides.
    pub(super) fn blank(&self, packet: &mut Packet) {
        packet.sides.clone_from(&self.silence);
    }
}

const fn samples(rate_hz: u32) -> usize {
    (rate_hz as u64 * FRAME_MS / 1_000) as usize
}

/// Both packets in one, the first in the form that says where it ends (RFC 6716, appendix B). Only packets of one frame are made here, whose
/// frame is all that follows their first byte.
pub(super) fn join(sides: &[Vec<u8>; 2]) -> Vec<u8> {
    let [first, second] = sides;
    let (head, frame) = first.split_at(first.len().min(1));
    let mut joined = Vec::with_capacity(first.len() + second.len() + 2);
    joined.extend_from_slice(head);
    if frame.len() < TWO_BYTES_FROM {
        joined.push(u8::try_from(frame.len()).unwrap_or(0));
    } else {
        let low = TWO_BYTES_FROM + frame.len() % 4;
        joined.push(u8::try_from(low).unwrap_or(u8::MAX));
        joined.push(u8::try_from((frame.len() - low) / 4).unwrap_or(u8::MAX));
    }
    joined.extend_from_slice(frame);
    joined.extend_from_slice(second);
    joined
}

/// Puts packets into pages.
pub(super) struct Pages {
    writer: PacketWriter<'static, Vec<u8>>,
    granules: u64,
}

impl Pages {
    /// Begins the file: its two header pages are the first bytes.
    ///
    /// # Errors
    /// Never, for it writes to memory.
    pub(super) fn new(coder: &Coder, rate_hz: u32) -> std::io::Result<Self> {
        let mut writer = PacketWriter::new(Vec::new());
        let mut head = b"OpusHead\x01\x02".to_vec();
        head.extend_from_slice(&coder.pre_skip.to_le_bytes());
        head.extend_from_slice(&rate_hz.to_le_bytes());
        head.extend_from_slice(&LAYOUT);
        writer.write_packet(head, SERIAL, PacketWriteEndInfo::EndPage, 0)?;
        let mut tags = b"OpusTags\x0b\0\0\0voice-agent".to_vec();
        tags.extend_from_slice(&[0; 4]);
        writer.write_packet(tags, SERIAL, PacketWriteEndInfo::EndPage, 0)?;
        Ok(Self { writer, granules: 0 })
    }

    /// Adds packets, which end a page.
    ///
    /// # Errors
    /// Never, for it writes to memory.
    pub(super) fn add(&mut self, packets: &[Packet], is_last: bool) -> std::io::Result<()> {
        for (left, packet) in (0..packets.len()).rev().zip(packets) {
            self.granules += FRAME_MS * GRANULES_PER_MS;
            let end = match (left, is_last) {
                (0, true) => PacketWriteEndInfo::EndStream,
                (0, false) => PacketWriteEndInfo::EndPage,
                _ => PacketWriteEndInfo::NormalPacket,
            };
            self.writer.write_packet(join(&packet.sides), SERIAL, end, self.granules)?;
        }
        Ok(())
    }

    /// The bytes since the last look.
    pub(super) fn take(&mut self) -> Vec<u8> {
        std::mem::take(self.writer.inner_mut())
    }
}
