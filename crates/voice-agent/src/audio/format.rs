//! How audio is coded where it meets a provider or a transport.

/// The loudest sample of silence: a thousandth of full scale.
const SILENT: u16 = 32;
/// The same in µ-law, without its sign: each code from 0xff down is 8 louder.
const SILENT_MULAW: u8 = 0xfb;

/// The codings that meet us: mono throughout.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum AudioFormat {
    /// PCM16LE at 16 kHz: a caller in a browser.
    Pcm16k,
    /// PCM16LE at 24 kHz: the agent in a browser.
    Pcm24k,
    /// G.711 µ-law at 8 kHz: the telephone, both ways.
    Mulaw8k,
}

impl AudioFormat {
    /// Samples in a second.
    pub const fn sample_rate_hz(self) -> u32 {
        match self {
            Self::Pcm16k => 16_000,
            Self::Pcm24k => 24_000,
            Self::Mulaw8k => 8_000,
        }
    }

    /// Bytes in a sample.
    pub const fn bytes_per_sample(self) -> usize {
        match self {
            Self::Pcm16k | Self::Pcm24k => 2,
            Self::Mulaw8k => 1,
        }
    }

    /// The byte that silence is made of.
    pub const fn silence(self) -> u8 {
        match self {
            Self::Pcm16k | Self::Pcm24k => 0,
            // G.711: all bits of the smallest positive value are inverted.
            Self::Mulaw8k => 0xff,
        }
    }

    /// Whether nobody would hear anything in this: no sample above -60 dB.
    pub fn is_silent(self, audio: &[u8]) -> bool {
        match self {
            Self::Pcm16k | Self::Pcm24k => {
                let (pairs, _) = audio.as_chunks::<2>();
                pairs.iter().all(|pair| i16::from_le_bytes(*pair).unsigned_abs() <= SILENT)
            }
            Self::Mulaw8k => audio.iter().all(|byte| byte | 0x80 >= SILENT_MULAW),
        }
    }

    /// Bytes in a millisecond.
    pub const fn bytes_per_ms(self) -> usize {
        self.sample_rate_hz() as usize / 1_000 * self.bytes_per_sample()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn silence_is_what_nobody_hears() {
        for format in [AudioFormat::Pcm16k, AudioFormat::Mulaw8k] {
            assert!(format.is_silent(&[format.silence(); 320]) && format.is_silent(&[]));
        }
        let pcm = |sample: i16| AudioFormat::Pcm24k.is_silent(&[0_i16.to_le_bytes(), sample.to_le_bytes()].concat());
        assert!(pcm(32) && pcm(-32) && !pcm(33) && !pcm(-33) && !pcm(i16::MIN));
        let mulaw = |byte| AudioFormat::Mulaw8k.is_silent(&[0xff, byte]);
        assert!(mulaw(0x7f) && mulaw(0xfb) && mulaw(0x7b) && !mulaw(0xfa) && !mulaw(0x7a) && !mulaw(0));
    }
}
