//! What a person said or typed, their number, their name.

use std::fmt;

/// A value that neither `Debug` nor `Display` shows, so that no log line can give it away by accident.
#[derive(Clone, PartialEq, Eq)]
pub struct Pii<T>(T);

impl<T> Pii<T> {
    /// Wraps a value.
    pub const fn new(value: T) -> Self {
        Self(value)
    }

    /// The value itself, said out loud.
    pub const fn reveal(&self) -> &T {
        &self.0
    }

    /// The value itself, for good.
    pub fn into_inner(self) -> T {
        self.0
    }
}

impl<T> fmt::Debug for Pii<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("‹personal›")
    }
}

impl<T> fmt::Display for Pii<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("‹personal›")
    }
}

#[cfg(test)]
mod tests {
    use super::Pii;

    #[test]
    fn it_shows_nothing_unless_asked() {
        let said = Pii::new("call my lawyer");
        assert!(!format!("{said} {said:?}").contains("lawyer"));
        assert_eq!(said.reveal(), &"call my lawyer");
    }
}
