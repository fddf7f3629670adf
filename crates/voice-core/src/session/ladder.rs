//! Which provider is asked, and which is next? What one session knows of its chains.

use crate::config::CoreConfig;
use crate::cost::Prices;
use crate::failover::{Chains, FailoverConfig, is_of_the_provider, may_pass};
use crate::ids::RungId;
use crate::input::ProviderHealth;
use crate::output::{AttemptResult, Observation};
use crate::provider::{ProviderErrorKind, ProviderFailure, Stage};

use super::Session;

/// One provider, as this session sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
struct RungState {
    usable: bool,
    /// It is well again: it is used from the next turn on, never inside a sentence.
    returns: bool,
    /// It rests for the whole process.
    rests: bool,
    hedge_ms: u64,
    /// How long its stream may stand still, once its habits are known.
    gap_ms: Option<u64>,
}

/// One stage's providers.
#[derive(Debug, Clone, PartialEq, Eq)]
struct StageState {
    rungs: Vec<RungState>,
    /// The order in which they are asked.
    order: Vec<usize>,
    asked: u32,
    hedged: u32,
}

/// All stages' providers, as this session sees them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Ladder([StageState; 3]);

impl Ladder {
    pub(super) fn new(config: &CoreConfig) -> Self {
        let stage = |stage: Stage| {
            let hedge_ms = config.failover.hedge_ms(stage);
            let rung = RungState { usable: true, returns: false, rests: false, hedge_ms, gap_ms: None };
            let count = config.chains.of(stage).len();
            StageState { rungs: vec![rung; count], order: (0..count).collect(), asked: 0, hedged: 0 }
        };
        Self([stage(Stage::Stt), stage(Stage::Llm), stage(Stage::Tts)])
    }

    fn stage(&self, stage: Stage) -> &StageState {
        &self.0[stage as usize]
    }

    /// The provider that is asked first. When all rest, the last one is: something may come of it.
    pub(super) fn first(&self, stage: Stage) -> RungId {
        let StageState { rungs, order, .. } = self.stage(stage);
        let usable = order.iter().find(|at| rungs.get(**at).is_some_and(|rung| rung.usable));
        rung_id(usable.or(order.last()).copied().unwrap_or(0))
    }

    /// Whether this one may be asked.
    pub(super) fn is_usable(&self, stage: Stage, rung: RungId) -> bool {
        self.stage(stage).rungs.get(usize::from(rung.0)).is_some_and(|rung| rung.usable)
    }

    /// The next one that may be asked, and was not.
    pub(super) fn next_usable(&self, stage: Stage, tried: &[RungId]) -> Option<RungId> {
        let StageState { rungs, order, .. } = self.stage(stage);
        let usable = order.iter().filter(|at| rungs.get(**at).is_some_and(|rung| rung.usable));
        usable.map(|at| rung_id(*at)).find(|id| !tried.contains(id))
    }

    /// The next one after a failure: one that rests is better than none.
    pub(super) fn next(&self, stage: Stage, tried: &[RungId]) -> Option<RungId> {
        let mut all = self.stage(stage).order.iter().map(|at| rung_id(*at));
        self.next_usable(stage, tried).or_else(|| all.find(|id| !tried.contains(id)))
    }

    /// How long this provider may show nothing before the next is asked beside it, in milliseconds.
    pub(super) fn hedge_ms(&self, stage: Stage, rung: RungId) -> u64 {
        self.stage(stage).rungs.get(usize::from(rung.0)).map_or(u64::MAX >> 8, |rung| rung.hedge_ms)
    }

    /// How long this model's stream may stand still before the next is asked beside it, in milliseconds.
    pub(super) fn gap_ms(&self, rung: RungId, config: &FailoverConfig) -> u64 {
        let known = self.stage(Stage::Llm).rungs.get(usize::from(rung.0)).and_then(|rung| rung.gap_ms);
        known.unwrap_or(config.llm_gap_ms)
    }

