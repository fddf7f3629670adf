//! When processes are killed, and at which points of a turn they were.

use crate::dice::Dice;
use crate::world::{Checked, World};

/// Kills of one call, when they are aimed.
const MOST_AIMED: u64 = 4;

/// When a call's process is killed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Killing {
    /// At any moment, in some calls.
    ByChance,
    /// In every call also in the midst of turns, after any of their events.
    AmidTurns,
}

impl Killing {
    /// The dice that aim: other than the call's own, which without aiming is what it was.
    pub(crate) fn dice(self, seed: u64) -> Option<Dice> {
        (self == Self::AmidTurns).then(|| Dice::new(!seed))
    }
}

macro_rules! points {
    ($($name:ident = $words:literal,)*) => {
        /// Where a turn was when its process was killed; of several, the first that holds.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum KillPoint {
            $(#[doc = $words] $name,)*
        }

        impl KillPoint {
            /// Every point, with its name.
            pub const ALL: &'static [(Self, &'static str)] = &[$((Self::$name, $words),)*];
        }
    };
}

points! {
    ChangeUnderWay = "with a tool's change on its way to the store",
    CommitUnderWay = "with another commit on its way",
    Computed = "with a tool computed and not committed",
    Answering = "while an answer was made",
    Speaking = "while somebody spoke",
    Quiet = "between turns",
}

/// How often each of them was met.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Kills([u64; KillPoint::ALL.len()]);

impl Kills {
    /// One more kill.
    pub const fn add(&mut self, point: KillPoint) {
        self.0[point as usize] += 1;
    }

    /// All kills of another count, too.
    pub fn add_all(&mut self, other: Self) {
        self.0.iter_mut().zip(other.0).for_each(|(sum, count)| *sum += count);
    }

    /// How many there were at this point.
    pub const fn at(&self, point: KillPoint) -> u64 {
        self.0[point as usize]
    }

    /// How many there were.
    pub fn total(&self) -> u64 {
        self.0.iter().sum()
    }
}

impl World {
    /// Perhaps the process is killed right behind what just happened.
    pub(crate) fn aim(&mut self) -> Checked {
        let Some((dice, session)) = self.aim.as_mut().zip(self.session.as_ref()) else { return Ok(()) };
        // Rare points are hit more often than those that last.
        let permille = match self.store.kill_point() {
            _ if self.kills.total() >= MOST_AIMED => 0,
            Some(KillPoint::ChangeUnderWay) => 200,
            Some(KillPoint::Computed) => 150,
            Some(_) => 60,
            None if session.is_answering() => 20,
            None if session.is_busy() => 3,
            None => 1,
        };
        if dice.chance(permille) { self.crash() } else { Ok(()) }
    }
}
