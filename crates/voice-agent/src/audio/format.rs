//! How audio is coded where it meets a provider or a transport.

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

    /// Bytes in a millisecond.
    pub const fn bytes_per_ms(self) -> usize {
        self.sample_rate_hz() as usize / 1_000 * self.bytes_per_sample()
    }
}
