//! What a process knows of its providers: which are resting, until when, and how quick they usually are.

use std::collections::VecDeque;

use super::{Chains, FailoverConfig, is_of_the_provider, may_pass};
use crate::ids::RungId;
use crate::input::ProviderHealth;
use crate::output::AttemptResult;
use crate::provider::{ProviderErrorKind, ProviderFailure, Stage};

/// So many of the last answers' times are remembered.
const REMEMBERED: usize = 32;
/// Fewer tell nothing of a provider's habits.
const ENOUGH: usize = 8;
/// A rival is asked for when a provider takes so much longer than 95 of 100 of its last answers, in per cent.
const LONGER_PERCENT: u64 = 110;
/// Or when its stream stands still for so much longer than it did in 95 of 100 of them, in per cent.
const LONGER_GAP_PERCENT: u64 = 200;
/// Patience is told in steps of so much, in milliseconds.
const STEP_MS: u64 = 10;
/// So many rivals that won in a row make a provider rest, though it never said that it failed.
const MOST_LOST: u32 = 2;
/// So many requests that are refused as wrong, with no answer between, make a provider rest: it is not the one request.
const MOST_REFUSED: u32 = 3;
/// After so many answers a blip is forgotten.
const FORGIVEN_AFTER: u32 = 5;
/// A provider that wants to be asked again at once rests for so long all the same, in milliseconds.
const LEAST_RETRY_AFTER_MS: u64 = 500;

/// How one provider is.
#[derive(Debug, Clone, Default)]
struct RungHealth {
    /// It rests until then, in milliseconds of the process's clock.
    rests_until_ms: Option<u64>,
    /// It is being probed.
    probing: bool,
    /// Rests that began since it last answered.
    failures: u32,
    /// When it last failed in a way that may pass, in milliseconds of the process's clock.
    blip_ms: Option<u64>,
    /// Answers since.
    answers: u32,
    /// Rivals that won, in a row.
    lost: u32,
    /// Requests that it called wrong, in a row.
    refused: u32,
    /// Why it rests.
    reason: Option<ProviderErrorKind>,
    /// The times of its last answers in milliseconds, the oldest first.
    answered_ms: VecDeque<u64>,
    /// The longest wait within each of its last streams in milliseconds, the oldest first.
    gaps_ms: VecDeque<u64>,
}

/// How all of a process's providers are. Pure: told the time and what happened, it says who rests and whom to probe.
#[derive(Debug, Clone)]
pub struct Health {
    config: FailoverConfig,
    stages: [Vec<RungHealth>; 3],
}

impl Health {
    /// All are well.
    pub fn new(chains: &Chains, config: FailoverConfig) -> Self {
        let stage = |stage| vec![RungHealth::default(); chains.of(stage).len()];
        Self { config, stages: [stage(Stage::Stt), stage(Stage::Llm), stage(Stage::Tts)] }
    }

    /// Takes what came of asking a provider. Answers what sessions are to know of it now, if that has changed.
    pub fn report(
        &mut self,
        now_ms: u64,
        stage: Stage,
        rung: RungId,
        attempt: AttemptResult,
    ) -> Option<ProviderHealth> {
        let before = self.change(stage, rung)?;
        let config = self.config.clone();
        let health = self.rung_mut(stage, rung)?;
        match attempt {
            AttemptResult::Answered { after_ms } => {
                (health.failures, health.lost, health.refused) = (0, 0, 0);
                health.answers = health.answers.saturating_add(1);
                remember(&mut health.answered_ms, after_ms);
            }
            AttemptResult::Paced { gap_ms } => remember(&mut health.gaps_ms, gap_ms),
            AttemptResult::Lost => {
                health.lost += 1;
                if health.lost >= MOST_LOST {
                    health.rest(now_ms, ProviderErrorKind::Timeout.into(), &config);
                }
            }
            AttemptResult::Failed { failure } if is_of_the_provider(failure) => health.fail(now_ms, failure, &config),
            AttemptResult::Failed { failure } if failure.kind == ProviderErrorKind::BadRequest => {
                health.refused += 1;
                if health.refused >= MOST_REFUSED {
                    health.rest(now_ms, failure, &config);
                }
            }
            AttemptResult::Failed { .. } => {}
        }
        self.change(stage, rung).filter(|now| *now != before)
    }

