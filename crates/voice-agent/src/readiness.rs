//! Whether this instance takes sessions, and what is wrong with it.
//!
//! Readiness is 503 only while starting or draining, or when a stage has no rung left at all. Trouble of the store, a
//! provider or a model is 200 with `status: degraded`, so that one shared part cannot take every instance out of
//! service.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use serde::Serialize;

use crate::telemetry::Events;

/// Why an instance takes no sessions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Hold {
    /// It is not up yet.
    Starting,
    /// It is going away, or an operator wants it to.
    Draining,
    /// A stage has no provider left.
    NoRung(&'static str),
}

impl Hold {
    /// The part's name, as in [`Reason::part`].
    pub const fn part(self) -> &'static str {
        match self {
            Self::Starting => "starting",
            Self::Draining => "draining",
            Self::NoRung(stage) => stage,
        }
    }

    fn reason(self) -> &'static str {
        match self {
            Self::Starting => "the instance is starting",
            Self::Draining => "the instance is draining and takes no new sessions",
            Self::NoRung(_) => "no provider of this stage is left",
        }
    }
}

/// How a stage's rung is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Health {
    /// It does its work.
    Well,
    /// It works less well than it should, for this reason.
    Trouble(String),
    /// It cannot be used, for this reason.
    Out(String),
}

/// What can say how it is, at once and without looking at anything outside of the process.
pub trait StageHealth: Send + Sync {
    /// How it is now.
    fn health(&self) -> Health;
}

/// A rung that is looked after.
#[derive(Clone)]
pub struct Watched {
    /// `stt`, `turn`, `tts`.
    pub stage: &'static str,
    /// Whether sessions can go on without it.
    pub optional: bool,
    /// It.
    pub rung: Arc<dyn StageHealth>,
}

impl std::fmt::Debug for Watched {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Watched")
            .field("stage", &self.stage)
            .field("health", &self.rung.health())
            .finish_non_exhaustive()
    }
}

/// A part and what is wrong with it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Reason {
    /// The part: `store`, `stt`, `starting`, …
    pub part: String,
    /// What is wrong.
    pub reason: String,
}

/// The body of `GET /health/ready`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Report {
    /// `ready`, `degraded` or `not_ready`.
    pub status: &'static str,
    /// Why it is not `ready`.
    pub reasons: Vec<Reason>,
}

#[derive(Debug, Default)]
struct State {
    holds: Vec<Hold>,
    troubles: BTreeMap<&'static str, String>,
}

/// The latch that the parts raise and drop.
#[derive(Debug)]
pub struct Readiness {
    state: Mutex<State>,
    watched: Mutex<Vec<Watched>>,
    events: Arc<Events>,
}

impl Readiness {
    /// An instance that is starting.
    pub fn starting(events: Arc<Events>) -> Self {
        let state = Mutex::new(State { holds: vec![Hold::Starting], troubles: BTreeMap::new() });
        Self { state, watched: Mutex::new(Vec::new()), events }
    }

    /// Takes no sessions any more, until [`Readiness::release`].
    pub fn hold(&self, hold: Hold) {
        self.change(|state| {
            let new = !state.holds.contains(&hold);
            if new {
                state.holds.push(hold);
                tracing::warn!(part = hold.part(), reason = hold.reason(), "not ready");
            }
        });
    }

    /// This reason is gone.
    pub fn release(&self, hold: Hold) {
        self.change(|state| state.holds.retain(|held| *held != hold));
    }

    /// A part is in trouble; the instance goes on without it, as well as it can.
    pub fn degrade(&self, part: &'static str, reason: impl Into<String>) {
        let reason = reason.into();
        self.change(|state| {
            if state.troubles.get(part) != Some(&reason) {
                tracing::warn!(part, reason, "degraded");
                state.troubles.insert(part, reason);
            }
        });
    }

    /// The part is well again.
    pub fn recover(&self, part: &'static str) {
        self.change(|state| {
            if state.troubles.remove(part).is_some() {
                tracing::info!(part, "recovered");
            }
        });
    }

    /// Looks after these rungs from now on.
    pub fn watch(&self, rungs: Vec<Watched>) {
        self.watched.lock().unwrap_or_else(PoisonError::into_inner).extend(rungs);
    }

