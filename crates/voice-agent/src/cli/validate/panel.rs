//! The dashboards: whether every panel has data.

use std::path::Path;

use anyhow::{Context as _, Result};
use serde_json::Value;

use super::criterion::{Evidence, Halt};
use super::deployment::Deployment;

/// Panels without data that are named one by one.
const NAMED: usize = 12;
/// What a panel says that does not know why it is empty.
const NO_DATA: &str = "no data";

/// One query of a panel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Panel {
    /// The dashboard and the panel.
    pub(super) title: String,
    /// The query, for all channels and regions.
    pub(super) query: String,
    /// The panel says what it means when there is nothing: that is as it should be.
    may_be_empty: bool,
}

/// Every query of the dashboards in a folder.
///
/// # Errors
/// When the folder has none, or a file is no dashboard.
pub(super) fn panels(folder: &Path) -> Result<Vec<Panel>> {
    let entries = std::fs::read_dir(folder).with_context(|| format!("--dashboards {}", folder.display()))?;
    let mut files: Vec<_> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
    files.retain(|path| path.extension().is_some_and(|end| end == "json"));
    files.sort();
    let mut found = Vec::new();
    for file in &files {
        let text = std::fs::read_to_string(file).with_context(|| file.display().to_string())?;
        let dashboard: Value = serde_json::from_str(&text).with_context(|| file.display().to_string())?;
        found.extend(of_dashboard(&dashboard));
    }
    anyhow::ensure!(!found.is_empty(), "--dashboards {} has no panels", folder.display());
    Ok(found)
}

fn of_dashboard(dashboard: &Value) -> Vec<Panel> {
    let board = dashboard["title"].as_str().unwrap_or("a dashboard");
    let mut found = Vec::new();
    for panel in dashboard["panels"].as_array().into_iter().flatten().filter(|panel| panel["type"] != "row") {
        let title = format!("{board} / {}", panel["title"].as_str().unwrap_or("a panel"));
        let no_value = panel["fieldConfig"]["defaults"]["noValue"].as_str();
        let may_be_empty = no_value.is_some_and(|says| !says.eq_ignore_ascii_case(NO_DATA));
        for target in panel["targets"].as_array().into_iter().flatten() {
            if let Some(query) = target["expr"].as_str() {
                let query = query.replace("$channel", ".*").replace("$region", ".*");
                found.push(Panel { title: title.clone(), query, may_be_empty });
            }
        }
    }
    found
}

/// Monitoring active: instances are scraped, the rules are loaded, and every panel has data.
pub(super) async fn monitoring(of: &Deployment, evidence: &mut Evidence) -> Result<(), Halt> {
    let prometheus = of.prometheus()?;
    let scraped = prometheus.number("count(up{job=~\".*voice-agent\"} == 1)").await?.unwrap_or(0.0);
    let version = prometheus.query("count by (version) (voice_build_info)").await?;
    let versions: Vec<String> =
        version.iter().map(|one| format!("{} of {}", one.value, one.label("version"))).collect();
    evidence.note(format!("{scraped:.0} instances are scraped ({})", versions.join(", ")));
    evidence.check(!version.is_empty(), "no instance is scraped");
    let rules = prometheus.rules().await?;
    let recorded = rules.iter().filter(|rule| rule["type"] == "recording").count();
    let ill: Vec<&str> =
        rules.iter().filter(|rule| rule["health"] == "err").filter_map(|rule| rule["name"].as_str()).collect();
    evidence.note(format!("{} rules, {recorded} of them recorded", rules.len()));
    evidence.check(recorded > 0, "no recording rule is loaded");
    evidence.check(ill.is_empty(), format!("rules that fail: {}", ill.join(", ")));

    let panels = panels(&of.args.dashboards)?;
    let (mut empty, mut quiet) = (Vec::new(), 0);
    for panel in &panels {
        if !prometheus.has_data(&panel.query, of.args.window).await.with_context(|| panel.title.clone())? {
            if panel.may_be_empty { quiet += 1 } else { empty.push(panel.title.as_str()) }
        }
    }
    let filled = panels.len() - empty.len() - quiet;
    evidence.note(format!("{filled} of {} queries of the panels had data in the window", panels.len()));
    if quiet > 0 {
        evidence.note(format!("{quiet} more are of panels that say what nothing means, and there was nothing"));
    }
    evidence.check(empty.is_empty(), without_data(&mut empty));
    Ok(())
}

fn without_data(empty: &mut Vec<&str>) -> String {
    empty.dedup();
    let more = empty.len().saturating_sub(NAMED);
    let named: Vec<&str> = empty.iter().take(NAMED).copied().collect();
    let rest = if more > 0 { format!(" and {more} more") } else { String::new() };
    format!("panels without data: {}{rest}", named.join("; "))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_shipped_dashboards_have_their_panels() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../deploy/grafana/dashboards");
        let panels = panels(&folder).unwrap();
        assert!(panels.len() > 50, "{}", panels.len());
        assert!(panels.iter().all(|panel| !panel.query.contains('$')), "a variable that nobody fills in");
        for title in ["Latency P95", "Cost Per Call", "Active Sessions"] {
            assert!(panels.iter().any(|panel| panel.title.ends_with(title)), "{title}");
        }
        // Only a page without TLS has no certificate. Whatever else is empty is not populated.
        let may_be_empty = panels.iter().filter(|panel| panel.may_be_empty);
        let titles: Vec<&str> = may_be_empty.map(|panel| panel.title.as_str()).collect();
        assert!(matches!(titles[..], [only] if only.ends_with("/ Certificate")), "{titles:?}");
    }

    #[test]
    fn rows_are_no_panels_and_a_panel_may_say_what_nothing_means() {
        let query = json!([{"expr": "sum(x{region=~\"$region\"})"}, {"refId": "B"}]);
        let found = of_dashboard(&json!({"title": "Board", "panels": [
            {"type": "row", "title": "Row"},
            {"type": "stat", "title": "Panel", "targets": query, "fieldConfig": {"defaults": {"noValue": "none"}}},
            {"type": "stat", "title": "Panel", "targets": query, "fieldConfig": {"defaults": {"noValue": "No data"}}}]}));
        let expected = |may_be_empty| Panel {
            title: "Board / Panel".to_owned(),
            query: "sum(x{region=~\".*\"})".to_owned(),
            may_be_empty,
        };
        assert_eq!(found, [expected(true), expected(false)]);
        assert_eq!(without_data(&mut vec!["a", "a", "b"]), "panels without data: a; b");
    }
}