    /// Whether the ceiling on doubled spend leaves room for one more rival.
    pub(super) fn may_hedge(&self, stage: Stage, config: &FailoverConfig) -> bool {
        let state = self.stage(stage);
        let earned = u64::from(state.asked) * u64::from(config.hedge_percent) / 100;
        u64::from(state.hedged) < u64::from(config.free_hedges) + earned
    }

    /// The rival that may be asked now beside those that were.
    pub(super) fn rival(&self, stage: Stage, tried: &[RungId], config: &FailoverConfig) -> Option<RungId> {
        self.next_usable(stage, tried).filter(|_| self.may_hedge(stage, config))
    }

    pub(super) fn note_asked(&mut self, stage: Stage) {
        let state = &mut self.0[stage as usize];
        state.asked = state.asked.saturating_add(1);
    }

    pub(super) fn note_hedged(&mut self, stage: Stage) {
        let state = &mut self.0[stage as usize];
        state.hedged = state.hedged.saturating_add(1);
    }

    /// From here on the models and voices are asked in the order of their prices; what nobody knows the price of comes last.
    pub(super) fn cheapest_first(&mut self, chains: &Chains, prices: &Prices) {
        for stage in [Stage::Llm, Stage::Tts] {
            let rungs = chains.of(stage);
            let dearness =
                |at: &usize| rungs.get(*at).and_then(|rung| prices.dearness(stage, rung)).unwrap_or(u64::MAX);
            self.0[stage as usize].order.sort_by_key(dearness);
        }
    }

    fn rung_mut(&mut self, stage: Stage, rung: RungId) -> Option<&mut RungState> {
        self.0[stage as usize].rungs.get_mut(usize::from(rung.0))
    }

    /// This session is not asking it again before it is told that it is well; after what may have passed, before the next turn.
    fn fail(&mut self, stage: Stage, rung: RungId, failure: ProviderFailure) {
        if is_of_the_provider(failure)
            && let Some(state) = self.rung_mut(stage, rung)
        {
            (state.usable, state.returns) = (false, may_pass(failure) && !state.rests);
        }
    }

    /// What the process knows of a provider. One that is well again waits for a turn's boundary.
    fn take(&mut self, health: ProviderHealth) {
        let ProviderHealth { stage, rung, usable, hedge_ms, gap_ms } = health;
        if let Some(state) = self.rung_mut(stage, rung) {
            (state.hedge_ms, state.gap_ms) = (hedge_ms, gap_ms);
            state.rests = !usable;
            state.usable &= usable;
            state.returns = usable && !state.usable;
        }
    }

    /// Between two turns: who is well again is used again.
    pub(super) fn settle(&mut self, stage: Stage) {
        for rung in &mut self.0[stage as usize].rungs {
            rung.usable |= std::mem::take(&mut rung.returns);
        }
    }
}

fn rung_id(at: usize) -> RungId {
    RungId(u8::try_from(at).unwrap_or(u8::MAX))
}

impl Session {
    pub(super) fn handle_provider_health(&mut self, health: ProviderHealth) {
        self.ladder.take(health);
    }

    /// A provider failed: operations are told, and this session leaves it alone for now.
    pub(super) fn provider_failed(&mut self, stage: Stage, rung: RungId, failure: ProviderFailure) {
        self.ladder.fail(stage, rung, failure);
        self.observe(Observation::ProviderFailed { stage, rung, kind: failure.kind });
        self.observe(Observation::Attempt { stage, rung, result: AttemptResult::Failed { failure } });
    }

    /// A provider answered, first of those that were asked.
    pub(super) fn provider_answered(&mut self, stage: Stage, rung: RungId, after_ms: u64) {
        self.observe(Observation::Attempt { stage, rung, result: AttemptResult::Answered { after_ms } });
    }

    /// A rival that was asked later was quicker.
    pub(super) fn provider_lost(&mut self, stage: Stage, rung: RungId) {
        self.observe(Observation::Attempt { stage, rung, result: AttemptResult::Lost });
    }

    /// The caller is served by another provider from here on.
    pub(super) fn failed_over(&mut self, stage: Stage, from: RungId, to: RungId, reason: ProviderErrorKind) {
        if from != to {
            self.observe(Observation::FailedOver { stage, from, to, reason });
        }
    }
}
