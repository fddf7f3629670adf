//! The audio frame (20 ms of PCM16 mono) and conversions from and to its bytes.

/// The length of an audio frame in ms.
pub const FRAME_MS: u64 = 20;
/// The rate of the caller's audio inside the server, in Hz.
pub const RATE_16K: u32 = 16_000;
/// The rate of the agent's audio, in Hz.
pub const RATE_24K: u32 = 24_000;
/// Samples in one ms at 16 kHz.
pub const SAMPLES_PER_MS_16K: u64 = 16;
/// Samples in one ms at 24 kHz.
pub const SAMPLES_PER_MS_24K: u64 = 24;
/// Samples of a frame at 16 kHz.
pub const FRAME_SAMPLES_16K: usize = 320;
/// Samples of a frame at 24 kHz.
pub const FRAME_SAMPLES_24K: usize = 480;

/// Why bytes are not the audio they should be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    /// PCM16 has two bytes in each sample.
    #[error("{0} bytes of PCM16 audio end inside a sample")]
    OddLength(usize),
    /// A frame has one length only.
    #[error("an audio frame of {actual} bytes, where {expected} were expected")]
    WrongSize {
        /// The bytes that a frame has.
        expected: usize,
        /// The bytes that came.
        actual: usize,
    },
}

/// Decodes PCM16 little-endian audio of any length.
///
/// # Errors
/// [`FrameError::OddLength`] when the last sample is cut.
pub fn decode_pcm16le(bytes: &[u8]) -> Result<Vec<i16>, FrameError> {
    match bytes.as_chunks() {
        (samples, []) => Ok(samples.iter().map(|sample| i16::from_le_bytes(*sample)).collect()),
        _ => Err(FrameError::OddLength(bytes.len())),
    }
}

/// Decodes one frame of `N` samples ([`FRAME_SAMPLES_16K`], [`FRAME_SAMPLES_24K`]) without allocating.
///
/// # Errors
/// [`FrameError::WrongSize`] when the bytes are more or fewer.
pub fn decode_frame<const N: usize>(bytes: &[u8]) -> Result<[i16; N], FrameError> {
    match bytes.as_chunks() {
        (samples, []) if samples.len() == N => Ok(std::array::from_fn(|n| i16::from_le_bytes(samples[n]))),
        _ => Err(FrameError::WrongSize { expected: N * 2, actual: bytes.len() }),
    }
}

/// Encodes samples as PCM16 little-endian bytes.
pub fn encode_pcm16le(samples: &[i16]) -> Vec<u8> {
    samples.iter().flat_map(|sample| sample.to_le_bytes()).collect()
}

/// A sample from -1 to 1 as PCM16; beyond that it is clipped, and NaN is silence.
pub fn to_i16(sample: f32) -> i16 {
    round_to_i16(sample * 32_768.0)
}

/// The nearest PCM16 sample, halves away from zero; beyond what there is it is clipped, and NaN is silence. `f32::round` is a call into the C
/// library on processors without SSE 4.1, for which we build.
pub fn round_to_i16(sample: f32) -> i16 {
    // The cast cuts off and saturates.
    (sample + 0.5_f32.copysign(sample)) as i16
}

/// The root mean square of samples from -1 to 1; 0 of none.
pub fn rms(samples: &[f32]) -> f32 {
    if samples.is_empty() {
        return 0.0;
    }
    // Eight sums side by side: one long sum would be added sample after sample.
    let (chunks, rest) = samples.as_chunks::<8>();
    let mut sums = [0.0f32; 8];
    for chunk in chunks {
        for (sum, sample) in sums.iter_mut().zip(chunk) {
            *sum += sample * sample;
        }
    }
    let rest: f32 = rest.iter().map(|sample| sample * sample).sum();
    ((sums.iter().sum::<f32>() + rest) / samples.len() as f32).sqrt()
}

/// An amplitude (1 is full scale) in decibels; minus infinity for 0.
pub fn dbfs(amplitude: f32) -> f32 {
    20.0 * amplitude.log10()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn what_is_encoded_decodes_again(samples: Vec<i16>) {
            prop_assert_eq!(decode_pcm16le(&encode_pcm16le(&samples)), Ok(samples));
        }
    }

    #[test]
    fn bytes_are_little_endian() {
        assert_eq!(encode_pcm16le(&[1, -2]), [1, 0, 0xfe, 0xff]);
    }

    #[test]
    fn a_cut_sample_is_refused() {
        assert_eq!(decode_pcm16le(&[0; 641]), Err(FrameError::OddLength(641)));
    }

    #[test]
    fn a_frame_has_one_size() {
        assert_eq!(decode_frame::<FRAME_SAMPLES_16K>(&[1; 640]), Ok([257; 320]));
        for actual in [0, 638, 639, 641, 642, 960] {
            assert_eq!(
                decode_frame::<FRAME_SAMPLES_16K>(&vec![0; actual]),
                Err(FrameError::WrongSize { expected: 640, actual })
            );
        }
    }

    #[test]
    fn the_constants_agree() {
        assert_eq!(FRAME_SAMPLES_16K as u64, FRAME_MS * SAMPLES_PER_MS_16K);
        assert_eq!(FRAME_SAMPLES_24K as u64, FRAME_MS * SAMPLES_PER_MS_24K);
        assert_eq!(u64::from(RATE_16K), SAMPLES_PER_MS_16K * 1000);
        assert_eq!(u64::from(RATE_24K), SAMPLES_PER_MS_24K * 1000);
    }

    #[test]
    fn loud_samples_clip_and_nan_is_silence() {
        assert_eq!([2.0, -2.0, 0.5, f32::NAN].map(to_i16), [i16::MAX, i16::MIN, 16_384, 0]);
        let rounded = [0.4, 0.5, -0.5, -1.49, 32_767.4, -40_000.0, f32::NAN].map(round_to_i16);
        assert_eq!(rounded, [0, 1, -1, -1, i16::MAX, i16::MIN, 0]);
    }

    #[test]
    fn levels_are_relative_to_full_scale() {
        assert!((dbfs(rms(&[0.1; 37])) - -20.0).abs() < 1e-3);
        assert_eq!(dbfs(rms(&[0.0; 512])), f32::NEG_INFINITY);
        assert_eq!(rms(&[]), 0.0);
    }
}