    /// The providers whose rest is over: each is to be probed, off any caller's path, and [`Self::probed`] to be told.
    pub fn due_probes(&mut self, now_ms: u64) -> Vec<(Stage, RungId)> {
        let mut due = Vec::new();
        for (stage, rungs) in STAGES.into_iter().zip(&mut self.stages) {
            for (index, health) in rungs.iter_mut().enumerate() {
                if !health.probing && health.rests_until_ms.is_some_and(|until_ms| now_ms >= until_ms) {
                    health.probing = true;
                    due.push((stage, rung_id(index)));
                }
            }
        }
        due
    }

    /// When [`Self::due_probes`] has something next, in milliseconds of the process's clock.
    pub fn next_probe_ms(&self) -> Option<u64> {
        let resting = self.stages.iter().flatten().filter(|health| !health.probing);
        resting.filter_map(|health| health.rests_until_ms).min()
    }

    /// A probe came back. Answers what sessions are to know of the provider now, if that has changed.
    pub fn probed(
        &mut self,
        now_ms: u64,
        stage: Stage,
        rung: RungId,
        result: Result<(), ProviderFailure>,
    ) -> Option<ProviderHealth> {
        let before = self.change(stage, rung)?;
        let config = self.config.clone();
        let health = self.rung_mut(stage, rung)?;
        health.probing = false;
        match result {
            Ok(()) => (health.rests_until_ms, health.lost, health.reason) = (None, 0, None),
            Err(failure) => health.rest(now_ms, failure, &config),
        }
        self.change(stage, rung).filter(|now| *now != before)
    }

    /// What sessions are to know of every provider.
    pub fn all(&self) -> Vec<ProviderHealth> {
        let rungs = STAGES.into_iter().zip(&self.stages);
        let every = rungs.flat_map(|(stage, rungs)| (0..rungs.len()).map(move |index| (stage, rung_id(index))));
        every.filter_map(|(stage, rung)| self.change(stage, rung)).collect()
    }

    /// Why a provider rests, if it does.
    pub fn resting(&self, stage: Stage, rung: RungId) -> Option<ProviderErrorKind> {
        let health = self.stages.get(stage as usize)?.get(usize::from(rung.0))?;
        health.rests_until_ms.and(health.reason)
    }

    fn change(&self, stage: Stage, rung: RungId) -> Option<ProviderHealth> {
        let health = self.stages.get(stage as usize)?.get(usize::from(rung.0))?;
        let (hedge_ms, gap_ms) = (health.hedge_ms(stage, &self.config), health.gap_ms(&self.config));
        Some(ProviderHealth { stage, rung, usable: health.rests_until_ms.is_none(), hedge_ms, gap_ms })
    }

    fn rung_mut(&mut self, stage: Stage, rung: RungId) -> Option<&mut RungHealth> {
        self.stages.get_mut(stage as usize)?.get_mut(usize::from(rung.0))
    }
}

impl RungHealth {
    /// It failed a caller. A single failure may be a blip: it costs that caller's session the provider, and nobody else.
    fn fail(&mut self, now_ms: u64, failure: ProviderFailure, config: &FailoverConfig) {
        if may_pass(failure) {
            let answers = std::mem::take(&mut self.answers);
            let before_ms = self.blip_ms.replace(now_ms);
            let again = |before_ms: u64| answers < FORGIVEN_AFTER && now_ms.saturating_sub(before_ms) <= config.blip_ms;
            if config.blip_ms > 0 && !before_ms.is_some_and(again) {
                return;
            }
        }
        self.rest(now_ms, failure, config);
    }

