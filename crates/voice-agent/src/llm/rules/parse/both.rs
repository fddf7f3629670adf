//! Two things said of one task: "set the cake to high priority and for Thursday".

use super::super::dates;
use super::super::normalise::{Utterance, Word, norms};
use super::{Intent, Known, Target, find_priority, names_known, parse_one};

/// The change in front of the "and", and the one behind it, which has neither a verb nor a name of its own.
pub(super) fn parse(utterance: &Utterance, known: Known<'_>) -> Option<Vec<Intent>> {
    let words = &utterance.words;
    let and = words.iter().rposition(|word| word.norm == "and" && !word.quoted).filter(|at| *at > 1);
    // "The estate agent is for tomorrow, high priority."
    let pause = words.split_last()?.1.iter().rposition(Word::pauses).map(|at| at + 1).filter(|at| *at > 1);
    let (at, from) = and.map(|at| (at, at + 1)).or_else(|| pause.map(|at| (at, at)))?;
    let rest = norms(words.get(from..)?);
    let linked =
        rest.iter().take_while(|word| matches!(**word, "for" | "due" | "to" | "also" | "with" | "make" | "it")).count();
    let bare = &rest[linked.min(rest.len())..];
    let due = dates::parse(&rest, known.now).or_else(|| dates::parse(bare, known.now)).filter(|due| due.day_said);
    let graded = bare.len() <= 3 && bare.iter().any(|word| matches!(*word, "priority" | "urgent" | "important"));
    let priority = find_priority(bare).filter(|_| graded);
    if due.is_none() && priority.is_none() {
        return None;
    }
    let first = parse_one(&Utterance::new(words[..at].to_vec()), known);
    let target = match &first {
        Intent::SetDue(target, Some(_)) if due.is_none() => target.clone(),
        Intent::SetPriority(target, _) if priority.is_none() => target.clone(),
        _ => return None,
    };
    let is_one = matches!(target, Target::It) || matches!(target, Target::Title(_)) && names_known(&first, known);
    let second = match (due, priority) {
        (Some(due), _) => Intent::SetDue(target, Some(due)),
        (None, Some(priority)) => Intent::SetPriority(target, priority),
        (None, None) => return None,
    };
    is_one.then(|| vec![first, second])
}
