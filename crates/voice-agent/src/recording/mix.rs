//! The two sides of a call side by side in time.
//!
//! Pure: audio with the time at which it sounded goes in, frames of 20 ms with both sides come out a second later. Times are milliseconds
//! of the session.

use std::collections::VecDeque;

use crate::audio::frame::FRAME_MS;

/// How long audio may come after it sounded: playout is reported afterwards, and networks deliver late. In milliseconds.
pub(super) const SETTLE_MS: u64 = 1_000;
/// Audio that begins this much later than the audio before it ended follows a gap; less is the network's unevenness.
pub(super) const GAP_MS: u64 = 120;
/// The same within one speech of the agent, whose positions come as reports. One that comes late is likelier than a playout that stood
/// still, and a hole in the midst of a word makes it another word. (The caller's side keeps to its time: what was keyed or dictated is
/// blanked by time.)
pub(super) const STALL_MS: u64 = 600;
/// A side that is ahead of its time by more than this, in milliseconds, leaves silence out until it is not.
const AHEAD_MS: u64 = 60;
/// What is more than this ahead of its time, in milliseconds, is not taken: a line that stood still delivers no more at once.
const MOST_AHEAD_MS: u64 = 3_000;
/// The loudest sample of what is left out.
const QUIET: u16 = 64;

/// Who is heard.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Side {
    /// On the left.
    Caller = 0,
    /// On the right.
    Agent = 1,
}

/// 20 ms of both sides.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Frame {
    /// When it begins.
    pub(super) at_ms: u64,
    /// Each side's samples, at its own rate.
    pub(super) sides: [Vec<i16>; 2],
}

#[derive(Debug)]
struct Lane {
    samples_per_ms: usize,
    /// From the end of the last frame on.
    samples: VecDeque<i16>,
}

impl Lane {
    const fn ms(&self, samples: usize) -> u64 {
        (samples / self.samples_per_ms) as u64
    }

    /// 20 ms from its beginning, filled up with silence.
    fn take(&mut self) -> Vec<i16> {
        let count = FRAME_MS as usize * self.samples_per_ms;
        let mut frame: Vec<i16> = self.samples.drain(..count.min(self.samples.len())).collect();
        frame.resize(count, 0);
        frame
    }
}

/// Both sides from where they were taken to.
#[derive(Debug)]
pub(super) struct Mix {
    taken_ms: u64,
    lanes: [Lane; 2],
    /// Milliseconds of audio that were not taken.
    lost_ms: u64,
}

impl Mix {
    /// Begins at this time, with so many samples in a millisecond of each side.
    pub(super) fn new(from_ms: u64, samples_per_ms: [usize; 2]) -> Self {
        let lane = |samples_per_ms| Lane { samples_per_ms, samples: VecDeque::new() };
        Self { taken_ms: from_ms, lanes: samples_per_ms.map(lane), lost_ms: 0 }
    }

    /// Takes audio that began to sound at `at_ms`, and is told of at `now_ms`. Audio of a side follows the audio before it without a gap, as
    /// long as it comes no later than `gap_ms` after it.
    pub(super) fn put(&mut self, side: Side, now_ms: u64, at_ms: u64, samples: &[i16], gap_ms: u64) {
        let taken_ms = self.taken_ms;
        let lane = &mut self.lanes[side as usize];
        let end_ms = taken_ms + lane.ms(lane.samples.len());
        if at_ms > end_ms + gap_ms {
            let gap = usize::try_from((at_ms - taken_ms).min(SETTLE_MS + MOST_AHEAD_MS)).unwrap_or(0);
            lane.samples.resize((gap * lane.samples_per_ms).max(lane.samples.len()), 0);
        }
        let end_ms = taken_ms + lane.ms(lane.samples.len());
        let after_ms = end_ms + lane.ms(samples.len());
        if after_ms > now_ms + AHEAD_MS && samples.iter().all(|sample| sample.unsigned_abs() <= QUIET) {
            return;
        }
        if after_ms > now_ms + MOST_AHEAD_MS {
            self.lost_ms += lane.ms(samples.len());
            return;
        }
        lane.samples.extend(samples);
    }

    /// The next frame whose time is over at `now_ms`: nothing more is put into it.
    pub(super) fn take(&mut self, now_ms: u64) -> Option<Frame> {
        (self.taken_ms + FRAME_MS + SETTLE_MS <= now_ms).then(|| self.pop())
    }

