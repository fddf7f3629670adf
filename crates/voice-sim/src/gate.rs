//! What may be claimed: words that take a change for granted are heard when the store has it, and not before.

use voice_core::ids::ReplyId;

use crate::world::{Checked, World};

/// Stands between a request's number and a word's in what is to be said once a call of that request is carried out.
pub(crate) const PROMISE: &str = "p";

/// The request that these words came from, and whether they are a promise; none for our own words.
fn source(text: &str) -> Option<(u64, bool)> {
    let rest = text.split('q').nth(1)?;
    let digits = rest.len() - rest.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    Some((rest[..digits].parse().ok()?, rest[digits..].starts_with(PROMISE)))
}

impl World {
    /// Whether these words promise a change that is not kept yet.
    pub(crate) fn promises(&self, text: &str) -> bool {
        source(text).is_some_and(|(request, promised)| promised && self.check.kept_through < request)
    }

    /// Words that were made when a change was computed, or called for, are not heard or shown before it is committed.
    pub(crate) fn check_gate(&mut self, reply: ReplyId, text: &str) -> Checked {
        self.check_guess(reply)?;
        if self.promises(text) {
            return self
                .strange("nothing is claimed before its commit", format!("{text:?} may be heard, no call is kept"));
        }
        let Some((request, _)) = source(text) else { return Ok(()) };
        let closed = self.check.gates.iter().find(|(_, of, last)| *of == reply && request > *last);
        match closed {
            Some((call, ..)) => {
                let text = format!("{text:?} may be heard, call {call} is not committed");
                self.strange("nothing is claimed before its commit", text)
            }
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_say_where_they_came_from() {
        assert_eq!(source("q12p77 q12p3."), Some((12, true)));
        assert_eq!(source("q3w1, q3w2"), Some((3, false)));
        assert_eq!((source("I couldn't do that."), source("Too quick.")), (None, None));
    }
}
