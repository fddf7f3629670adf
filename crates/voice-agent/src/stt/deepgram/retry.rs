//! When to connect again. Pure.

use voice_core::provider::{ProviderErrorKind, ProviderFailure};

/// What does not mend itself is tried this seldom, in milliseconds.
const PERMANENT_MS: u64 = 60_000;
/// A connection that lived so long was a good one: the delays begin anew, in milliseconds.
const GOOD_LIFE_MS: u64 = 5_000;

/// The delays before the next attempts, which grow with each failure.
#[derive(Debug, Clone)]
pub(super) struct Retry {
    min_ms: u64,
    max_ms: u64,
    failures: u32,
    last: Option<ProviderFailure>,
    /// Not before this, whoever wants it.
    closed_until_ms: u64,
    /// Not before this without need.
    due_ms: u64,
}

impl Retry {
    /// The first attempt is at once, the second after `min_ms`, and `max_ms` is the longest that transient failures delay one.
    pub(super) fn new(min_ms: u64, max_ms: u64) -> Self {
        Self { min_ms, max_ms, failures: 0, last: None, closed_until_ms: 0, due_ms: 0 }
    }

    /// When to try.
    pub(super) fn due_ms(&self) -> u64 {
        self.due_ms
    }

    /// Whether a caller who speaks is reason to try at once; otherwise what is the matter.
    pub(super) fn hurry(&self, now_ms: u64) -> Result<(), ProviderFailure> {
        match self.last {
            Some(failure) if now_ms < self.closed_until_ms => Err(failure),
            _ => Ok(()),
        }
    }

    /// An attempt failed, or a connection was lost that had lived for `lived_ms`. `dice` is any number: who lost their
    /// connections together do not come back together.
    pub(super) fn failed(&mut self, failure: ProviderFailure, lived_ms: u64, now_ms: u64, dice: u64) {
        if lived_ms >= GOOD_LIFE_MS {
            self.failures = 0;
        }
        let doubled = self.min_ms.saturating_mul(1 << self.failures.min(16));
        self.failures = self.failures.saturating_add(1);
        self.last = Some(failure);
        let delay_ms = doubled.min(self.max_ms);
        self.due_ms = now_ms.saturating_add(delay_ms / 2 + dice % (delay_ms / 2 + 1));
        let is_permanent = matches!(
            failure.kind,
            ProviderErrorKind::Auth
                | ProviderErrorKind::Quota
                | ProviderErrorKind::BadRequest
                | ProviderErrorKind::NotServed
        );
        let asked_ms = failure.retry_after_ms.unwrap_or(if is_permanent { PERMANENT_MS } else { 0 });
        self.closed_until_ms = now_ms.saturating_add(asked_ms);
        self.due_ms = self.due_ms.max(self.closed_until_ms);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failure(kind: ProviderErrorKind, retry_after_ms: Option<u64>) -> ProviderFailure {
        ProviderFailure { kind, retry_after_ms }
    }

    #[test]
    fn delays_grow_up_to_the_longest_and_are_spread() {
        let mut retry = Retry::new(200, 1_000);
        assert_eq!(retry.due_ms(), 0);
        let lost = failure(ProviderErrorKind::Disconnected, None);
        for longest_ms in [200, 400, 800, 1_000, 1_000] {
            let (mut soon, mut late) = (retry.clone(), retry.clone());
            soon.failed(lost, 0, 10_000, 0);
            late.failed(lost, 0, 10_000, longest_ms / 2);
            assert_eq!((soon.due_ms(), late.due_ms()), (10_000 + longest_ms / 2, 10_000 + longest_ms));
            retry = late;
        }
        for _ in 0..100 {
            retry.failed(lost, 0, 10_000, u64::MAX);
            assert!(retry.due_ms() <= 11_000);
        }
        retry.failed(lost, 5_000, 20_000, 0);
        assert_eq!(retry.due_ms(), 20_100);
        assert_eq!(retry.hurry(20_001), Ok(()));
    }

    #[test]
    fn who_says_when_to_come_back_is_heeded_even_by_who_is_in_a_hurry() {
        let mut retry = Retry::new(200, 1_000);
        let busy = failure(ProviderErrorKind::RateLimited, Some(7_000));
        retry.failed(busy, 0, 100, 3);
        assert_eq!((retry.due_ms(), retry.hurry(7_099), retry.hurry(7_100)), (7_100, Err(busy), Ok(())));
        // It says "now": the usual delay is heeded all the same.
        retry.failed(failure(ProviderErrorKind::RateLimited, Some(0)), 0, 8_000, 0);
        assert_eq!((retry.due_ms(), retry.hurry(8_000)), (8_200, Ok(())));
        let denied = failure(ProviderErrorKind::Auth, None);
        retry.failed(denied, 0, 10_000, 0);
        assert_eq!((retry.due_ms(), retry.hurry(69_999)), (70_000, Err(denied)));
    }
}
