//! The review agent: goes through the open tasks one by one, and hands the call back.
//!
//! Where the review stands is read from the conversation: the list that was read when it began, and what was decided
//! since.

mod decide;

use serde_json::json;

use super::act::{Scene, carry_out, carry_out_all, object};
use super::answer::resolve;
use super::dialogue::{Called, TaskView, Turn, last_change, pending};
use super::normalise::{Utterance, norms, title};
use super::parse::Intent;
use super::{Answer, TASK_AGENT, reply};
use decide::{Decision, decide};

/// Most tasks in one review: as many as a list call answers.
const MOST: u64 = 100;

/// Where a review stands.
struct Progress<'a> {
    tasks: Vec<TaskView<'a>>,
    /// Which task is being asked about; `tasks.len()` at the end.
    at: usize,
    /// Those that were finished or deleted out of turn: nobody is asked about them.
    gone: Vec<&'a serde_json::Value>,
}

impl<'a> Progress<'a> {
    fn is_gone(&self, at: usize) -> bool {
        self.tasks.get(at).is_some_and(|task| self.gone.contains(&task.id))
    }

    /// The next one from here on that is still to be asked about.
    fn open_from(&self, at: usize) -> usize {
        (at..self.tasks.len()).find(|at| !self.is_gone(*at)).unwrap_or(self.tasks.len())
    }

    /// How the task is announced.
    fn announced(&self, at: usize) -> &'static str {
        if self.open_from(at + 1) == self.tasks.len() { "The last one" } else { "Next" }
    }

    /// Notes what a turn finished, deleted, or brought back.
    fn note(&mut self, turn: &Turn<'a>) {
        for called in &turn.calls {
            let Some(task) = called.task() else { continue };
            match called.status() {
                "completed" | "deleted" => self.gone.push(task.id),
                "undone" | "reopened" => self.gone.retain(|id| *id != task.id),
                _ => {}
            }
        }
    }
}

/// The review agent's answer to the request.
pub(crate) fn answer(scene: &Scene<'_>) -> Answer {
    let Some(current) = scene.current() else { return Answer::say(reply::OPENING) };
    let Some(review) = ongoing(scene.turns) else { return begin() };
    if current.calls.iter().any(hands_back) {
        return Answer::say(summary(review));
    }
    if !current.calls.is_empty() {
        return after_tools(scene, review, current);
    }
    let progress = progress(scene, &review[..review.len() - 1]);
    hear(scene, &progress, current.user)
}

fn begin() -> Answer {
    Answer::call("list_tasks", object(json!({"status": "open", "limit": MOST})))
}

/// Whether a call hands the call back to the task agent.
fn hands_back(called: &Called<'_>) -> bool {
    called.call.name == "transfer_to_agent" && called.argument("agent") == Some(TASK_AGENT)
}

/// Whether a call read the list that a review goes through.
fn begins(called: &Called<'_>) -> bool {
    let limit = called.call.arguments.get("limit").and_then(serde_json::Value::as_u64);
    let whole = called.argument("due").is_none() && called.argument("query").is_none();
    called.call.name == "list_tasks" && called.argument("status") == Some("open") && limit == Some(MOST) && whole
}

/// The turn in which the last review's list was read.
fn started_at(turns: &[Turn<'_>]) -> Option<usize> {
    turns.iter().rposition(|turn| turn.calls.iter().any(begins))
}

/// The turns of the review that is going on; None if there is none yet.
fn ongoing<'t, 'a>(turns: &'t [Turn<'a>]) -> Option<&'t [Turn<'a>]> {
    let review = &turns[started_at(turns)?..];
    // One that was handed back before the present turn is over.
    let (_, before) = review.split_last()?;
    (!before.iter().any(|turn| turn.calls.iter().any(hands_back))).then_some(review)
}

fn list_of<'a>(review: &[Turn<'a>]) -> Option<Called<'a>> {
    review.first()?.calls.iter().find(|called| begins(called) && called.output.is_some()).copied()
}