    /// It is not asked for a while.
    fn rest(&mut self, now_ms: u64, failure: ProviderFailure, config: &FailoverConfig) {
        let told_ms = match (failure.retry_after_ms, failure.kind) {
            (Some(after_ms), _) => Some(after_ms.max(LEAST_RETRY_AFTER_MS).min(config.max_retry_after_ms)),
            (None, ProviderErrorKind::Auth | ProviderErrorKind::Quota) => Some(config.account_rest_ms),
            (None, _) => None,
        };
        (self.lost, self.refused) = (0, 0);
        if let Some(until_ms) = self.rests_until_ms.filter(|until_ms| *until_ms > now_ms) {
            // Calls that were under way when it went down must not send it away for longer and longer, but it may say so itself.
            let later_ms = told_ms.map(|told_ms| now_ms + told_ms).filter(|told_ms| *told_ms > until_ms);
            if later_ms.is_some() {
                (self.rests_until_ms, self.reason) = (later_ms, Some(failure.kind));
            }
            return;
        }
        let doubled = config.cool_down_ms.saturating_mul(1 << self.failures.min(20)).min(config.max_cool_down_ms);
        self.failures = self.failures.saturating_add(1);
        self.reason = Some(failure.kind);
        self.rests_until_ms = Some(now_ms + told_ms.unwrap_or(doubled));
    }

    /// How long it may show nothing: by its habits, once they are known.
    fn hedge_ms(&self, stage: Stage, config: &FailoverConfig) -> u64 {
        let longest_ms = config.max_hedge_ms.max(config.min_hedge_ms);
        longer(&self.answered_ms, LONGER_PERCENT)
            .map_or(config.hedge_ms(stage), |longer_ms| longer_ms.clamp(config.min_hedge_ms, longest_ms))
    }

    /// How long its stream may stand still: by its habits, once they are known.
    fn gap_ms(&self, config: &FailoverConfig) -> Option<u64> {
        let longest_ms = config.max_gap_ms.max(config.min_gap_ms);
        longer(&self.gaps_ms, LONGER_GAP_PERCENT).map(|longer_ms| longer_ms.clamp(config.min_gap_ms, longest_ms))
    }
}

fn remember(times_ms: &mut VecDeque<u64>, time_ms: u64) {
    times_ms.push_back(time_ms);
    if times_ms.len() > REMEMBERED {
        times_ms.pop_front();
    }
}

/// What 95 of 100 of these times did not exceed, by so many per cent; nothing while there are too few of them.
fn longer(times_ms: &VecDeque<u64>, percent: u64) -> Option<u64> {
    if times_ms.len() < ENOUGH {
        return None;
    }
    let mut sorted: Vec<u64> = times_ms.iter().copied().collect();
    sorted.sort_unstable();
    // The nearest rank (at most the last): 95 of 100 were at least as quick.
    let rank = (sorted.len() * 95).div_ceil(100).max(1) - 1;
    let usual_ms = sorted.get(rank).copied().unwrap_or_default();
    // In steps, so that not every answer is news for every session.
    Some((usual_ms * percent / 100).next_multiple_of(STEP_MS))
}

const STAGES: [Stage; 3] = [Stage::Stt, Stage::Llm, Stage::Tts];

fn rung_id(index: usize) -> RungId {
    RungId(u8::try_from(index).unwrap_or(u8::MAX))
}

#[cfg(test)]
mod tests {
    use super::super::Rung;
    use super::*;

    const LLM: Stage = Stage::Llm;
    const FIRST: RungId = RungId(0);

    fn health() -> Health {
        with(FailoverConfig { blip_ms: 0, ..FailoverConfig::default() })
    }

    fn with(config: FailoverConfig) -> Health {
        let llm = vec![Rung::new("openai", "gpt-4o-mini"), Rung::new("embedded", "rules")];
        Health::new(&Chains { llm, ..Chains::default() }, config)
    }

    fn failed(kind: ProviderErrorKind, retry_after_ms: Option<u64>) -> AttemptResult {
        AttemptResult::Failed { failure: ProviderFailure { kind, retry_after_ms } }
    }

