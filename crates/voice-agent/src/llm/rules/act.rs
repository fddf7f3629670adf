//! The task agent's answers: from what was meant to tool calls, or to words.

use serde_json::{Map, Value, json};
use voice_core::phrases;

use super::asking::{ask_for, bare_date};
use super::context;
use super::correct::within_title;
use super::dates;
use super::dialogue::{self, Turn};
use super::locate::{all_but, choose, latest, locate};
use super::normalise::{Utterance, normalise, norms};
use super::offer::is_told_to_do;
use super::parse::{self, Filter, Intent, Known, NewTask, Pick, Target};
use super::reading::{first_round, is_clear, is_lost};
use super::screen;
use super::simpler;
use super::titles::Titles;
use super::twice;
use super::when::{at_hour, when};
use super::{Answer, LlmRequest, REVIEW_AGENT, TASK_AGENT, reply};
use crate::tasks::MAX_TITLE_CHARS;

/// What answering may look at.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Scene<'a> {
    pub(crate) request: &'a LlmRequest,
    /// All turns; the last is being answered.
    pub(crate) turns: &'a [Turn<'a>],
    /// The open tasks' titles.
    pub(crate) titles: &'a Titles,
}

impl<'a> Scene<'a> {
    pub(crate) fn known(&self) -> Known<'a> {
        Known { now: &self.request.now, titles: self.titles }
    }

    /// The turn that is being answered.
    pub(crate) fn current(&self) -> Option<&'a Turn<'a>> {
        self.turns.last()
    }

    /// The turns before it.
    pub(crate) fn history(&self) -> &'a [Turn<'a>] {
        self.turns.split_last().map_or(&[], |(_, before)| before)
    }

    /// The words that are for us.
    pub(crate) fn heard(&self, text: &str) -> Utterance {
        // The session has obeyed that; the rest of the sentence is for us.
        let rest = phrases::asks_to_stop_recording(text).then(|| phrases::without_stop_recording(text));
        normalise(rest.as_deref().filter(|rest| !rest.is_empty()).unwrap_or(text), self.known().now)
    }

    pub(crate) fn understand(&self, text: &str) -> (Utterance, Vec<Intent>) {
        self.read(self.heard(text))
    }

    /// The tasks that a look at the list has found in this turn; None before it.
    pub(crate) fn looked(&self) -> Option<Vec<dialogue::TaskView<'a>>> {
        let at_list = |called: &&dialogue::Called<'_>| called.call.name == "list_tasks" && dialogue::is_look(called);
        Some(self.current()?.calls.iter().find(at_list)?.tasks("tasks"))
    }

    /// What these words want, said more simply where they are not understood as they are.
    pub(crate) fn read(&self, utterance: Utterance) -> (Utterance, Vec<Intent>) {
        let utterance = parse::whose_one(&utterance, self.known()).unwrap_or(utterance);
        let intents = parse::parse(&utterance, self.known());
        if is_lost(&intents) {
            let ways = simpler::ways(&utterance, self.titles).into_iter();
            let understood =
                ways.map(|way| (parse::parse(&way, self.known()), way)).find(|(intents, _)| is_clear(intents));
            if let Some((intents, way)) = understood {
                return (way, intents);
            }
            if let Some(offered) = parse::dated_thing(&utterance, self.known()) {
                return (utterance, vec![offered]);
            }
        }
        (utterance, intents)
    }

    /// Whether the agent has a tool. A request that lists none is taken to allow all.
    pub(crate) fn has_tool(&self, name: &str) -> bool {
        self.request.tools.is_empty() || self.request.tools.iter().any(|tool| tool.name == name)
    }
}

/// The task agent's answer to the request.
pub(crate) fn answer(scene: &Scene<'_>) -> Answer {
    let Some(current) = scene.current() else { return Answer::say(reply::OPENING) };
    let handed_back = current.calls.last().is_some_and(|called| {
        called.call.name == "transfer_to_agent"
            && called.argument("agent") == Some(TASK_AGENT)
            && called.status() == "ok"
    });
    if let Some(answer) = screen::answer(scene, current) {
        return answer;
    }
    // A look at the list, to know which "the second one" is, is no answer yet.
    if current.calls.iter().all(dialogue::is_look) && current.calls.iter().all(|called| called.status() == "ok") {
        return first_round(scene, current.user);
    }
    if handed_back {
        return super::review::handed_back(scene, current);
    }
    twice::dated(current).unwrap_or_else(|| Answer::say(reply::phrase(scene, current)))
}

