//! `voice-agent check-config`.

use std::path::Path;

use serde_json::json;
use tokio_util::task::TaskTracker;

use super::{Failure, out};
use crate::config::{Config, ConfigError, Loaded};
use crate::providers::{Answer, Rungs, ask_served};
use crate::served::Served;

/// The server would not get beyond its start without them.
fn check_models(config: &Config) -> Result<(), ConfigError> {
    let folder = &config.models_dir;
    if folder.is_dir() {
        return Ok(());
    }
    let reason = format!("{} is no folder; `make models` fetches the models", folder.display());
    Err(ConfigError::new("models_dir", reason))
}

/// The folders that the server writes to, which it makes if need be.
pub(super) fn check_folders(config: &Config) -> Result<(), ConfigError> {
    let logs = &config.input_log.dir;
    if config.secrets.redis_url.is_none() {
        check_writable("data_dir", &config.data_dir)?;
    }
    if logs.as_os_str().is_empty() { Ok(()) } else { check_writable("input_log.dir", logs) }
}

/// Permissions and mounts say little; what cannot be tried is not known. An empty folder is made and taken away again.
fn check_writable(key: &str, folder: &Path) -> Result<(), ConfigError> {
    let refused = |at: &Path, why: String| Err(ConfigError::new(key, format!("{}: {why}", at.display())));
    let whole = std::path::absolute(folder).map_err(|error| ConfigError::new(key, error.to_string()))?;
    let Some(there) = whole.ancestors().find(|at| at.symlink_metadata().is_ok()) else {
        return refused(&whole, "is nowhere".to_owned());
    };
    if !there.is_dir() {
        return refused(there, "is no folder".to_owned());
    }
    let probe = there.join(format!(".voice-agent-check-{}", std::process::id()));
    // Of another process with this number, in another container, or of one that was killed in between.
    let unless = |kind, error: std::io::Error| if error.kind() == kind { Ok(()) } else { Err(error) };
    let made = std::fs::create_dir(&probe).or_else(|error| unless(std::io::ErrorKind::AlreadyExists, error));
    let removed =
        made.and_then(|()| std::fs::remove_dir(&probe).or_else(|error| unless(std::io::ErrorKind::NotFound, error)));
    match removed {
        Ok(()) => Ok(()),
        Err(error) => refused(there, format!("cannot be written to: {error}")),
    }
}

/// Says whether the configuration works, and what an operator should know about it. Providers are asked whether they serve the
/// models that are configured.
pub(super) fn run(loaded: Result<Loaded, ConfigError>, json: bool) -> Result<(), Failure> {
    let checked = loaded.and_then(|Loaded { config, mut warnings }| {
        check_folders(&config)?;
        check_models(&config)?;
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
