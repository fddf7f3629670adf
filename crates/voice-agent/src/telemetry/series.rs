//! The series of the configured providers, made at the start. A counter that is born with its first event has no increase that
//! Prometheus could see: a key that is refused once, and then rests, would never be told.

use voice_core::failover::{Chains, EMBEDDED};
use voice_core::ids::RungId;
use voice_core::provider::{ProviderErrorKind, Stage};

use super::Metrics;
use super::metrics::{ByError, ByFailover, ByPlace, ByStageError, ByStageProvider, touch};

impl Metrics {
    /// Makes the counters of what may happen to the providers of these chains.
    pub(super) fn make_chain_series(&self, chains: &Chains) {
        for stage in [Stage::Stt, Stage::Llm, Stage::Tts] {
            for kind in ProviderErrorKind::ALL.map(|kind| kind.as_str().to_owned()) {
                self.make_error_series(chains, stage, &kind);
                self.make_failover_series(chains, stage, &kind);
            }
            // It is registered for every stage; where it serves none, it would say for ever that somebody is left.
            if !chains.of(stage).iter().any(|rung| rung.provider == EMBEDDED) {
                let labels = ByStageProvider { stage: stage.as_str().to_owned(), provider: EMBEDDED.to_owned() };
                self.provider_up.remove(&labels);
            }
            // Likewise, where another one is the first.
            if chains.of(stage).first().is_some_and(|rung| rung.provider != EMBEDDED) {
                let (stage, provider) = (stage.as_str().to_owned(), EMBEDDED.to_owned());
                self.model_not_served.remove(&ByPlace { stage, provider, place: "first".to_owned() });
            }
        }
    }

    fn make_error_series(&self, chains: &Chains, stage: Stage, kind: &str) {
        for rung in chains.of(stage) {
            let (provider, error_type) = (rung.provider.clone(), kind.to_owned());
            if stage == Stage::Stt {
                let labels = ByError { provider: provider.clone(), error_type: error_type.clone() };
                touch(&self.transcription_errors, &labels);
            }
            let labels = ByStageError { stage: stage.as_str().to_owned(), provider, error_type };
            touch(&self.provider_errors, &labels);
        }
    }

    /// Every move within a chain: a rung that rests is passed over, and near a ceiling the cheapest comes first.
    fn make_failover_series(&self, chains: &Chains, stage: Stage, reason: &str) {
        let names: Vec<&str> = (0..).zip(chains.of(stage)).map(|(at, _)| chains.label(stage, RungId(at))).collect();
        for from in &names {
            for to in names.iter().filter(|to| *to != from) {
                let labels = ByFailover { from: (*from).to_owned(), to: (*to).to_owned(), reason: reason.to_owned() };
                touch(self.failovers(stage), &labels);
            }
        }
    }
}
