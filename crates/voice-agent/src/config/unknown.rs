//! Variables that look like settings of ours and are none: a limit that is misspelt is a limit that is not there.

use toml::Table;

use super::env::{ALIASES, Env, keys, variable_of};
use super::{ConfigError, Secrets};

/// Sections whose prefix nobody else's variables have: an unknown one of these is a mistake, as it is in the file.
const OURS: &[&str] =
    &["DEADLINE_", "ENDPOINTING_", "INPUT_LOG_", "INTERRUPTION_", "LIMITS_", "RECORDING_", "SHUTDOWN_", "VAD_"];
/// How alike two names are at least, 0 to 1, for one to be taken for a slip of the other.
const ALIKE: f64 = 0.8;
/// How alike they are at least for the one to be suggested where a name is surely wrong.
const NEAR: f64 = 0.5;

/// The names that mean something.
fn known(defaults: &Table) -> Vec<String> {
    let mut known: Vec<String> = keys(defaults).iter().map(|(key, _)| variable_of(key)).collect();
    known.extend(ALIASES.iter().map(|(_, variable)| (*variable).to_owned()));
    known.extend(Secrets::VARIABLES.iter().flat_map(|secret| [(*secret).to_owned(), format!("{secret}_FILE")]));
    known
}

/// Refuses variables with a prefix of ours that are no settings, and gives a sentence for each that is probably a slip.
///
/// # Errors
/// [`ConfigError`] that names the variable and the nearest setting.
pub(super) fn check(env: &Env, defaults: &Table) -> Result<Vec<String>, ConfigError> {
    let known = known(defaults);
    let sections: Vec<String> = defaults
        .iter()
        .filter(|(_, value)| value.is_table())
        .map(|(section, _)| format!("{}_", section.to_uppercase()))
        .collect();
    let mut slips = Vec::new();
    for variable in env.variables().filter(|name| !known.iter().any(|known| known == name)) {
        let begins = |prefix: &str| variable.starts_with(prefix);
        if OURS.iter().any(|prefix| begins(prefix)) && !is_service_link(variable) {
            let hint = nearest(variable, &known, NEAR).map_or_else(
                || "config/example.toml lists the settings".to_owned(),
                |near| format!("did you mean {near}?"),
            );
            return Err(ConfigError::new(variable, format!("is not a setting: {hint}")));
        }
        if sections.iter().any(|prefix| begins(prefix))
            && let Some(near) = nearest(variable, &known, ALIKE)
        {
            slips.push(format!("{variable} is set, and is not a setting: did you mean {near}?"));
        }
    }
    Ok(slips)
}

fn nearest<'a>(variable: &str, known: &'a [String], least: f64) -> Option<&'a String> {
    let scored = known.iter().map(|name| (strsim::normalized_damerau_levenshtein(variable, name), name));
    scored.filter(|(score, _)| *score >= least).max_by(|a, b| a.0.total_cmp(&b.0)).map(|(_, name)| name)
}

/// What Kubernetes sets in every pod for a Service of that name (`LIMITS_SERVICE_HOST`, `LIMITS_PORT_80_TCP_ADDR`).
fn is_service_link(variable: &str) -> bool {
    let tail = |mark: &str| variable.split_once(mark).map(|(_, tail)| tail);
    let numbered = |tail: &str| tail.is_empty() || tail.starts_with('_');
    variable.ends_with("_SERVICE_HOST")
        || tail("_SERVICE_PORT").is_some_and(numbered)
        || variable.ends_with("_PORT")
        || tail("_PORT_").is_some_and(|tail| tail.contains("_TCP") || tail.contains("_UDP"))
}
