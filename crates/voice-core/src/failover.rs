//! Failover as a value: the providers of each stage in order, how they are, and when one gives way to the next.
//!
//! Progress triggers it, not errors. A provider that shows nothing for longer than it usually takes gets a rival: the next
//! one is asked beside it (a hedge), the first that shows something useful wins, and the other is stopped. [`Health`] is what
//! a process knows of its providers, shared by all its sessions; a session is told of it as an input, so that a replay
//! needs nothing else.

mod health;

pub use health::Health;

use serde::{Deserialize, Serialize};

use crate::ids::RungId;
use crate::provider::{ProviderErrorKind, ProviderFailure, Stage};

/// The label of the models that are built in.
pub const EMBEDDED: &str = "embedded";

/// One provider of a stage.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rung {
    /// Its label in metrics and logs.
    pub provider: String,
    /// The model, as configured.
    pub model: String,
    /// It hears audio as it comes, and says what it understands meanwhile: silence of its own is then a sign of trouble.
    #[serde(default)]
    pub streams: bool,
}

impl Rung {
    /// A rung that is given whole pieces of work.
    pub fn new(provider: &str, model: &str) -> Self {
        Self { provider: provider.to_owned(), model: model.to_owned(), streams: false }
    }
}

/// The providers of each stage, the preferred one first. None of the lists is empty ([`crate::CoreConfig::validate`]).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Chains {
    /// Speech to text.
    pub stt: Vec<Rung>,
    /// The language model.
    pub llm: Vec<Rung>,
    /// Text to speech.
    pub tts: Vec<Rung>,
}

impl Default for Chains {
    fn default() -> Self {
        let embedded = |model: &str| vec![Rung::new("embedded", model)];
        Self { stt: embedded("moonshine-tiny-en"), llm: embedded("rules"), tts: embedded("hibari") }
    }
}

impl Chains {
    /// The providers of a stage.
    pub fn of(&self, stage: Stage) -> &[Rung] {
        match stage {
            Stage::Stt => &self.stt,
            Stage::Llm => &self.llm,
            Stage::Tts => &self.tts,
        }
    }

    /// The label of a rung in a failover: the provider, and for language models, of which one provider serves several, the model.
    pub fn label(&self, stage: Stage, rung: RungId) -> &str {
        let rung = self.of(stage).get(usize::from(rung.0));
        let by_model = |rung: &Rung| stage == Stage::Llm && rung.provider != EMBEDDED;
        rung.map_or("unknown", |rung| if by_model(rung) { &rung.model } else { &rung.provider })
    }
}

/// When a provider gives way to the next. Times in milliseconds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct FailoverConfig {
    /// A recogniser without a final transcript for so long gets a rival, until its own habits are known.
    pub stt_hedge_ms: u64,
    /// A language model without a useful token.
    pub llm_hedge_ms: u64,
    /// A voice without audio.
    pub tts_hedge_ms: u64,
    /// No provider's habits, however quick, bring a rival sooner.
    pub min_hedge_ms: u64,
    /// No provider's habits, however slow, put a rival off for longer.
    pub max_hedge_ms: u64,
    /// A language model whose stream stands still for so long, while nobody has anything to listen to, gets a rival.
    pub llm_gap_ms: u64,
    /// A voice that stands still for so long, with the audio that is left running out, is left for the next.
    pub tts_gap_ms: u64,
    /// A recogniser that streams, and shows nothing of what is being said for so long, gets a rival at once when the caller
    /// pauses.
    pub stt_lag_ms: u64,
    /// Rivals that a session may ask for at each stage whatever it has asked before…
    pub free_hedges: u32,
    /// …and beyond them so many in a hundred requests: the ceiling on doubled spend.
    pub hedge_percent: u32,
    /// A failure that may pass by itself is a blip, and no reason to rest, unless another one came within so long before it.
    /// Without blips (0) every failure is a reason.
    pub blip_ms: u64,
    /// The first rest of a provider that failed; it doubles with every failure in a row, up to `max_cool_down_ms`.
    pub cool_down_ms: u64,
    /// The longest rest of a provider, unless it says itself when to come back.
    pub max_cool_down_ms: u64,
    /// The longest rest that a provider may ask for.
    pub max_retry_after_ms: u64,
    /// The rest of a provider whose key or account is wrong: nothing mends that but a person.
    pub account_rest_ms: u64,
}

impl Default for FailoverConfig {
    fn default() -> Self {
        Self {
            stt_hedge_ms: 150,
            llm_hedge_ms: 200,
            tts_hedge_ms: 200,
            min_hedge_ms: 100,
            max_hedge_ms: 900,
            llm_gap_ms: 100,
            tts_gap_ms: 150,
            stt_lag_ms: 1_500,
            free_hedges: 4,
            hedge_percent: 20,
            blip_ms: 60_000,
            cool_down_ms: 5_000,
            max_cool_down_ms: 120_000,
            max_retry_after_ms: 3_600_000,
            account_rest_ms: 300_000,
        }
    }
}

impl FailoverConfig {
    /// How long a stage's provider may show nothing before the next is asked beside it, until its habits are known.
    pub const fn hedge_ms(&self, stage: Stage) -> u64 {
        match stage {
            Stage::Stt => self.stt_hedge_ms,
            Stage::Llm => self.llm_hedge_ms,
            Stage::Tts => self.tts_hedge_ms,
        }
    }
}

/// Whether a failure says something of the provider, and not only of what it was asked.
pub const fn is_of_the_provider(failure: ProviderFailure) -> bool {
    !matches!(failure.kind, ProviderErrorKind::BadRequest | ProviderErrorKind::Unusable)
        || failure.retry_after_ms.is_some()
}

/// Whether a failure may be over by the next request: nobody said for how long it lasts.
pub const fn may_pass(failure: ProviderFailure) -> bool {
    use ProviderErrorKind::{Disconnected, Protocol, Stalled, Timeout, Unavailable};
    failure.retry_after_ms.is_none()
        && matches!(failure.kind, Timeout | Stalled | Unavailable | Disconnected | Protocol)
}
