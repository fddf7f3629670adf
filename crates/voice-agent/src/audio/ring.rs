//! The last seconds of a stream, addressed by stream time.

use std::collections::VecDeque;

use super::frame::SAMPLES_PER_MS_16K;

/// Samples that are added to the buffer at once while it grows (one second).
const GROWTH_SAMPLES: usize = 16_000;

/// The last samples of a 16 kHz stream: pre-roll for the speech to text, and the end-of-turn model's eight seconds.
///
/// It allocates nothing until audio comes and then grows by a second at a time up to its limit (32 kB per second of audio);
/// [`Self::forget_before`] gives memory back, so that a session whose caller is silent costs little.
#[derive(Debug, Clone)]
pub struct AudioRing {
    samples: VecDeque<i16>,
    limit: usize,
    /// The stream position (in samples) behind the newest sample.
    end: u64,
}

impl AudioRing {
    /// A ring that keeps the last `limit_ms` of a stream which begins now, at 0 ms.
    pub fn new(limit_ms: u64) -> Self {
        Self { samples: VecDeque::new(), limit: to_samples(limit_ms).try_into().unwrap_or(usize::MAX), end: 0 }
    }

    /// Adds the next samples of the stream; what is older than the limit falls out.
    pub fn push(&mut self, pcm: &[i16]) {
        self.end += pcm.len() as u64;
        let kept = &pcm[pcm.len().saturating_sub(self.limit)..];
        let excess = (self.samples.len() + kept.len()).saturating_sub(self.limit);
        self.samples.drain(..excess);
        let needed = self.samples.len() + kept.len();
        if needed > self.samples.capacity() {
            let capacity = needed.next_multiple_of(GROWTH_SAMPLES).min(self.limit);
            self.samples.reserve_exact(capacity - self.samples.len());
        }
        self.samples.extend(kept);
    }

    /// Goes on after a gap in the stream, which is kept as silence.
    pub fn skip(&mut self, gap_ms: u64) {
        let gap = to_samples(gap_ms);
        if gap >= self.limit as u64 {
            self.samples = VecDeque::new();
            self.end += gap;
            return;
        }
        const SILENCE: [i16; 320] = [0; 320];
        let mut left = gap as usize;
        while left > 0 {
            let now = left.min(SILENCE.len());
            self.push(&SILENCE[..now]);
            left -= now;
        }
    }

    /// Forgets what is older than `from_ms`, and gives its memory back.
    pub fn forget_before(&mut self, from_ms: u64) {
        let old = to_samples(from_ms).saturating_sub(self.begin()).min(self.samples.len() as u64);
        self.samples.drain(..old as usize);
        self.samples.shrink_to(self.samples.len().next_multiple_of(GROWTH_SAMPLES).min(self.limit));
    }

    /// The time of the oldest sample that is still kept, in whole ms (rounded up, so that it can be read).
    pub fn begin_ms(&self) -> u64 {
        self.begin().div_ceil(SAMPLES_PER_MS_16K)
    }

    /// The time behind the newest sample, in whole ms.
    pub fn end_ms(&self) -> u64 {
        self.end / SAMPLES_PER_MS_16K
    }

    /// The audio from `from_ms` up to `to_ms`, as far as it is kept: what is too old or has not come yet is left out.
    pub fn range(&self, from_ms: u64, to_ms: u64) -> Vec<i16> {
        let begin = self.begin();
        let index = |ms| to_samples(ms).clamp(begin, self.end) - begin;
        let (from, to) = (index(from_ms), index(to_ms));
        if from >= to { Vec::new() } else { self.samples.range(from as usize..to as usize).copied().collect() }
    }

    /// The audio from `from_ms` to the newest sample.
    pub fn since(&self, from_ms: u64) -> Vec<i16> {
        self.range(from_ms, u64::MAX)
    }

