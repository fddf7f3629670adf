//! What a script answers: a word, and what belongs to it.

use std::str::FromStr;

use redis::Value;

use crate::store::StoreError;

/// `{word, rest…}`.
#[derive(Debug)]
pub(super) struct Reply {
    pub(super) word: String,
    rest: std::vec::IntoIter<Value>,
}

impl Reply {
    pub(super) fn parse(value: Value) -> Result<Self, StoreError> {
        let Value::Array(items) = value else { return Err(odd("a script's answer")) };
        let mut rest = items.into_iter();
        let word = text(rest.next())?;
        Ok(Self { word, rest })
    }

    /// The next part, as text.
    pub(super) fn text(&mut self) -> Result<String, StoreError> {
        text(self.rest.next())
    }

    /// The next part, as a number.
    pub(super) fn number<T: FromStr>(&mut self) -> Result<T, StoreError> {
        number(&self.text()?)
    }

    /// The next part, as a list of texts.
    pub(super) fn list(&mut self) -> Result<Vec<String>, StoreError> {
        match self.rest.next() {
            Some(Value::Array(items)) => items.into_iter().map(|item| text(Some(item))).collect(),
            _ => Err(odd("a list")),
        }
    }

    /// All that is left, as texts.
    pub(super) fn texts(self) -> Result<Vec<String>, StoreError> {
        self.rest.map(|item| text(Some(item))).collect()
    }

    /// An answer that says why not, for a session.
    pub(super) fn refusal(&self, id: &str) -> StoreError {
        match self.word.as_str() {
            "not_found" => StoreError::NotFound(id.to_owned()),
            "fenced" => StoreError::Fenced(id.to_owned()),
            "ended" => StoreError::Ended(id.to_owned()),
            "exists" => StoreError::Exists(id.to_owned()),
            other => odd(other),
        }
    }
}

pub(super) fn number<T: FromStr>(text: &str) -> Result<T, StoreError> {
    text.parse().map_err(|_| StoreError::Corrupt(format!("{text:?} where a number should be")))
}

fn text(value: Option<Value>) -> Result<String, StoreError> {
    match value {
        Some(Value::BulkString(bytes)) => String::from_utf8(bytes).map_err(|_| odd("text that is not UTF-8")),
        Some(Value::SimpleString(text)) => Ok(text),
        Some(Value::Int(number)) => Ok(number.to_string()),
        _ => Err(odd("a part that is missing")),
    }
}

fn odd(what: &str) -> StoreError {
    StoreError::Corrupt(format!("Redis keeps or answered what is not ours: {what}"))
}
