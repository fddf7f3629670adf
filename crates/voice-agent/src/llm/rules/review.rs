//! The review agent: goes through the open tasks one by one, and hands the call back.
//!
//! Where the review stands is read from the conversation: the list that was read when it began, and what was decided
//! since.

use serde_json::{Map, json};

use super::act::{Scene, carry_out, object};
use super::answer::resolve;
use super::dates;
use super::dialogue::{Called, TaskView, Turn, last_change, pending};
use super::normalise::{Utterance, norms, title};
use super::parse::{self, Intent, Target};
use super::{Answer, LlmRequest, TASK_AGENT, reply};

/// Most tasks in one review: as many as a list call answers.
const MOST: usize = 100;

/// Where a review stands.
struct Progress<'a> {
    tasks: Vec<TaskView<'a>>,
    /// Which task is being asked about; `tasks.len()` at the end.
    at: usize,
}

/// What the caller decided about a task.
#[derive(Debug, PartialEq)]
enum Decision {
    Keep,
    Stop,
    Say(&'static str, Map<String, serde_json::Value>),
    Other,
}

/// The review agent's answer to the request.
pub(crate) fn answer(request: &LlmRequest, turns: &[Turn<'_>]) -> Answer {
    let scene = Scene { request, turns };
    let Some(current) = scene.current() else { return Answer::say(reply::OPENING) };
    let review = started_at(turns).map(|at| &turns[at..]);
    let Some(review) = review else { return begin() };
    if current
        .calls
        .iter()
        .any(|called| called.call.name == "transfer_to_agent" && called.argument("agent") == Some(TASK_AGENT))
    {
        return Answer::say(summary(review));
    }
    if !current.calls.is_empty() {
        return after_tools(&scene, review, current);
    }
    let progress = progress(&scene, &review[..review.len() - 1]);
    hear(&scene, &progress, current.user)
}

fn begin() -> Answer {
    Answer::call("list_tasks", object(json!({"status": "open", "limit": MOST})))
}

/// The turn in which the present review's list was read.
fn started_at(turns: &[Turn<'_>]) -> Option<usize> {
    turns.iter().rposition(|turn| {
        let transferred = turn
            .calls
            .iter()
            .any(|called| called.call.name == "transfer_to_agent" && called.argument("agent") != Some(TASK_AGENT));
        let whole = |called: &Called<'_>| {
            called.call.name == "list_tasks"
                && called.argument("status") == Some("open")
                && called.argument("due").is_none()
                && called.call.arguments.get("limit").and_then(serde_json::Value::as_u64) == Some(MOST as u64)
        };
        let listed = turn.calls.iter().any(whole);
        transferred && listed || (listed && !transferred)
    })
}

fn list_of<'a>(review: &[Turn<'a>]) -> Option<Called<'a>> {
    review
        .first()?
        .calls
        .iter()
        .rev()
        .find(|called| called.call.name == "list_tasks" && called.output.is_some())
        .copied()
}

