//! Answers to "shall I really delete …?" that are more than a yes or a no. Nothing is destroyed on the strength of a yes that
//! has a "but": what is asked for instead is done, or we ask again.

use serde_json::{Map, Value};

use super::act::Scene;
use super::answer::{again, best_fit, question_turn};
use super::dialogue::{Called, Pending, TaskView, Turn, pending};
use super::normalise::{Utterance, Word, norms, title};
use super::parse::{self, Intent, Target};
use super::titles;

/// Words that turn a yes round.
const HINGES: [&str; 9] = ["but", "only", "except", "instead", "unless", "rather", "just", "not", "keep"];

/// "Yes, she's ill", "yep, delete": a yes, and why, or what it is to do.
pub(crate) fn agrees(scene: &Scene<'_>, utterance: &Utterance) -> bool {
    let [yes, rest @ ..] = utterance.words.as_slice() else { return false };
    let says_yes = matches!(yes.norm.as_str(), "yes" | "yeah" | "yep" | "yup" | "sure" | "right") && yes.pauses();
    let does = matches!(norms(rest).as_slice(), ["delete" | "remove" | "erase" | "undo" | "add" | "clear", ..] if rest.len() == 1);
    says_yes && (does || rest.len() > 1 && parse::is_remark(rest, scene.known()))
}

/// What a hedged answer comes to; None if it is a plain one, or if nothing was to be destroyed.
pub(crate) fn hedged(
    scene: &Scene<'_>,
    previous: &Turn<'_>,
    utterance: &Utterance,
    intents: &[Intent],
) -> Option<Vec<Intent>> {
    let Some(Pending::Confirm(calls)) = pending(previous) else { return None };
    if calls.iter().any(|(name, _)| !matches!(*name, "delete_task" | "undo")) {
        return None;
    }
    if utterance.is_empty() || matches!(intents, [Intent::Yes | Intent::No | Intent::Cancel | Intent::Pick(_)]) {
        return None;
    }
    if matches!(intents, [Intent::Unsure]) {
        return Some(ask_again(calls));
    }
    let words = norms(&utterance.words);
    let agrees = matches!(
        words[0],
        "yes" | "yeah" | "yep" | "yup" | "sure" | "ok" | "okay" | "fine" | "alright" | "ja" | "right"
    );
    // "Yes, just delete it" hedges nothing.
    if let [_, "just", "delete" | "remove" | "erase" | "do", rest @ ..] = words.as_slice()
        && agrees
        && matches!(rest, [] | ["it" | "that" | "them" | "this"] | ["that", "one"])
    {
        return Some(again(calls));
    }
    // "No, the bread": another one was meant.
    if !agrees && matches!(intents, [Intent::Correct(_)]) {
        return None;
    }
    let hinge = words.iter().position(|word| HINGES.contains(word));
    if let Some(found) = some_of_them(previous, &words, &calls, agrees) {
        return Some(found);
    }
    if !agrees {
        let doubts =
            words.iter().any(|word| matches!(*word, "maybe" | "perhaps" | "dunno" | "unsure" | "sure" | "know"));
        return (doubts && matches!(intents, [Intent::Unknown])).then(|| ask_again(calls));
    }
    let from = match hinge.filter(|at| *at > 0) {
        Some(at) => at,
        // "Yes, and make it urgent": what is to be deleted cannot also be changed.
        None => words
            .iter()
            .position(|word| matches!(*word, "and" | "then" | "also"))
            .filter(|at| changes_it(scene, utterance, at + 1))?,
    };
    Some(done_instead(scene, utterance, from, calls))
}

fn ask_again(calls: Vec<(&str, Map<String, Value>)>) -> Vec<Intent> {
    let unconfirmed = calls.into_iter().map(|(name, mut arguments)| {
        arguments.remove("asked");
        arguments.remove("confirmed");
        if name == "undo" {
            arguments.remove("id");
            arguments.insert("confirmed".into(), Value::Bool(false));
        }
        (name, arguments)
    });
    again(unconfirmed.collect())
}

/// Whether the words from here on change the task that was asked about.
fn changes_it(scene: &Scene<'_>, utterance: &Utterance, from: usize) -> bool {
    let about_it = |target: &Target| matches!(target, Target::It | Target::Them);
    parse::parse(&utterance.starting_at(from), scene.known()).iter().any(|intent| match intent {
        Intent::SetDue(target, _)
        | Intent::SetPriority(target, _)
        | Intent::Shift(target, _)
        | Intent::Rename(target, _)
        | Intent::Reopen(target) => about_it(target),
        Intent::Complete(targets) => targets.iter().any(about_it),
        _ => false,
    })
}

