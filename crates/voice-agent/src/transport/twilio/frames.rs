//! A caller's audio: µ-law in pieces of any length → frames of 20 ms, decoded and at the detector's rate.

use bytes::Bytes;

use crate::audio::frame::FRAME_SAMPLES_16K;
use crate::audio::mulaw;
use crate::audio::resample::Upsampler;

/// Bytes of a frame of µ-law: 20 ms at 8 kHz.
pub const FRAME_BYTES: usize = 160;

/// One frame, both ways in which it is listened to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CallerFrame {
    /// For what hears 16 kHz: the detector, and models of our own.
    pub pcm: Box<[i16; FRAME_SAMPLES_16K]>,
    /// As it came, [`FRAME_BYTES`]: a recogniser that streams takes it without a detour.
    pub mulaw: Bytes,
}

/// One stream's audio so far.
#[derive(Debug, Default)]
pub struct CallerAudio {
    upsampler: Upsampler,
    /// What did not fill a frame yet.
    rest: Vec<u8>,
    /// Room for a frame at 8 kHz, and at 16 kHz.
    narrow: Vec<i16>,
    wide: Vec<i16>,
}

impl CallerAudio {
    /// Audio of a stream that begins now.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes the next piece, and gives the frames that it completes.
    pub fn take(&mut self, mut mulaw: Bytes) -> Vec<CallerFrame> {
        let mut frames = Vec::with_capacity((self.rest.len() + mulaw.len()) / FRAME_BYTES);
        if !self.rest.is_empty() {
            let missing = (FRAME_BYTES - self.rest.len()).min(mulaw.len());
            self.rest.extend_from_slice(&mulaw.split_to(missing));
            if self.rest.len() == FRAME_BYTES {
                let whole = std::mem::take(&mut self.rest);
                frames.push(self.frame(whole.into()));
            }
        }
        while mulaw.len() >= FRAME_BYTES {
            let whole = mulaw.split_to(FRAME_BYTES);
            frames.push(self.frame(whole));
        }
        self.rest.extend_from_slice(&mulaw);
        frames
    }

    fn frame(&mut self, mulaw: Bytes) -> CallerFrame {
        self.narrow.clear();
        self.narrow.extend(mulaw.iter().map(|code| mulaw::decode(*code)));
        self.wide.clear();
        self.upsampler.process(&self.narrow, &mut self.wide);
        let mut pcm = Box::new([0; FRAME_SAMPLES_16K]);
        // Two samples for each: it is as long.
        for (to, from) in pcm.iter_mut().zip(&self.wide) {
            *to = *from;
        }
        CallerFrame { pcm, mulaw }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn decoded(mulaw: &[u8]) -> Vec<i16> {
        let narrow: Vec<i16> = mulaw.iter().map(|code| mulaw::decode(*code)).collect();
        let mut wide = Vec::new();
        Upsampler::new().process(&narrow, &mut wide);
        wide
    }

    #[test]
    fn silence_stays_digital_silence() {
        let frames = CallerAudio::new().take(Bytes::from_static(&[0xff; 2 * FRAME_BYTES]));
        assert_eq!(frames.len(), 2);
        assert!(frames.iter().all(|frame| frame.pcm.iter().all(|sample| *sample == 0)));
        assert!(frames.iter().all(|frame| frame.mulaw.iter().all(|code| *code == 0xff)));
    }

    proptest! {
        #[test]
        fn however_it_is_cut_it_is_the_same_audio(
            pieces in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..500), 0..12),
        ) {
            let mut audio = CallerAudio::new();
            let frames: Vec<CallerFrame> = pieces.iter().flat_map(|piece| audio.take(Bytes::copy_from_slice(piece))).collect();
            let whole = pieces.concat();
            let frame_count = whole.len() / FRAME_BYTES;
            prop_assert_eq!(frames.len(), frame_count);
            let raw: Vec<u8> = frames.iter().flat_map(|frame| frame.mulaw.to_vec()).collect();
            prop_assert_eq!(&raw, &whole[..frame_count * FRAME_BYTES]);
            let pcm: Vec<i16> = frames.iter().flat_map(|frame| *frame.pcm).collect();
            prop_assert_eq!(pcm, decoded(&raw));
            prop_assert!(audio.rest.len() < FRAME_BYTES);
        }
    }
}
