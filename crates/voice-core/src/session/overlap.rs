//! An answer broke off in the middle, and part of it was heard: what another model says is joined to it, and what it says once
//! more is not said twice.

/// The words of the answer that broke off, against those of the one that goes on with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Overlap {
    /// What the new answer may begin with: all that was said, or the sentence that broke off.
    repeats: Vec<String>,
    /// The new answer, as long as it may still be one of them.
    held: String,
}

impl Overlap {
    /// Joins what comes to this text.
    pub(super) fn new(said: &str) -> Self {
        let said = said.trim();
        let last = said.rfind(['.', '!', '?']).map_or(0, |at| at + 1);
        let mut repeats = vec![said.to_owned()];
        let broken = said[last..].trim();
        if !broken.is_empty() && broken.len() < said.len() {
            repeats.push(broken.to_owned());
        }
        Self { repeats, held: String::new() }
    }

    /// Takes more of the new answer. Answers what of it is new, once that is known; nothing is held back after that.
    pub(super) fn push(&mut self, text: &str) -> Option<String> {
        self.held.push_str(text);
        let mut waits = false;
        for repeat in &self.repeats {
            match after_repeat(&self.held, repeat) {
                Repeat::Whole(rest) => return Some(rest.to_owned()),
                Repeat::SoFar => waits = true,
                Repeat::No => {}
            }
        }
        (!waits).then(|| joined(&std::mem::take(&mut self.held)))
    }

    /// The new answer is over: what was still held back. Words that were all said before are not new.
    pub(super) fn finish(self) -> String {
        if self.repeats.iter().any(|repeat| is_beginning(&self.held, repeat)) {
            return String::new();
        }
        joined(&self.held)
    }
}

enum Repeat<'a> {
    /// All of it was repeated; this is what comes after.
    Whole(&'a str),
    /// What is there is a beginning of it.
    SoFar,
    No,
}

/// Compares letters and digits only: another model sets its marks and capitals otherwise.
fn after_repeat<'a>(text: &'a str, repeat: &str) -> Repeat<'a> {
    let mut wanted = repeat.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).peekable();
    let mut end = 0;
    for (at, c) in text.char_indices() {
        if !c.is_alphanumeric() {
            continue;
        }
        for small in c.to_lowercase() {
            match wanted.next() {
                Some(expected) if expected == small => {}
                Some(_) => return Repeat::No,
                // Something new has begun.
                None => return Repeat::Whole(&text[end..]),
            }
        }
        end = at + c.len_utf8();
    }
    Repeat::SoFar
}

fn is_beginning(text: &str, repeat: &str) -> bool {
    matches!(after_repeat(text, repeat), Repeat::SoFar)
}

/// What follows is set apart from what was said, unless it begins with a mark.
fn joined(rest: &str) -> String {
    let apart = rest.chars().next().is_some_and(char::is_alphanumeric);
    if apart { format!(" {rest}") } else { rest.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn joins(said: &str, pieces: &[&str]) -> String {
        let mut overlap = Some(Overlap::new(said));
        let mut new = String::new();
        for piece in pieces {
            match &mut overlap {
                Some(held) => {
                    if let Some(text) = held.push(piece) {
                        new.push_str(&text);
                        overlap = None;
                    }
                }
                None => new.push_str(piece),
            }
        }
        new.push_str(&overlap.map(Overlap::finish).unwrap_or_default());
        new
    }

    #[test]
    fn an_answer_that_begins_anew_is_not_said_twice() {
        let said = "You have three tasks. The first is";
        assert_eq!(joins(said, &["You have", " three tasks. The fir", "st is buy milk."]), " buy milk.");
        assert_eq!(joins(said, &["you have three tasks: the first is", ", buy milk."]), ", buy milk.");
    }

    #[test]
    fn an_answer_that_goes_on_is_joined() {
        assert_eq!(joins("You have three tasks. The first is", &[" buy", " milk."]), " buy milk.");
        assert_eq!(joins("You have three tasks. The first is", &["buy", " milk."]), " buy milk.");
        assert_eq!(joins("You have three tasks. The first is", &["The first is", " buy milk."]), " buy milk.");
    }

    #[test]
    fn a_word_that_broke_off_is_finished() {
        assert_eq!(joins("You have thr", &["You have three tasks."]), "ee tasks.");
    }

    #[test]
    fn another_answer_is_said_whole_and_a_repetition_alone_is_nothing() {
        assert_eq!(joins("You have three tasks.", &["You have", " two tasks."]), " You have two tasks.");
        assert_eq!(joins("You have three tasks.", &["You have three", " tasks."]), "");
        assert_eq!(joins("You have three tasks.", &["You have"]), "");
        assert_eq!(joins("Done.", &[]), "");
    }
}