/// One answer that carries out everything in turn.
pub(crate) fn carry_out_all(scene: &Scene<'_>, utterance: &Utterance, intents: &[Intent]) -> Answer {
    if let Some(look) = look(scene, intents) {
        return look;
    }
    let intents = &others_of_breath(scene, intents);
    let mut answer = Answer::default();
    // Who asks to delete something and says goodbye is asked first: a call that is over has no answer.
    let asks = intents.iter().any(|intent| matches!(intent, Intent::Delete(_) | Intent::DeleteScope(..)));
    for intent in intents.iter().filter(|intent| !(asks && matches!(intent, Intent::Goodbye))) {
        let step = carry_out(scene, utterance, intent);
        answer.calls.extend(step.calls);
        if !step.text.is_empty() {
            if !answer.text.is_empty() {
                answer.text.push(' ');
            }
            answer.text.push_str(&step.text);
        }
    }
    answer
}

/// "The first is due on Friday, the others tomorrow": those of the list that the same breath has not named before.
fn others_of_breath(scene: &Scene<'_>, intents: &[Intent]) -> Vec<Intent> {
    let others = Target::Picked(vec![Pick::Others]);
    let mut all = Vec::with_capacity(intents.len());
    for (at, intent) in intents.iter().enumerate() {
        let due = match intent {
            Intent::SetDue(target, due) if at > 0 && *target == others => due,
            _ => {
                all.push(intent.clone());
                continue;
            }
        };
        let named = intents[..at].iter().flat_map(targets_of).filter_map(|target| locate(scene, target).ok()).flatten();
        let named: Vec<Value> = named.filter_map(|mut key| key.remove("id").or_else(|| key.remove("title"))).collect();
        let is_named = |task: &dialogue::TaskView<'_>| named.iter().any(|key| key == task.id || key == task.title);
        let told = dialogue::counted(scene.history());
        let rest = told.iter().filter(|task| !task.done && !is_named(task));
        all.extend(rest.map(|task| Intent::SetDue(Target::Title(task.title.to_owned()), *due)));
    }
    all
}

/// A look at the list, where the tasks that are meant cannot be known without: ordinals count in what the page shows if
/// nothing was read out, and "everything due today" has to be found.
fn look(scene: &Scene<'_>, intents: &[Intent]) -> Option<Answer> {
    if scene.current().is_none_or(|turn| !turn.calls.is_empty()) {
        return None;
    }
    if intents.iter().any(|intent| matches!(intent, Intent::Swap(_) | Intent::Untimed(_))) {
        return Some(look_at_all());
    }
    if let [Intent::At(due)] = intents {
        let filter = Filter { due: Some(due.date.to_string()), ..Filter::default() };
        return Some(Answer::call("list_tasks", list_arguments(&filter, dialogue::LOOKED)));
    }
    let target = intents.iter().flat_map(targets_of).find(|target| match target {
        Target::Those(_) => true,
        Target::Picked(picks) => {
            let counts = picks.iter().any(|pick| matches!(pick, Pick::Nth(_) | Pick::Last | Pick::BeforeLast))
                && latest(scene, picks).is_none();
            counts && dialogue::counted(scene.history()).len() < 2 && scene.request.titles.len() > 1
        }
        _ => false,
    })?;
    let filter = match target {
        Target::Those(text) => parse::filter(text, scene.known()),
        _ => Filter::default(),
    };
    Some(Answer::call("list_tasks", list_arguments(&filter, dialogue::LOOKED)))
}

/// A look at all open tasks.
pub(crate) fn look_at_all() -> Answer {
    Answer::call("list_tasks", list_arguments(&Filter::default(), dialogue::LOOKED))
}

/// The tasks that a command is about.
pub(crate) fn targets_of(intent: &Intent) -> &[Target] {
    match intent {
        Intent::Complete(targets) | Intent::Delete(targets) => targets,
        Intent::Reopen(target)
        | Intent::SetDue(target, _)
        | Intent::Shift(target, _)
        | Intent::SetPriority(target, _)
        | Intent::Untimed(target)
        | Intent::Rename(target, _) => std::slice::from_ref(target),
        _ => &[],
    }
}

const NOTHING_TO_BRING_BACK: &str = "There is nothing to bring back just now. You can say, undo that.";

