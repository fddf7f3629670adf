//! Answers: what "yes", "the second one", "Friday" or "no, I meant …" refers to, found in the turns before.

use serde_json::{Map, Value};
use voice_core::chat::ToolCall;

use super::act::Scene;
use super::apart;
use super::asking::{ASK_TITLE, answer_which};
use super::context;
use super::correct::{correct, other_than};
use super::dates;
use super::dialogue::{self, Called, Pending, TaskView, Turn};
use super::hedge;
use super::locate::choose;
use super::more;
use super::normalise::{Utterance, Word, norms, title};
use super::offer::answer_offer;
use super::parse::{self, Intent, Missing, Pick, Target};
use super::titles;

/// Replaces answers by the commands that they stand for.
pub(crate) fn resolve(scene: &Scene<'_>, utterance: &Utterance, intents: Vec<Intent>) -> Vec<Intent> {
    let Some(previous) = question_turn(scene) else {
        return intents;
    };
    if let Some(found) = hedge::hedged(scene, previous, utterance, &intents) {
        return found;
    }
    let intents = if dialogue::pending(previous).is_none() {
        context::settled(scene, previous, utterance, intents)
    } else {
        intents
    };
    if let Some(found) = yes_and(scene, previous, utterance) {
        return found;
    }
    let intents = the_other(scene, previous, intents);
    let [intent] = intents.as_slice() else { return intents };
    if let Some(asked) = more::other_priority(previous, utterance, intent) {
        return vec![asked];
    }
    if let Some(found) = open_question(scene, previous, utterance, intent) {
        return found;
    }
    if let Intent::Correct(words) = intent {
        // "Sorry, I meant, the skis are waxed": there was nothing to correct, and it is a command of its own.
        let anew = || {
            let more = parse::parse(&Utterance::new(words.clone()), scene.known());
            more.iter().all(Intent::is_command).then_some(more)
        };
        // "Not so important, make it normal": what is asked for points at what it is about.
        let pointed = anew().filter(|more| more.iter().all(points_at_it));
        return pointed.or_else(|| correct(scene, previous, words)).or_else(anew).unwrap_or(intents);
    }
    if let (Intent::Pick(picks), Some(change)) = (intent, dialogue::last_change(previous))
        && picks.as_slice() == [Pick::Other]
        && let Some(other) = other_than(scene, &change, &[])
    {
        return vec![again_by_title(&change, &other)];
    }
    if let Some(next) = apart::neighbouring_day(scene, previous, utterance) {
        return vec![next];
    }
    if let Some(asked) = more::asked_of_a_day(scene, utterance, intent) {
        return vec![asked];
    }
    if let (Intent::Date(due), Some(change)) = (intent, dialogue::last_change(previous))
        && change.call.name != "delete_task"
    {
        let due = apart::in_its_month(scene, &change, *due, utterance);
        return vec![Intent::SetDue(Target::It, Some(due))];
    }
    if let Intent::Date(due) = intent
        && apart::told_of_one(scene, previous, utterance)
    {
        return vec![Intent::SetDue(Target::It, Some(*due))];
    }
    if let (Intent::Date(due), Some(listed)) = (intent, previous.calls.last())
        && listed.call.name == "list_tasks"
        && !listed.call.arguments.contains_key("query")
        && due.day_said
    {
        return vec![another_day(listed, *due)];
    }
    intents
}

/// "The other one should say …": of two tasks, the one that was not changed.
fn the_other(scene: &Scene<'_>, previous: &Turn<'_>, mut intents: Vec<Intent>) -> Vec<Intent> {
    let Some(changed) = dialogue::last_change(previous).and_then(|change| change.task()) else { return intents };
    let others: Vec<&String> = scene.request.titles.iter().filter(|title| *title != changed.title).collect();
    let [only] = others.as_slice() else { return intents };
    if dialogue::counted(scene.history()).len() > 1 {
        return intents;
    }
    for intent in &mut intents {
        if let Intent::Rename(target, _)
        | Intent::SetDue(target, _)
        | Intent::SetPriority(target, _)
        | Intent::Shift(target, _) = intent
            && *target == Target::Picked(vec![Pick::Other])
        {
            *target = Target::Title((*only).clone());
        }
    }
    intents
}

/// Whether a command changes what was spoken of last, and says what it becomes.
fn points_at_it(intent: &Intent) -> bool {
    matches!(
        intent,
        Intent::SetPriority(Target::It, _) | Intent::SetDue(Target::It, Some(_)) | Intent::Shift(Target::It, _)
    )
}

