//! Compliance: that what is to be documented is, that the deployment's settings fit it, and that recording waits for consent.
//!
//! What is looked for stands in a file (`deploy/compliance.toml`), so that a new document or setting is a line there.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use serde::Deserialize;
use serde_json::Value;

use super::criterion::{Evidence, Halt};
use super::deployment::Deployment;

/// What is looked for.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Wanted {
    #[serde(default)]
    document: Vec<Document>,
    #[serde(default)]
    setting: Vec<Setting>,
}

/// A document that must be there.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    path: PathBuf,
    /// Words that must stand in it, whatever their case.
    #[serde(default)]
    mentions: Vec<String>,
}

/// A setting of the deployment.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Setting {
    /// Its path, like `recording.retention_days`.
    key: String,
    /// It counts only while the setting of this path is true; nothing is recorded where that is not there.
    when: Option<String>,
    equals: Option<Value>,
    at_least: Option<f64>,
    at_most: Option<f64>,
    /// Why.
    because: String,
}

/// Compliance documented.
pub(super) async fn compliance(of: &Deployment, evidence: &mut Evidence) -> Result<(), Halt> {
    let file = &of.args.compliance;
    let text = std::fs::read_to_string(file).with_context(|| format!("--compliance {}", file.display()))?;
    let wanted: Wanted = toml::from_str(&text).with_context(|| format!("--compliance {}", file.display()))?;
    let is_list = !wanted.document.is_empty() && !wanted.setting.is_empty();
    evidence.check(is_list, "--compliance asks for no documents, or for no settings");
    for document in &wanted.document {
        look(document, evidence);
    }
    match &of.settings {
        Some(settings) => wanted.setting.iter().for_each(|setting| setting.hold(settings, evidence)),
        None => evidence.check(false, "the deployment's settings are not known: --config-command asks for them"),
    }
    consent(of, evidence).await?;
    review(of, evidence)?;
    Ok(())
}

/// Whether a document is there, and speaks of everything.
fn look(document: &Document, evidence: &mut Evidence) {
    let name = document.path.display();
    match std::fs::read_to_string(&document.path) {
        Ok(text) => {
            let lower = text.to_lowercase();
            let missing: Vec<&str> = document
                .mentions
                .iter()
                .filter(|word| !lower.contains(&word.to_lowercase()))
                .map(String::as_str)
                .collect();
            evidence.note(format!(
                "{name}: {} words, sha256 {}",
                text.split_whitespace().count(),
                digest(text.as_bytes())
            ));
            evidence.check(missing.is_empty(), format!("{name} does not speak of: {}", missing.join(", ")));
        }
        Err(error) => evidence.check(false, format!("{name} cannot be read: {error}")),
    }
}

/// The first digits of a file's SHA-256.
pub(super) fn digest(bytes: &[u8]) -> String {
    use sha2::Digest as _;
    sha2::Sha256::digest(bytes).iter().take(8).fold(String::new(), |mut text, byte| {
        // Writing to a String cannot fail.
        let _written = write!(text, "{byte:02x}");
        text
    })
}

/// A setting by its path; null when it is not there.
fn at<'a>(settings: &'a Value, path: &str) -> &'a Value {
    path.split('.').fold(settings, |value, key| &value[key])
}

impl Setting {
    fn hold(&self, settings: &Value, evidence: &mut Evidence) {
        if let Some(when) = &self.when
            && at(settings, when) != true
        {
            evidence.note(format!("{}: {when} is {}, so it does not count", self.key, at(settings, when)));
            return;
        }
        let value = at(settings, &self.key);
        let number = value.as_f64();
        let fits = self.equals.as_ref().is_none_or(|wanted| wanted == value)
            && self.at_least.is_none_or(|least| number.is_some_and(|number| number >= least))
            && self.at_most.is_none_or(|most| number.is_some_and(|number| number <= most));
        evidence.note(format!("{} is {value}", self.key));
        evidence.check(fits, format!("{} is {value}: {}", self.key, self.because));
    }
}

