//! Money: what was used, what it cost, what of it was for nothing. Whole nano-dollars throughout.

use std::collections::BTreeMap;
use std::fmt;
use std::iter::Sum;
use std::ops::{Add, AddAssign};

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::failover::{EMBEDDED, Rung};
use crate::ids::{ReplyId, UtteranceId};
use crate::provider::Stage;

/// Money in billionths of a US dollar. Rounded once, when a usage record is priced, and for display.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct NanoUsd(pub u64);

impl NanoUsd {
    /// For JSON and metrics only: the nearest double.
    pub fn as_usd(self) -> f64 {
        // A double holds every integer below 2^53 nano-dollars, nine million dollars, exactly.
        self.0 as f64 / 1e9
    }
}

impl NanoUsd {
    /// What is left; nothing, when `other` is more.
    pub const fn less(self, other: Self) -> Self {
        Self(self.0.saturating_sub(other.0))
    }
}

impl fmt::Display for NanoUsd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{:09}", self.0 / 1_000_000_000, self.0 % 1_000_000_000)
    }
}

impl Add for NanoUsd {
    type Output = Self;
    fn add(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }
}

impl AddAssign for NanoUsd {
    fn add_assign(&mut self, other: Self) {
        *self = *self + other;
    }
}

impl Sum for NanoUsd {
    fn sum<I: Iterator<Item = Self>>(iter: I) -> Self {
        iter.fold(Self::default(), Add::add)
    }
}

/// What was used, in the unit that the provider charges.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Quantity {
    /// Milliseconds of audio, heard or synthesised.
    AudioMs(u64),
    /// Tokens of a language model.
    Tokens {
        /// Of the prompt, cached ones included.
        input: u64,
        /// Of these, the ones that the provider had in its cache.
        #[serde(default)]
        cached: u64,
        /// Of the answer.
        output: u64,
    },
}

/// One usage record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Usage {
    /// The stage.
    pub stage: Stage,
    /// The provider's label.
    pub provider: String,
    /// The model, as configured.
    pub model: String,
    /// How much.
    pub quantity: Quantity,
    /// The reply that it was for; what a discarded reply used is wasted.
    pub reply: Option<ReplyId>,
    /// The utterance that it was for.
    #[serde(default)]
    pub utterance: Option<UtteranceId>,
    /// The work was cancelled: what it had used by then was for nothing.
    #[serde(default)]
    pub wasted: bool,
}

/// What one provider's model charges.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Price {
    /// Nano-dollars for a minute of audio.
    #[serde(default)]
    pub audio_minute: u64,
    /// Nano-dollars for a thousand input tokens.
    #[serde(default)]
    pub input_1k_tokens: u64,
    /// Nano-dollars for a thousand input tokens that the provider had in its cache; none: they are priced like the others,
    /// which is never too little.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cached_input_1k_tokens: Option<u64>,
    /// Nano-dollars for a thousand output tokens.
    #[serde(default)]
    pub output_1k_tokens: u64,
}

/// Prices by `provider/model`. What is not listed costs nothing (the embedded models).
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Prices(pub BTreeMap<String, Price>);

impl Prices {
    /// How dear a provider is beside others of its stage; none when nobody knows its price. Requests read about ten times
    /// as much as is answered.
    pub fn dearness(&self, stage: Stage, rung: &Rung) -> Option<u64> {
        if rung.provider == EMBEDDED {
            return Some(0);
        }
        let price = self.0.get(&format!("{}/{}", rung.provider, rung.model))?;
        Some(match stage {
            Stage::Llm => price.input_1k_tokens.saturating_mul(10).saturating_add(price.output_1k_tokens),
            Stage::Stt | Stage::Tts => price.audio_minute,
        })
    }

    /// What a usage record costs, rounded half up to the nano-dollar.
    pub fn price(&self, usage: &Usage) -> NanoUsd {
        let Some(price) = self.0.get(&format!("{}/{}", usage.provider, usage.model)) else {
            return NanoUsd::default();
        };
        let nanos = match usage.quantity {
            Quantity::AudioMs(ms) => round_div(u128::from(ms) * u128::from(price.audio_minute), 60_000),
            Quantity::Tokens { input, cached, output } => {
                let cached = cached.min(input);
                let cached_price = price.cached_input_1k_tokens.unwrap_or(price.input_1k_tokens);
                let parts =
                    [(input - cached, price.input_1k_tokens), (cached, cached_price), (output, price.output_1k_tokens)];
                round_div(parts.iter().map(|(tokens, price)| u128::from(*tokens) * u128::from(*price)).sum(), 1_000)
            }
        };
        NanoUsd(u64::try_from(nanos).unwrap_or(u64::MAX))
    }
}

const fn round_div(value: u128, by: u128) -> u128 {
    (value + by / 2) / by
}

/// What a session has cost so far.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct CostMeter {
    /// Speech to text.
    pub stt: NanoUsd,
    /// The language model.
    pub llm: NanoUsd,
    /// Text to speech.
    pub tts: NanoUsd,
    /// Of all this, what was spent on replies that were thrown away unheard.
    pub wasted: NanoUsd,
}

impl CostMeter {
    /// Everything spent, wasted or not.
    pub fn total(&self) -> NanoUsd {
        self.stt + self.llm + self.tts
    }

