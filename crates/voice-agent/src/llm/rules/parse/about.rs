//! What is said of a task that is on the list, in whatever words: it names the task, and a day for it. Tried last, because any
//! command says more clearly what it wants.

use super::super::dates;
use super::super::lexicon;
use super::super::normalise::{Utterance, Word, norms};
use super::{Intent, Known, Target, statement};

/// "The dentist is on Friday now", "water the plants on Sunday", "plumber at 3 instead": a date for a task that is known.
pub(super) fn parse(utterance: &Utterance, known: Known<'_>) -> Option<Intent> {
    if statement::opens_question(utterance) {
        return None;
    }
    let words = without_ends(&utterance.words);
    let (start, due) = dates::find_trailing(&norms(words), known.now).filter(|(start, _)| *start > 0)?;
    let named = named(&words[..start])?;
    let title = known.titles.named(&named)?;
    // What begins with a verb may be another thing to do with the same words in it, unless the whole title is said.
    let clear = !lexicon::starts_verb(&named) || known.titles.is_said(title, &named);
    clear.then_some(Intent::SetDue(Target::Title(known.titles.meant(&named)?), Some(due)))
}

fn without_ends(words: &[Word]) -> &[Word] {
    let mut words = words;
    while let [rest @ .., last] = words
        && matches!(last.norm.as_str(), "now" | "instead" | "please" | "then" | "again" | "though" | "already")
    {
        words = rest;
    }
    while let [first, rest @ ..] = words
        && matches!(
            first.norm.as_str(),
            "and" | "but" | "now" | "so" | "oh" | "actually" | "then" | "the" | "my" | "that"
        )
    {
        words = rest;
    }
    words
}

/// The words that name the task, without those that lead to its date.
fn named(words: &[Word]) -> Option<Vec<&str>> {
    let mut named: Vec<&str> = norms(words);
    while let [.., last] = named.as_slice()
        && matches!(
            *last,
            "is" | "are"
                | "was"
                | "now"
                | "on"
                | "to"
                | "at"
                | "by"
                | "for"
                | "due"
                | "has"
                | "will"
                | "be"
                | "gonna"
                | "then"
                | "it's"
                | "actually"
                | "only"
                | "not"
                | "until"
                | "going"
        )
    {
        // "The milk is not on Friday" says nothing of when it is.
        if *last == "not" {
            return None;
        }
        named.pop();
    }
    let last = named.pop()?;
    named.push(last.trim_end_matches("'s"));
    Some(named).filter(|named| !named.iter().any(|word| matches!(*word, "not" | "don't" | "and" | "before" | "after")))
}