    #[test]
    fn a_failure_is_a_rest_that_doubles_until_a_probe_succeeds() {
        let mut health = health();
        let down = health.report(1_000, LLM, FIRST, failed(ProviderErrorKind::Unavailable, None));
        assert_eq!(down.map(|change| change.usable), Some(false));
        assert_eq!((health.next_probe_ms(), health.due_probes(5_999)), (Some(6_000), Vec::new()));
        assert_eq!(health.due_probes(6_000), [(LLM, FIRST)]);
        assert_eq!(health.due_probes(6_001), [], "one probe at a time");
        let failure = ProviderErrorKind::Timeout.into();
        assert_eq!(health.probed(8_000, LLM, FIRST, Err(failure)), None, "it is resting already");
        assert_eq!(health.next_probe_ms(), Some(18_000));
        health.due_probes(18_000);
        assert_eq!(health.probed(18_100, LLM, FIRST, Ok(())).map(|change| change.usable), Some(true));
        // Only an answer to a caller ends the row: the next failure rests longer still.
        health.report(20_000, LLM, FIRST, failed(ProviderErrorKind::Unavailable, None));
        assert_eq!(health.next_probe_ms(), Some(40_000));
    }

    #[test]
    fn several_failures_at_once_are_one() {
        let mut health = health();
        for _ in 0..50 {
            health.report(1_000, LLM, FIRST, failed(ProviderErrorKind::Disconnected, None));
        }
        assert_eq!(health.next_probe_ms(), Some(6_000));
        health.due_probes(6_000);
        health.probed(6_100, LLM, FIRST, Err(ProviderErrorKind::Disconnected.into()));
        assert_eq!(health.next_probe_ms(), Some(16_100), "the second in a row");
    }

    #[test]
    fn what_a_provider_says_of_its_rest_counts_while_it_rests() {
        let mut health = health();
        health.report(1_000, LLM, FIRST, failed(ProviderErrorKind::Unavailable, None));
        health.report(1_100, LLM, FIRST, failed(ProviderErrorKind::RateLimited, Some(1_000)));
        assert_eq!(
            (health.next_probe_ms(), health.resting(LLM, FIRST)),
            (Some(6_000), Some(ProviderErrorKind::Unavailable))
        );
        health.report(1_200, LLM, FIRST, failed(ProviderErrorKind::RateLimited, Some(60_000)));
        assert_eq!(
            (health.next_probe_ms(), health.resting(LLM, FIRST)),
            (Some(61_200), Some(ProviderErrorKind::RateLimited))
        );
        health.report(1_300, LLM, FIRST, failed(ProviderErrorKind::Quota, None));
        assert_eq!(health.next_probe_ms(), Some(301_300));
    }

    #[test]
    fn a_failure_that_may_pass_is_a_reason_to_rest_the_second_time() {
        let unavailable = failed(ProviderErrorKind::Unavailable, None);
        let mut health = with(FailoverConfig::default());
        assert_eq!(health.report(1_000, LLM, FIRST, unavailable), None);
        assert_eq!(health.report(61_001, LLM, FIRST, unavailable), None, "a minute later is another story");
        for _ in 0..FORGIVEN_AFTER {
            health.report(61_002, LLM, FIRST, AttemptResult::Answered { after_ms: 100 });
        }
        assert_eq!(health.report(62_000, LLM, FIRST, unavailable), None, "it has answered since");
        health.report(62_001, LLM, FIRST, AttemptResult::Answered { after_ms: 100 });
        assert_eq!(health.report(62_002, LLM, FIRST, unavailable).map(|change| change.usable), Some(false));
        let mut health = with(FailoverConfig::default());
        assert!(
            health.report(1_000, LLM, FIRST, failed(ProviderErrorKind::Auth, None)).is_some(),
            "this does not pass"
        );
    }

    #[test]
    fn each_kind_gets_its_own_reaction() {
        for (kind, retry_after_ms, rest_ms) in [
            (ProviderErrorKind::RateLimited, Some(1_574), Some(1_574)),
            (ProviderErrorKind::RateLimited, None, Some(5_000)),
            (ProviderErrorKind::Unavailable, Some(20_000), Some(20_000)),
            (ProviderErrorKind::Unavailable, Some(0), Some(500)),
            (ProviderErrorKind::Quota, None, Some(300_000)),
            (ProviderErrorKind::Auth, None, Some(300_000)),
            (ProviderErrorKind::BadRequest, None, None),
            (ProviderErrorKind::Unusable, None, None),
            (ProviderErrorKind::NotServed, Some(3_600_000), Some(3_600_000)),
        ] {
            let mut health = health();
            health.report(0, LLM, FIRST, failed(kind, retry_after_ms));
            assert_eq!(health.next_probe_ms(), rest_ms, "{kind:?} {retry_after_ms:?}");
            assert_eq!(health.resting(LLM, FIRST), rest_ms.map(|_| kind));
        }
    }

