//! What a call and a day may cost, and the steps that a call takes as it comes near to that.

use serde::{Deserialize, Serialize};

use crate::config::ConfigError;
use crate::cost::NanoUsd;

/// How a call saves money. Each step holds what the ones before it do, and none is taken back within a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CostStep {
    /// Nothing is spared.
    #[default]
    Full,
    /// The model is asked for shorter answers.
    Brief,
    /// The cheapest model and the cheapest voice of the chains come first.
    Cheap,
    /// The caller reads and types: nothing is spent on hearing and speaking any more.
    Text,
    /// The agent says goodbye, and the call ends.
    Close,
}

impl CostStep {
    /// Every step.
    pub const ALL: [Self; 5] = [Self::Full, Self::Brief, Self::Cheap, Self::Text, Self::Close];

    /// The step as a metric label.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Full => "full",
            Self::Brief => "brief",
            Self::Cheap => "cheap",
            Self::Text => "text",
            Self::Close => "close",
        }
    }
}

/// What happens when a ceiling is reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AtCeiling {
    /// The agent says goodbye, and the call ends.
    #[default]
    Close,
    /// The call goes on in text, up to `text_until_percent`.
    Text,
}

/// Which ceiling a step was taken for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CeilingOf {
    /// This call's.
    Call,
    /// The whole house's, today.
    Day,
}

impl CeilingOf {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Call, Self::Day];

    /// The ceiling as a metric label.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Call => "call",
            Self::Day => "day",
        }
    }
}

/// Ceilings on what is spent, and at which shares of them a call begins to save. Percentages count from the ceiling that is
/// nearer; 0 leaves a step out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Ceilings {
    /// For one call; nothing: there is none.
    pub call: NanoUsd,
    /// For all calls of a day together, in UTC; nothing: there is none.
    pub day: NanoUsd,
    /// Answers are short from the beginning, whatever was spent.
    pub always_brief: bool,
    /// From this share on answers are shorter.
    pub brief_percent: u32,
    /// From this share on the cheapest providers come first.
    pub cheap_percent: u32,
    /// What happens at the ceiling.
    pub at_ceiling: AtCeiling,
    /// A call that goes on in text ends at this share.
    pub text_until_percent: u32,
}

impl Default for Ceilings {
    fn default() -> Self {
        Self {
            call: NanoUsd(0),
            day: NanoUsd(0),
            always_brief: false,
            brief_percent: 60,
            cheap_percent: 80,
            at_ceiling: AtCeiling::Close,
            text_until_percent: 120,
        }
    }
}

impl Ceilings {
    /// The step that is due when `call` was spent on this call and `day` by the whole house today, and for which ceiling.
    pub fn due(&self, call: NanoUsd, day: NanoUsd) -> (CostStep, CeilingOf) {
        let (of_call, of_day) = (self.step(self.call, call), self.step(self.day, day));
        if of_day > of_call { (of_day, CeilingOf::Day) } else { (of_call, CeilingOf::Call) }
    }

    fn step(&self, ceiling: NanoUsd, spent: NanoUsd) -> CostStep {
        let reached = |percent: u32| {
            ceiling.0 > 0 && percent > 0 && u128::from(spent.0) * 100 >= u128::from(ceiling.0) * u128::from(percent)
        };
        match self.at_ceiling {
            AtCeiling::Close if reached(100) => CostStep::Close,
            AtCeiling::Text if reached(self.text_until_percent) => CostStep::Close,
            AtCeiling::Text if reached(100) => CostStep::Text,
            _ if reached(self.cheap_percent) => CostStep::Cheap,
            _ if reached(self.brief_percent) => CostStep::Brief,
            _ => CostStep::Full,
        }
    }

    /// Whether the day's ceiling is reached: no new call by voice then.
    pub fn is_day_over(&self, day: NanoUsd) -> bool {
        self.day.0 > 0 && day >= self.day
    }

    /// Checks that the steps follow one another.
    ///
    /// # Errors
    /// [`ConfigError`] that names the first key that cannot work.
    pub(crate) fn validate(&self) -> Result<(), ConfigError> {
        for (key, percent) in
            [("ceilings.brief_percent", self.brief_percent), ("ceilings.cheap_percent", self.cheap_percent)]
        {
            if percent > 100 {
                let reason = format!("{percent} is more than 100: that is the ceiling itself");
                return Err(ConfigError { key, reason });
            }
        }
        if self.cheap_percent > 0 && self.cheap_percent < self.brief_percent {
            let reason = format!("{} is less than brief_percent, {}", self.cheap_percent, self.brief_percent);
            return Err(ConfigError { key: "ceilings.cheap_percent", reason });
        }
        if !(100..=1_000).contains(&self.text_until_percent) {
            let reason = format!("{} does not work: 100 to 1000 do", self.text_until_percent);
            return Err(ConfigError { key: "ceilings.text_until_percent", reason });
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearer_ceiling_decides_and_a_share_of_nothing_is_none() {
        let ceilings = Ceilings { call: NanoUsd(1_000), day: NanoUsd(10_000), ..Ceilings::default() };
        let due = |call, day| ceilings.due(NanoUsd(call), NanoUsd(day));
        assert_eq!(due(599, 0), (CostStep::Full, CeilingOf::Call));
        assert_eq!(due(600, 0), (CostStep::Brief, CeilingOf::Call));
        assert_eq!(due(600, 8_000), (CostStep::Cheap, CeilingOf::Day));
        assert_eq!(due(1_000, 10_000), (CostStep::Close, CeilingOf::Call));
        assert_eq!(due(u64::MAX, u64::MAX).0, CostStep::Close);
        assert_eq!(Ceilings::default().due(NanoUsd(u64::MAX), NanoUsd(u64::MAX)).0, CostStep::Full);
        let off = Ceilings { brief_percent: 0, cheap_percent: 0, ..ceilings };
        assert_eq!(off.due(NanoUsd(999), NanoUsd(0)).0, CostStep::Full);
    }

    #[test]
    fn text_goes_on_beyond_the_ceiling_and_ends_all_the_same() {
        let ceilings = Ceilings { call: NanoUsd(1_000), at_ceiling: AtCeiling::Text, ..Ceilings::default() };
        let step = |call| ceilings.due(NanoUsd(call), NanoUsd(0)).0;
        assert_eq!(
            [999, 1_000, 1_199, 1_200].map(step),
            [CostStep::Cheap, CostStep::Text, CostStep::Text, CostStep::Close]
        );
    }

    #[test]
    fn steps_that_contradict_each_other_are_refused() {
        assert_eq!(Ceilings::default().validate(), Ok(()));
        let key = |ceilings: Ceilings| ceilings.validate().unwrap_err().key;
        assert_eq!(key(Ceilings { brief_percent: 101, ..Ceilings::default() }), "ceilings.brief_percent");
        assert_eq!(key(Ceilings { cheap_percent: 50, ..Ceilings::default() }), "ceilings.cheap_percent");
        assert_eq!(key(Ceilings { text_until_percent: 99, ..Ceilings::default() }), "ceilings.text_until_percent");
    }
}
