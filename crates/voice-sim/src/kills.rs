//! At which points of a turn processes were killed.

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