    #[test]
    fn a_model_that_refuses_every_request_rests_and_one_refusal_does_nothing() {
        let mut health = health();
        let refused = failed(ProviderErrorKind::BadRequest, None);
        assert_eq!(health.report(0, LLM, FIRST, refused), None);
        assert_eq!(health.report(10, LLM, FIRST, refused), None);
        health.report(20, LLM, FIRST, AttemptResult::Answered { after_ms: 100 });
        assert_eq!(health.report(30, LLM, FIRST, refused), None, "it has answered since");
        assert_eq!(health.report(40, LLM, FIRST, refused), None);
        assert_eq!(health.report(50, LLM, FIRST, refused).map(|change| change.usable), Some(false));
        assert_eq!(health.resting(LLM, FIRST), Some(ProviderErrorKind::BadRequest));
    }

    #[test]
    fn a_silent_provider_rests_after_two_lost_races_and_one_slow_answer_does_nothing() {
        let mut health = health();
        assert_eq!(health.report(0, LLM, FIRST, AttemptResult::Lost), None);
        health.report(10, LLM, FIRST, AttemptResult::Answered { after_ms: 100 });
        assert_eq!(health.report(20, LLM, FIRST, AttemptResult::Lost), None);
        assert_eq!(health.report(30, LLM, FIRST, AttemptResult::Lost).map(|change| change.usable), Some(false));
    }

    #[test]
    fn a_rival_is_asked_for_by_the_providers_own_habits() {
        let mut health = health();
        for _ in 0..7 {
            assert_eq!(health.report(0, LLM, FIRST, AttemptResult::Answered { after_ms: 400 }), None);
        }
        let change = health.report(0, LLM, FIRST, AttemptResult::Answered { after_ms: 400 });
        assert_eq!(change.map(|change| change.hedge_ms), Some(440));
        for _ in 0..REMEMBERED {
            health.report(0, LLM, FIRST, AttemptResult::Answered { after_ms: 9_000 });
        }
        assert_eq!(health.all().iter().find(|change| change.stage == LLM).map(|change| change.hedge_ms), Some(900));
        for _ in 0..REMEMBERED {
            health.report(0, LLM, FIRST, AttemptResult::Answered { after_ms: 20 });
        }
        assert_eq!(health.all().iter().find(|change| change.stage == LLM).map(|change| change.hedge_ms), Some(100));
    }

    #[test]
    fn a_stream_may_stand_still_for_as_long_as_is_usual_with_it() {
        let mut health = health();
        let paced = |health: &mut Health, gap_ms| {
            for _ in 0..REMEMBERED {
                health.report(0, LLM, FIRST, AttemptResult::Paced { gap_ms });
            }
            health.all().into_iter().find(|change| change.stage == LLM).and_then(|change| change.gap_ms)
        };
        assert_eq!(health.report(0, LLM, FIRST, AttemptResult::Paced { gap_ms: 9 }), None, "one stream tells nothing");
        assert_eq!(paced(&mut health, 10), Some(20), "not for less than the least");
        assert_eq!(paced(&mut health, 62), Some(130));
        assert_eq!(paced(&mut health, 900), Some(300), "nor for more than the most");
    }

    #[test]
    fn what_is_not_there_is_nobodys_news() {
        let mut health = health();
        assert_eq!(health.report(0, Stage::Stt, RungId(9), AttemptResult::Lost), None);
        assert_eq!(health.probed(0, Stage::Stt, RungId(9), Ok(())), None);
        assert_eq!(health.all().len(), 4);
    }
}
