//! "I want to …": what is wished for, and may be a command or something to do.

use super::super::dates;
use super::super::lexicon;
use super::super::normalise::{Utterance, norms};
use super::add::build;
use super::rule::Match;
use super::{Intent, Known, Target, parse_exact};

/// "I want to …": a command to us, or something to do, which we offer to add.
pub(super) fn wanted(found: &Match<'_>) -> Option<Intent> {
    let rest = Utterance::new(found.words("t").to_vec());
    // "I want to start it on Friday."
    let said = norms(&rest.words);
    if let [verb, "it" | "that" | "this", day @ ..] = said.as_slice()
        && lexicon::starts_verb(&[*verb])
        && let Some(due) = dates::parse(day, found.known.now)
    {
        return Some(Intent::SetDue(Target::It, Some(due)));
    }
    match parse_exact(&rest, found.known) {
        // "I want to finish the report" is a plan; "I want to mark the report as done" is a command.
        intent @ Intent::Complete(_) if !intent.spans_all() && !marks_done(&rest) => offered(&rest, found.known),
        Intent::Unknown if lexicon::starts_verb(&norms(&rest.words)) => offered(&rest, found.known),
        Intent::Unknown | Intent::Talk(_) => None,
        intent => Some(intent),
    }
}

/// Whether the words open with a verb that only makes sense for an entry of a list.
fn marks_done(utterance: &Utterance) -> bool {
    let first = utterance.words.first().map_or("", |word| word.norm.as_str());
    matches!(first, "mark" | "check" | "tick" | "cross" | "complete" | "set" | "strike" | "scratch")
}

pub(super) fn offered(utterance: &Utterance, known: Known<'_>) -> Option<Intent> {
    Some(match build(&utterance.words, false, None, known) {
        Intent::Add(tasks) => Intent::Offer(tasks),
        other => other,
    })
}