/// Walks the decisions since the review began.
fn progress<'a>(scene: &Scene<'_>, review: &[Turn<'a>]) -> Progress<'a> {
    let tasks = list_of(review).map(|called| called.tasks("tasks")).unwrap_or_default();
    let mut at = 0;
    for (index, turn) in review.iter().enumerate().skip(1) {
        let Some(task) = tasks.get(at) else { break };
        let settled = turn.calls.iter().any(|called| settles(called, *task));
        let answered = turn.calls.is_empty() && !turn.reply.is_empty() && {
            let kept = decide(scene, *task, turn.user) == Decision::Keep;
            let spared = pending(&review[index - 1]).is_some()
                && matches!(understood(scene, turn.user), Intent::No | Intent::Cancel);
            kept || spared
        };
        if settled || answered {
            at += 1;
        } else if turn.calls.iter().any(|called| called.status() == "undone") {
            at = at.saturating_sub(1);
        }
    }
    Progress { tasks, at }
}

/// Whether a call decided about the task.
fn settles(called: &Called<'_>, task: TaskView<'_>) -> bool {
    let decided = matches!(called.call.name.as_str(), "complete_task" | "set_due" | "delete_task")
        && matches!(called.status(), "completed" | "updated" | "deleted" | "already");
    decided && called.task().is_some_and(|changed| changed.id == task.id)
}

fn understood(scene: &Scene<'_>, user: &str) -> Intent {
    let (_, intents) = scene.understand(user);
    intents.into_iter().next().unwrap_or(Intent::Unknown)
}

/// The answer to what the caller said about the task that was asked about.
fn hear(scene: &Scene<'_>, progress: &Progress<'_>, user: &str) -> Answer {
    let Some(task) = progress.tasks.get(progress.at) else { return hand_back() };
    let previous = scene.history().last();
    if let Some(previous) = previous
        && pending(previous).is_some()
    {
        let (utterance, intents) = scene.understand(user);
        let intents = resolve(scene, &utterance, intents);
        match intents.as_slice() {
            [Intent::Kept] => return next(scene, progress, "Okay, it stays."),
            [intent @ Intent::Again(..)] => return carry_out(scene, &utterance, intent),
            _ => {}
        }
    }
    match decide(scene, *task, user) {
        Decision::Keep => next(scene, progress, "Okay."),
        Decision::Stop => hand_back(),
        Decision::Say(name, arguments) => Answer::call(name, arguments),
        Decision::Other => other(scene, progress, user),
    }
}

fn hand_back() -> Answer {
    Answer::call("transfer_to_agent", object(json!({"agent": TASK_AGENT})))
}

/// What was decided about this task.
fn decide(scene: &Scene<'_>, task: TaskView<'_>, user: &str) -> Decision {
    let utterance = super::normalise::normalise(user, scene.known().now);
    let text =
        utterance.text.trim_start_matches("okay ").trim_start_matches("ok ").trim_end_matches(" please").to_owned();
    let words: Vec<&str> = text.split(' ').collect();
    let keep = matches!(
        text.as_str(),
        "keep"
            | "keep it"
            | "yes keep it"
            | "keep that"
            | "keep this"
            | "yes"
            | "yeah"
            | "yep"
            | "leave it"
            | "leave it as it is"
            | "leave that"
            | "next"
            | "next one"
            | "the next one"
            | "skip"
            | "skip it"
            | "skip that"
            | "skip this one"
            | "pass"
            | "fine"
            | "that's fine"
            | "ok"
            | "okay"
            | "still open"
            | "not yet"
            | "no"
            | "no not yet"
            | "nope"
            | "no keep it"
            | "it stays"
            | "stays"
            | "as is"
            | "leave it open"
            | "keep it open"
            | "keep that one"
            | "move on"
            | "go on"
            | "continue"
            | "sure"
            | "later"
            | "no change"
            | "nothing"
            | "keep it as it is"
            | "it's fine"
            | "still to do"
            | "no leave it"
            | "sip"
            | "keep this one"
            | "not done"
            | "not done yet"
            | "it's not done"
            | "no it's not done"
            | "deep it"
            | "heap it"
    );
    if keep {
        return Decision::Keep;
    }
    let stop = matches!(
        text.as_str(),
        "that's enough"
            | "enough"
            | "stop"
            | "stop it"
            | "stop the review"
            | "that's all"
            | "that's it"
            | "i'm done"
            | "we're done"
            | "quit"
            | "exit"
            | "cancel"
            | "end"
            | "end review"
            | "end the review"
            | "finish the review"
            | "no more"
            | "that's enough for now"
            | "enough for today"
            | "that's enough for today"
            | "stop here"
            | "let's stop"
            | "let's stop here"
            | "go back"
            | "never mind"
            | "that's enough thanks"
            | "that's enough thank you"
            | "that will do"
            | "i've had enough"
            | "thank you that's enough"
            | "thanks that's enough"
            | "back"
            | "that is enough"
            | "enough now"
    );
    if stop {
        return Decision::Stop;
    }
    let key = || Map::from_iter([("id".to_owned(), task.id.clone())]);
    let done = matches!(
        text.as_str(),
        "done"
            | "it's done"
            | "that's done"
            | "yes it's done"
            | "yes done"
            | "it is done"
            | "finished"
            | "i've done it"
            | "i did it"
            | "i did that"
            | "i've done that"
            | "complete"
            | "completed"
            | "mark it done"
            | "mark it as done"
            | "that one's done"
            | "i finished it"
            | "i finished that"
            | "already done"
            | "it's finished"
            | "done already"
            | "check"
            | "cross it off"
            | "did it"
            | "yes i did"
            | "i did"
            | "that is done"
            | "mark that as done"
            | "complete it"
            | "yes i did that"
            | "yes i've done it"
            | "dun"
            | "that's finished"
            | "it's already done"
            | "i've already done it"
            | "i've already done that"
            | "mark as done"
            | "check it off"
            | "tick it off"
    );
    if done {
        return Decision::Say("complete_task", key());
    }
    let delete = matches!(
        text.as_str(),
        "delete"
            | "remove"
            | "drop"
            | "drop it"
            | "throw it away"
            | "get rid of it"
            | "delete this"
            | "delete this one"
            | "not needed"
            | "not needed anymore"
            | "don't need it"
            | "i don't need it anymore"
            | "i don't need that anymore"
    );
    if delete {
        return Decision::Say("delete_task", key());
    }
    let trimmed: Vec<&str> = words
        .iter()
        .copied()
        .skip_while(|word| {
            matches!(
                *word,
                "no" | "move"
                    | "it"
                    | "yes"
                    | "let's"
                    | "say"
                    | "do"
                    | "make"
                    | "push"
                    | "postpone"
                    | "that"
                    | "i'll"
                    | "put"
                    | "off"
                    | "one"
            )
        })
        .collect();
    if let Some(due) = dates::parse(&trimmed, scene.known().now) {
        let mut arguments = key();
        arguments.insert("due".into(), due.to_argument().into());
        return Decision::Say("set_due", arguments);
    }
    if let Some(priority) = parse::find_priority(&trimmed) {
        let mut arguments = key();
        arguments.insert("priority".into(), priority.as_str().into());
        return Decision::Say("set_priority", arguments);
    }
    about_it(&understood(scene, user), key)
}

/// Commands about "it" mean the task that was asked about.
fn about_it(intent: &Intent, key: impl Fn() -> Map<String, serde_json::Value>) -> Decision {
    let with = |name: &str, value: serde_json::Value| {
        let mut arguments = key();
        arguments.insert(name.to_owned(), value);
        arguments
    };
    match intent {
        Intent::Complete(targets) if targets.as_slice() == [Target::It] => Decision::Say("complete_task", key()),
        Intent::Delete(targets) if targets.as_slice() == [Target::It] => Decision::Say("delete_task", key()),
        Intent::SetDue(Target::It, due) => {
            Decision::Say("set_due", with("due", due.map_or(serde_json::Value::Null, |due| due.to_argument().into())))
        }
        Intent::SetPriority(Target::It, priority) => {
            Decision::Say("set_priority", with("priority", priority.as_str().into()))
        }
        Intent::Rename(Target::It, new) => Decision::Say("rename_task", with("new_title", new.as_str().into())),
        _ => Decision::Other,
    }
}

/// What is not about the task that was asked about.
fn other(scene: &Scene<'_>, progress: &Progress<'_>, user: &str) -> Answer {
    let (utterance, intents) = scene.understand(user);
    let intents = resolve(scene, &utterance, intents);
    let Some(task) = progress.tasks.get(progress.at) else { return hand_back() };
    let again = format!("Keep {}, or is it done?", reply::spoken(task.title));
    match intents.as_slice() {
        // This agent cannot add or list: the other one takes the call back and does it.
        [
            Intent::Add(_)
            | Intent::List(_)
            | Intent::Count(_)
            | Intent::When(_)
            | Intent::CompleteAll
            | Intent::DeleteScope(_),
        ] => hand_back(),
        [Intent::Goodbye] => carry_out(scene, &utterance, &Intent::Goodbye),
        [Intent::Review] => Answer::say(again),
        [Intent::Talk(talk)] => {
            let said = reply::talk(*talk, scene);
            let first = reply::sentences(&said).into_iter().next().unwrap_or_default();
            Answer::say(format!("{} {again}", first.trim()))
        }
        [Intent::Repeat] => Answer::say(reply::repeat(scene.history())),
        [intent] if intent.is_command() || matches!(intent, Intent::Again(..)) => carry_out(scene, &utterance, intent),
        several if several.len() > 1 && scene.has_tool("add_task") => super::act::first_round(scene, user),
        several if several.len() > 1 => hand_back(),
        _ => lost(&utterance, &again, scene),
    }
}

fn lost(utterance: &Utterance, again: &str, scene: &Scene<'_>) -> Answer {
    let before = scene.history().last().is_some_and(|turn| turn.reply.starts_with("I heard"));
    if before || utterance.is_empty() || norms(&utterance.words).is_empty() {
        return Answer::say(
            "For each task you can say keep, done, delete, or a day like tomorrow. To stop, say that's enough.",
        );
    }
    Answer::say(format!("I heard: {}. {again}", super::normalise::shortened(&title(&utterance.words), 50)))
}

/// The question about the next task, or the end.
fn next(scene: &Scene<'_>, progress: &Progress<'_>, lead: &str) -> Answer {
    match progress.tasks.get(progress.at + 1) {
        Some(task) => {
            let last = progress.at + 2 == progress.tasks.len();
            let word = if last { "The last one" } else { "Next" };
            Answer::say(format!("{lead} {word}: {}. Keep it?", reply::with_due(*task, scene)))
        }
        None => hand_back(),
    }
}

/// What is said, or done, after the tools of this turn answered.
fn after_tools(scene: &Scene<'_>, review: &[Turn<'_>], current: &Turn<'_>) -> Answer {
    if let Some(listed) = list_of(review).filter(|_| review.len() == 1) {
        return first_question(scene, &listed);
    }
    let before = progress(scene, &review[..review.len() - 1]);
    let now = progress(scene, review);
    let said = reply::phrase(scene, current);
    if current.calls.iter().any(|called| called.call.name == "end_call")
        || pending(&Turn { reply: said.clone(), ..current.clone() }).is_some()
    {
        return Answer::say(said);
    }
    match now.tasks.get(now.at) {
        Some(task) if now.at != before.at => {
            let last = now.at + 1 == now.tasks.len();
            Answer::say(format!(
                "{said} {}: {}. Keep it?",
                if last { "The last one" } else { "Next" },
                reply::with_due(*task, scene)
            ))
        }
        Some(task) => Answer::say(format!("{said} Keep {}?", reply::spoken(task.title))),
        // The other agent sums up, with what was said of the last task in front.
        None => hand_back(),
    }
}

