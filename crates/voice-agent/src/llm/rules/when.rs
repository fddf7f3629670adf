//! When something is due, and what is due then.

use serde_json::json;

use super::act::{Scene, list, object};
use super::dates;
use super::dialogue;
use super::locate::choose;
use super::normalise::norms;
use super::parse::{self, Filter, Pick, Target};
use super::{Answer, reply};

/// "When do I have to send them?": the one open task that begins with the verb.
fn of_a_verb(scene: &Scene<'_>, words: &[&str]) -> Option<String> {
    let [verb, "it" | "them" | "him" | "her" | "that"] = words else { return None };
    let begins = |title: &&String| title.to_lowercase().split(' ').next() == Some(verb);
    let mut found = scene.request.titles.iter().filter(begins);
    found.next().filter(|_| found.next().is_none()).cloned()
}

/// "What time is the doctor tomorrow?": the task that the words name without the day behind them.
fn without_day(scene: &Scene<'_>, words: &[&str]) -> Option<String> {
    let (start, _) = dates::find_trailing(words, scene.known().now).filter(|(start, _)| *start > 0)?;
    scene.titles.named(&words[..start]).filter(|_| scene.titles.named(words).is_none()).map(str::to_owned)
}

/// "When does the car go for its MOT?": the one task of which the words have most.
fn mentioned(scene: &Scene<'_>, words: &[&str]) -> Option<String> {
    let known = scene.titles.named(words).is_some();
    scene.titles.mentioned(words).filter(|_| !known).map(str::to_owned)
}

pub(crate) fn when(scene: &Scene<'_>, query: &str) -> Answer {
    let words = super::normalise::tokenise(query);
    match parse::target(&words) {
        Some(Target::It) => match dialogue::focus(scene.history()).as_slice() {
            [task] => Answer::say(reply::when_due(*task, scene)),
            [] if scene.request.titles.len() == 1 => list(&Filter::default(), dialogue::ASKED),
            _ => Answer::say("Which task do you mean?"),
        },
        Some(Target::Title(title)) => {
            let title = of_a_verb(scene, &norms(&words))
                .or_else(|| without_day(scene, &norms(&words)))
                .or_else(|| mentioned(scene, &norms(&words)))
                .unwrap_or(title);
            Answer::call("list_tasks", object(json!({"status": "all", "query": title, "limit": dialogue::ASKED})))
        }
        Some(Target::Picked(picks)) if picks.as_slice() == [Pick::Other] => {
            let focus = dialogue::focus(scene.history());
            let is_other = |title: &&String| focus.iter().all(|task| task.title != title.as_str());
            match scene.request.titles.iter().filter(is_other).collect::<Vec<_>>().as_slice() {
                [only] => Answer::call(
                    "list_tasks",
                    object(json!({"status": "open", "query": only, "limit": dialogue::ASKED})),
                ),
                _ => Answer::say("Which task do you mean?"),
            }
        }
        Some(Target::Picked(picks)) => match choose(&picks, &dialogue::counted(scene.history())).as_slice() {
            [task] => Answer::say(format!("{}{}.", dialogue::THAT_IS, reply::with_due(*task, scene))),
            _ => Answer::say("Which task do you mean?"),
        },
        _ => Answer::say("Which task do you mean?"),
    }
}

/// What a look at the day has found at that hour; an hour alone may be in the other half of the day.
pub(crate) fn at_hour(scene: &Scene<'_>, due: dates::Due) -> Answer {
    let tasks = scene.looked().unwrap_or_default();
    let at = |hours: i64| due.time.map(|time| time.wrapping_add(jiff::Span::new().hours(hours)));
    let found = |hours: i64| -> Vec<&str> {
        let is_then = |task: &&dialogue::TaskView<'_>| {
            task.due
                .and_then(|due| dates::due_date(due, &scene.request.now))
                .is_some_and(|due| due.time.is_some() && due.time == at(hours))
        };
        tasks.iter().filter(is_then).map(|task| task.title).collect()
    };
    let titles = Some(found(0)).filter(|titles| !titles.is_empty()).unwrap_or_else(|| found(12));
    match titles.as_slice() {
        [] => Answer::say(format!("You have nothing {}.", dates::speak_due(due, &scene.request.now))),
        [only] => {
            Answer::call("list_tasks", object(json!({"status": "open", "query": only, "limit": dialogue::ASKED})))
        }
        several => {
            let names: Vec<String> = several.iter().map(|title| reply::spoken(title)).collect();
            Answer::say(format!(
                "You have {} {}.",
                reply::join(&names, "and"),
                dates::speak_due(due, &scene.request.now)
            ))
        }
    }
}