/// "And on Thursday?": the same list for another day.
pub(crate) fn another_day(listed: &Called<'_>, due: dates::Due) -> Intent {
    let mut arguments = listed.call.arguments.clone();
    arguments.insert("due".into(), due.date.to_string().into());
    arguments.insert("limit".into(), dialogue::ASKED.into());
    arguments.remove("offset");
    Intent::Again("list_tasks".into(), arguments)
}

/// "Yes, and also delete the milk": an answer, and commands behind it.
fn yes_and(scene: &Scene<'_>, previous: &Turn<'_>, utterance: &Utterance) -> Option<Vec<Intent>> {
    let words = &utterance.words;
    let yes = |length: usize| {
        let answered = Utterance::new(words[..length].to_vec());
        let intent = parse::parse_one(&answered, scene.known());
        // "Yes, delete it …", "add it anyway …"
        let repeated =
            matches!(&intent, Intent::Delete(targets) if matches!(targets.as_slice(), [Target::It | Target::Them]));
        (repeated || matches!(intent, Intent::Yes | Intent::AddThat(None))).then_some((length, answered, intent))
    };
    let (length, answered, intent) = (1..words.len().min(6)).rev().find_map(yes)?;
    let joining = |word: &&Word| matches!(word.norm.as_str(), "and" | "also" | "then" | "but" | "plus" | "please");
    let joined = words[length..].iter().take_while(joining).count();
    let rest = utterance.starting_at(length + joined);
    // "Okay, delete the milk" goes on to something else; "yes, delete the milk" may repeat what was asked.
    let plain = matches!(words[0].norm.as_str(), "yes" | "yeah" | "yep" | "yup" | "sure");
    let confirms = matches!(dialogue::pending(previous), Some(Pending::Confirm(_)));
    if rest.is_empty() || (joined == 0 && (confirms || !plain)) {
        return None;
    }
    let more = parse::parse(&rest, scene.known());
    if !more.iter().all(|intent| intent.is_command() || (joined > 0 && matches!(intent, Intent::Offer(_)))) {
        return None;
    }
    let mut intents = open_question(scene, previous, &answered, &intent)?;
    // What is named behind the yes to an added task is to be added too.
    let adds = intents.iter().any(|intent| matches!(intent, Intent::Add(_)));
    intents.extend(more.into_iter().map(|intent| match intent {
        Intent::Offer(tasks) if adds => Intent::Add(tasks),
        other => other,
    }));
    Some(parse::chain(intents))
}

/// The turn whose question may be open: the one before, or the one before that if it only repeated or hesitated.
pub(crate) fn question_turn<'a>(scene: &Scene<'a>) -> Option<&'a Turn<'a>> {
    let history = scene.history();
    let mut turns = history.iter().rev();
    for _ in 0..3 {
        let turn = turns.next()?;
        if !turn.calls.is_empty() || turn.user.is_empty() {
            return Some(turn);
        }
        let (_, intents) = scene.understand(turn.user);
        // A "yes" that made us ask the same again leaves the question where it was, and one to what was done asks for nothing.
        let left_it = turn.reply == ASK_TITLE || !turn.reply.contains('?');
        let passing = left_it && matches!(intents.as_slice(), [Intent::Yes | Intent::Unsure])
            || matches!(
                intents.as_slice(),
                [Intent::Repeat | Intent::Hesitation | Intent::Talk(_) | Intent::Last | Intent::DateOf(_)]
            );
        if !passing {
            return Some(turn);
        }
    }
    None
}

fn open_question(
    scene: &Scene<'_>,
    previous: &Turn<'_>,
    utterance: &Utterance,
    intent: &Intent,
) -> Option<Vec<Intent>> {
    if let Some(pending) = dialogue::pending(previous) {
        return answer_pending(scene, pending, utterance, intent);
    }
    if !previous.calls.is_empty() || !previous.reply.contains('?') {
        return None;
    }
    // We asked in words only: what for, is found by understanding the caller's words again.
    match asked_about(scene, previous).as_slice() {
        [Intent::Offer(tasks)] => answer_offer(tasks, scene, utterance, intent),
        [Intent::Incomplete(missing, inner)] => {
            let filled = answer_missing(scene, *missing, inner, utterance, intent)?;
            Some(filled.into_iter().map(|intent| due_as_asked(scene, previous, intent)).collect())
        }
        [asked] => answer_which(scene, asked, utterance, intent),
        _ => None,
    }
}