/// Walks the decisions since the review began.
fn progress<'a>(scene: &Scene<'_>, review: &[Turn<'a>]) -> Progress<'a> {
    let tasks = list_of(review).map(|called| called.tasks("tasks")).unwrap_or_default();
    let mut progress = Progress { tasks, at: 0, gone: Vec::new() };
    for (index, turn) in review.iter().enumerate().skip(1) {
        let at = progress.at;
        let Some(task) = progress.tasks.get(at).copied() else { break };
        let settled = turn.calls.iter().any(|called| settles(called, task));
        let answered = turn.calls.is_empty() && !turn.reply.is_empty() && {
            let kept = decide(scene, task, turn.user) == Decision::Keep;
            let spared = pending(&review[index - 1]).is_some()
                && matches!(understood(scene, turn.user), Intent::No | Intent::Cancel);
            kept || spared
        };
        progress.note(turn);
        if settled || answered {
            progress.at += 1;
            // "It's done, and the next one too."
            let settles_next = |progress: &Progress<'_>| {
                let next = progress.tasks.get(progress.at);
                next.is_some_and(|next| turn.calls.iter().any(|called| settles(called, *next)))
            };
            while settles_next(&progress) {
                progress.at += 1;
            }
        } else if turn.calls.iter().any(|called| called.status() == "undone") {
            progress.at = at.saturating_sub(1);
        }
        progress.at = progress.open_from(progress.at);
    }
    progress
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
            [Intent::Again(..), rest @ ..] if rest.iter().all(|intent| !matches!(intent, Intent::Add(_))) => {
                return carry_out_all(scene, &utterance, &intents);
            }
            _ => {}
        }
    }
    match decide(scene, *task, user) {
        Decision::Keep => next(scene, progress, "Okay."),
        Decision::Stop => hand_back(),
        Decision::Call(name, arguments) => Answer::call(name, arguments),
        Decision::DoneWithNext => {
            let both = [progress.at, progress.open_from(progress.at + 1)];
            let both = both.into_iter().filter_map(|at| progress.tasks.get(at));
            let calls = both.map(|task| ("complete_task", object(json!({"id": task.id})))).collect();
            Answer { text: String::new(), calls }
        }
        Decision::Other => other(scene, progress, user),
    }
}

/// Whether a question is about the task that was asked about.
fn points_at(query: &str) -> bool {
    super::parse::target(&super::normalise::tokenise(query)) == Some(super::parse::Target::It)
}

fn hand_back() -> Answer {
    Answer::call("transfer_to_agent", object(json!({"agent": TASK_AGENT})))
}

/// What is not about the task that was asked about.
fn other(scene: &Scene<'_>, progress: &Progress<'_>, user: &str) -> Answer {
    let (utterance, intents) = scene.understand(user);
    let intents = resolve(scene, &utterance, intents);
    let Some(task) = progress.tasks.get(progress.at) else { return hand_back() };
    let again = format!("Keep {}, or is it done?", reply::spoken(task.title));
    match intents.as_slice() {
        // This agent cannot add: the other one takes the call back and does it.
        [Intent::Add(_)] => hand_back(),
        // "When's that due?"
        [Intent::When(query)] if points_at(query) => Answer::say(format!("{} {again}", reply::when_due(*task, scene))),
        // A question is answered, and the review goes on.
        [intent @ (Intent::List(_) | Intent::Count(_) | Intent::When(_))] if scene.has_tool("list_tasks") => {
            carry_out(scene, &utterance, intent)
        }
        [Intent::List(_) | Intent::Count(_) | Intent::When(_)] => hand_back(),
        [intent] if intent.spans_all() => hand_back(),
        [Intent::Goodbye] => carry_out(scene, &utterance, &Intent::Goodbye),
        [Intent::Review] => Answer::say(again),
        [Intent::Talk(talk)] => {
            let said = reply::talk(*talk, scene);
            let first = reply::sentences(&said).into_iter().next().unwrap_or_default();
            Answer::say(format!("{} {again}", first.trim()))
        }
        [Intent::Repeat] => Answer::say(reply::repeat(scene.history())),
        [intent] if intent.is_command() || matches!(intent, Intent::Again(..)) => carry_out(scene, &utterance, intent),
        several if several.len() > 1 && scene.has_tool("add_task") => super::reading::first_round(scene, user),
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
    let at = progress.open_from(progress.at + 1);
    match progress.tasks.get(at) {
        Some(task) => {
            let word = progress.announced(at);
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
            Answer::say(format!("{said} {}: {}. Keep it?", now.announced(now.at), reply::with_due(*task, scene)))
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
        matches!(intent, Intent::Add(_) | Intent::List(_) | Intent::Count(_) | Intent::When(_)) || intent.spans_all()
    };
    if review.len() > 1 && (intents.len() > 1 || intents.iter().any(command)) {
        return super::reading::first_round(scene, current.user);
    }
    // What was done to the last task comes first.
    let changed = current.calls.iter().any(|called| super::dialogue::changes(&called.call.name));
    let said = if changed { format!("{} ", reply::phrase(scene, current)) } else { String::new() };
    Answer::say(format!("{said}{}", summary(review)))
}
