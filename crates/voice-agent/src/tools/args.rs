//! A tool's arguments, as a language model wrote them.

use serde_json::{Map, Value};

use crate::tasks::{Due, Priority, TitleError, clean_title};

/// What is wrong with a call, and what to do about it; for the model to read.
pub(super) type Fault = String;

/// The arguments of one call.
pub(super) struct Args<'a>(&'a Map<String, Value>);

impl<'a> Args<'a> {
    /// Checks that there is nothing but `known` ones: a due date under a wrong name must not get lost.
    pub(super) fn new(arguments: &'a Map<String, Value>, known: &[&str]) -> Result<Self, Fault> {
        match arguments.keys().find(|key| !known.contains(&key.as_str())) {
            None => Ok(Self(arguments)),
            Some(key) if known.is_empty() => Err(format!("'{key}' is not an argument of this tool; it takes none")),
            Some(key) => Err(format!("'{key}' is not an argument of this tool; use {}", known.join(", "))),
        }
    }

    /// The argument, unless it is absent or null.
    fn given(&self, name: &str) -> Option<&'a Value> {
        self.0.get(name).filter(|value| !value.is_null())
    }

    /// A string that is not blank, trimmed.
    pub(super) fn text(&self, name: &str) -> Result<Option<&'a str>, Fault> {
        match self.given(name) {
            None => Ok(None),
            Some(Value::String(text)) if text.trim().is_empty() => Err(format!("'{name}' is empty; say what it is")),
            Some(Value::String(text)) => Ok(Some(text.trim())),
            Some(_) => Err(format!("'{name}' must be a string")),
        }
    }

    /// A title for a task, cleaned; required.
    pub(super) fn new_title(&self, name: &str) -> Result<String, Fault> {
        let raw = self.text(name)?.ok_or_else(|| format!("'{name}' is missing; ask what it should be"))?;
        clean_title(raw).map_err(|error| match error {
            TitleError::TooLong(_) => format!("'{name}' {error}; make it shorter"),
            TitleError::Empty | TitleError::Invisible => format!("'{name}' {error}; ask what the task is"),
        })
    }

    /// One of a few words.
    pub(super) fn word(&self, name: &str, words: &[&'static str]) -> Result<Option<&'static str>, Fault> {
        let Some(text) = self.text(name)? else { return Ok(None) };
        let found = words.iter().find(|word| **word == text);
        found.copied().map(Some).ok_or_else(|| format!("'{name}' must be one of {}", words.join(", ")))
    }

    /// A priority.
    pub(super) fn priority(&self) -> Result<Option<Priority>, Fault> {
        Ok(self.word("priority", &["low", "normal", "high"])?.and_then(Priority::parse))
    }

    /// A due date; `None` when it is absent or null.
    pub(super) fn due(&self) -> Result<Option<Due>, Fault> {
        let Some(text) = self.text("due")? else { return Ok(None) };
        Due::parse(text).map(Some).map_err(|error| format!("'due' {error}"))
    }

    /// Whether the argument is there at all, be it null.
    pub(super) fn has(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }

    /// Yes or no; no when absent.
    pub(super) fn flag(&self, name: &str) -> Result<bool, Fault> {
        match self.given(name) {
            None => Ok(false),
            Some(value) => value.as_bool().ok_or_else(|| format!("'{name}' must be true or false")),
        }
    }

    /// A list of strings, blank ones left out; empty when absent. A lone string is a list of one.
    pub(super) fn texts(&self, name: &str) -> Result<Vec<&'a str>, Fault> {
        let fault = || format!("'{name}' must be a list of strings");
        let texts = match self.given(name) {
            None => Vec::new(),
            Some(Value::String(text)) => vec![text.as_str()],
            Some(Value::Array(list)) => {
                list.iter().map(|text| text.as_str().ok_or_else(fault)).collect::<Result<_, _>>()?
            }
            Some(_) => return Err(fault()),
        };
        Ok(texts.into_iter().map(str::trim).filter(|text| !text.is_empty()).collect())
    }

    /// A whole number, negative or not, of at most this size.
    pub(super) fn number(&self, name: &str, most: i64) -> Result<Option<i64>, Fault> {
        let Some(value) = self.given(name) else { return Ok(None) };
        let number = value.as_i64().filter(|number| (-most..=most).contains(number));
        number.map(Some).ok_or_else(|| format!("'{name}' must be a whole number from -{most} to {most}"))
    }

    /// A whole number in a range.
    pub(super) fn count(&self, name: &str, least: usize, most: usize) -> Result<Option<usize>, Fault> {
        let Some(value) = self.given(name) else { return Ok(None) };
        let number = value.as_u64().and_then(|number| usize::try_from(number).ok());
        let number = number.filter(|number| (least..=most).contains(number));
        number.map(Some).ok_or_else(|| format!("'{name}' must be a whole number from {least} to {most}"))
    }
}
