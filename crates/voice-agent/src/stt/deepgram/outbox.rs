//! What is to be sent: audio, at the pace that the server takes it, and `Finalize`s at their places in it. Pure.

use std::collections::VecDeque;

use bytes::{Bytes, BytesMut};

use crate::audio::format::AudioFormat;

/// Most audio of one message, in milliseconds.
const MESSAGE_MS: u64 = 100;
/// When audio has to wait for the pace, at least so much goes at once, in milliseconds.
const LEAST_MS: u64 = 20;
/// Most `Finalize`s that wait; before that an older one has lost its sense.
const MAX_MARKS: usize = 16;

/// How fast audio may go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Pace {
    /// In hundredths of real time.
    pub(super) percent: u64,
    /// What may go at once, in milliseconds of audio.
    pub(super) burst_ms: u64,
}

/// What leaves next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Outgoing {
    /// Audio: never none, and whole samples.
    Audio(Bytes),
    /// `Finalize`, behind so many milliseconds of audio.
    Finalize(u64),
}

/// The audio does not fit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Full;

/// The queue of one connection. Positions are bytes of audio since it opened.
#[derive(Debug)]
pub(super) struct Outbox {
    format: AudioFormat,
    pace: Pace,
    capacity: usize,
    audio: BytesMut,
    /// So much was taken.
    taken: u64,
    /// Where `Finalize`s stand.
    marks: VecDeque<u64>,
    /// What may go now, in hundredths of a byte.
    credit: u64,
    credited_ms: u64,
}

impl Outbox {
    /// For a connection that is not open yet. It holds `capacity_ms` of audio.
    pub(super) fn new(format: AudioFormat, pace: Pace, capacity_ms: u64) -> Self {
        let mut outbox = Self {
            format,
            pace,
            capacity: to_bytes(capacity_ms, format).try_into().unwrap_or(usize::MAX),
            audio: BytesMut::new(),
            taken: 0,
            marks: VecDeque::new(),
            credit: 0,
            credited_ms: 0,
        };
        outbox.credit = outbox.burst();
        outbox
    }

    /// The audio that was put in since the connection opened, in milliseconds.
    pub(super) fn given_ms(&self) -> u64 {
        self.to_ms(self.taken + self.audio.len() as u64)
    }

    /// Puts audio in.
    ///
    /// # Errors
    /// [`Full`]; none of it is in then.
    pub(super) fn push(&mut self, audio: &[u8]) -> Result<(), Full> {
        if self.audio.len() + audio.len() > self.capacity {
            return Err(Full);
        }
        self.audio.extend_from_slice(audio);
        Ok(())
    }

    /// Puts a moment of silence in.
    pub(super) fn push_silence(&mut self) -> Result<(), Full> {
        let silence = vec![self.format.silence(); to_bytes(LEAST_MS, self.format) as usize];
        self.push(&silence)
    }

    /// Puts `Finalize` behind the audio.
    pub(super) fn ask(&mut self) {
        // Half a sample is not sent.
        let at = self.taken + whole_samples(self.audio.len(), self.format) as u64;
        if self.marks.len() == MAX_MARKS {
            self.marks.pop_front();
        }
        self.marks.push_back(at);
    }

    /// Drops the audio that was not taken.
    pub(super) fn drop_audio(&mut self) {
        // A new one: what a long utterance took is given back.
        self.audio = BytesMut::new();
        self.marks.retain(|&at| at <= self.taken);
    }

    /// What may leave now.
    pub(super) fn take(&mut self, now_ms: u64) -> Option<Outgoing> {
        self.earn(now_ms);
        if self.marks.front().is_some_and(|&at| at <= self.taken) {
            self.marks.pop_front();
            return Some(Outgoing::Finalize(self.to_ms(self.taken)));
        }
        let ready = self.ready();
        let affordable = usize::try_from(self.credit / 100).unwrap_or(usize::MAX);
        if ready == 0 || affordable < self.least(ready) {
            return None;
        }
        let length = whole_samples(ready.min(affordable), self.format);
        self.credit -= length as u64 * 100;
        self.taken += length as u64;
        Some(Outgoing::Audio(self.audio.split_to(length).freeze()))
    }

