//! What is told, and what is asked for in the same breath: "we ran out of soap, put it on the list".

use super::super::dates;
use super::super::lexicon;
use super::super::normalise::{Utterance, Word, norms, title};
use super::split::seams;
use super::{Intent, Known, NewTask, Target, new_tasks, parse_one};

/// "We ran out of soap, put it on the list": what is told is asked for in the same breath.
pub(super) fn wanted(utterance: &Utterance, known: Known<'_>) -> Option<Intent> {
    let words = &utterance.words;
    seams(words).into_iter().find_map(|(end, start)| {
        let mut rest = &words[start..];
        while let Some(length) = super::courtesy::leading_courtesy(rest) {
            rest = &rest[length..];
        }
        let adds = rest.len() > 1
            && matches!(rest[0].norm.as_str(), "add" | "put" | "pop" | "stick" | "note")
            && matches!(rest[1].norm.as_str(), "it" | "that" | "this" | "them" | "those");
        let listed = |word: &Word| {
            let word = word.norm.as_str();
            matches!(
                word,
                "on" | "to" | "onto" | "in" | "down" | "my" | "the" | "our" | "list" | "there" | "please" | "then"
            )
        };
        let dated = adds.then(|| dates::find_trailing(&norms(rest), known.now)).flatten();
        let (stop, due) = dated.map_or((rest.len(), None), |(start, due)| (start.max(2), Some(due)));
        if !adds || !rest[2..stop].iter().all(listed) {
            return None;
        }
        match parse_one(&Utterance::new(words[..end].to_vec()), known) {
            Intent::Offer(tasks) => {
                Some(Intent::Add(tasks.into_iter().map(|task| NewTask { due: due.or(task.due), ..task }).collect()))
            }
            // "Tell Marco about the deadline, put that on my list" asks for no list.
            Intent::List(_) if lexicon::starts_action(&norms(&words[..end])) => {
                let tasks = new_tasks(&words[..end], false, known);
                Some(Intent::Add(tasks.into_iter().map(|task| NewTask { due: due.or(task.due), ..task }).collect()))
            }
            // "Flat 3 needs a new lock. Add that": in the words in which it was told.
            Intent::Unknown if matches!(rest[0].norm.as_str(), "add" | "note") && (2..=10).contains(&end) => {
                Some(Intent::Add(vec![NewTask { title: title(&words[..end]), due, priority: None }]))
            }
            _ => None,
        }
    })
}

/// "I won't manage the slides today, make it Thursday": what is told names the task, and what is asked for points at it.
pub(super) fn told_of(utterance: &Utterance, known: Known<'_>) -> Option<Intent> {
    let words = &utterance.words;
    let (end, start) = *seams(words).last()?;
    let before = norms(&words[..end]);
    let named = || known.titles.mentioned(&before).map(|title| Target::Title(title.to_owned()));
    let intent = parse_one(&Utterance::new(words[start..].to_vec()), known);
    let pointed = match intent {
        Intent::SetDue(Target::It, due) => Intent::SetDue(named()?, due),
        Intent::Date(due) if words[end - 1].pauses() => {
            let clash = before.iter().any(|word| {
                matches!(
                    *word,
                    "busy"
                        | "away"
                        | "can't"
                        | "cannot"
                        | "won't"
                        | "doesn't"
                        | "out"
                        | "early"
                        | "late"
                        | "soon"
                        | "tight"
                )
            });
            named().map(|named| Intent::SetDue(named, Some(due))).or_else(|| clash.then_some(Intent::Date(due)))?
        }
        Intent::Complete(targets) if targets == [Target::It] => Intent::Complete(vec![named()?]),
        Intent::SetPriority(Target::It, priority) => Intent::SetPriority(named()?, priority),
        Intent::Shift(Target::It, shift) => Intent::Shift(named()?, shift),
        Intent::Delete(targets) if targets == [Target::It] => Intent::Delete(vec![named()?]),
        Intent::Untimed(Target::It) => Intent::Untimed(named()?),
        _ => return None,
    };
    let told = parse_one(&Utterance::new(words[..end].to_vec()), known);
    (!told.is_command()).then_some(pointed)
}