    /// What is left at the end, until nothing of either side is.
    pub(super) fn take_last(&mut self) -> Option<Frame> {
        self.lanes.iter().any(|lane| !lane.samples.is_empty()).then(|| self.pop())
    }

    fn pop(&mut self) -> Frame {
        let at_ms = self.taken_ms;
        self.taken_ms += FRAME_MS;
        Frame { at_ms, sides: self.lanes.each_mut().map(Lane::take) }
    }

    /// Milliseconds of audio that were not taken since the last look.
    pub(super) fn take_lost_ms(&mut self) -> u64 {
        std::mem::take(&mut self.lost_ms)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOUD: [i16; 320] = [1_000; 320];

    fn mix() -> Mix {
        Mix::new(0, [16, 24])
    }

    /// When each side sounds, in frames.
    fn heard(mix: &mut Mix, side: Side) -> Vec<u64> {
        let frames = std::iter::from_fn(|| mix.take_last());
        frames
            .filter(|frame| frame.sides[side as usize].iter().any(|s| *s != 0))
            .map(|frame| frame.at_ms / 20)
            .collect()
    }

    #[test]
    fn audio_sounds_when_it_sounded_and_both_sides_stay_together() {
        let mut mix = mix();
        mix.put(Side::Caller, 20, 0, &LOUD, GAP_MS);
        mix.put(Side::Agent, 500, 400, &[9; 2_400], GAP_MS);
        assert_eq!(mix.take(1_019), None);
        let first = mix.take(1_020).unwrap();
        assert_eq!((first.at_ms, first.sides[0].len(), first.sides[1].len()), (0, 320, 480));
        assert_eq!((first.sides[0][0], first.sides[1][0]), (1_000, 0));
        assert_eq!(heard(&mut mix, Side::Agent), [20, 21, 22, 23, 24]);
    }

    #[test]
    fn uneven_arrival_leaves_no_gap_and_a_real_one_does() {
        let mut mix = mix();
        for (now_ms, at_ms) in [(20, 0), (90, 70), (95, 75), (100, 80)] {
            mix.put(Side::Caller, now_ms, at_ms, &LOUD, GAP_MS);
        }
        mix.put(Side::Caller, 600, 580, &LOUD, GAP_MS);
        assert_eq!(heard(&mut mix, Side::Caller), [0, 1, 2, 3, 29]);
    }

    #[test]
    fn a_late_report_leaves_no_hole_in_a_speech_and_the_next_one_begins_when_it_did() {
        let mut mix = mix();
        let second = [9_000; 24 * 200];
        mix.put(Side::Agent, 200, 0, &second, GAP_MS);
        mix.put(Side::Agent, 400, 200, &second, STALL_MS);
        // Half a second late; the one after it is in time again.
        mix.put(Side::Agent, 1_100, 900, &second, STALL_MS);
        mix.put(Side::Agent, 1_101, 701, &second, STALL_MS);
        mix.put(Side::Agent, 1_400, 1_200, &second, GAP_MS);
        let heard = heard(&mut mix, Side::Agent);
        assert_eq!(heard, (0..40).chain(60..70).collect::<Vec<u64>>());
    }

    #[test]
    fn what_a_line_delivers_late_is_kept_and_silence_takes_it_back_into_time() {
        let mut mix = mix();
        mix.put(Side::Caller, 20, 0, &LOUD, GAP_MS);
        for _ in 0..50 {
            mix.put(Side::Caller, 1_020, 1_000, &LOUD, GAP_MS);
        }
        for frame in 0..100 {
            let now_ms = 1_040 + frame * 20;
            mix.put(Side::Caller, now_ms, now_ms - 20, &[3; 320], GAP_MS);
        }
        mix.put(Side::Caller, 3_040, 3_020, &LOUD, GAP_MS);
        let heard = heard(&mut mix, Side::Caller);
        assert_eq!((heard[1], heard[50] - heard[1]), (50, 49));
        let loud_again = *heard.last().unwrap() * 20;
        assert!((3_000..3_100).contains(&loud_again), "{loud_again}");
    }

    #[test]
    fn its_memory_is_bounded_whatever_comes() {
        let mut mix = mix();
        for _ in 0..1_000 {
            mix.put(Side::Agent, 20, u64::MAX / 2, &[9_000; 480], GAP_MS);
        }
        assert!(mix.lanes[1].samples.len() <= 24 * 4_000);
        assert!(mix.take_lost_ms() > 0);
        assert_eq!(mix.take_lost_ms(), 0);
    }
}