fn first_question(scene: &Scene<'_>, listed: &Called<'_>) -> Answer {
    if listed.status() != "ok" {
        return hand_back();
    }
    let tasks = listed.tasks("tasks");
    match tasks.as_slice() {
        [] => hand_back(),
        [only] => Answer::say(format!(
            "There is one open task: {}. Keep it, done, or another day?",
            reply::with_due(*only, scene)
        )),
        [first, ..] => Answer::say(format!(
            "Let's go through your {} open tasks. First: {}. Keep it, done, or another day?",
            tasks.len(),
            reply::with_due(*first, scene)
        )),
    }
}

/// What a review came to, as the task agent says it when it has the call back.
fn summary(review: &[Turn<'_>]) -> String {
    let Some(listed) = list_of(review) else { return "Okay, back to your list. What can I do for you?".into() };
    if listed.status() != "ok" {
        return "Sorry, I can't read your list just now. Please try again in a moment.".into();
    }
    if listed.tasks("tasks").is_empty() {
        return "You have no open tasks, so there is nothing to review. Well done!".into();
    }
    let count = |name: &str| review.iter().filter_map(last_change).filter(|called| called.call.name == name).count();
    let undone = review.iter().flat_map(|turn| &turn.calls).filter(|called| called.status() == "undone").count();
    let mut parts = Vec::new();
    for (name, what) in [("complete_task", "done"), ("set_due", "moved"), ("delete_task", "deleted")] {
        let count = count(name);
        if count > 0 {
            parts.push(format!("{count} {what}"));
        }
    }
    if parts.is_empty() || undone > 0 {
        return "That's the review. Anything else?".into();
    }
    format!("That's the review: {}. Anything else?", reply::join(&parts, "and"))
}

/// What the task agent answers when the review has just handed the call back to it.
pub(crate) fn handed_back(scene: &Scene<'_>, current: &Turn<'_>) -> Answer {
    let review = started_at(scene.turns).map_or(scene.turns, |at| &scene.turns[at..]);
    // Handed back because of a command that the review could not carry out: carry it out.
    let (_, intents) = scene.understand(current.user);
    let command = |intent: &Intent| {
        matches!(
            intent,
            Intent::Add(_)
                | Intent::List(_)
                | Intent::Count(_)
                | Intent::When(_)
                | Intent::CompleteAll
                | Intent::DeleteScope(_)
        )
    };
    if review.len() > 1 && (intents.len() > 1 || intents.iter().any(command)) {
        return super::act::first_round(scene, current.user);
    }
    // What was done to the last task comes first.
    let changed = current.calls.iter().any(|called| super::dialogue::changes(&called.call.name));
    let said = if changed { format!("{} ", reply::phrase(scene, current)) } else { String::new() };
    Answer::say(format!("{said}{}", summary(review)))
}
