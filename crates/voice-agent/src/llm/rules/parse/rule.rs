//! Patterns over the matched words: regular expressions with shorthands, tried in order.

use regex::{Captures, Regex};

use super::super::normalise::{Utterance, Word};
use super::{Intent, Known};

/// What a rule's pattern matched.
pub(super) struct Match<'a> {
    utterance: &'a Utterance,
    captures: Captures<'a>,
    pub(super) known: Known<'a>,
}

impl<'a> Match<'a> {
    /// The words of a named group; none if it took no part.
    pub(super) fn words(&self, group: &str) -> &'a [Word] {
        self.captures.name(group).map_or(&[], |found| self.utterance.slice(found.start(), found.end()))
    }

    /// Every word that was matched against.
    pub(super) fn all_words(&self) -> &'a [Word] {
        &self.utterance.words
    }

    /// All that was matched against.
    pub(super) fn utterance_text(&self) -> &'a str {
        &self.utterance.text
    }

    /// The text of a named group; empty if it took no part.
    pub(super) fn text(&self, group: &str) -> &'a str {
        self.captures.name(group).map_or("", |found| found.as_str())
    }
}

type Build = for<'a> fn(&Match<'a>) -> Option<Intent>;

/// A pattern and what it means. A build that answers None passes on to the next rule.
pub(super) struct Rule {
    pattern: Regex,
    build: Build,
}

/// Shorthands in patterns.
const SHORTHANDS: [(&str, &str); 8] = [
    (
        "{ADD}",
        "(?:add|at|ad|had|added|adding|edit|create|make|enter|insert|set up|start|record|note|open|log|get|stick|pop|put|throw|and)",
    ),
    (
        "{TASK}",
        "(?:tasks?|tsak|taks|tusks?|to-dos?|to-do|todos?|to do|to do's|two do|items?|reminders?|entry|notes?|attack|tax|desk)",
    ),
    (
        "{LIST}",
        "(?:(?:to-?do |to do |task |tasks |shopping |grocery |reading |packing |wish |gift |work |household )?(?:lists?|tasks|to-?dos|todos|agenda|plate|lest))",
    ),
    ("{MY}", "(?:my|the|our|your|a|this|that)"),
    ("{I}", "(?:i have|we have|i am|i've|we've|i'm|i|we)"),
    ("{DONE}", "(?:done|complete|completed|finished|did|ready|dun|completely done|all done)"),
    ("{SHOW}", "(?:show|list|read|tell|give|read out|read back|display|repeat|see|hear|view|go over|open|lift)"),
    ("{ME}", "(?:me |us |to me )?"),
];

/// Compiles rules; one that does not compile is left out, and the tests check that there is none.
pub(super) fn rules(list: &[(&str, Build)]) -> Vec<Rule> {
    list.iter()
        .filter_map(|(pattern, build)| {
            let mut text = (*pattern).to_owned();
            for (name, meaning) in SHORTHANDS {
                text = text.replace(name, meaning);
            }
            match Regex::new(&format!("^(?:{text})$")) {
                Ok(pattern) => Some(Rule { pattern, build: *build }),
                Err(error) => {
                    tracing::error!(%error, pattern, "a pattern of the rules model does not compile");
                    debug_assert!(false, "pattern {pattern}: {error}");
                    None
                }
            }
        })
        .collect()
}

/// The first rule that matches and has a meaning.
pub(super) fn first_match<'a>(rules: &[Rule], utterance: &'a Utterance, known: Known<'a>) -> Option<Intent> {
    rules.iter().find_map(|rule| {
        let captures = rule.pattern.captures(&utterance.text)?;
        (rule.build)(&Match { utterance, captures, known })
    })
}