    /// The last `length_ms` of the audio, or less where less is kept.
    pub fn last(&self, length_ms: u64) -> Vec<i16> {
        let length = to_samples(length_ms).min(self.samples.len() as u64) as usize;
        self.samples.range(self.samples.len() - length..).copied().collect()
    }

    /// The memory that the samples take, in bytes.
    pub fn allocated_bytes(&self) -> usize {
        self.samples.capacity() * size_of::<i16>()
    }

    fn begin(&self) -> u64 {
        self.end - self.samples.len() as u64
    }
}

fn to_samples(ms: u64) -> u64 {
    ms.saturating_mul(SAMPLES_PER_MS_16K)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Samples that tell their own time: the ms they are in.
    fn tape(from_ms: u64, to_ms: u64) -> Vec<i16> {
        (from_ms * 16..to_ms * 16).map(|n| i16::try_from(n / 16).expect("a short tape")).collect()
    }

    #[test]
    fn audio_is_found_by_its_time() {
        let mut ring = AudioRing::new(1000);
        for from in (0..3000).step_by(20) {
            ring.push(&tape(from, from + 20));
        }
        assert_eq!((ring.begin_ms(), ring.end_ms()), (2000, 3000));
        assert_eq!(ring.range(2100, 2400), tape(2100, 2400));
        assert_eq!(ring.since(2900), tape(2900, 3000));
        assert_eq!(ring.last(50), tape(2950, 3000));
    }

    #[test]
    fn what_is_not_kept_is_left_out() {
        let mut ring = AudioRing::new(1000);
        ring.push(&tape(0, 1500));
        assert_eq!(ring.range(0, 600), tape(500, 600));
        assert_eq!(ring.range(1400, 9000), tape(1400, 1500));
        assert_eq!(ring.last(9000), tape(500, 1500));
        assert!(ring.range(0, 400).is_empty());
        assert!(ring.range(1400, 1300).is_empty());
        assert!(ring.range(2000, 3000).is_empty());
    }

    #[test]
    fn an_idle_ring_takes_no_memory_and_a_full_one_only_its_limit() {
        let mut ring = AudioRing::new(8_000);
        assert_eq!(ring.allocated_bytes(), 0);
        ring.push(&[0; 320]);
        assert_eq!(ring.allocated_bytes(), 32_000);
        for _ in 0..1_000 {
            ring.push(&[0; 320]);
        }
        assert_eq!(ring.allocated_bytes(), 256_000);
    }

    #[test]
    fn forgetting_gives_memory_back_and_keeps_the_clock() {
        let mut ring = AudioRing::new(8_000);
        ring.push(&tape(0, 6_000));
        ring.forget_before(5_700);
        assert_eq!((ring.begin_ms(), ring.end_ms()), (5_700, 6_000));
        assert_eq!(ring.since(0), tape(5_700, 6_000));
        assert_eq!(ring.allocated_bytes(), 32_000);
        ring.forget_before(u64::MAX);
        assert_eq!((ring.begin_ms(), ring.end_ms(), ring.allocated_bytes()), (6_000, 6_000, 0));
    }

    #[test]
    fn a_gap_is_silence_and_time_goes_on() {
        let mut ring = AudioRing::new(1_000);
        ring.push(&tape(0, 100));
        ring.skip(50);
        ring.push(&tape(150, 200));
        assert_eq!(ring.since(90), [tape(90, 100), vec![0; 800], tape(150, 200)].concat());
        ring.skip(5_000);
        ring.push(&tape(5_200, 5_300));
        assert_eq!((ring.begin_ms(), ring.end_ms()), (5_200, 5_300));
        assert_eq!(ring.since(0), tape(5_200, 5_300));
    }

    #[test]
    fn one_push_longer_than_the_ring_leaves_its_end() {
        let mut ring = AudioRing::new(100);
        ring.push(&tape(0, 1_000));
        assert_eq!(ring.since(0), tape(900, 1_000));
    }
}