/// Most turns that are understood again to know what was asked.
const MOST_AGAIN: usize = 4;

/// What the words came to that we answered with a question: understood as they were then, since they may have answered one
/// themselves.
pub(crate) fn asked_about(scene: &Scene<'_>, previous: &Turn<'_>) -> Vec<Intent> {
    let history = scene.history();
    let at = history.iter().rposition(|turn| std::ptr::eq(turn, previous)).unwrap_or(0);
    let turns = history.get(at.saturating_sub(MOST_AGAIN - 1)..=at).unwrap_or_default();
    let then = Scene { turns, ..*scene };
    let (utterance, intents) = then.understand(previous.user);
    if turns.len() > 1 { resolve(&then, &utterance, intents) } else { intents }
}

/// "Remind me at five" … "to call mom": the date that was said before the title.
fn due_as_asked(scene: &Scene<'_>, previous: &Turn<'_>, intent: Intent) -> Intent {
    let Intent::Add(tasks) = intent else { return intent };
    let (said, _) = scene.understand(previous.user);
    let due = dates::find_trailing(&norms(&said.words), scene.known().now).map(|(_, due)| due);
    Intent::Add(tasks.into_iter().map(|task| parse::NewTask { due: task.due.or(due), ..task }).collect())
}

fn answer_pending(
    scene: &Scene<'_>,
    pending: Pending<'_>,
    utterance: &Utterance,
    intent: &Intent,
) -> Option<Vec<Intent>> {
    match pending {
        Pending::Confirm(calls) => match intent {
            Intent::Yes => Some(again(calls)),
            _ if hedge::agrees(scene, utterance) => Some(again(calls)),
            // "Yes, both of them."
            Intent::Pick(picks) if picks.as_slice() == [Pick::Both] && calls.len() == 2 => Some(again(calls)),
            Intent::More if matches!(utterance.words[0].norm.as_str(), "yes" | "yep" | "yeah" | "ok" | "okay") => {
                Some(again(calls))
            }
            Intent::Delete(targets)
                if matches!(targets.as_slice(), [Target::It | Target::Them]) && calls[0].0 == "delete_task" =>
            {
                Some(again(calls))
            }
            // "Yes, delete everything."
            Intent::DeleteScope(scope, kept)
                if kept.is_empty()
                    && calls.iter().all(|(name, arguments)| {
                        *name == "delete_task" && arguments.get("scope").and_then(Value::as_str) == Some(*scope)
                    })
                    && matches!(utterance.words[0].norm.as_str(), "yes" | "yeah" | "yep" | "sure" | "delete") =>
            {
                Some(again(calls))
            }
            // "Undo that" to "shall I take that back?" is a yes; to "shall I really delete it?" it is a no.
            Intent::Undo | Intent::UndoSome(_) | Intent::SoundsLikeUndo => {
                Some(if calls[0].0 == "undo" { again(calls) } else { vec![Intent::Kept] })
            }
            // "Add it anyway", "add another one".
            Intent::AddThat(_) if calls[0].0 == "add_task" => Some(again(calls)),
            Intent::Incomplete(Missing::Title, inner)
                if calls[0].0 == "add_task" && matches!(**inner, Intent::Add(_)) =>
            {
                Some(again(calls))
            }
            Intent::No | Intent::Cancel => Some(vec![Intent::Kept]),
            // "No, Eva": likewise.
            Intent::Unknown if calls.len() == 1 && calls[0].0 == "delete_task" && hedge::says_no_but(utterance) => {
                Some(vec![hedge::again_by_name(calls, &utterance.words[1..])?])
            }
            // "Yes, Eva", "yes, all of them".
            _ if hedge::repeats_the_question(scene, utterance, &calls) => Some(again(calls)),
            // Another one was meant: ask about that one.
            Intent::Correct(words) if calls.len() == 1 => Some(vec![hedge::again_by_name(calls, words)?]),
            _ => None,
        },
        Pending::Choose { call, among, query } => {
            let chosen = chosen(&among, utterance, intent);
            if !chosen.is_empty() {
                if call.arguments.contains_key("except") {
                    return Some(vec![again_sparing(call, query, &chosen)]);
                }
                return Some(chosen.iter().map(|task| again_with(&call.name, &call.arguments, task)).collect());
            }
            match intent {
                Intent::No | Intent::Cancel => Some(vec![Intent::Kept]),
                _ => None,
            }
        }
        Pending::More { arguments } => match intent {
            Intent::Yes | Intent::More => Some(vec![Intent::Again("list_tasks".into(), arguments)]),
            Intent::No | Intent::Cancel => Some(vec![Intent::Enough]),
            _ => None,
        },
    }
}

