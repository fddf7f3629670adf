//! From a file and an environment to settings that can work.

use std::path::{Path, PathBuf};

use toml::Table;

use crate::model::runtime::models_dir_of;

use super::env::{Env, keys, overlay, variable_of};
use super::{Config, ConfigError, Secret, Secrets, prices, unknown, validate};

/// Settings that can work, and what an operator should know about them.
#[derive(Debug, Clone)]
pub struct Loaded {
    /// The settings.
    pub config: Config,
    /// Sentences for the log.
    pub warnings: Vec<String>,
}

/// Reads the file (none: the defaults), puts the environment over it, and checks everything.
///
/// # Errors
/// [`ConfigError`] that names the key, its value and what would be right.
pub fn load(file: Option<&Path>, env: &Env) -> Result<Loaded, ConfigError> {
    let text = match file {
        None => String::new(),
        Some(path) => std::fs::read_to_string(path)
            .map_err(|error| ConfigError::new(path.display().to_string(), format!("cannot be read: {error}")))?,
    };
    let mut config = parse(&text, file, env)?;
    let slips = unknown::check(env, &defaults()?)?;
    config.secrets = Secrets::read(|variable| read_secret(variable, env))?;
    config.prices = prices::read(&config.prices_file)?;
    if config.models_dir.as_os_str().is_empty() {
        config.models_dir = default_models_dir(env)?;
    }
    validate::check(&config)?;
    let mut warnings = slips;
    warnings.extend(validate::warnings(&config));
    Ok(Loaded { config, warnings })
}

/// The settings of a file's text with the environment over it, unchecked.
pub(super) fn parse(text: &str, file: Option<&Path>, env: &Env) -> Result<Config, ConfigError> {
    let name = file.map_or_else(|| "the configuration".to_owned(), |path| path.display().to_string());
    let mut table: Table = text.parse().map_err(|error: toml::de::Error| {
        // The message shows the line and points at the place.
        ConfigError::new(&name, format!("is not TOML: {error}"))
    })?;
    refuse_secrets(&table)?;
    // Once by itself, for messages that show the line of the file.
    let _alone: Config =
        toml::from_str(text).map_err(|error| ConfigError::new(&name, in_plain_words(&error.to_string())))?;
    overlay(&mut table, &defaults()?, env)?;
    table.try_into().map_err(|error: toml::de::Error| {
        let message = error.to_string().split_whitespace().collect::<Vec<_>>().join(" ");
        ConfigError::new("the environment", in_plain_words(&message))
    })
}

/// A wrong type as whoever writes settings would name it, not as the source code does.
fn in_plain_words(message: &str) -> String {
    const NAMES: [(&str, &str); 12] = [
        ("expected a boolean", "expected true or false"),
        ("expected usize", "expected a whole number of 0 or more"),
        ("expected u64", "expected a whole number of 0 or more"),
        ("expected u32", "expected a whole number from 0 to 4294967295"),
        ("expected u16", "expected a whole number from 0 to 65535"),
        ("expected u8", "expected a whole number from 0 to 255"),
        ("expected i64", "expected a whole number"),
        ("expected f64", "expected a number"),
        ("expected f32", "expected a number"),
        ("expected a sequence", "expected a list in square brackets"),
        ("expected a map", "expected a section of settings"),
        ("floating point `", "the number `"),
    ];
    NAMES.iter().fold(message.to_owned(), |message, (from, to)| message.replace(from, to))
}

/// Every setting with its default.
fn defaults() -> Result<Table, ConfigError> {
    Table::try_from(Config::default())
        .map_err(|error| ConfigError::new("the defaults", format!("cannot be written as TOML: {error}")))
}

/// A file is copied, mailed and committed; a secret in it is soon none.
fn refuse_secrets(table: &Table) -> Result<(), ConfigError> {
    for (key, _) in keys(table) {
        let variable = variable_of(&key);
        let bare = variable.strip_prefix("SECRETS_").unwrap_or(&variable);
        if let Some(secret) = Secrets::VARIABLES.iter().find(|name| **name == bare) {
            let reason = format!(
                "is a secret and does not belong in the file: set the environment variable {secret}, or {secret}_FILE \
                 to the path of a file that holds it"
            );
            return Err(ConfigError::new(key, reason));
        }
    }
    Ok(())
}

fn read_secret(variable: &'static str, env: &Env) -> Result<Option<Secret>, ConfigError> {
    let file_variable = format!("{variable}_FILE");
    match (env.get_filled(variable), env.get_filled(&file_variable)) {
        (Some(_), Some(_)) => {
            Err(ConfigError::new(variable, format!("is set, and so is {file_variable}: set one of them")))
        }
        (Some(value), None) => Ok(Some(Secret::new(value))),
        (None, Some(path)) => {
            let text = std::fs::read_to_string(path)
                .map_err(|error| ConfigError::new(&file_variable, format!("{path:?} cannot be read: {error}")))?;
            // Editors and `echo` end a file with a newline that is not part of the secret.
            let text = text.trim_end_matches(['\r', '\n']);
            if text.is_empty() {
                return Err(ConfigError::new(file_variable, format!("{path:?} is empty")));
            }
            Ok(Some(Secret::new(text)))
        }
        (None, None) => Ok(None),
    }
}

fn default_models_dir(env: &Env) -> Result<PathBuf, ConfigError> {
    models_dir_of(env.get("XDG_CACHE_HOME"), env.get("HOME")).ok_or_else(|| {
        ConfigError::new(
            "models_dir",
            "is empty, and neither XDG_CACHE_HOME nor HOME says where a cache is: set MODELS_DIR",
        )
    })
}