    /// Asks every rung how it is: trouble is said, and without a rung that cannot be spared no session is taken.
    pub fn look(&self) {
        let watched = self.watched.lock().unwrap_or_else(PoisonError::into_inner).clone();
        watched.iter().for_each(|rung| self.look_at(rung));
    }

    fn look_at(&self, watched: &Watched) {
        let hold = Hold::NoRung(watched.stage);
        match watched.rung.health() {
            Health::Well => {
                self.release(hold);
                self.recover(watched.stage);
            }
            Health::Out(reason) if !watched.optional => {
                self.degrade(watched.stage, reason);
                self.hold(hold);
            }
            Health::Trouble(reason) | Health::Out(reason) => {
                self.release(hold);
                self.degrade(watched.stage, reason);
            }
        }
    }

    /// Why no session is taken now, if none is.
    pub fn held(&self) -> Option<Hold> {
        self.lock().holds.first().copied()
    }

    /// Why no conversation by text is taken up now, if none is: it needs no voice.
    pub fn held_for_text(&self) -> Option<Hold> {
        let needs_voice = |hold: &Hold| matches!(hold, Hold::NoRung(stage) if !stage.starts_with("llm"));
        self.lock().holds.iter().find(|hold| !needs_voice(hold)).copied()
    }

    /// How it is.
    pub fn report(&self) -> Report {
        let state = self.lock();
        let holds = state.holds.iter().map(|hold| (hold.part(), hold.reason().to_owned()));
        let troubles = state.troubles.iter().map(|(part, reason)| (*part, reason.clone()));
        let reasons: Vec<Reason> =
            holds.chain(troubles).map(|(part, reason)| Reason { part: part.to_owned(), reason }).collect();
        let status = match (state.holds.is_empty(), reasons.is_empty()) {
            (false, _) => "not_ready",
            (true, false) => "degraded",
            (true, true) => "ready",
        };
        Report { status, reasons }
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        let mut state = self.lock();
        change(&mut state);
        self.events.readiness(state.holds.is_empty(), state.troubles.len());
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        // Every change is complete in itself, so a panic elsewhere leaves nothing half done.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::telemetry::Metrics;

    #[test]
    fn only_a_hold_takes_an_instance_out_of_service() {
        let readiness = Readiness::starting(Arc::new(Events::new(Metrics::new("rules", &[]))));
        assert_eq!(readiness.report().status, "not_ready");
        readiness.release(Hold::Starting);
        assert_eq!(readiness.report(), Report { status: "ready", reasons: Vec::new() });
        readiness.degrade("store", "the disk is full");
        let report = readiness.report();
        assert_eq!((report.status, report.reasons[0].reason.as_str()), ("degraded", "the disk is full"));
        assert_eq!(readiness.held(), None);
        readiness.hold(Hold::NoRung("stt"));
        assert_eq!(readiness.report().status, "not_ready");
        readiness.release(Hold::NoRung("stt"));
        readiness.recover("store");
        assert_eq!(readiness.report().status, "ready");
    }

    struct Rung(Health);

    impl StageHealth for Rung {
        fn health(&self) -> Health {
            self.0.clone()
        }
    }

    #[test]
    fn a_stage_without_a_rung_takes_no_sessions_unless_it_can_be_spared() {
        let readiness = Readiness::starting(Arc::new(Events::new(Metrics::new("rules", &[]))));
        readiness.release(Hold::Starting);
        let look = |stage, optional, health| {
            readiness.look_at(&Watched { stage, optional, rung: Arc::new(Rung(health)) });
            readiness.report().status
        };
        assert_eq!(look("stt", false, Health::Trouble("1 of 2".to_owned())), "degraded");
        assert_eq!(look("stt", false, Health::Out("lost".to_owned())), "not_ready");
        assert_eq!((readiness.held(), readiness.held_for_text()), (Some(Hold::NoRung("stt")), None));
        assert_eq!(look("stt", false, Health::Trouble("1 of 2".to_owned())), "degraded");
        assert_eq!(look("turn", true, Health::Out("lost".to_owned())), "degraded");
        assert_eq!(look("stt", false, Health::Well), "degraded");
        assert_eq!(look("turn", true, Health::Well), "ready");
    }
}