pub(crate) fn again(calls: Vec<(&str, Map<String, Value>)>) -> Vec<Intent> {
    calls.into_iter().map(|(name, arguments)| Intent::Again(name.to_owned(), arguments)).collect()
}

/// The same call again, for one task.
pub(crate) fn again_with(name: &str, arguments: &Map<String, Value>, task: &TaskView<'_>) -> Intent {
    let mut arguments = arguments.clone();
    arguments.remove("title");
    arguments.remove("all");
    // What was agreed to for one task says nothing of another.
    arguments.remove("confirmed");
    arguments.insert("id".into(), task.id.clone());
    Intent::Again(name.to_owned(), arguments)
}

/// The same call again, with the tasks to keep in the place of the words that were not clear.
fn again_sparing(call: &ToolCall, query: Option<&str>, chosen: &[TaskView<'_>]) -> Intent {
    let mut arguments = call.arguments.clone();
    if let Some(Value::Array(names)) = arguments.get_mut("except") {
        names.retain(|name| name.as_str() != query);
        names.extend(chosen.iter().map(|task| task.id.clone()));
    }
    Intent::Again(call.name.clone(), arguments)
}

/// Which of the offered tasks an answer means.
fn chosen<'a>(among: &[TaskView<'a>], utterance: &Utterance, intent: &Intent) -> Vec<TaskView<'a>> {
    match intent {
        Intent::Yes => match among {
            [only] => return vec![*only],
            // "Yes" to "which one" answers nothing.
            _ => return Vec::new(),
        },
        Intent::Pick(picks) => return choose(picks, among),
        _ => {}
    }
    let said: Vec<&str> = match intent {
        Intent::Correct(words) => norms(words),
        intent if intent.is_command() => return Vec::new(),
        _ => norms(&utterance.words),
    };
    best_fit(&said, among)
}

