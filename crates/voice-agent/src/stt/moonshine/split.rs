//! Where to cut audio that is too long for the model in one piece.

use std::ops::Range;

use super::SAMPLE_RATE;

/// A segment is never longer: above about 10 s the model drops words, and its time grows with the square of the length.
const LONGEST: usize = 10 * SAMPLE_RATE;
/// A cut is looked for no earlier, so that a segment keeps its context.
const SHORTEST: usize = 5 * SAMPLE_RATE;
/// What remains after a cut is at least this long.
const LEAST_REST: usize = SAMPLE_RATE;
/// The length over which loudness is measured: longer than a stop consonant's silence.
const WINDOW: usize = SAMPLE_RATE * 3 / 20;
const STEP: usize = SAMPLE_RATE / 50;

/// Ranges of samples, in order and without gaps, each at most 10 s. A cut is made in the middle of the quietest 150 ms
/// between 5 s and 10 s after the segment's start.
pub(super) fn segments(pcm: &[i16]) -> Vec<Range<usize>> {
    let mut out = Vec::new();
    let mut start = 0;
    while pcm.len() - start > LONGEST {
        let latest = (start + LONGEST).min(pcm.len() - LEAST_REST);
        let cut = quietest(pcm, start + SHORTEST..latest);
        out.push(start..cut);
        start = cut;
    }
    out.push(start..pcm.len());
    out
}

/// The middle of the quietest window that lies within `range`.
fn quietest(pcm: &[i16], range: Range<usize>) -> usize {
    let energy = |from: usize| -> u64 { pcm[from..from + WINDOW].iter().map(|&s| u64::from(s.unsigned_abs())).sum() };
    let first = range.start;
    (first..range.end.saturating_sub(WINDOW).max(first + 1))
        .step_by(STEP)
        .min_by_key(|&from| energy(from))
        .unwrap_or(first)
        + WINDOW / 2
}

#[cfg(test)]
mod tests {
    use super::*;

    fn noise(seconds: usize) -> Vec<i16> {
        (0..seconds * SAMPLE_RATE).map(|i| if i % 2 == 0 { 4_000 } else { -4_000 }).collect()
    }

    #[test]
    fn ten_seconds_stay_whole() {
        assert_eq!(segments(&noise(10)), vec![0..10 * SAMPLE_RATE; 1]);
        assert_eq!(segments(&[]), vec![0..0; 1]);
    }

    #[test]
    fn the_cut_is_in_the_pause() {
        let mut pcm = noise(14);
        pcm[7 * SAMPLE_RATE..7 * SAMPLE_RATE + 4_800].fill(3);
        let cuts = segments(&pcm);
        assert_eq!(cuts.len(), 2);
        assert!((7 * SAMPLE_RATE..7 * SAMPLE_RATE + 4_800).contains(&cuts[0].end), "{cuts:?}");
        assert_eq!(cuts[1].end, pcm.len());
    }

    #[test]
    fn thirty_seconds_of_even_noise_are_cut_without_gaps() {
        let pcm = noise(30);
        let cuts = segments(&pcm);
        assert!(cuts.iter().all(|range| range.len() <= LONGEST && range.len() >= LEAST_REST), "{cuts:?}");
        assert!(cuts.windows(2).all(|pair| pair[0].end == pair[1].start));
        assert_eq!((cuts[0].start, cuts[cuts.len() - 1].end), (0, pcm.len()));
    }
}
