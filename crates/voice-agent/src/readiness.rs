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
    fn part(self) -> &'static str {
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
    events: Arc<Events>,
}

impl Readiness {
    /// An instance that is starting.
    pub fn starting(events: Arc<Events>) -> Self {
        let state = Mutex::new(State { holds: vec![Hold::Starting], troubles: BTreeMap::new() });
        Self { state, events }
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

    /// Why no session is taken now, if none is.
    pub fn held(&self) -> Option<Hold> {
        self.lock().holds.first().copied()
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
}