/// Nobody is recorded who has not agreed, and whoever withdraws is not any more.
async fn consent(of: &Deployment, evidence: &mut Evidence) -> Result<()> {
    let mut call = of.call("compliance").await?;
    let asked = async {
        call.until(of.args.patience(), |call| call.ready.is_some()).await?;
        let ready = call.ready.clone().unwrap_or_default();
        let mut answers = Vec::new();
        for agreed in [true, false] {
            call.heard.recording = None;
            call.consent(agreed).await?;
            call.until(of.args.patience(), |call| call.heard.recording == Some(agreed)).await?;
            answers.push(call.heard.recording);
        }
        Ok::<_, anyhow::Error>((ready, answers))
    }
    .await;
    call.hang_up().await;
    let (ready, answers) = asked?;
    evidence.note(format!(
        "before consent recording is {}; this server keeps recordings: {}",
        ready["recording"], ready["records"]
    ));
    evidence.check(ready["recording"] == false, "a caller who was not asked counts as one who agreed");
    evidence.check(
        answers == [Some(true), Some(false)],
        format!("consent and its withdrawal were answered with {answers:?}"),
    );
    Ok(())
}

/// What a record of a review says, each in a line of its own.
const SIGNED: [&str; 3] = ["Reviewed by", "Date", "Jurisdictions"];
/// What stands where somebody has yet to write.
const PLACEHOLDERS: [&str; 12] =
    ["todo", "tbd", "tba", "tbc", "fixme", "xxx", "pending", "none", "n/a", "nobody", "unknown", "replace-me"];

/// What is behind `name:` in a line.
fn said<'a>(line: &'a str, name: &str) -> Option<&'a str> {
    line.trim().strip_prefix(name)?.strip_prefix(':').map(str::trim)
}

/// Whether it is a form's blank instead of an answer: nothing, a line to write on, `<name>`, `TODO: ask`.
fn is_blank(value: &str) -> bool {
    let word = value.split([' ', ':', ',', '(', '.', '?']).next().unwrap_or_default().to_lowercase();
    !value.contains(char::is_alphanumeric)
        || value.starts_with(['<', '[', '{'])
        || PLACEHOLDERS.contains(&word.as_str())
}

/// What a line of the record lacks.
fn lacks(name: &str, value: &str, today: jiff::civil::Date) -> Option<String> {
    if is_blank(value) {
        return Some(format!("the record of the legal review is not filled in: `{name}: {value}`"));
    }
    if name != "Date" {
        return None;
    }
    let date = value.split_whitespace().next().and_then(|word| word.parse::<jiff::civil::Date>().ok());
    match date {
        None => Some(format!("the legal review's `Date: {value}` is no date (YYYY-MM-DD)")),
        Some(date) if date > today => Some(format!("the legal review's `Date: {value}` is yet to come")),
        Some(_) => None,
    }
}

/// The lines of a record that sign it, and what it lacks; of a line that is there twice, each counts.
fn signed(text: &str, today: jiff::civil::Date, evidence: &mut Evidence) {
    for name in SIGNED {
        let values: Vec<&str> = text.lines().filter_map(|line| said(line, name)).collect();
        evidence.check(!values.is_empty(), format!("the record of the legal review has no line `{name}: …`"));
        for value in values {
            evidence.note(format!("{name}: {value}"));
            let problem = lacks(name, value, today);
            evidence.check(problem.is_none(), problem.unwrap_or_default());
        }
    }
}

/// Somebody qualified has read it all; a machine cannot.
fn review(of: &Deployment, evidence: &mut Evidence) -> Result<()> {
    match &of.args.legal_review {
        Some(file) => {
            let text = read(file)?;
            evidence.note(format!("legal review: {}, sha256 {}", file.display(), digest(text.as_bytes())));
            // Whoever signed may be where the day is furthest on.
            let furthest = jiff::tz::Offset::constant(14).to_datetime(jiff::Timestamp::now()).date();
            signed(&text, furthest, evidence);
        }
        None if of.rehearsal().is_empty() => {
            evidence
                .check(false, "--legal-review names no record: somebody qualified has to review consent and retention");
        }
        None => evidence.note("no legal review: a rehearsal needs none"),
    }
    Ok(())
}