    /// When something may leave, if nothing may now.
    pub(super) fn due_ms(&self, now_ms: u64) -> Option<u64> {
        if self.marks.front().is_some_and(|&at| at <= self.taken) {
            return Some(now_ms);
        }
        let ready = self.ready();
        let missing = (self.least(ready) as u64 * 100).saturating_sub(self.credit);
        (ready > 0).then(|| self.credited_ms + missing.div_ceil(self.rate()))
    }

    /// Whole samples that are next, up to a message's length or to the next mark, in bytes.
    fn ready(&self) -> usize {
        let until_mark = self.marks.front().map_or(u64::MAX, |&at| at - self.taken);
        let most = to_bytes(MESSAGE_MS, self.format).min(until_mark);
        whole_samples(self.audio.len().min(most as usize), self.format)
    }

    /// What of `ready` bytes has to go at once.
    fn least(&self, ready: usize) -> usize {
        ready.min(to_bytes(LEAST_MS, self.format) as usize)
    }

    fn earn(&mut self, now_ms: u64) {
        let passed_ms = now_ms.saturating_sub(self.credited_ms);
        self.credit = self.credit.saturating_add(passed_ms.saturating_mul(self.rate())).min(self.burst());
        self.credited_ms = self.credited_ms.max(now_ms);
    }

    /// Hundredths of a byte that are earned in a millisecond.
    fn rate(&self) -> u64 {
        (self.format.bytes_per_ms() as u64 * self.pace.percent).max(1)
    }

    fn burst(&self) -> u64 {
        // Less than the least could never go.
        to_bytes(self.pace.burst_ms.max(LEAST_MS), self.format).saturating_mul(100)
    }

    fn to_ms(&self, bytes: u64) -> u64 {
        bytes / self.format.bytes_per_ms() as u64
    }
}

fn to_bytes(ms: u64, format: AudioFormat) -> u64 {
    ms.saturating_mul(format.bytes_per_ms() as u64)
}

