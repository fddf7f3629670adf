//! Frames into Opus packets.

use opus::{Application, Bitrate, Channels};

use super::SampleRate;
use crate::error::AudioError;

/// The most that an Opus frame of 20 ms can have (RFC 6716 section 3.2.1).
const MAX_PACKET: usize = 1_275;
/// Packets up to this size say only that there is nothing to say (DTX): they are not sent.
const DTX_PACKET: usize = 2;

/// How speech is encoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EncoderOptions {
    /// Bits per second. 32,000 is clear speech.
    pub bitrate: u32,
    /// From 0 (cheapest) to 10 (best).
    pub complexity: u8,
    /// Send next to nothing while there is silence.
    pub dtx: bool,
    /// How many packets in a hundred are expected to be lost: the more, the more of each packet is a spare copy of the one
    /// before. 0 sends no spare copies.
    pub expected_loss_percent: u8,
}

impl Default for EncoderOptions {
    fn default() -> Self {
        Self { bitrate: 32_000, complexity: 5, dtx: true, expected_loss_percent: 5 }
    }
}

/// What came of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoded<'a> {
    /// An Opus packet to send.
    Packet(&'a [u8]),
    /// Nothing needs to be sent: there is silence, and the listeners know.
    Silence,
}

/// An Opus encoder for speech: mono, 20 ms at a time. About 0.1 ms of a core for each frame.
#[derive(Debug)]
pub struct Encoder {
    codec: opus::Encoder,
    rate: SampleRate,
    packet: Box<[u8; MAX_PACKET]>,
}

impl Encoder {
    /// An encoder of frames at this rate.
    ///
    /// # Errors
    /// The codec refuses the options.
    pub fn new(rate: SampleRate, options: EncoderOptions) -> Result<Self, AudioError> {
        let codec = Self::codec(rate, options).map_err(|_| AudioError::Codec)?;
        Ok(Self { codec, rate, packet: Box::new([0; MAX_PACKET]) })
    }

    fn codec(rate: SampleRate, options: EncoderOptions) -> Result<opus::Encoder, opus::Error> {
        let mut codec = opus::Encoder::new(rate.hz(), Channels::Mono, Application::Voip)?;
        codec.set_bitrate(Bitrate::Bits(i32::try_from(options.bitrate).unwrap_or(i32::MAX)))?;
        codec.set_complexity(i32::from(options.complexity.min(10)))?;
        codec.set_dtx(options.dtx)?;
        codec.set_packet_loss_perc(i32::from(options.expected_loss_percent.min(100)))?;
        codec.set_inband_fec(options.expected_loss_percent > 0)?;
        Ok(codec)
    }

    /// The rate of the frames it takes.
    pub fn rate(&self) -> SampleRate {
        self.rate
    }

    /// Encodes 20 ms.
    ///
    /// # Errors
    /// The frame has another length, or the codec fails.
    pub fn encode(&mut self, samples: &[i16]) -> Result<Encoded<'_>, AudioError> {
        let expected = self.rate.frame_samples();
        if samples.len() != expected {
            return Err(AudioError::FrameSize { got: samples.len(), expected });
        }
        let length = self.codec.encode(samples, &mut self.packet[..]).map_err(|_| AudioError::Codec)?;
        match self.packet.get(..length) {
            Some(packet) if length > DTX_PACKET => Ok(Encoded::Packet(packet)),
            Some(_) => Ok(Encoded::Silence),
            None => Err(AudioError::Codec),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn silence_is_soon_not_sent() {
        let mut encoder = Encoder::new(SampleRate::Hz48000, EncoderOptions::default()).unwrap();
        let silence = [0; 960];
        let sent = (0..100).filter(|_| encoder.encode(&silence).unwrap() != Encoded::Silence).count();
        // The first ones, and then one in 400 ms.
        assert!((3..=25).contains(&sent), "{sent} of 100 packets");
    }

    #[test]
    fn frames_have_twenty_milliseconds() {
        let mut encoder = Encoder::new(SampleRate::Hz16000, EncoderOptions::default()).unwrap();
        assert_eq!(encoder.encode(&[0; 960]), Err(AudioError::FrameSize { got: 960, expected: 320 }));
        assert_eq!(encoder.encode(&[]), Err(AudioError::FrameSize { got: 0, expected: 320 }));
        assert!(encoder.encode(&[0; 320]).is_ok());
    }
}
