//! What if somebody only may begin to speak? The agent hushes for a moment, and goes on where it stopped if nobody does.

use crate::config::HUSH_LONGEST_MS;
use crate::ids::SpeechId;
use crate::output::{HushEnd, Observation};

use super::Session;
use super::reply::{HoldCause, Reply};

/// A playout that has stopped says so once more, and then nothing. One that plays says something every 100 ms: after this
/// long without a word, in milliseconds, its last one was where it stopped.
const POSITION_SETTLED_MS: u64 = 140;
/// A playout that has said nothing for longer than this, in milliseconds, is not hushed: it could not go on where it stopped.
const POSITION_FRESH_MS: u64 = 1_000;
/// No hush begins within this time after the playout went on, in milliseconds: positions from before that are still on their
/// way, and one of them would be taken for the place where it stopped.
const HUSH_AFTER_RESUME_MS: u64 = 500;
/// The least time from one hush to the next, in milliseconds. It doubles with each that nothing comes of, so that a noisy
/// room does not make the agent stutter.
const HUSH_GAP_MS: u64 = 500;
/// It doubles at most so often (8.5 minutes).
const HUSH_DOUBLINGS: u32 = 10;

/// How often the agent hushes at what may become speech.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Hush {
    not_before_ms: u64,
    /// Hushes in a row that nothing came of.
    in_vain: u32,
}

impl Session {
    /// Perhaps the caller begins to speak. A detector needs 100 ms and more to be sure of some sounds; silence for that long
    /// costs less than talking on into somebody's first word.
    pub(super) fn handle_possible_speech(&mut self) {
        let free = self.closing.is_none() && self.link.is_some() && self.listening.is_none() && !self.is_deaf();
        let now_ms = self.now_ms;
        let known = |at_ms: u64| now_ms <= at_ms + POSITION_FRESH_MS;
        let audible = |reply: &Reply| reply.confirmed && reply.is_audible() && reply.position_ms.is_some_and(known);
        let due = self.config.hush_ms > 0 && now_ms >= self.hush.not_before_ms;
        if due && free && self.speaking_since_ms.is_none() && self.reply.as_ref().is_some_and(audible) {
            let gap_ms = HUSH_GAP_MS << self.hush.in_vain.min(HUSH_DOUBLINGS);
            // Until speech follows.
            self.hush = Hush { not_before_ms: now_ms + gap_ms, in_vain: self.hush.in_vain.saturating_add(1) };
            self.hold_reply(HoldCause::Doubt);
        }
    }

    /// When a hush is over: the speech goes on then (`advance_speech`).
    pub(super) fn hush_until_ms(&self) -> Option<u64> {
        let reply = self.reply.as_ref()?;
        let hold = reply.hold.filter(|hold| hold.cause == HoldCause::Doubt)?;
        let least_ms = hold.since_ms + self.config.hush_ms;
        if !hold.paused || reply.is_through() {
            return Some(least_ms);
        }
        let settled_ms =
            reply.position_ms.filter(|at_ms| *at_ms > hold.since_ms).map(|at_ms| at_ms + POSITION_SETTLED_MS);
        Some(settled_ms.unwrap_or(u64::MAX).max(least_ms).min(hold.since_ms + HUSH_LONGEST_MS))
    }

    /// The same as a deadline; while somebody is being listened to, or the caller is away, that decides.
    pub(super) fn hush_due_ms(&self) -> Option<u64> {
        let free = self.link.is_some() && self.listening.is_none();
        if free { self.hush_until_ms() } else { None }
    }

    /// The playout goes on from a position of its past.
    pub(super) fn put_off_hush(&mut self) {
        self.hush.not_before_ms = self.hush.not_before_ms.max(self.now_ms + HUSH_AFTER_RESUME_MS);
    }

    pub(super) fn observe_hush(&mut self, speech: SpeechId, since_ms: u64, end: HushEnd) {
        let held_ms = self.now_ms - since_ms;
        self.observe(Observation::Hushed { speech, held_ms, end });
    }

    /// There is nothing left that could be silent.
    pub(super) fn end_hush(&mut self) {
        let Some(reply) = &mut self.reply else { return };
        let (speech, hold) = (reply.speech.id, reply.hold.take_if(|hold| hold.cause == HoldCause::Doubt));
        if let Some(hold) = hold {
            self.observe_hush(speech, hold.since_ms, HushEnd::CutShort);
        }
    }
}
