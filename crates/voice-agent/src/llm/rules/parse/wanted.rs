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
    let dated = dates::find_trailing(&said, found.known.now).filter(|(start, due)| *start > 1 && due.day_said);
    let is_new = dated.is_some_and(|(start, _)| found.known.titles.named(&said[..start]).is_none());
    let asked = |offer: Option<Intent>| match offer {
        // With a day it is settled, and is put down.
        Some(Intent::Offer(tasks)) if is_new && tasks.len() == 1 => Some(Intent::Add(tasks)),
        other => other,
    };
    match parse_exact(&rest, found.known) {
        // "I want to finish the report" is a plan; "I want to mark the report as done" is a command.
        intent @ Intent::Complete(_) if !intent.spans_all() && !marks_done(&rest) => asked(offered(&rest, found.known)),
        Intent::Unknown if lexicon::starts_verb(&said) => asked(offered(&rest, found.known)),
        Intent::Unknown | Intent::Talk(_) => None,
        intent => asked(Some(intent)),
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
