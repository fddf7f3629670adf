//! The environment over the file.

use std::collections::BTreeMap;

use toml::{Table, Value};

use super::ConfigError;

/// The variables whose name is not the key's path in upper case.
pub const ALIASES: &[(&str, &str)] = &[("auth.mode", "AUTH")];

/// An environment, as a value: tests make their own.
#[derive(Debug, Clone, Default)]
pub struct Env(BTreeMap<String, String>);

impl Env {
    /// The process's environment. Variables that are not UTF-8 are nobody's of ours.
    pub fn of_process() -> Self {
        Self(std::env::vars_os().filter_map(|(k, v)| Some((k.into_string().ok()?, v.into_string().ok()?))).collect())
    }

    /// The value of a variable.
    pub fn get(&self, variable: &str) -> Option<&str> {
        self.0.get(variable).map(String::as_str)
    }

    /// The names of all variables.
    pub fn variables(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }

    /// The value of a variable that is set to something.
    pub fn get_filled(&self, variable: &str) -> Option<&str> {
        self.get(variable).filter(|value| !value.is_empty())
    }
}

impl<const N: usize> From<[(&str, &str); N]> for Env {
    fn from(pairs: [(&str, &str); N]) -> Self {
        Self(pairs.into_iter().map(|(k, v)| (k.to_owned(), v.to_owned())).collect())
    }
}

/// The variable of a key.
pub fn variable_of(key: &str) -> String {
    ALIASES
        .iter()
        .find(|(aliased, _)| *aliased == key)
        .map_or_else(|| key.replace('.', "_").to_uppercase(), |(_, variable)| (*variable).to_owned())
}

/// Every key of a table as a dotted path, with its value; sections are walked into.
pub fn keys(table: &Table) -> Vec<(String, Value)> {
    let mut found = Vec::new();
    for (name, value) in table {
        match value {
            Value::Table(inner) => {
                found.extend(keys(inner).into_iter().map(|(key, value)| (format!("{name}.{key}"), value)));
            }
            _ => found.push((name.clone(), value.clone())),
        }
    }
    found
}

/// Puts what the environment says over `table`. `defaults` says which keys there are, and of which type.
pub(super) fn overlay(table: &mut Table, defaults: &Table, env: &Env) -> Result<(), ConfigError> {
    for (key, default) in keys(defaults) {
        let variable = variable_of(&key);
        if let Some(text) = env.get(&variable)
            && let Some(value) = read(&default, text).map_err(|reason| {
                ConfigError::new(format!("{key} (from the environment variable {variable})"), reason)
            })?
        {
            put(table, &key, value);
        }
    }
    Ok(())
}

/// Reads a variable's text as a value of the default's type; an empty one says nothing, except for a text.
fn read(default: &Value, text: &str) -> Result<Option<Value>, String> {
    let trimmed = text.trim();
    if trimmed.is_empty() && !default.is_str() {
        return Ok(None);
    }
    let value = match default {
        Value::Integer(_) => {
            Value::Integer(trimmed.parse().map_err(|_| format!("{text:?} is not a whole number, like {default}"))?)
        }
        Value::Boolean(_) => {
            Value::Boolean(flag(trimmed).ok_or_else(|| format!("{text:?} is neither true nor false"))?)
        }
        Value::Array(_) => {
            let parts = trimmed.split(',').map(str::trim).filter(|part| !part.is_empty());
            let parts: Vec<Value> = parts.map(|part| part.into()).collect();
            if parts.is_empty() {
                return Err(format!("{text:?} names nothing: names, with commas between them, are expected"));
            }
            Value::Array(parts)
        }
        _ => Value::String(text.to_owned()),
    };
    Ok(Some(value))
}

/// Reads true or false, as people write it.
pub(super) fn flag(text: &str) -> Option<bool> {
    match text.trim().to_ascii_lowercase().as_str() {
        "true" | "1" | "yes" | "on" => Some(true),
        "false" | "0" | "no" | "off" => Some(false),
        _ => None,
    }
}

fn put(table: &mut Table, key: &str, value: Value) {
    match key.split_once('.') {
        None => {
            table.insert(key.to_owned(), value);
        }
        Some((section, rest)) => {
            let inner = table.entry(section).or_insert_with(|| Value::Table(Table::new()));
            if let Value::Table(inner) = inner {
                put(inner, rest, value);
            }
        }
    }
}
