//! The ten criteria of spec.md, and what came of each.

use std::fmt;

use serde::Serialize;

/// One row of the final checklist.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum Criterion {
    /// P95 latency.
    Latency,
    /// Cost per minute.
    Cost,
    /// Browser channel.
    Browser,
    /// Phone channel.
    Phone,
    /// Screen share.
    Screen,
    /// Session persistence.
    Persistence,
    /// Monitoring active.
    Monitoring,
    /// Alerting active.
    Alerting,
    /// Failover tested.
    Failover,
    /// Compliance documented.
    Compliance,
}

impl Criterion {
    /// All of them, in the checklist's order.
    pub(super) const ALL: [Self; 10] = [
        Self::Latency,
        Self::Cost,
        Self::Browser,
        Self::Phone,
        Self::Screen,
        Self::Persistence,
        Self::Monitoring,
        Self::Alerting,
        Self::Failover,
        Self::Compliance,
    ];

    /// The order in which they are looked at: what is measured comes before what does harm, and the panels, which have to show that harm, last.
    pub(super) const ORDER: [Self; 10] = [
        Self::Browser,
        Self::Phone,
        Self::Screen,
        Self::Compliance,
        Self::Latency,
        Self::Cost,
        Self::Persistence,
        Self::Failover,
        Self::Alerting,
        Self::Monitoring,
    ];

    /// The first cell of its row in spec.md.
    pub(super) const fn title(self) -> &'static str {
        match self {
            Self::Latency => "P95 Latency",
            Self::Cost => "Cost Per Minute",
            Self::Browser => "Browser Channel",
            Self::Phone => "Phone Channel",
            Self::Screen => "Screen Share",
            Self::Persistence => "Session Persistence",
            Self::Monitoring => "Monitoring Active",
            Self::Alerting => "Alerting Active",
            Self::Failover => "Failover Tested",
            Self::Compliance => "Compliance Documented",
        }
    }

    /// The second.
    pub(super) const fn target(self) -> &'static str {
        match self {
            Self::Latency => "Sub-800ms",
            Self::Cost => "$0.03-0.07",
            Self::Browser | Self::Phone | Self::Screen => "Working",
            Self::Persistence => "Pod restart survives",
            Self::Monitoring => "Grafana dashboard",
            Self::Alerting => "Alerts firing",
            Self::Failover => "Provider failover works",
            Self::Compliance => "GDPR/CCPA ready",
        }
    }
}

/// What came of a criterion.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Status {
    /// It is as it should be.
    Passed,
    /// It is not.
    Failed,
    /// Nobody knows.
    NotRun,
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Passed => "passed",
            Self::Failed => "FAILED",
            Self::NotRun => "not run",
        })
    }
}

/// A criterion with its evidence.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Finding {
    /// The row's first cell.
    pub(super) criterion: &'static str,
    /// The row's second.
    pub(super) target: &'static str,
    /// What came of it.
    pub(super) status: Status,
    /// Numbers, ids and times.
    pub(super) evidence: Vec<String>,
    /// What was not as it should be, or why it was not run.
    pub(super) reasons: Vec<String>,
    /// Seconds that the look took.
    pub(super) took_s: f64,
}

/// Why a look at a criterion ended before its end.
#[derive(Debug, thiserror::Error)]
pub(super) enum Halt {
    /// Something that it needs was not given.
    #[error("{0}")]
    NotRun(String),
    /// Something did not work.
    #[error("{0:#}")]
    Failed(#[from] anyhow::Error),
}

/// What is collected while a criterion is looked at.
#[derive(Debug, Default)]
pub(super) struct Evidence {
    notes: Vec<String>,
    problems: Vec<String>,
}

impl Evidence {
    /// A fact.
    pub(super) fn note(&mut self, fact: impl Into<String>) {
        self.notes.push(fact.into());
    }

    /// Something that must be so; otherwise the problem is told.
    pub(super) fn check(&mut self, is_so: bool, problem: impl Into<String>) {
        if !is_so {
            self.problems.push(problem.into());
        }
    }

    /// The finding, once the look is over.
    pub(super) fn finding(mut self, criterion: Criterion, ended: Result<(), Halt>, took_s: f64) -> Finding {
        let mut status = Status::Passed;
        match ended {
            Ok(()) => {}
            Err(Halt::NotRun(reason)) => {
                status = Status::NotRun;
                self.problems.push(reason);
            }
            Err(Halt::Failed(error)) => self.problems.push(format!("{error:#}")),
        }
        if status == Status::Passed && !self.problems.is_empty() {
            status = Status::Failed;
        }
        let (evidence, reasons) = (self.notes, self.problems);
        Finding { criterion: criterion.title(), target: criterion.target(), status, evidence, reasons, took_s }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_criteria_are_looked_at_once() {
        let mut order: Vec<&str> = Criterion::ORDER.iter().map(|criterion| criterion.title()).collect();
        let mut all: Vec<&str> = Criterion::ALL.iter().map(|criterion| criterion.title()).collect();
        order.sort_unstable();
        all.sort_unstable();
        assert_eq!(order, all);
    }

    #[test]
    fn a_problem_fails_and_what_is_missing_is_not_run() {
        let of = |ended, problem: bool| {
            let mut evidence = Evidence::default();
            evidence.note("a fact");
            evidence.check(!problem, "a problem");
            evidence.finding(Criterion::Cost, ended, 0.0)
        };
        assert_eq!(of(Ok(()), false).status, Status::Passed);
        assert_eq!(of(Ok(()), true).status, Status::Failed);
        assert_eq!(of(Err(Halt::Failed(anyhow::anyhow!("no"))), false).status, Status::Failed);
        let not_run = of(Err(Halt::NotRun("no Prometheus".to_owned())), false);
        assert_eq!((not_run.status, not_run.reasons), (Status::NotRun, vec!["no Prometheus".to_owned()]));
    }
}