/// The one task among these that the words fit better than all others.
pub(crate) fn best_fit<'a>(said: &[&str], among: &[TaskView<'a>]) -> Vec<TaskView<'a>> {
    // "Friday" may mean the one that is due on Friday; that is left to the title's words alone.
    let words: Vec<&str> = said
        .iter()
        .copied()
        .filter(|word| {
            !matches!(*word, "the" | "one" | "task" | "with" | "about" | "i" | "mean" | "meant" | "no" | "yes")
        })
        .collect();
    if words.is_empty() {
        return Vec::new();
    }
    let mut scored: Vec<(f64, &TaskView<'a>)> =
        among.iter().map(|task| (titles::fit(&words, task.title), task)).collect();
    scored.sort_by(|a, b| b.0.total_cmp(&a.0));
    match scored.as_slice() {
        [(first, task), (second, _), ..] if *first >= 0.5 && first > second => vec![**task],
        [(first, task)] if *first >= 0.5 => vec![**task],
        [(first, _), ..] if *first >= 0.99 => {
            // Several fit wholly: the one with nothing more in its title, or the only one that has these very words, and not
            // only some that sound like them.
            let exact = |task: &&(f64, &TaskView<'a>)| task.1.title.to_lowercase() == words.join(" ");
            let literal: Vec<TaskView<'a>> =
                scored.iter().map(|(_, task)| **task).filter(|task| titles::has_words(&words, task.title)).collect();
            match scored.iter().find(exact) {
                Some((_, task)) => vec![**task],
                None => Some(literal).filter(|literal| literal.len() == 1).unwrap_or_default(),
            }
        }
        _ => Vec::new(),
    }
}

fn answer_missing(
    scene: &Scene<'_>,
    missing: Missing,
    inner: &Intent,
    utterance: &Utterance,
    intent: &Intent,
) -> Option<Vec<Intent>> {
    if matches!(intent, Intent::No | Intent::Cancel) {
        return Some(vec![Intent::Enough]);
    }
    if matches!(intent, Intent::Hesitation | Intent::Repeat | Intent::Goodbye | Intent::Undo | Intent::Talk(_)) {
        return None;
    }
    if let Some(dated) = hedged_date(scene, missing, inner, utterance) {
        return Some(vec![dated]);
    }
    // "Yes" names no task.
    if matches!(intent, Intent::Yes | Intent::Unsure) && (missing != Missing::Title || !matches!(inner, Intent::Add(_)))
    {
        return None;
    }
    let words = &utterance.words;
    let filled = match (missing, inner) {
        (Missing::Title, Intent::Add(_)) => match intent {
            // "Add a task" … "add a task to buy milk": the caller began again.
            Intent::Add(_) | Intent::Incomplete(..) | Intent::List(_) | Intent::Count(_) | Intent::Review => {
                return None;
            }
            // "Yes" names nothing: asked again.
            Intent::Yes | Intent::Unsure => Intent::Incomplete(missing, Box::new(inner.clone())),
            _ => Intent::Add(parse::new_tasks(without_yes(words), false, scene.known())),
        },
        (Missing::Title, Intent::Delete(_)) if !intent.is_command() => Intent::Delete(vec![parse::target(words)?]),
        (Missing::Title, Intent::Complete(_)) if !intent.is_command() => Intent::Complete(vec![parse::target(words)?]),
        (Missing::Title, Intent::Reopen(_)) if !intent.is_command() => Intent::Reopen(parse::target(words)?),
        (Missing::Date, Intent::Add(tasks)) => {
            let due = match intent {
                Intent::Date(due) => Some(*due),
                _ => any_date(scene, words),
            };
            due?;
            Intent::Add(tasks.iter().map(|task| parse::NewTask { due: task.due.or(due), ..task.clone() }).collect())
        }
        (Missing::Date, Intent::SetDue(target, _)) => {
            let due = match intent {
                Intent::Date(due) | Intent::SetDue(Target::It, Some(due)) => *due,
                intent if intent.is_command() => dates::parse(&norms(words), scene.known().now)?,
                _ => dates::parse(&norms(words), scene.known().now).or_else(|| any_date(scene, words))?,
            };
            Intent::SetDue(target.clone(), Some(due))
        }
        (Missing::NewTitle, Intent::Rename(target, _)) if !matches!(intent, Intent::List(_)) => {
            let new = match intent {
                Intent::Rename(Target::It, new) => new.clone(),
                _ => title(without_link(words)),
            };
            Intent::Rename(target.clone(), new)
        }
        (Missing::Priority, Intent::SetPriority(target, _)) => {
            Intent::SetPriority(target.clone(), parse::find_priority(&norms(words))?)
        }
        _ => return None,
    };
    Some(vec![filled])
}

/// "Tomorrow maybe", to when it shall be moved.
fn hedged_date(scene: &Scene<'_>, missing: Missing, inner: &Intent, utterance: &Utterance) -> Option<Intent> {
    let (Missing::Date, Intent::SetDue(target, _)) = (missing, inner) else { return None };
    let hedges = |word: &&&str| matches!(**word, "maybe" | "perhaps" | "probably" | "possibly");
    let norm = norms(&utterance.words);
    let plain: Vec<&str> = norm.iter().filter(|word| !hedges(word)).copied().collect();
    let due = dates::parse(&plain, scene.known().now).filter(|_| plain.len() < norm.len())?;
    Some(Intent::SetDue(target.clone(), Some(due)))
}

/// The date in "let's say half past one".
fn any_date(scene: &Scene<'_>, words: &[Word]) -> Option<dates::Due> {
    let norm = norms(words);
    let hour = |at: usize| dates::parse(&[&["at"], &norm[at..]].concat(), scene.known().now);
    (0..norm.len()).find_map(|at| dates::parse(&norm[at..], scene.known().now).or_else(|| hour(at)))
}

/// Without the "yes" of "ah yes, renew the insurance".
fn without_yes(words: &[Word]) -> &[Word] {
    match words {
        [first, rest @ ..]
            if !rest.is_empty()
                && first.pauses()
                && matches!(first.norm.as_str(), "yes" | "yeah" | "ok" | "okay" | "oh" | "right") =>
        {
            rest
        }
        _ => words,
    }
}

/// Without the "to" of "to oat milk", which belongs to the question.
fn without_link(words: &[Word]) -> &[Word] {
    match words {
        [first, rest @ ..]
            if !rest.is_empty()
                && !first.quoted
                && matches!(first.norm.as_str(), "to" | "into" | "as" | "two" | "too") =>
        {
            rest
        }
        _ => words,
    }
}

pub(crate) fn again_by_title(called: &Called<'_>, named: &str) -> Intent {
    let mut arguments = called.call.arguments.clone();
    arguments.remove("id");
    arguments.remove("confirmed");
    arguments.insert("title".into(), named.into());
    Intent::Again(called.call.name.clone(), arguments)
}
