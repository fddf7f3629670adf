//! Speech as Opus and back: mono, in frames of 20 ms.
//!
//! The codec runs at the rate that the application works at, so nothing is resampled: Opus decodes a 48 kHz track to
//! 16 kHz by itself, and for less.

mod encoder;
mod receiver;

pub use encoder::{Encoded, Encoder, EncoderOptions};
pub use receiver::{Receiver, ReceiverStats};

/// Milliseconds in a frame.
pub const FRAME_MS: u64 = 20;
/// Ticks of the RTP clock in a frame: Opus counts at 48 kHz whatever it carries (RFC 7587).
pub(crate) const FRAME_TICKS: u64 = 960;

/// Samples per second of what is encoded and decoded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum SampleRate {
    /// 8 kHz.
    Hz8000,
    /// 12 kHz.
    Hz12000,
    /// 16 kHz.
    Hz16000,
    /// 24 kHz.
    Hz24000,
    /// 48 kHz: all that Opus has.
    #[default]
    Hz48000,
}

impl SampleRate {
    /// The rate of this many samples per second, if it is one of Opus's.
    pub const fn from_hz(hz: u32) -> Option<Self> {
        match hz {
            8_000 => Some(Self::Hz8000),
            12_000 => Some(Self::Hz12000),
            16_000 => Some(Self::Hz16000),
            24_000 => Some(Self::Hz24000),
            48_000 => Some(Self::Hz48000),
            _ => None,
        }
    }

    /// Samples per second.
    pub const fn hz(self) -> u32 {
        match self {
            Self::Hz8000 => 8_000,
            Self::Hz12000 => 12_000,
            Self::Hz16000 => 16_000,
            Self::Hz24000 => 24_000,
            Self::Hz48000 => 48_000,
        }
    }

    /// Samples in a frame of 20 ms.
    pub const fn frame_samples(self) -> usize {
        (self.hz() / 50) as usize
    }
}

/// 20 ms of mono sound.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AudioFrame {
    /// Samples at the rate that was asked for: [`SampleRate::frame_samples`] of them.
    pub samples: Vec<i16>,
    /// Where they come from.
    pub origin: Origin,
}

/// Where the sound of a frame comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// It was sent.
    Received,
    /// It was lost on the way, and came once more as the spare copy in the next packet.
    Restored,
    /// It was lost on the way, and made up from what came before.
    Concealed,
    /// Nothing was sent: the speaker is silent or muted, or the connection is interrupted.
    Silence,
}

/// The root mean square of samples, as 0.0 (silence) to 1.0 (the loudest square wave).
pub fn level(samples: &[i16]) -> f32 {
    if samples.is_empty() {
        return 0.0;
    }
    let energy: f64 = samples.iter().map(|sample| f64::from(*sample).powi(2)).sum();
    // Frames are short: the count is exact.
    let mean = energy / f64::from(u32::try_from(samples.len()).unwrap_or(u32::MAX));
    (mean.sqrt() / 32_768.0) as f32
}

/// The level for the RTP header (RFC 6464): 0 dBov is the loudest, −127 is silence.
pub(crate) fn decibels(samples: &[i16]) -> i8 {
    let level = level(samples);
    if level <= 0.0 {
        return -127;
    }
    (20.0 * level.log10()).round().clamp(-127.0, 0.0) as i8
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_are_those_of_the_field() {
        assert_eq!(decibels(&[0; 960]), -127);
        assert_eq!(decibels(&[i16::MIN; 960]), 0);
        assert_eq!(decibels(&[3_277, -3_277]), -20);
        assert!((level(&[16_384; 10]) - 0.5).abs() < 1e-6);
        assert_eq!(level(&[]), 0.0);
    }

    #[test]
    fn rates_are_those_of_opus() {
        for hz in [8_000, 12_000, 16_000, 24_000, 48_000] {
            let rate = SampleRate::from_hz(hz).unwrap();
            assert_eq!((rate.hz(), rate.frame_samples()), (hz, hz as usize / 50));
        }
        assert_eq!(SampleRate::from_hz(44_100), None);
    }
}
