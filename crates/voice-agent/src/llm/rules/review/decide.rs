//! What a caller decides about the task that the review asks about.

use serde_json::{Map, Value};

use super::super::act::{Scene, due_arguments};
use super::super::dates;
use super::super::dialogue::TaskView;
use super::super::normalise::{Word, normalise, norms};
use super::super::parse::{self, Intent, Target};
use super::understood;

/// What the caller decided about a task.
#[derive(Debug, PartialEq)]
pub(super) enum Decision {
    /// It stays as it is.
    Keep,
    /// No more of the review.
    Stop,
    /// A tool is to be called.
    Call(&'static str, Map<String, Value>),
    /// It is done, and so is the next.
    DoneWithNext,
    /// It was not about this task.
    Other,
}

/// The task stays as it is.
const KEEP: &[&str] = &[
    "keep",
    "keep it",
    "yes keep it",
    "keep that",
    "keep this",
    "yes",
    "yeah",
    "yep",
    "leave it",
    "leave it as it is",
    "leave it as is",
    "leave as is",
    "leave that",
    "next",
    "next one",
    "the next one",
    "skip",
    "skip it",
    "skip that",
    "skip this one",
    "pass",
    "fine",
    "that's fine",
    "ok",
    "okay",
    "still open",
    "not yet",
    "no",
    "no not yet",
    "nope",
    "no keep it",
    "it stays",
    "stays",
    "as is",
    "leave it open",
    "keep it open",
    "keep that one",
    "move on",
    "go on",
    "continue",
    "sure",
    "later",
    "no change",
    "nothing",
    "keep it as it is",
    "it's fine",
    "still to do",
    "no leave it",
    "sip",
    "keep this one",
    "not done",
    "not done yet",
    "it's not done",
    "no it's not done",
    "deep it",
    "heap it",
];

/// No more of the review.
const STOP: &[&str] = &[
    "that's enough",
    "enough",
    "stop",
    "stop it",
    "stop the review",
    "stop reviewing",
    "stop reviewing now",
    "stop going through them",
    "stop this",
    "stop now",
    "let's leave it there",
    "let's leave it at that",
    "leave it there",
    "i'll stop here",
    "that's it for now",
    "that's all for now",
    "that's enough reviewing",
    "no more reviewing",
    "end it here",
    "stop please",
    "please stop",
    "can we stop",
    "can we stop here",
    "out",
    "get me out",
    "get me out of here",
    "i want out",
    "back to the list",
    "back to my list",
    "that's all",
    "that's it",
    "i'm done",
    "we're done",
    "quit",
    "exit",
    "cancel",
    "end",
    "end review",
    "end the review",
    "finish the review",
    "no more",
    "that's enough for now",
    "enough for today",
    "that's enough for today",
    "stop here",
    "let's stop",
    "let's stop here",
    "go back",
    "never mind",
    "that's enough thanks",
    "that's enough thank you",
    "that will do",
    "that'll do",
    "i've had enough",
    "thank you that's enough",
    "thanks that's enough",
    "back",
    "that is enough",
    "enough now",
];

/// Words in front of a wish to stop.
const WISHES: [&str; 9] = [
    "i want to ",
    "i'd like to ",
    "i would like to ",
    "can we ",
    "could we ",
    "let's ",
    "we can ",
    "i think we should ",
    "i need to ",
];

/// The task is done.
const DONE: &[&str] = &[
    "done",
    "it's done",
    "that's done",
    "yes it's done",
    "yes done",
    "it is done",
    "finished",
    "i've done it",
    "i did it",
    "i did that",
    "i've done that",
    "complete",
    "completed",
    "mark it done",
    "mark it as done",
    "that one's done",
    "i finished it",
    "i finished that",
    "already done",
    "it's finished",
    "done already",
    "check",
    "cross it off",
    "did it",
    "yes i did",
    "i did",
    "that is done",
    "mark that as done",
    "complete it",
    "yes i did that",
    "yes i've done it",
    "dun",
    "that's finished",
    "it's already done",
    "i've already done it",
    "i've already done that",
    "mark as done",
    "check it off",
    "tick it off",
    "done and dusted",
    "all done",
    "that one's done already",
    "that one is done",
    "been there done that",
];

/// The task is not needed any more.
const DELETE: &[&str] = &[
    "delete",
    "remove",
    "drop",
    "drop it",
    "throw it away",
    "get rid of it",
    "delete this",
    "delete this one",
    "not needed",
    "not needed anymore",
    "don't need it",
    "i don't need it anymore",
    "i don't need that anymore",
];

/// Words in front of a date that say nothing more than it does.
const BEFORE_A_DATE: &[&str] = &[
    "no", "not", "yet", "move", "it", "yes", "let's", "say", "do", "make", "push", "postpone", "that", "i'll", "put",
    "off", "one", "maybe", "rather", "but", "leave", "keep", "still", "open", "more", "like", "better", "done", "i",
    "will",
];

/// What was decided about this task.
pub(super) fn decide(scene: &Scene<'_>, task: TaskView<'_>, user: &str) -> Decision {
    let utterance = normalise(user, scene.known().now);
    let text = utterance.text.trim_start_matches("okay ").trim_start_matches("ok ").trim_end_matches(" please");
    let key = || Map::from_iter([("id".to_owned(), task.id.clone())]);
    let with = |name: &str, value: Value| {
        let mut arguments = key();
        arguments.insert(name.to_owned(), value);
        arguments
    };
    let led = without_lead(text);
    if KEEP.contains(&text) || KEEP.contains(&led) {
        return Decision::Keep;
    }
    // "Stop, that'll do": twice the same.
    let parts: Vec<String> = utterance
        .words
        .split_inclusive(Word::pauses)
        .map(|part| norms(part).join(" "))
        .filter(|part| !matches!(part.as_str(), "okay" | "ok" | "please"))
        .map(|part| part.trim_start_matches("okay ").trim_start_matches("ok ").to_owned())
        .collect();
    let wished = WISHES.iter().find_map(|wish| led.strip_prefix(wish)).unwrap_or(led);
    if STOP.contains(&text)
        || STOP.contains(&wished)
        || !parts.is_empty() && parts.iter().all(|part| STOP.contains(&part.as_str()))
    {
        return Decision::Stop;
    }
    if DONE.contains(&text) || DONE.contains(&led) {
        return Decision::Call("complete_task", key());
    }
    let needless = [
        "not needed any more",
        "not needed anymore",
        "no longer needed",
        "don't need it any more",
        "don't need that any more",
    ];
    if DELETE.contains(&text) || needless.iter().any(|end| text.ends_with(end)) {
        return Decision::Call("delete_task", key());
    }
    let told = [
        " and the next one too",
        " and the next one as well",
        " and so is the next one",
        " and the next too",
        " and the next one",
    ];
    if told.iter().any(|end| text.strip_suffix(end).is_some_and(|rest| DONE.contains(&rest))) {
        return Decision::DoneWithNext;
    }
    let words: Vec<&str> = text.split(' ').skip_while(|word| BEFORE_A_DATE.contains(word)).collect();
    // "Not today, on Thursday": what counts stands behind the pause.
    let pause =
        utterance.words.iter().position(Word::pauses).filter(|_| matches!(text.split(' ').next(), Some("not" | "no")));
    let behind = pause.map(|at| norms(&utterance.words[at + 1..]));
    let due = dates::parse(&words, scene.known().now)
        .or_else(|| behind.and_then(|words| dates::parse(&words, scene.known().now)));
    if let Some(due) = due {
        let mut arguments = key();
        arguments.extend(due_arguments(Some(due)));
        return Decision::Call("set_due", arguments);
    }
    if let Some(priority) = parse::find_priority(&words) {
        return Decision::Call("set_priority", with("priority", priority.as_str().into()));
    }
    about_it(&understood(scene, user), key)
}

/// Without what only leads to an answer: "fine, keep it".
fn without_lead(text: &str) -> &str {
    const LEADS: [&str; 15] = [
        "fine", "okay", "ok", "well", "yes", "yeah", "just", "oh", "right", "alright", "um", "hmm", "good", "please",
        "now",
    ];
    let mut rest = text;
    while let Some((_, tail)) = rest.split_once(' ').filter(|(first, _)| LEADS.contains(first)) {
        rest = tail;
    }
    rest
}

/// Commands about "it" mean the task that was asked about.
fn about_it(intent: &Intent, key: impl Fn() -> Map<String, Value>) -> Decision {
    let with = |name: &str, value: Value| {
        let mut arguments = key();
        arguments.insert(name.to_owned(), value);
        arguments
    };
    match intent {
        Intent::Complete(targets) if targets.as_slice() == [Target::It] => Decision::Call("complete_task", key()),
        Intent::Delete(targets) if targets.as_slice() == [Target::It] => Decision::Call("delete_task", key()),
        Intent::SetDue(Target::It, due) => {
            let mut arguments = key();
            arguments.extend(due_arguments(*due));
            Decision::Call("set_due", arguments)
        }
        Intent::Shift(Target::It, shift) => {
            let (name, amount) = shift.argument();
            Decision::Call("set_due", with(name, amount.into()))
        }
        Intent::SetPriority(Target::It, priority) => {
            Decision::Call("set_priority", with("priority", priority.as_str().into()))
        }
        Intent::Rename(Target::It, new) => Decision::Call("rename_task", with("new_title", new.as_str().into())),
        _ => Decision::Other,
    }
}
