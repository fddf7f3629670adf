//! Everything that is said without a tool: small talk, help, and what was not understood.

use super::super::act::Scene;
use super::super::dates;
use super::super::dialogue::{self, Turn};
use super::super::normalise::{Utterance, shortened, title};
use super::super::parse::{Doing, Talk};
use super::{OPENING, join, spoken};

/// How the replies to what was not understood begin; by these the next one knows that it is not the first.
const LOST: [&str; 4] = ["I heard", "I still don't get", "Let's try it differently", "Sorry, I didn't get"];

/// A sentence in answer to small talk, and the way back to the tasks.
pub(crate) fn talk(talk: Talk, scene: &Scene<'_>) -> String {
    let now = &scene.request.now;
    match talk {
        Talk::Hello => "Hello! What can I do for you?".into(),
        Talk::Thanks => "You're welcome. Anything else?".into(),
        Talk::Help => help(scene),
        Talk::HowTo(doing) => how_to(doing).into(),
        Talk::HowAreYou => "I'm fine, thanks for asking. What's on your mind for your list?".into(),
        Talk::Feeling => "I hear you. Shall we look at your list? You can say, what's due today.".into(),
        Talk::Who => "I'm a voice assistant, a machine that keeps your task list. What shall I do for you?".into(),
        Talk::Recording => {
            "If you agreed to it, this call may be recorded. Say stop recording at any time, and it stops at once."
                .into()
        }
        Talk::Joke => "I only know one: a list with nothing on it. Shall we work on yours?".into(),
        Talk::Time => format!("It's {}. Anything for your list?", dates::speak_time(now.time())),
        Talk::Date => format!("Today is {}. Anything for your list?", now.strftime("%A, %B %-d")),
        Talk::Praise => "Glad to hear it. Anything else for your list?".into(),
        Talk::Sorry => {
            "I'm sorry about that. If I got something wrong, say undo that, or tell me again in other words.".into()
        }
        Talk::Apology => "No problem at all. What can I do for you?".into(),
        Talk::Love => "That's kind of you. Is there anything else for your list?".into(),
        Talk::Weather => "I can't look outside, I only keep your tasks. Shall I add something to your list?".into(),
        Talk::Wait => "Take your time, I'm here.".into(),
        Talk::AtIt => AT_IT.into(),
        Talk::Hearing => "Yes, I can hear you. What can I do for you?".into(),
        Talk::OffTopic => "That is beyond me, I only keep your tasks. You can ask, what's on my list?".into(),
    }
}

/// The answer to who is doing a task just now.
pub(crate) const AT_IT: &str = "Okay. Tell me when it's done.";

/// How the answer begins to who asks about the recording.
const RECORDING: &str = "If you agreed to it, this call may be recorded.";

/// Whether the caller has just been told about the recording.
pub(crate) fn told_of_recording(scene: &Scene<'_>) -> bool {
    scene.history().last().is_some_and(|turn| turn.calls.is_empty() && turn.reply.contains(RECORDING))
}

/// What to say to have something done.
const fn how_to(doing: Doing) -> &'static str {
    match doing {
        Doing::Add => {
            "Say, add a task to, and then what it is. A day, an hour or a priority can follow, as in, add call John by Friday."
        }
        Doing::List => "Say, what's on my list, or, what's due today.",
        Doing::Complete => "Say, I've done, and the task's name. Mark it as done works, too.",
        Doing::Reopen => "Say, reopen, and the task's name.",
        Doing::Due => "Say, move, and the task's name, and then to when, as in, move call John to Friday.",
        Doing::Priority => "Say the task's name and, is urgent. Or, make it low priority.",
        Doing::Rename => "Say, rename, the task's name, and then to what, as in, rename buy milk to buy oat milk.",
        Doing::Delete => "Say, delete, and the task's name. I ask once more before it goes.",
        Doing::Undo => "Say, undo that, and the last change is taken back.",
    }
}

fn help(scene: &Scene<'_>) -> String {
    let again = scene.history().last().is_some_and(|turn| turn.reply.starts_with("You can add"));
    if again {
        return "You can also say, move call John to Friday, make it urgent, rename it, delete it, or undo that. \
                Let's review my tasks goes through them one by one."
            .into();
    }
    "You can add, list, complete, move or delete tasks. Try, add a task to call John by Friday, \
     what's due today, or I've done call John."
        .into()
}

/// What was said last, again.
pub(crate) fn repeat(history: &[Turn<'_>]) -> String {
    let last = history.iter().rev().map(|turn| turn.reply.trim()).find(|reply| !reply.is_empty());
    let Some(last) = last else { return OPENING.into() };
    let last = last.strip_prefix("I said: ").unwrap_or(last);
    format!("I said: {last}")
}

/// Whether a reply says that nothing was understood, or asks which task is meant: nothing was done.
pub(crate) fn is_lost(reply: &str) -> bool {
    LOST.iter().any(|beginning| reply.starts_with(beginning))
}

/// About words between commands that were understood.
pub(crate) fn missed(words: &str) -> String {
    format!("I didn't get the part, {}.", shortened(words, 60))
}

/// Honest about what was not understood: what was heard, and what can be said; something else every time.
pub(crate) fn not_understood(scene: &Scene<'_>, utterance: &Utterance) -> String {
    let lost = scene.history().iter().rev().take_while(|turn| is_lost(&turn.reply)).count();
    let heard = shortened(&title(&utterance.words), 60);
    match lost % 3 {
        0 if heard.is_empty() => super::NOT_UNDERSTOOD_AT_ALL.into(),
        0 => format!("I heard: {heard}. I'm not sure what to do with that. You can say, add a task to, and then what it is."),
        1 => "I still don't get it, sorry. To hear your list, say, what's on my list. To mark something as done, say, I've done, \
              and the task's name."
            .into(),
        _ => "Let's try it differently: you can also type it in the text box, or say help for what I understand.".into(),
    }
}

/// A "yes" that answers no question: behind a task that was just added it is about that one.
pub(crate) fn agreed(scene: &Scene<'_>) -> String {
    let added = |turn: &Turn<'_>| dialogue::changes_of(turn).any(|called| called.call.name == "add_task");
    let focus =
        scene.history().last().filter(|turn| added(turn)).map(|turn| dialogue::focus(std::slice::from_ref(turn)));
    let titles: Vec<String> = focus.unwrap_or_default().iter().map(|task| spoken(task.title)).collect();
    match titles.as_slice() {
        [] => "Okay. What would you like to do?".to_owned(),
        [only] => format!("Okay, {only} is on your list."),
        several => format!("Okay, {} are on your list.", join(several, "and")),
    }
}