pub(crate) fn carry_out(scene: &Scene<'_>, utterance: &Utterance, intent: &Intent) -> Answer {
    if is_too_long(intent) {
        return Answer::say(format!(
            "That is too long for one task: a title has at most {MAX_TITLE_CHARS} characters. I changed nothing. Please say it shorter."
        ));
    }
    match intent {
        Intent::Add(tasks) => {
            let added = tasks.iter().map(|task| ("add_task", twice::arguments(scene, task)));
            Answer { text: String::new(), calls: added.collect() }
        }
        Intent::Offer(tasks) => offer(scene, utterance, tasks),
        Intent::List(filter) => list(filter, dialogue::ASKED),
        Intent::Count(filter) => list(filter, dialogue::COUNTED),
        Intent::When(query) => when(scene, query),
        Intent::At(due) => at_hour(scene, *due),
        Intent::DateOf(due) => Answer::say(format!("It's {}. Anything for your list?", dates::speak_full(due.date))),
        Intent::Untimed(target) => context::untimed(scene, target),
        Intent::Complete(targets) => each(scene, "complete_task", targets, &Map::new()),
        Intent::Reopen(target) => each(scene, "reopen_task", std::slice::from_ref(target), &Map::new()),
        Intent::SetDue(target, due) => each(scene, "set_due", std::slice::from_ref(target), &due_arguments(*due)),
        Intent::Shift(target, shift) => {
            let (name, amount) = shift.argument();
            each(scene, "set_due", std::slice::from_ref(target), &Map::from_iter([(name.to_owned(), amount.into())]))
        }
        Intent::SetPriority(target, priority) => {
            each(scene, "set_priority", std::slice::from_ref(target), &object(json!({"priority": priority.as_str()})))
        }
        Intent::Rename(target, new) => {
            let within = within_title(scene, utterance, target, new);
            let new = within.as_ref().unwrap_or(new);
            each(scene, "rename_task", std::slice::from_ref(target), &object(json!({"new_title": new})))
        }
        Intent::Delete(targets) => each(scene, "delete_task", targets, &Map::new()),
        Intent::DeleteScope(scope, kept) => match all_but(scene, kept, object(json!({"scope": scope}))) {
            Ok(arguments) => Answer::call("delete_task", arguments),
            Err(question) => Answer::say(question),
        },
        Intent::Undo => undo(scene),
        Intent::UndoSome(count) => undo_some(scene, *count),
        Intent::Swap(targets) => context::swap(scene, targets),
        Intent::Missed(words) => Answer::say(reply::missed(words)),
        Intent::AddThat(due) => twice::add_that(scene, *due),
        Intent::Last => last(scene),
        Intent::Review => Answer::call("transfer_to_agent", object(json!({"agent": REVIEW_AGENT}))),
        Intent::Goodbye => Answer { text: "Goodbye!".into(), ..Answer::call("end_call", Map::new()) },
        Intent::Repeat => Answer::say(reply::repeat(scene.history())),
        Intent::Incomplete(missing, inner) => Answer::say(ask_for(scene, *missing, inner)),
        Intent::Again(name, arguments) => match tool_name(name) {
            Some(name) => Answer::call(name, arguments.clone()),
            None => Answer::say(reply::not_understood(scene, utterance)),
        },
        Intent::Stays => Answer::say("Okay, it stays on your list."),
        Intent::Redo | Intent::NothingToBringBack => Answer::say(NOTHING_TO_BRING_BACK),
        Intent::Unsure => Answer::say("Okay, I'll leave everything as it is. Tell me when you know."),
        Intent::SoundsLikeUndo | Intent::BringBack => Answer::say(reply::not_understood(scene, utterance)),
        Intent::Kept => Answer::say("Okay, I left everything as it is."),
        Intent::Enough => Answer::say("Okay. Anything else?"),
        Intent::Hesitation => Answer::say("Take your time. What can I do for you?"),
        Intent::Talk(talk) => Answer::say(reply::talk(*talk, scene)),
        Intent::Date(due) => bare_date(scene, *due),
        Intent::Yes => Answer::say(reply::agreed(scene)),
        Intent::Cancel if reply::told_of_recording(scene) => Answer::say("To stop the recording, say, stop recording."),
        Intent::No | Intent::Cancel => Answer::say("Okay. Anything else?"),
        // "What else?" after something was done asks what is left.
        Intent::More if utterance.text.contains("else") => list(&Filter::default(), dialogue::ASKED),
        Intent::More => Answer::say("There is no more to read just now. You can say, what's on my list?"),
        Intent::Pick(picks) if reads_list(scene) => picked(scene, utterance, picks),
        Intent::Unknown => unknown(scene, utterance),
        Intent::Pick(_) | Intent::Correct(_) => Answer::say(reply::not_understood(scene, utterance)),
    }
}

