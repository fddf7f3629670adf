//! The far ends of a call, for whoever calls a running server: `voice-agent call` and `validate`, and the drills of `voice-sim`.
//!
//! A caller by browser speaks `voice-agent.v1` ([`browser`], written from docs/protocol.md), a caller by telephone is Twilio's side
//! of a call ([`phone`], [`media`], written from Twilio's documentation). Nothing of the server is in here: what is shared with it
//! cannot judge it. Callers have no voice of their own; they say the samples that they are given.

pub mod browser;
pub mod heard;
pub mod media;
pub mod mulaw;
pub mod phone;
pub mod playout;
pub mod twilio;

/// One frame, in milliseconds.
pub const FRAME_MS: u64 = 20;
/// A sample below this, of full scale, is silence: about -40 dB.
pub const SILENT: u16 = 328;

/// Whether there is a sound in this.
pub fn is_loud(pcm: &[i16]) -> bool {
    pcm.iter().any(|sample| sample.unsigned_abs() >= SILENT)
}

/// The last of these frames with speech in it; none when all of them are silent.
pub fn last_loud<'a>(frames: impl ExactSizeIterator<Item = &'a [i16]> + DoubleEndedIterator) -> Option<usize> {
    let mut frames = frames;
    frames.rposition(is_loud)
}

/// Milliseconds of frames with sound in them, in mono samples of this rate.
pub fn loud_ms(pcm: &[i16], rate: u32) -> u64 {
    let frame = rate as usize / 50;
    pcm.chunks(frame.max(1)).filter(|frame| is_loud(frame)).count() as u64 * FRAME_MS
}

fn millis(time: std::time::Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn speech_ends_with_its_last_loud_frame() {
        let mut speech = vec![0_i16; 960];
        speech.extend([5_000; 320]);
        speech.extend([10; 327]);
        assert_eq!(last_loud(speech.chunks(320)), Some(3));
        assert_eq!(last_loud([0; 1_000].chunks(320)), None);
        assert_eq!((loud_ms(&speech, 16_000), loud_ms(&[0; 1_000], 8_000), loud_ms(&[], 0)), (20, 0, 0));
    }
}
