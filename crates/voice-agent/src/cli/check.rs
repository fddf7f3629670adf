//! `voice-agent check-config`.

use serde_json::json;

use super::{Failure, out};
use crate::config::{Config, ConfigError, Loaded};

/// The server would not get beyond its start without them.
fn without_models(config: &Config) -> Option<String> {
    let folder = &config.models_dir;
    let missing = !folder.is_dir();
    missing.then(|| format!("models_dir: {} is no folder; `make models` fetches the models", folder.display()))
}

/// Says whether the configuration works, and what an operator should know about it.
pub(super) fn run(loaded: Result<Loaded, ConfigError>, json: bool) -> Result<(), Failure> {
    match loaded {
        Ok(Loaded { config, mut warnings }) => {
            warnings.extend(without_models(&config));
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