fn whole_samples(bytes: usize, format: AudioFormat) -> usize {
    bytes - bytes % format.bytes_per_sample()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const PACE: Pace = Pace { percent: 125, burst_ms: 1_000 };

    fn outbox() -> Outbox {
        Outbox::new(AudioFormat::Pcm16k, PACE, 15_000)
    }

    fn audio(ms: usize) -> Vec<u8> {
        vec![1; ms * 32]
    }

    /// The milliseconds of audio that leave now.
    fn leaves(outbox: &mut Outbox, now_ms: u64) -> usize {
        std::iter::from_fn(|| outbox.take(now_ms))
            .map(|outgoing| match outgoing {
                Outgoing::Audio(audio) => audio.len() / 32,
                Outgoing::Finalize(_) => 0,
            })
            .sum()
    }

    #[test]
    fn what_has_piled_up_goes_a_little_faster_than_it_was_spoken() {
        let mut outbox = outbox();
        outbox.push(&audio(3_000)).unwrap();
        assert_eq!(leaves(&mut outbox, 0), 1_000);
        assert_eq!(outbox.due_ms(0), Some(16));
        assert_eq!(leaves(&mut outbox, 15), 0);
        assert_eq!(leaves(&mut outbox, 16), 20);
        assert_eq!(leaves(&mut outbox, 816), 1_000);
        assert_eq!((leaves(&mut outbox, 10_000), outbox.due_ms(10_000)), (980, None));
        assert_eq!(outbox.given_ms(), 3_000);
    }

    #[test]
    fn finalize_stands_where_it_was_put() {
        let mut outbox = outbox();
        outbox.push(&audio(30)).unwrap();
        outbox.ask();
        outbox.push(&audio(30)).unwrap();
        outbox.ask();
        assert_eq!(outbox.take(0), Some(Outgoing::Audio(audio(30).into())));
        assert_eq!(outbox.due_ms(0), Some(0));
        assert_eq!(outbox.take(0), Some(Outgoing::Finalize(30)));
        assert_eq!(outbox.take(0), Some(Outgoing::Audio(audio(30).into())));
        assert_eq!(outbox.take(0), Some(Outgoing::Finalize(60)));
        assert_eq!(outbox.take(0), None);
    }

    #[test]
    fn audio_that_is_dropped_takes_its_finalize_with_it_but_not_the_one_before() {
        let mut outbox = outbox();
        outbox.push(&audio(20)).unwrap();
        assert_eq!(leaves(&mut outbox, 0), 20);
        outbox.ask();
        outbox.push(&audio(20)).unwrap();
        outbox.ask();
        outbox.drop_audio();
        assert_eq!(outbox.given_ms(), 20);
        assert_eq!(outbox.take(0), Some(Outgoing::Finalize(20)));
        assert_eq!(outbox.take(0), None);
    }

    #[test]
    fn too_much_is_refused_as_a_whole() {
        let mut outbox = Outbox::new(AudioFormat::Mulaw8k, PACE, 1_000);
        outbox.push(&[0xff; 7_900]).unwrap();
        assert_eq!(outbox.push(&[0xff; 101]), Err(Full));
        outbox.push(&[0xff; 100]).unwrap();
        assert_eq!(outbox.push(&[0xff]), Err(Full));
        assert_eq!(outbox.given_ms(), 1_000);
    }

    #[test]
    fn half_a_sample_waits_for_its_other_half() {
        let mut outbox = outbox();
        outbox.push(&[1, 2, 3]).unwrap();
        outbox.ask();
        assert_eq!(outbox.take(0), Some(Outgoing::Audio(Bytes::from_static(&[1, 2]))));
        assert_eq!(outbox.take(0), Some(Outgoing::Finalize(0)));
        assert_eq!((outbox.take(0), outbox.due_ms(0)), (None, None));
        outbox.push(&[4]).unwrap();
        assert_eq!(outbox.take(0), Some(Outgoing::Audio(Bytes::from_static(&[3, 4]))));
    }

    proptest! {
        #[test]
        fn audio_leaves_whole_in_order_and_at_its_pace(
            pieces in prop::collection::vec((0_usize..5_000, 0_u64..200, any::<bool>()), 1..40),
            mulaw in any::<bool>(),
        ) {
            let format = if mulaw { AudioFormat::Mulaw8k } else { AudioFormat::Pcm16k };
            let mut outbox = Outbox::new(format, PACE, 60_000);
            let (mut put, mut left, mut marks, mut now_ms) = (Vec::new(), Vec::new(), 0, 0);
            for (length, pause_ms, ask) in pieces {
                let piece: Vec<u8> = (0..length).map(|n| ((put.len() + n) % 251) as u8).collect();
                outbox.push(&piece).unwrap();
                put.extend_from_slice(&piece);
                if ask {
                    outbox.ask();
                    marks += 1;
                }
                now_ms += pause_ms;
                while let Some(outgoing) = outbox.take(now_ms) {
                    match outgoing {
                        Outgoing::Audio(audio) => {
                            prop_assert!(!audio.is_empty() && audio.len() % format.bytes_per_sample() == 0);
                            left.extend_from_slice(&audio);
                        }
                        Outgoing::Finalize(_) => marks -= 1,
                    }
                }
                let most = (1_000 + now_ms * 5 / 4 + 1) as usize * format.bytes_per_ms();
                prop_assert!(left.len() <= most, "{} in {} ms", left.len(), now_ms);
                prop_assert!(outbox.due_ms(now_ms).is_none_or(|due_ms| due_ms > now_ms));
            }
            while let Some(due_ms) = outbox.due_ms(now_ms) {
                now_ms = due_ms;
                while let Some(outgoing) = outbox.take(now_ms) {
                    match outgoing {
                        Outgoing::Audio(audio) => left.extend_from_slice(&audio),
                        Outgoing::Finalize(_) => marks -= 1,
                    }
                }
            }
            put.truncate(whole_samples(put.len(), format));
            prop_assert_eq!(left, put);
            prop_assert!(marks <= MAX_MARKS as i32);
        }
    }
}
