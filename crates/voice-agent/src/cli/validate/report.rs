//! The checklist, for people and for programs.

use std::fmt::Write as _;

use serde::Serialize;

use super::criterion::{Finding, Status};
use super::deployment::Deployment;
use crate::cli::out;

/// What a run found.
#[derive(Debug, Serialize)]
pub(super) struct Report {
    /// Whether it was a full run, and all ten criteria are as they should be.
    pub(super) validated: bool,
    /// Why it was a rehearsal; empty: it was none.
    pub(super) rehearsal: Vec<String>,
    /// When it began.
    pub(super) began: String,
    /// Seconds that the metrics were looked at.
    pub(super) window_s: u64,
    /// The criteria, in the checklist's order.
    pub(super) criteria: Vec<Finding>,
}

impl Report {
    /// How many have this status.
    pub(super) fn count(&self, status: Status) -> usize {
        self.criteria.iter().filter(|finding| finding.status == status).count()
    }

    /// One line of it all.
    pub(super) fn sum(&self) -> String {
        let (passed, of) = (self.count(Status::Passed), self.criteria.len());
        let (failed, not_run) = (self.count(Status::Failed), self.count(Status::NotRun));
        format!("{passed} of {of} passed, {failed} failed, {not_run} not run")
    }

    /// What this run is worth.
    pub(super) fn worth(&self) -> String {
        match (self.rehearsal.is_empty(), self.validated) {
            (false, _) => format!("A REHEARSAL, which validates nothing: {}.", self.rehearsal.join("; ")),
            (true, true) => "Voice-enabled Task Manager is production-ready.".to_owned(),
            (true, false) => "Not validated: not all ten criteria passed.".to_owned(),
        }
    }

    /// Prints the checklist.
    ///
    /// # Errors
    /// When it cannot be written.
    pub(super) fn print(&self) -> anyhow::Result<()> {
        for finding in &self.criteria {
            let Finding { criterion, target, status, evidence, reasons, took_s } = finding;
            let mark = if *status == Status::Passed { "x" } else { " " };
            out::line(&format!("[{mark}] {criterion} ({target}): {status}, {took_s:.1} s"))?;
            for reason in reasons {
                out::line(&format!("      ! {reason}"))?;
            }
            for fact in evidence {
                out::line(&format!("      {fact}"))?;
            }
        }
        out::line("")?;
        out::line(&format!("{}. {}", self.sum(), self.worth()))
    }

    /// The checklist as a document.
    pub(super) fn markdown(&self, of: &Deployment) -> String {
        let mut text = format!("# Validation of {}\n\n{}\n\n", self.began, self.worth());
        let hours = self.window_s as f64 / 3_600.0;
        // Writing to a String cannot fail.
        let _written = writeln!(
            text,
            "{}, over {hours:.2} h, by voice-agent {} ({}).\n",
            self.sum(),
            env!("CARGO_PKG_VERSION"),
            of.run
        );
        text.push_str("| Criterion | Target | Status | Evidence |\n|---|---|---|---|\n");
        for finding in &self.criteria {
            let said: Vec<String> = finding.reasons.iter().chain(&finding.evidence).map(|fact| cell(fact)).collect();
            let _written = writeln!(
                text,
                "| {} | {} | {} | {} |",
                finding.criterion,
                finding.target,
                finding.status,
                said.join("<br>")
            );
        }
        text
    }
}

/// A fact that stays in its cell.
fn cell(fact: &str) -> String {
    fact.replace('|', "\\|").replace(['\n', '\r'], " ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(rehearsal: Vec<String>, status: Status) -> Report {
        let finding = |status| Finding {
            criterion: "Cost Per Minute",
            target: "$0.03-0.07",
            status,
            evidence: Vec::new(),
            reasons: Vec::new(),
            took_s: 0.0,
        };
        let validated = rehearsal.is_empty() && status == Status::Passed;
        let criteria = vec![finding(Status::Passed), finding(status)];
        Report { validated, rehearsal, began: String::new(), window_s: 1, criteria }
    }

    #[test]
    fn a_rehearsal_says_so_whatever_came_of_it() {
        let rehearsal = report(vec!["--rehearsal was given".to_owned()], Status::Passed);
        assert!(rehearsal.worth().starts_with("A REHEARSAL") && !rehearsal.worth().contains("ready"));
        assert_eq!(report(Vec::new(), Status::Passed).worth(), "Voice-enabled Task Manager is production-ready.");
        let failed = report(Vec::new(), Status::NotRun);
        assert_eq!(failed.sum(), "1 of 2 passed, 0 failed, 1 not run");
        assert!(failed.worth().starts_with("Not validated"));
        assert_eq!(cell("a|b\nc"), "a\\|b c");
    }
}
