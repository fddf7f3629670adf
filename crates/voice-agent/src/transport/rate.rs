//! How many messages a connection may send.

use std::time::Duration;

/// A bucket of tokens: one a message, refilled with time, which is an argument.
#[derive(Debug, Clone)]
pub struct TokenBucket {
    per_second: u64,
    /// Millionths of a token, so that no fraction is lost.
    most: u64,
    left: u64,
    at: Duration,
}

const WHOLE: u64 = 1_000_000;

impl TokenBucket {
    /// A full bucket of `burst` tokens that gets `per_second` more.
    pub fn new(per_second: u32, burst: u32) -> Self {
        let most = u64::from(burst) * WHOLE;
        Self { per_second: u64::from(per_second), most, left: most, at: Duration::ZERO }
    }

    /// Takes one at `now`, counted from any fixed moment; `false` if none is left.
    pub fn take(&mut self, now: Duration) -> bool {
        let passed = now.saturating_sub(self.at);
        self.at = self.at.max(now);
        // One microsecond at one token a second is one millionth of a token.
        let micros = u64::try_from(passed.as_micros()).unwrap_or(u64::MAX);
        self.left = self.left.saturating_add(micros.saturating_mul(self.per_second)).min(self.most);
        match self.left.checked_sub(WHOLE) {
            Some(left) => {
                self.left = left;
                true
            }
            None => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_passes_and_then_only_the_rate() {
        let mut bucket = TokenBucket::new(100, 10);
        let at = Duration::from_millis;
        assert_eq!((0..20).filter(|_| bucket.take(at(0))).count(), 10);
        assert!(!bucket.take(at(9)));
        assert!(bucket.take(at(10)) && !bucket.take(at(10)));
        assert_eq!((0..20).filter(|_| bucket.take(at(60_000))).count(), 10, "no more than the burst piles up");
        assert!(!bucket.take(at(59_000)), "a clock that goes back gives nothing");
    }

    #[test]
    fn real_time_audio_never_runs_out() {
        let mut bucket = TokenBucket::new(60, 60);
        assert!((0..50 * 600).all(|frame| bucket.take(Duration::from_millis(20 * frame))));
    }
}
