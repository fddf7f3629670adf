//! `voice-agent check-config`.

use serde_json::json;

use super::{Failure, out};
use crate::config::{ConfigError, Loaded};

/// Says whether the configuration works, and what an operator should know about it.
pub(super) fn run(loaded: Result<Loaded, ConfigError>, json: bool) -> Result<(), Failure> {
    match loaded {
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