    /// Adds a priced record.
    pub fn add(&mut self, stage: Stage, cost: NanoUsd) {
        match stage {
            Stage::Stt => self.stt += cost,
            Stage::Llm => self.llm += cost,
            Stage::Tts => self.tts += cost,
        }
    }

    /// The contract's `context.cost`. `connected_ms` is how long a caller was connected, in milliseconds.
    pub fn to_json(&self, connected_ms: u64) -> Value {
        let minutes = connected_ms as f64 / 60_000.0;
        let per_minute = if connected_ms == 0 { 0.0 } else { self.total().as_usd() / minutes };
        json!({
            "total_usd": self.total().as_usd(),
            "stt_usd": self.stt.as_usd(),
            "llm_usd": self.llm.as_usd(),
            "tts_usd": self.tts.as_usd(),
            "wasted_usd": self.wasted.as_usd(),
            "duration_minutes": minutes,
            "cost_per_minute_usd": per_minute,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mission_prices() -> Prices {
        let price = |audio_minute, input_1k_tokens, output_1k_tokens| Price {
            audio_minute,
            input_1k_tokens,
            output_1k_tokens,
            ..Price::default()
        };
        Prices(BTreeMap::from([
            ("deepgram/nova-3".to_owned(), price(7_700_000, 0, 0)),
            ("openai/gpt-4o-mini".to_owned(), price(0, 150_000, 600_000)),
            ("cartesia/sonic-3".to_owned(), price(24_000_000, 0, 0)),
        ]))
    }

    fn usage(stage: Stage, provider: &str, model: &str, quantity: Quantity) -> Usage {
        Usage {
            stage,
            provider: provider.to_owned(),
            model: model.to_owned(),
            quantity,
            reply: None,
            utterance: None,
            wasted: false,
        }
    }

    #[test]
    fn the_missions_example_to_the_nano_dollar() {
        let prices = mission_prices();
        let mut meter = CostMeter::default();
        for (record, expected) in [
            (usage(Stage::Stt, "deepgram", "nova-3", Quantity::AudioMs(30_000)), 3_850_000),
            (
                usage(Stage::Llm, "openai", "gpt-4o-mini", Quantity::Tokens { input: 150, cached: 0, output: 80 }),
                70_500,
            ),
            (usage(Stage::Tts, "cartesia", "sonic-3", Quantity::AudioMs(25_000)), 10_000_000),
        ] {
            let cost = prices.price(&record);
            assert_eq!(cost, NanoUsd(expected));
            meter.add(record.stage, cost);
        }
        assert_eq!(meter.total(), NanoUsd(13_920_500));
        assert_eq!(meter.total().to_string(), "0.013920500");
    }

    #[test]
    fn cached_tokens_have_a_price_of_their_own_and_without_one_are_priced_like_the_others() {
        let mut prices = mission_prices();
        let of = |prices: &Prices, input, cached| {
            prices.price(&usage(Stage::Llm, "openai", "gpt-4o-mini", Quantity::Tokens { input, cached, output: 80 }))
        };
        assert_eq!(of(&prices, 150, 100), NanoUsd(70_500));
        prices.0.get_mut("openai/gpt-4o-mini").unwrap().cached_input_1k_tokens = Some(75_000);
        assert_eq!(of(&prices, 150, 0), NanoUsd(70_500));
        assert_eq!(of(&prices, 150, 100), NanoUsd(63_000));
        assert_eq!(of(&prices, 150, 9_999), NanoUsd(59_250), "more than all of them is all of them");
        assert_eq!(
            serde_json::from_str::<Quantity>(r#"{"tokens":{"input":1,"output":2}}"#).unwrap(),
            Quantity::Tokens { input: 1, cached: 0, output: 2 }
        );
    }

    #[test]
    fn the_cheapest_is_known_by_its_price_and_an_unknown_one_never_is() {
        let prices = mission_prices();
        let dearness = |provider, model| prices.dearness(Stage::Llm, &Rung::new(provider, model));
        assert_eq!(dearness("openai", "gpt-4o-mini"), Some(2_100_000));
        assert_eq!(dearness("openai", "gpt-3.5-turbo"), None);
        assert_eq!(dearness("embedded", "rules"), Some(0));
    }

    #[test]
    fn what_is_not_listed_costs_nothing_and_huge_amounts_saturate() {
        let prices = mission_prices();
        assert_eq!(prices.price(&usage(Stage::Tts, "embedded", "hibari", Quantity::AudioMs(9_000_000))), NanoUsd(0));
        assert_eq!(
            prices.price(&usage(Stage::Stt, "deepgram", "nova-3", Quantity::AudioMs(u64::MAX))),
            NanoUsd(u64::try_from(u128::from(u64::MAX) * 7_700_000 / 60_000).unwrap_or(u64::MAX)),
        );
    }

    #[test]
    fn the_contracts_fields_and_no_division_by_zero() {
        let meter = CostMeter { stt: NanoUsd(30_000_000), ..CostMeter::default() };
        assert_eq!(meter.to_json(0)["cost_per_minute_usd"], 0.0);
        let json = meter.to_json(120_000);
        assert_eq!(json["duration_minutes"], 2.0);
        assert_eq!(json["cost_per_minute_usd"], 0.015);
    }
}
