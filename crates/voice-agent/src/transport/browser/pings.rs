//! How long the way to a page and back takes, by the server's own pings. Browsers answer them without asking the page.
//!
//! A page may answer late, or never, and so look farther away than it is: whoever uses the figure sets it a limit.

use std::sync::{Mutex, MutexGuard, PoisonError};

use axum::extract::ws::Message;
use tokio::time::Instant;

/// The pings of one connection: written by what goes out, read by what comes back; never held across an `.await`.
#[derive(Debug, Default)]
pub(super) struct Pings(Mutex<Sent>);

#[derive(Debug, Default)]
struct Sent {
    count: u64,
    /// When the last one went out, until it is answered.
    waiting_since: Option<Instant>,
}

impl Pings {
    /// The next one, which goes out now.
    pub(super) fn next(&self, now: Instant) -> Message {
        let mut sent = self.lock();
        sent.count += 1;
        sent.waiting_since = Some(now);
        Message::Ping(bytes::Bytes::copy_from_slice(&sent.count.to_be_bytes()))
    }

    /// Something was answered now: the round trip in milliseconds, if it was the last ping, and for the first time.
    pub(super) fn answered(&self, payload: &[u8], now: Instant) -> Option<u64> {
        let mut sent = self.lock();
        if payload != sent.count.to_be_bytes() {
            return None;
        }
        let since = sent.waiting_since.take()?;
        u64::try_from(now.saturating_duration_since(since).as_millis()).ok()
    }

    fn lock(&self) -> MutexGuard<'_, Sent> {
        // Every change is whole before a panic could come.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn only_the_answer_to_the_last_ping_measures_the_way_and_only_once() {
        let (pings, began) = (Pings::default(), Instant::now());
        let at = |ms| began + Duration::from_millis(ms);
        assert_eq!(pings.answered(&0u64.to_be_bytes(), at(0)), None, "nothing was asked");
        let Message::Ping(first) = pings.next(at(0)) else { panic!("a ping") };
        let Message::Ping(second) = pings.next(at(1_000)) else { panic!("a ping") };
        assert_eq!(pings.answered(&first, at(1_010)), None, "too late");
        assert_eq!(pings.answered(b"", at(1_020)), None);
        assert_eq!(pings.answered(&second, at(1_045)), Some(45));
        assert_eq!(pings.answered(&second, at(1_050)), None);
    }
}
