//! What is kept of a validation: the checklist, the metrics' baseline, the final configuration. Secrets never.

use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use anyhow::{Context as _, Result};
use regex::Regex;
use serde_json::{Map, Value, json};

use super::compliance::digest;
use super::deployment::Deployment;
use super::panel::panels;
use super::prometheus::{Prometheus, Sample};
use super::report::Report;
use super::web::Web;

/// Names of settings whose value is not kept.
static SECRET: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(r"(?i)(secret|password|token|credential|_key$|^key$)").ok());
/// A line of Alertmanager's configuration that may hold one: addresses of webhooks do.
static LINE: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(r"(?im)^(\s*(?:-\s+)?\w*(?:url|key|password|token|secret|credentials)\w*):[ \t]+\S.*$").ok()
});

/// Writes the folder.
///
/// # Errors
/// When something cannot be written, or Prometheus does not answer.
pub(super) async fn archive(of: &Deployment, report: &Report, folder: &Path) -> Result<()> {
    std::fs::create_dir_all(folder).with_context(|| folder.display().to_string())?;
    write(folder, "checklist.md", &report.markdown(of))?;
    write(folder, "result.json", &pretty(&serde_json::to_value(report)?)?)?;
    write(folder, "configuration.json", &pretty(&configuration(of).await)?)?;
    if let Ok(prometheus) = of.prometheus() {
        write(folder, "baseline.json", &pretty(&baseline(of, &prometheus).await?)?)?;
        write(folder, "prometheus-rules.json", &pretty(&json!(prometheus.rules().await?))?)?;
    }
    if let Some(url) = &of.args.alertmanager {
        let status = Web::new(&of.client, url).get("/api/v2/status", &[]).await.context("Alertmanager")?;
        write(
            folder,
            "alertmanager.yaml",
            &without_secrets(status["config"]["original"].as_str().unwrap_or_default()),
        )?;
    }
    Ok(())
}

fn write(folder: &Path, name: &str, text: &str) -> Result<()> {
    let file = folder.join(name);
    std::fs::write(&file, text).with_context(|| file.display().to_string())
}

fn pretty(value: &Value) -> Result<String> {
    Ok(serde_json::to_string_pretty(value)? + "\n")
}

/// The deployment's settings and versions, and the files that it was made of.
async fn configuration(of: &Deployment) -> Value {
    let mut settings = of.settings.clone().unwrap_or(Value::Null);
    hide(&mut settings);
    let mut files = Map::new();
    for file in walk(Path::new("deploy")) {
        if let Ok(bytes) = std::fs::read(&file) {
            files.insert(file.display().to_string(), json!(digest(&bytes)));
        }
    }
    json!({
        "at": of.began.to_string(),
        // None where no Prometheus says so; a validation has one.
        "versions": of.versions().await.ok(),
        "validated_by": env!("CARGO_PKG_VERSION"),
        "settings": settings,
        "deploy_sha256": files,
    })
}

/// Every file below a folder, in order.
fn walk(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).into_iter().flatten();
    let mut paths: Vec<PathBuf> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
    paths.sort();
    paths.into_iter().flat_map(|path| if path.is_dir() { walk(&path) } else { vec![path] }).collect()
}

/// Takes out what may be a secret. The server's own settings have none; a command may print what it likes.
fn hide(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            for (name, field) in fields {
                let is_secret = SECRET.as_ref().is_none_or(|secret| secret.is_match(name));
                match field {
                    Value::String(text) if is_secret && !text.is_empty() => *field = json!("<not kept>"),
                    Value::String(text) => without_user(text),
                    field => hide(field),
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(hide),
        Value::String(text) => without_user(text),
        _ => {}
    }
}

/// An address may have a user and a password in it, and a query with a key.
fn without_user(text: &mut String) {
    let Ok(mut url) = reqwest::Url::parse(text) else { return };
    let has_user = !url.username().is_empty() || url.password().is_some();
    if !url.has_host() || !(has_user || url.query().is_some()) {
        return;
    }
    if has_user && (url.set_username("").is_err() || url.set_password(None).is_err()) {
        "<not kept>".clone_into(text);
        return;
    }
    url.set_query(None);
    *text = url.into();
}

fn without_secrets(yaml: &str) -> String {
    LINE.as_ref().map_or_else(String::new, |line| line.replace_all(yaml, "$1: <not kept>").into_owned())
}

/// Every recorded rule and every panel's query with its values now.
async fn baseline(of: &Deployment, prometheus: &Prometheus) -> Result<Value> {
    let mut recorded = Map::new();
    for rule in prometheus.rules().await? {
        if rule["type"] == "recording"
            && let Some(name) = rule["name"].as_str()
        {
            recorded.insert(name.to_owned(), values(&prometheus.query(name).await?));
        }
    }
    let mut shown = Vec::new();
    for panel in panels(&of.args.dashboards)? {
        let now = values(&prometheus.query(&panel.query).await.with_context(|| panel.title.clone())?);
        shown.push(json!({"panel": panel.title, "query": panel.query, "values": now}));
    }
    Ok(json!({
        "at": jiff::Timestamp::now().to_string(),
        "window_s": of.args.window.as_secs(),
        "recorded": recorded,
        "panels": shown,
    }))
}

/// JSON has no NaN: it is null.
fn values(samples: &[Sample]) -> Value {
    let one = |sample: &Sample| {
        let labels: Map<String, Value> =
            sample.labels.iter().map(|(name, value)| (name.clone(), json!(value))).collect();
        json!({"labels": labels, "value": sample.value})
    };
    Value::Array(samples.iter().map(one).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_secret_is_kept() {
        let mut settings = json!({"openai": {"api_key": "hunter2", "max_tokens": 300, "models": ["a"]}, "auth_token": "x",
            "list": [{"password": "hunter3", "client_secret": ""}], "region": "us-east-1",
            "deepgram": {"base_url": "wss://ada:hunter4@gateway.example/v1?key=hunter5"}, "urls": ["redis://:hunter6@redis:6379/0"]});
        hide(&mut settings);
        let text = settings.to_string();
        assert!(!text.contains("hunter") && !text.contains("\"x\""), "{text}");
        assert!(text.contains("300") && text.contains("us-east-1"), "{text}");
        assert!(text.contains("wss://gateway.example/v1\"") && text.contains("redis://redis:6379/0"), "{text}");

        let yaml = "receivers:\n- name: webhook\n  webhook_configs:\n  - url: https://hooks.example/T0/secret\n    send_resolved: true\n  pagerduty_configs:\n  - routing_key: hunter2\n    severity: critical\n";
        let kept = without_secrets(yaml);
        assert!(!kept.contains("hunter2") && !kept.contains("hooks.example"), "{kept}");
        assert!(kept.contains("- url: <not kept>") && kept.contains("severity: critical"), "{kept}");
    }

    #[test]
    fn the_baseline_has_no_nan() {
        let sample = |value| Sample { labels: vec![("channel".to_owned(), "phone".to_owned())], value };
        let kept = values(&[sample(0.5), sample(f64::NAN)]);
        assert_eq!(
            kept,
            json!([{"labels": {"channel": "phone"}, "value": 0.5}, {"labels": {"channel": "phone"}, "value": null}])
        );
    }
}
