//! The way between the playout and the session: how late a position report is, and whether it comes at all.
//!
//! All of the round trip stands on the way back: that is the same as a page whose clock is late by the way there.

use crate::dice::Dice;

/// What may be heard twice for a hush when positions come, in milliseconds: the hush waits 500 ms for the last report, which
/// takes 630 ms at most; the one before it is 100 ms older.
const REPEAT_MS: u64 = 250;
/// The same when positions do not come: a hush needs one that is no older than a second, and that was 630 ms on its way.
const SILENT_REPEAT_MS: u64 = 1_000 + 630 + 100;
/// The same when the playout ran dry just before: it said nothing meanwhile, and the session takes the last report of before
/// for the last of all. What came after that was on its way.
const DRY_REPEAT_MS: u64 = 630 + 100;
/// For so long after positions stay away, or come again, the hushes may still suffer from it, in milliseconds.
const SILENCE_ECHO_MS: u64 = 3_000;

/// One leg's way.
#[derive(Debug, Clone, Copy)]
pub(crate) struct PageLink {
    /// No report ever comes.
    mute: bool,
    round_trip_ms: u64,
    /// No report comes from then on, in world time,
    silent_from_ms: u64,
    /// until then.
    silent_until_ms: u64,
    /// When the last report comes: they keep their order.
    last_ms: u64,
    /// When the playout last had nothing to play, in world time.
    dry_ms: Option<u64>,
}

impl PageLink {
    /// Rolls the first leg's; without reports so often, in thousandths.
    pub(crate) fn roll(silence: u64, dice: &mut Dice) -> Self {
        let mute = dice.chance(silence);
        let mut link =
            Self { mute, round_trip_ms: 20, silent_from_ms: 0, silent_until_ms: 0, last_ms: 0, dry_ms: None };
        link.new_leg(0, silence, dice);
        link
    }

    /// Another leg has another way.
    pub(crate) fn new_leg(&mut self, now_ms: u64, silence: u64, dice: &mut Dice) {
        self.round_trip_ms = dice.between(20, 600);
        (self.silent_from_ms, self.silent_until_ms) = (now_ms, now_ms);
        if dice.chance(silence) {
            self.silent_from_ms = now_ms + dice.below(8_000);
            self.silent_until_ms = self.silent_from_ms + dice.between(200, 12_000);
        }
    }

    /// There is nothing to play, though the speech is not over.
    pub(crate) const fn runs_dry(&mut self, now_ms: u64) {
        self.dry_ms = Some(now_ms);
    }

    /// Whether that was so at this world time or later.
    pub(crate) fn ran_dry_since(&self, since_ms: u64) -> bool {
        self.dry_ms.is_some_and(|dry_ms| dry_ms >= since_ms)
    }

    /// The round trip that the server measures, in milliseconds, on most legs: what a report takes beyond it is the page's own.
    pub(crate) const fn measured_ms(&self) -> Option<u64> {
        if self.round_trip_ms.is_multiple_of(5) { None } else { Some(self.round_trip_ms / 2) }
    }

    /// Whether what is said now is lost.
    pub(crate) const fn is_silent(&self, now_ms: u64) -> bool {
        self.mute || (self.silent_from_ms <= now_ms && now_ms < self.silent_until_ms)
    }

    /// How long what is said now is on its way, in milliseconds.
    pub(crate) fn delay_ms(&mut self, now_ms: u64, dice: &mut Dice) -> u64 {
        let at_ms = now_ms + self.round_trip_ms + dice.below(31);
        self.last_ms = self.last_ms.max(at_ms);
        self.last_ms - now_ms
    }

    /// The most of a speech that may be heard twice for a hush that ends now, in milliseconds.
    pub(crate) const fn most_repeated_ms(&self, now_ms: u64) -> u64 {
        let echoes = self.silent_from_ms < self.silent_until_ms
            && self.silent_from_ms <= now_ms
            && now_ms < self.silent_until_ms + SILENCE_ECHO_MS;
        match self.dry_ms {
            _ if self.mute || echoes => SILENT_REPEAT_MS,
            Some(dry_ms) if now_ms < dry_ms + SILENCE_ECHO_MS => DRY_REPEAT_MS,
            _ => REPEAT_MS,
        }
    }
}