fn undo_some(scene: &Scene<'_>, count: usize) -> Answer {
    let lost = scene.history().last().is_some_and(|turn| turn.calls.is_empty() && reply::is_lost(&turn.reply));
    if lost {
        return undo(scene);
    }
    match count.min(dialogue::undoable(scene.history())) {
        0 => undo(scene),
        steps => Answer { text: String::new(), calls: vec![("undo", Map::new()); steps] },
    }
}

fn last(scene: &Scene<'_>) -> Answer {
    let breath = scene.history().iter().rev().find(|turn| dialogue::changes_of(turn).next().is_some());
    let added = breath.into_iter().flat_map(dialogue::changes_of).filter(|called| called.status() == "added");
    let titles: Vec<String> = added.filter_map(|called| called.task()).map(|task| reply::spoken(task.title)).collect();
    if titles.len() > 1 {
        return Answer::say(format!("The last ones were {}.", reply::join(&titles, "and")));
    }
    match dialogue::focus(scene.history()).last() {
        Some(task) => Answer::say(format!("The last one was {}.", reply::with_due(*task, scene))),
        None => Answer::say("There was nothing yet. You can say, what's on my list?"),
    }
}

/// Whether a new title is longer than any that is kept. It is not cut: nobody would know what is missing.
fn is_too_long(intent: &Intent) -> bool {
    let long = |title: &str| title.chars().count() > MAX_TITLE_CHARS;
    match intent {
        Intent::Add(tasks) | Intent::Offer(tasks) => tasks.iter().any(|task| long(&task.title)),
        Intent::Rename(_, new) => long(new),
        _ => false,
    }
}

/// What was not understood, but names a task that is on the list, is about that task: how it is with it is said, so that the
/// caller can go on with it.
fn unknown(scene: &Scene<'_>, utterance: &Utterance) -> Answer {
    let words = norms(&utterance.words);
    let named = scene.titles.mentioned(&words).filter(|title| words.len() > 1 && scene.titles.is_said(title, &words));
    let Some(title) = named.or_else(|| super::gist::only_named(scene, &words)) else {
        return Answer::say(reply::not_understood(scene, utterance));
    };
    let looked = object(json!({"status": "open", "query": title, "limit": dialogue::ASKED}));
    Answer { text: "I'm not sure what to do there.".into(), ..Answer::call("list_tasks", looked) }
}

/// Whether the turn before read out tasks, among which one may be picked.
fn reads_list(scene: &Scene<'_>) -> bool {
    let calls = scene.history().last().map_or(&[][..], |turn| turn.calls.as_slice());
    calls.iter().any(|called| called.call.name == "list_tasks" && called.status() == "ok")
}

/// "The first one", behind a list: only which one is said.
fn picked(scene: &Scene<'_>, utterance: &Utterance, picks: &[Pick]) -> Answer {
    match choose(picks, &dialogue::counted(scene.history())).as_slice() {
        [task] => {
            Answer::say(format!("{}{}. What shall I do with it?", dialogue::THAT_IS, reply::with_due(*task, scene)))
        }
        _ => Answer::say(reply::not_understood(scene, utterance)),
    }
}

/// The tool of this name, if it is one that can be called again.
fn tool_name(name: &str) -> Option<&'static str> {
    const TOOLS: [&str; 9] = [
        "add_task",
        "list_tasks",
        "complete_task",
        "reopen_task",
        "set_due",
        "set_priority",
        "rename_task",
        "delete_task",
        "undo",
    ];
    TOOLS.into_iter().find(|tool| *tool == name)
}

pub(crate) fn object(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(map) => map,
        _ => Map::new(),
    }
}

pub(crate) fn add_arguments(task: &NewTask) -> Map<String, Value> {
    let mut arguments = object(json!({"title": task.title}));
    if let Some(due) = task.due {
        arguments.insert("due".into(), due.to_argument().into());
    }
    if let Some(priority) = task.priority {
        arguments.insert("priority".into(), priority.as_str().into());
    }
    arguments
}

