//! The providers of each stage, and what the process knows of them.

use voice_core::failover::Health;
use voice_core::ids::RungId;
use voice_core::input::ProviderHealth;
use voice_core::output::AttemptResult;
use voice_core::provider::Stage;
use voice_core::{CoreConfig, Input};

use crate::queue::Event;
use crate::seen::Seen;
use crate::stray::any_failure;
use crate::world::{Checked, World};

/// What a process knows of its providers, and how often this session asked.
#[derive(Debug)]
pub(crate) struct Rungs {
    health: Health,
    asked: [u64; 3],
    hedged: [u64; 3],
    probe_at_ms: Option<u64>,
}

impl Rungs {
    pub(crate) fn new(config: &CoreConfig) -> Self {
        let health = Health::new(&config.chains, config.failover.clone());
        Self { health, asked: [0; 3], hedged: [0; 3], probe_at_ms: None }
    }

    /// A provider of this stage is asked for something.
    pub(crate) fn ask(&mut self, stage: Stage) {
        self.asked[stage as usize] += 1;
    }
}

impl World {
    /// The process hears what came of asking a provider, and tells its sessions.
    pub(crate) fn take_attempt(&mut self, stage: Stage, rung: RungId, result: AttemptResult) {
        let news = self.rungs.health.report(self.now_ms, stage, rung, result);
        self.tell_health(news);
        self.plan_probe();
    }

    fn tell_health(&mut self, news: Option<ProviderHealth>) {
        let Some(health) = news else { return };
        self.saw(if health.usable { Seen::RungReturns } else { Seen::RungRests });
        let delay_ms = self.dice.below(40);
        self.later(delay_ms, Event::Give(Input::ProviderHealth(health)));
    }

    fn plan_probe(&mut self) {
        let due_ms = self.rungs.health.next_probe_ms();
        if let Some(due_ms) = due_ms.filter(|due_ms| self.rungs.probe_at_ms.is_none_or(|at_ms| *due_ms < at_ms)) {
            self.rungs.probe_at_ms = Some(due_ms);
            self.queue.put(due_ms, Some(self.life), Event::Probe);
        }
    }

    /// Providers whose rest is over are probed; most of them are well again.
    pub(crate) fn probe(&mut self) -> Checked {
        self.rungs.probe_at_ms = None;
        for (stage, rung) in self.rungs.health.due_probes(self.now_ms) {
            let result = if self.dice.chance(700) { Ok(()) } else { Err(any_failure(&mut self.dice)) };
            let news = self.rungs.health.probed(self.now_ms, stage, rung, result);
            self.tell_health(news);
        }
        if self.session.as_ref().is_some_and(|session| !session.is_ended()) {
            self.plan_probe();
        }
        Ok(())
    }

    /// The ceiling on doubled spend holds, and a rival is somebody else.
    pub(crate) fn check_rival(&mut self, stage: Stage, from: RungId, to: RungId) -> Checked {
        let config = &self.profile.config.failover;
        let rungs = &mut self.rungs;
        rungs.hedged[stage as usize] += 1;
        let (asked, hedged) = (rungs.asked[stage as usize], rungs.hedged[stage as usize]);
        let most = u64::from(config.free_hedges) + asked * u64::from(config.hedge_percent) / 100;
        if hedged > most {
            let text = format!("{hedged} rivals at {stage:?} for {asked} requests, at most {most}");
            return self.strange("doubled spend has a ceiling", text);
        }
        if from == to {
            return self.strange("a failover leads elsewhere", format!("{from} is its own rival"));
        }
        Ok(())
    }
}
