//! What was spent, added up by day, channel, provider and stage.

use std::time::Duration;

use jiff::civil::Date;
use serde::Serialize;
use voice_core::cost::NanoUsd;

/// A day's spend is kept for so long: a year and some weeks.
pub const SPEND_TTL: Duration = Duration::from_secs(400 * 24 * 3600);
/// For so long a batch that is added again is known as one that was.
pub const SPEND_BATCH_TTL: Duration = Duration::from_secs(24 * 3600);

/// Under what an amount is added up: `day × channel × provider × stage`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct SpendKey {
    /// The day, in UTC.
    pub day: Date,
    /// The caller's channel, or `probe` for what no call caused.
    pub channel: String,
    /// The provider's label; empty for the stage `call`.
    pub provider: String,
    /// `stt`, `llm`, `tts`, or `call` for the calls themselves.
    pub stage: String,
}

/// How much was spent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct SpendSum {
    /// All of it, what was wasted included.
    pub used: NanoUsd,
    /// Of it, what was spent on work that was cancelled or never heard.
    pub wasted: NanoUsd,
    /// Milliseconds of audio, or tokens; for the stage `call`, milliseconds that callers were connected.
    pub quantity: u64,
    /// Usage records; for the stage `call`, calls that ended.
    pub records: u64,
}

impl SpendSum {
    /// Adds another amount; at the largest number it stays there.
    pub fn add(&mut self, other: Self) {
        self.used += other.used;
        self.wasted += other.wasted;
        self.quantity = self.quantity.saturating_add(other.quantity);
        self.records = self.records.saturating_add(other.records);
    }
}

/// What is added, or was read.
pub type Spend = Vec<(SpendKey, SpendSum)>;