fn read(file: &Path) -> Result<String> {
    std::fs::read_to_string(file).with_context(|| format!("--legal-review {}", file.display()))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::criterion::{Criterion, Finding, Status};
    use super::*;

    fn held(setting: &str, settings: &Value) -> Finding {
        let setting: Setting = toml::from_str(setting).unwrap();
        let mut evidence = Evidence::default();
        setting.hold(settings, &mut evidence);
        evidence.finding(Criterion::Compliance, Ok(()), 0.0)
    }

    #[test]
    fn settings_are_held_against_what_is_wanted_while_they_count() {
        let days =
            "key = 'recording.retention_days'\nwhen = 'recording.enabled'\nat_least = 1\nat_most = 90\nbecause = 'why'";
        let settings = |enabled: bool, days: Value| json!({"recording": {"enabled": enabled, "retention_days": days}});
        assert_eq!(held(days, &settings(true, json!(90))).status, Status::Passed);
        let long = held(days, &settings(true, json!(91)));
        assert_eq!(
            (long.status, long.reasons),
            (Status::Failed, vec!["recording.retention_days is 91: why".to_owned()])
        );
        assert_eq!(held(days, &settings(true, Value::Null)).status, Status::Failed);
        for off in [settings(false, json!(1_000)), json!({})] {
            assert_eq!(held(days, &off).status, Status::Passed);
        }
        assert_eq!(
            held("key = 'auth.mode'\nequals = 'jwt'\nbecause = 'why'", &json!({"auth": {"mode": "none"}})).status,
            Status::Failed
        );
    }

    #[test]
    fn a_document_must_speak_of_everything() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.toml");
        let look_at = |path: PathBuf, word: &str| {
            let mut evidence = Evidence::default();
            look(&Document { path, mentions: vec![word.to_owned()] }, &mut evidence);
            evidence.finding(Criterion::Compliance, Ok(()), 0.0).status
        };
        assert_eq!(look_at(path.clone(), "DEPENDENCIES"), Status::Passed);
        assert_eq!(look_at(path, "retention"), Status::Failed);
        assert_eq!(look_at(PathBuf::from("/nonexistent"), ""), Status::Failed);
    }

    fn record(reviewer: &str, date: &str, jurisdictions: &str) -> Finding {
        let mut evidence = Evidence::default();
        let text = format!("# Review\n\n  Reviewed by: {reviewer}\nDate: {date}\nJurisdictions: {jurisdictions}\n");
        signed(&text, jiff::civil::date(2026, 12, 1), &mut evidence);
        evidence.finding(Criterion::Compliance, Ok(()), 0.0)
    }

    #[test]
    fn a_review_is_signed() {
        let good = record("Ada Lovelace, counsel", "2026-11-29", "EU, California");
        assert_eq!((good.status, good.reasons), (Status::Passed, vec![]));
        assert_eq!(good.evidence[0], "Reviewed by: Ada Lovelace, counsel");
        assert_eq!(record("Nona Todorova", "2026-12-01 (again)", "DE").status, Status::Passed);
        let mut evidence = Evidence::default();
        signed("TODO: ask legal\nDated: now\n", jiff::civil::date(2026, 12, 1), &mut evidence);
        assert_eq!(evidence.finding(Criterion::Compliance, Ok(()), 0.0).reasons.len(), SIGNED.len());
    }

    #[test]
    fn a_review_that_is_not_filled_in_is_none() {
        for blank in ["", "TODO", "tbd", "TODO: ask Ada", "-", "____", "…", "<name>", "[ ]", "N/A", "Pending (Q1)", "?"]
        {
            for (reviewer, date, jurisdictions) in
                [(blank, "2026-11-29", "EU"), ("Ada", blank, "EU"), ("Ada", "2026-11-29", blank)]
            {
                let found = record(reviewer, date, jurisdictions);
                assert_eq!(found.status, Status::Failed, "{blank:?}");
                assert!(found.reasons.iter().all(|reason| reason.contains("is not filled in")), "{:?}", found.reasons);
            }
        }
    }

    #[test]
    fn a_review_has_a_date_that_has_been() {
        for (date, word) in [
            ("29 November 2026", "no date"),
            ("2026-13-01", "no date"),
            ("soon", "no date"),
            ("2026-12-02", "yet to come"),
        ] {
            let found = record("Ada", date, "EU");
            assert_eq!(found.status, Status::Failed, "{date}");
            assert!(found.reasons.len() == 1 && found.reasons[0].contains(word), "{:?}", found.reasons);
        }
        let twice = record("Ada", "2026-11-29\nDate: TODO", "EU");
        assert_eq!(twice.status, Status::Failed);
    }

    #[test]
    fn the_shipped_list_is_one() {
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../deploy/compliance.toml");
        let wanted: Wanted = toml::from_str(&std::fs::read_to_string(file).unwrap()).unwrap();
        assert!(!wanted.document.is_empty() && !wanted.setting.is_empty());
    }
}
