//! `voice-agent check-config`.

use serde_json::json;
use tokio_util::task::TaskTracker;

use super::{Failure, out};
use crate::config::{Config, ConfigError, Loaded};
use crate::providers::{Answer, Rungs, ask_served};
use crate::served::Served;

/// The server would not get beyond its start without them.
fn without_models(config: &Config) -> Option<String> {
    let folder = &config.models_dir;
    let missing = !folder.is_dir();
    missing.then(|| format!("models_dir: {} is no folder; `make models` fetches the models", folder.display()))
}

/// Says whether the configuration works, and what an operator should know about it. Providers are asked whether they serve the
/// models that are configured.
pub(super) fn run(loaded: Result<Loaded, ConfigError>, json: bool) -> Result<(), Failure> {
    let checked = loaded.and_then(|Loaded { config, mut warnings }| {
        warnings.extend(without_models(&config));
        warnings.extend(ask_providers(&config)?);
        Ok(Loaded { config, warnings })
    });
    match checked {
        Ok(Loaded { config, warnings }) => {
            if json {
                let config = serde_json::to_value(&config).map_err(anyhow::Error::from)?;
                out::line(&json!({"ok": true, "warnings": warnings, "config": config}).to_string())?;
            } else {
                for warning in &warnings {
                    out::line(&format!("warning: {warning}"))?;
                }
                out::line("The configuration works.")?;
            }
            Ok(())
        }
        Err(error) => {
            if json {
                let report = json!({"ok": false, "key": error.key, "reason": error.reason});
                out::line(&report.to_string())?;
            }
            Err(error.into())
        }
    }
}

/// What the providers of the chains say of their models. Without any, nothing is asked and no network is needed.
fn ask_providers(config: &Config) -> Result<Vec<String>, ConfigError> {
    let failed = |error: std::io::Error| ConfigError::new("the runtime", error.to_string());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(failed)?;
    runtime.block_on(async {
        let rungs = Rungs::outside(config, &TaskTracker::new())?;
        if rungs.is_empty() {
            return Ok(Vec::new());
        }
        Ok(ask_served(&rungs).await.iter().filter_map(warning).collect())
    })
}

fn warning(answer: &Answer) -> Option<String> {
    let Answer { name, served, .. } = answer;
    match served {
        Ok(Served::Yes | Served::Unknown) => None,
        Ok(Served::No) => {
            Some(format!("{name} is not served by its provider (any more): calls skip it. Name another model"))
        }
        Err(kind) => Some(format!("{name} could not be asked ({}): is its address right, and its key?", kind.as_str())),
    }
}