/// "Yes, but make it urgent instead": that is done, and nothing else. What is not understood is asked about again.
fn done_instead(
    scene: &Scene<'_>,
    utterance: &Utterance,
    hinge: usize,
    calls: Vec<(&str, Map<String, Value>)>,
) -> Vec<Intent> {
    let linking = |word: &&str| {
        matches!(
            *word,
            "but" | "and" | "then" | "also" | "rather" | "instead" | "only" | "just" | "first" | "please" | "wait"
        )
    };
    let words = norms(&utterance.words);
    let start = hinge + words[hinge..].iter().take_while(|word| linking(word)).count();
    let is_first = words[hinge..].contains(&"first");
    let more = parse::parse(&utterance.starting_at(start), scene.known());
    let more: Vec<Intent> = match more.as_slice() {
        [Intent::Date(due)] => vec![Intent::SetDue(Target::It, Some(*due))],
        _ => more,
    };
    if start >= words.len() || more.is_empty() || !more.iter().all(Intent::is_command) {
        return ask_again(calls);
    }
    let mut intents = vec![Intent::Stays];
    intents.extend(more);
    if is_first {
        // First that, and then what was asked: which is asked again, because it is not the same any more.
        intents.remove(0);
        intents.extend(ask_again(calls));
    }
    intents
}

/// "Only the milk", "yes, but not the bread": of several that were asked about.
fn some_of_them<'a>(
    previous: &Turn<'a>,
    words: &[&str],
    calls: &[(&'a str, Map<String, Value>)],
    agrees: bool,
) -> Option<Vec<Intent>> {
    let asked: Vec<TaskView<'a>> = previous
        .calls
        .iter()
        .filter(|called| called.status() == "needs_confirmation")
        .filter_map(|called| called.task())
        .collect();
    if asked.len() < 2 || asked.len() != calls.len() {
        return None;
    }
    let sparing = words.iter().any(|word| matches!(*word, "not" | "except" | "keep" | "without"));
    let only = words.iter().any(|word| matches!(*word, "only" | "just"));
    if !sparing && !only {
        return None;
    }
    let small = |word: &&str| {
        !matches!(
            *word,
            "only"
                | "just"
                | "but"
                | "not"
                | "except"
                | "keep"
                | "without"
                | "yes"
                | "yeah"
                | "sure"
                | "okay"
                | "ok"
                | "please"
                | "for"
                | "delete"
        )
    };
    let named: Vec<&str> = words.iter().copied().filter(small).collect();
    let meant = best_fit(&named, &asked);
    let [meant] = meant.as_slice() else { return None };
    let chosen = asked.iter().zip(calls).filter(|(task, _)| (task.id == meant.id) != sparing);
    let chosen: Vec<(&str, Map<String, Value>)> = chosen.map(|(_, call)| call.clone()).collect();
    // "Only the milk" says what is to go; "not the bread" alone says only what is to stay.
    Some(if only && !sparing || agrees { again(chosen) } else { ask_again(chosen) })
}

/// "No, Eva": a no, and a name of few words.
pub(crate) fn says_no_but(utterance: &Utterance) -> bool {
    let words = &utterance.words;
    matches!(words[0].norm.as_str(), "no" | "nope") && words[0].pauses() && (2..=5).contains(&words.len())
}

/// The call again, about the task of another name.
pub(crate) fn again_by_name(calls: Vec<(&str, Map<String, Value>)>, words: &[Word]) -> Option<Intent> {
    let (name, mut arguments) = calls.into_iter().next()?;
    for key in ["id", "confirmed", "anyway"] {
        arguments.remove(key);
    }
    arguments.insert("title".into(), title(words).into());
    Some(Intent::Again(name.to_owned(), arguments))
}

/// Whether a yes repeats the name of the one task that was asked about.
fn names_what_was_asked(scene: &Scene<'_>, utterance: &Utterance) -> bool {
    let words = norms(&utterance.words);
    let [yes, named @ ..] = words.as_slice() else { return false };
    let agrees = matches!(*yes, "yes" | "yeah" | "yep" | "yup" | "sure") && (1..=4).contains(&named.len());
    let asked = question_turn(scene).and_then(|turn| {
        turn.calls.iter().find(|called| called.status() == "needs_confirmation").and_then(Called::task)
    });
    agrees && asked.is_some_and(|task| named.iter().all(|word| titles::fit(&[word], task.title) > 0.0))
}

/// "Yes, all of them", "yes, everything".
fn means_all(utterance: &Utterance) -> bool {
    matches!(
        norms(&utterance.words).as_slice(),
        ["yes" | "yeah" | "yep" | "sure", "all" | "everything" | "both"]
            | ["yes" | "yeah" | "yep" | "sure", "all", "of", "them" | "it"]
            | ["yes" | "yeah" | "yep" | "sure", "the", "whole", "list" | "lot"]
    )
}

/// Whether a yes says once more what was asked about: the name of the one task, or that all are meant.
pub(crate) fn repeats_the_question(
    scene: &Scene<'_>,
    utterance: &Utterance,
    calls: &[(&str, Map<String, Value>)],
) -> bool {
    let of_all = calls.iter().all(|(_, arguments)| arguments.contains_key("scope"));
    calls.len() == 1 && names_what_was_asked(scene, utterance) || of_all && means_all(utterance)
}