fn list_arguments(filter: &Filter, limit: usize) -> Map<String, Value> {
    let mut arguments = object(json!({"status": filter.status.unwrap_or("open"), "limit": limit}));
    if let Some(due) = &filter.due {
        arguments.insert("due".into(), due.as_str().into());
    }
    if let Some(priority) = filter.priority {
        arguments.insert("priority".into(), priority.as_str().into());
    }
    if let Some(query) = &filter.query {
        arguments.insert("query".into(), query.as_str().into());
    }
    arguments
}

/// A new due date. A day alone keeps the hour that the task has, and an hour alone its day.
pub(crate) fn due_arguments(due: Option<dates::Due>) -> Map<String, Value> {
    let Some(due) = due else { return object(json!({"due": null})) };
    let mut arguments = object(json!({"due": due.to_argument()}));
    let keep = match (due.time, due.day_said) {
        (None, _) => Some("time"),
        (Some(_), false) if due.either_half => Some("half_day"),
        (Some(_), false) => Some("day"),
        (Some(_), true) => None,
    };
    if let Some(keep) = keep {
        arguments.insert("keep".into(), keep.into());
    }
    arguments
}

/// What one breath changed is taken back in one breath. What was not changed in this conversation, or not lately, is named
/// first.
pub(crate) fn undo(scene: &Scene<'_>) -> Answer {
    let history = scene.history();
    let lost = history.last().is_some_and(|turn| turn.calls.is_empty() && reply::is_lost(&turn.reply));
    if dialogue::undoable(history) == 0 || lost {
        return Answer::call("undo", object(json!({"confirmed": false})));
    }
    let steps = dialogue::last_breath(history);
    // By the task that was changed: what was changed by hand meanwhile is not taken back unasked.
    let undo = |id: Option<&Value>| ("undo", id.map(|id| ("id".to_owned(), id.clone())).into_iter().collect());
    let calls: Vec<(&str, Map<String, Value>)> = steps.into_iter().take(MAX_TARGETS).map(undo).collect();
    if calls.is_empty() { Answer::call("undo", Map::new()) } else { Answer { text: String::new(), calls } }
}

pub(crate) fn list(filter: &Filter, limit: usize) -> Answer {
    Answer::call("list_tasks", list_arguments(filter, limit))
}

fn offer(scene: &Scene<'_>, utterance: &Utterance, tasks: &[NewTask]) -> Answer {
    if let [task] = tasks {
        let lower = task.title.to_lowercase();
        if scene.request.titles.iter().any(|title| title.to_lowercase() == lower) {
            // "I want to prune the roses on Sunday."
            if let Some(due) = task.due {
                let dated = Intent::SetDue(Target::Title(task.title.clone()), Some(due));
                return carry_out(scene, utterance, &dated);
            }
            return Answer::call(
                "list_tasks",
                object(json!({"status": "open", "query": task.title, "limit": dialogue::ASKED})),
            );
        }
    }
    if is_told_to_do(utterance, tasks, scene.known()) {
        return carry_out(scene, utterance, &Intent::Add(tasks.to_vec()));
    }
    Answer::say(reply::offer(scene, tasks))
}

/// One call for every task that the targets mean.
fn each(scene: &Scene<'_>, name: &'static str, targets: &[Target], rest: &Map<String, Value>) -> Answer {
    let mut answer = Answer::default();
    for target in targets {
        let located = match (target, name) {
            (Target::All(kept), "delete_task") => {
                all_but(scene, kept, object(json!({"scope": "all"}))).map(|arguments| vec![arguments])
            }
            // There is no tool that does these to several tasks.
            (Target::All(_), "rename_task" | "reopen_task") => {
                Err("Which task do you mean? Please say its name.".into())
            }
            _ => locate(scene, target),
        };
        match located {
            Ok(keys) => {
                for key in keys {
                    let mut arguments = key;
                    arguments.extend(rest.clone());
                    answer.calls.push((name, arguments));
                }
            }
            Err(question) => return Answer::say(question),
        }
    }
    if answer.calls.is_empty() { Answer::say("Which task do you mean?") } else { answer }
}

/// Most tasks that one "them" changes.
pub(crate) const MAX_TARGETS: usize = 10;
/// Most tasks that are changed one by one because a filter finds them.
pub(crate) const MOST_AT_ONCE: usize = 20;
