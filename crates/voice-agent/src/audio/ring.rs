//! The last seconds of a stream, addressed by stream time.

use std::collections::VecDeque;

use super::frame::SAMPLES_PER_MS_16K;

/// Samples in one ms of µ-law.
const CODES_PER_MS: u64 = 8;
/// Nothing is heard in this code of µ-law.
const SILENT_CODE: u8 = 0xff;

/// The last samples of a 16 kHz stream: pre-roll for the speech to text, and the end-of-turn model's eight seconds.
pub type AudioRing = Ring<i16, SAMPLES_PER_MS_16K>;
/// The same of a telephone's audio as it came.
pub type MulawRing = Ring<u8, CODES_PER_MS>;

/// The last samples of a stream with `PER_MS` of them in a millisecond.
///
/// It allocates nothing until audio comes and then grows by a second at a time up to its limit (32 kB per second of audio, a quarter of that for µ-law);
/// [`Self::forget_before`] gives memory back, so that a session whose caller is silent costs little.
#[derive(Debug, Clone)]
pub struct Ring<T, const PER_MS: u64> {
    samples: VecDeque<T>,
    limit: usize,
    silence: T,
    /// The stream position (in samples) behind the newest sample.
    end: u64,
}

impl AudioRing {
    /// A ring that keeps the last `limit_ms` of a stream which begins now, at 0 ms.
    pub fn new(limit_ms: u64) -> Self {
        Self::silent(limit_ms, 0)
    }
}

impl MulawRing {
    /// A ring that keeps the last `limit_ms` of a stream which begins now, at 0 ms.
    pub fn new(limit_ms: u64) -> Self {
        Self::silent(limit_ms, SILENT_CODE)
    }
}

impl<T: Copy, const PER_MS: u64> Ring<T, PER_MS> {
    /// Samples that are added to the buffer at once while it grows (one second).
    const GROWTH: usize = 1_000 * PER_MS as usize;

    fn silent(limit_ms: u64, silence: T) -> Self {
        let limit = Self::to_samples(limit_ms).try_into().unwrap_or(usize::MAX);
        Self { samples: VecDeque::new(), limit, silence, end: 0 }
    }

    const fn to_samples(ms: u64) -> u64 {
        ms.saturating_mul(PER_MS)
    }

    /// Adds the next samples of the stream; what is older than the limit falls out.
    pub fn push(&mut self, pcm: &[T]) {
        self.end += pcm.len() as u64;
        let kept = &pcm[pcm.len().saturating_sub(self.limit)..];
        let excess = (self.samples.len() + kept.len()).saturating_sub(self.limit);
        self.samples.drain(..excess);
        let needed = self.samples.len() + kept.len();
        if needed > self.samples.capacity() {
            let capacity = needed.next_multiple_of(Self::GROWTH).min(self.limit);
            self.samples.reserve_exact(capacity - self.samples.len());
        }
        self.samples.extend(kept);
    }

    /// Goes on after a gap in the stream, which is kept as silence.
    pub fn skip(&mut self, gap_ms: u64) {
        let gap = Self::to_samples(gap_ms);
        if gap >= self.limit as u64 {
            self.samples = VecDeque::new();
            self.end += gap;
            return;
        }
        let silence = [self.silence; 320];
        let mut left = gap as usize;
        while left > 0 {
            let now = left.min(silence.len());
            self.push(&silence[..now]);
            left -= now;
        }
    }

    /// Forgets what is older than `from_ms`, and gives its memory back.
    pub fn forget_before(&mut self, from_ms: u64) {
        let old = Self::to_samples(from_ms).saturating_sub(self.begin()).min(self.samples.len() as u64);
        self.samples.drain(..old as usize);
        self.samples.shrink_to(self.samples.len().next_multiple_of(Self::GROWTH).min(self.limit));
    }

    /// The time of the oldest sample that is still kept, in whole ms (rounded up, so that it can be read).
    pub fn begin_ms(&self) -> u64 {
        self.begin().div_ceil(PER_MS)
    }

    /// The time behind the newest sample, in whole ms.
    pub fn end_ms(&self) -> u64 {
        self.end / PER_MS
    }

    /// The audio from `from_ms` up to `to_ms`, as far as it is kept: what is too old or has not come yet is left out.
    pub fn range(&self, from_ms: u64, to_ms: u64) -> Vec<T> {
        let begin = self.begin();
        let index = |ms| Self::to_samples(ms).clamp(begin, self.end) - begin;
        let (from, to) = (index(from_ms), index(to_ms));
        if from >= to { Vec::new() } else { self.samples.range(from as usize..to as usize).copied().collect() }
    }

    /// The audio from `from_ms` to the newest sample.
    pub fn since(&self, from_ms: u64) -> Vec<T> {
        self.range(from_ms, u64::MAX)
    }

    /// The last `length_ms` of the audio, or less where less is kept.
    pub fn last(&self, length_ms: u64) -> Vec<T> {
        let length = Self::to_samples(length_ms).min(self.samples.len() as u64) as usize;
        self.samples.range(self.samples.len() - length..).copied().collect()
    }

    /// The memory that the samples take, in bytes.
    pub fn allocated_bytes(&self) -> usize {
        self.samples.capacity() * size_of::<T>()
    }

    fn begin(&self) -> u64 {
        self.end - self.samples.len() as u64
    }
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
    fn a_ring_of_mulaw_has_a_clock_of_its_own() {
        let mut ring = MulawRing::new(1_000);
        ring.push(&[1; 800]);
        ring.skip(50);
        ring.push(&[2; 800]);
        assert_eq!((ring.end_ms(), ring.range(90, 160)), (250, [vec![1; 80], vec![0xff; 400], vec![2; 80]].concat()));
        assert_eq!(ring.allocated_bytes(), 8_000);
    }

    #[test]
    fn one_push_longer_than_the_ring_leaves_its_end() {
        let mut ring = AudioRing::new(100);
        ring.push(&tape(0, 1_000));
        assert_eq!(ring.since(0), tape(900, 1_000));
    }
}
