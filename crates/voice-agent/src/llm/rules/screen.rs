//! "Create a task from this": what is asked about the caller's screen, and what of it becomes a task.

use std::sync::LazyLock;

use regex::Regex;

use super::act::{self, Scene};
use super::dates::{self, Due};
use super::dialogue::{Turn, is_look};
use super::normalise::{self, normalise, norms, shortened};
use super::parse::{NewTask, Priority};
use super::{Answer, reply};
use crate::screen::reading::Reading;
use crate::tasks::MAX_TITLE_CHARS;
use crate::tools::LOOK_AT_SCREEN;

/// What is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ask {
    /// A task of what is seen.
    Task,
    /// A task of each thing in a list, of which there are so many if the caller said it.
    Items(Option<usize>),
    /// When it is due.
    Due,
    /// What there is.
    What,
}

/// Most tasks that are made of one screen: more in one breath are rather a misreading.
const MOST: usize = 12;
/// A title is read out up to so many characters.
const MOST_READ_OUT: usize = 80;
/// Said while the picture is read, which takes a second.
const LOOKING: &str = "Let me have a look.";
const NOT_SHARED: &str = "I can't see your screen. On the page you can share it; then ask me again.";
const NO_PICTURE: &str = "I couldn't get a picture of your screen. Please see whether it is still shared.";
const UNREADABLE: &str = "I looked at your screen, but I can't make out what to add. You can tell me the task.";

/// The parts of patterns.
const PARTS: [(&str, &str); 6] = [
    (
        "{PLEASE}",
        "(?:(?:okay|ok|please|now|so|hey|and|just|can you|could you|would you|will you|i want you to|i'd like you to|let's) )*",
    ),
    ("{MAKE}", "(?:add|at|had|create|make|set up|take|note|put|get|write|turn)"),
    ("{TASK}", "(?:a |one |an |the )?(?:new )?(?:tasks?|to-dos?|todos?|to do|reminder|item)"),
    (
        "{SCREEN}",
        "(?:(?:my|the|this|that) (?:screen|page|tab|window)|(?:this|that|these|those) (?:mail|email|e-mail|message|issue|ticket|bug|document|doc|notes?|slide|picture)|(?:my|the|these|this) (?:meeting )?notes|what (?:you|i) see|what's on (?:my|the|this) (?:screen|page)|what is on (?:my|the|this) (?:screen|page))",
    ),
    ("{IT}", "(?:this|that|it|this one|that one|what's here|what is here)"),
    (
        "{TAIL}",
        "(?: (?:please|for me|now|to my (?:task )?list|to the list|on my list|as a task|as tasks|here|there|on my screen|on the screen))*",
    ),
];

/// What each pattern asks for, where a screen is shared.
static ASKS: LazyLock<Vec<(Regex, Ask)>> = LazyLock::new(|| {
    let number = "(?P<n>(?:twenty|thirty|forty|fifty|sixty|seventy|eighty|ninety)(?:[ -](?:one|two|three|four|five|six|seven|eight|nine))?|one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|thirteen|fourteen|fifteen|sixteen|seventeen|eighteen|nineteen|(?:a |one )?hundred|[0-9]{1,3})";
    let list = "(?:open )?(?:(?:action|section|reaction|faction|auction|actual) items?|action points?|actions|to-dos|todos|to do's|to do items|check ?boxes|bullets|bullet points|points|next steps|follow-ups|items|things|tasks)";
    let all = "{PLEASE}{MAKE} (?:me )?(?:tasks? (?:for|from|out of|of) )?(?:all )?(?:of )?(?:the |these |those |all the |each of the |my )?";
    let counted = format!("(?:{all}(?:a )?{number} {list}|{all}{list}|{all}a (?:section|reaction|faction) items)");
    [
        (format!("{counted} (?:that are |i have )?(?:on|from|in|of) {{SCREEN}}{{TAIL}}"), Ask::Items(None)),
        (format!("{counted}{{TAIL}}"), Ask::Items(None)),
        ("{PLEASE}{MAKE} (?:me )?{TASK} (?:from|for|out of|of|about|based on|with) (?:{SCREEN}|{IT}){TAIL}".to_owned(), Ask::Task),
        ("{PLEASE}{MAKE} (?:{SCREEN}|{IT}) (?:in|into|to|as|a) {TASK}{TAIL}".to_owned(), Ask::Task),
        ("{PLEASE}(?:add|at|had|put|take|note) {SCREEN}(?: down)?{TAIL}".to_owned(), Ask::Task),
        ("{PLEASE}{MAKE} {IT}(?: down)?(?: to my (?:task )?list| to the list| on my list| as a task){TAIL}".to_owned(), Ask::Task),
        ("{PLEASE}remind me (?:of|about) {SCREEN}{TAIL}".to_owned(), Ask::Task),
        ("{PLEASE}(?:what's|what is|when's|when is|tell me|read me|read) (?:the |its |that )?(?:due date|deadline|due|date) (?:on|of|for|in) {SCREEN}{TAIL}".to_owned(), Ask::Due),
        ("{PLEASE}(?:what's|what is|tell me|read me|read) (?:the |its )?(?:due date|deadline|date)(?: (?:here|there|of this|for this|on this))+{TAIL}".to_owned(), Ask::Due),
        ("{PLEASE}(?:when's|when is) (?:{SCREEN}|this one|this) due{TAIL}".to_owned(), Ask::Due),
        ("{PLEASE}(?:what do you see|what can you see|do you see|can you see|look at|read|read me|read out|what's on|what is on|tell me what's on|what does) {SCREEN}(?: say)?{TAIL}".to_owned(), Ask::What),
        ("{PLEASE}(?:can you see (?:this|it)|what am i looking at|what do you see|what can you see|what's on my screen)(?: here)?{TAIL}".to_owned(), Ask::What),
    ]
    .into_iter()
    .filter_map(|(pattern, ask)| {
        let whole = PARTS.iter().fold(pattern, |pattern, (name, meaning)| pattern.replace(name, meaning));
        match Regex::new(&format!("^(?:{whole})$")) {
            Ok(regex) => Some((regex, ask)),
            Err(error) => {
                tracing::error!(%error, "a pattern of what is asked about the screen does not compile");
                debug_assert!(false, "{whole}: {error}");
                None
            }
        }
    })
    .collect()
});

static DIGIT_HYPHEN: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new("([0-9])-").ok());
/// What cannot mean anything but a screen. Whatever else may be about one is about something else where none is shared.
static NAMES_A_SCREEN: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(r"\b(?:my|the|this) screen\b|\btask (?:from|out of) (?:this|that)\b").ok());

/// What the caller asks about the screen.
fn asked(text: &str) -> Option<Ask> {
    // "3-action items" is a number and a noun.
    let text = DIGIT_HYPHEN.as_ref().map_or_else(|| text.into(), |hyphen| hyphen.replace_all(text, "$1 "));
    ASKS.iter().find_map(|(pattern, ask)| {
        let found = pattern.captures(&text)?;
        let words: Vec<&str> = found.name("n").map_or("", |number| number.as_str()).split([' ', '-']).collect();
        let count = dates::cardinal(&words).and_then(|(_, count)| usize::try_from(count).ok());
        Some(if let Ask::Items(_) = ask { Ask::Items(count) } else { *ask })
    })
}

fn names_a_screen(text: &str) -> bool {
    NAMES_A_SCREEN.as_ref().is_some_and(|pattern| pattern.is_match(text))
}

/// The answer to what is about the screen: a look at it, and then what was asked for. Nothing for what is about something else.
pub(super) fn answer(scene: &Scene<'_>, current: &Turn<'_>) -> Option<Answer> {
    // What became of the tasks that were made of it is said like that of any others.
    if !current.calls.iter().all(is_look) {
        return None;
    }
    let is_shared = scene.request.tools.iter().any(|tool| tool.name == LOOK_AT_SCREEN);
    let look = current.calls.iter().rev().find(|called| called.call.name == LOOK_AT_SCREEN);
    let text = normalise(current.user, &scene.request.now).text;
    let ask = asked(&text)?;
    match look.map(super::dialogue::Called::status) {
        None if is_shared => {
            Some(Answer { text: LOOKING.to_owned(), ..Answer::call(LOOK_AT_SCREEN, serde_json::Map::new()) })
        }
        None => names_a_screen(&text).then(|| Answer::say(NOT_SHARED)),
        Some("ok") => Some(match scene.request.seen.as_ref().and_then(|seen| seen.reading()) {
            Some(reading) if !reading.is_empty() => told(scene, ask, &reading),
            _ => Answer::say(UNREADABLE),
        }),
        Some(_) => Some(Answer::say(NO_PICTURE)),
    }
}

fn told(scene: &Scene<'_>, ask: Ask, reading: &Reading) -> Answer {
    match ask {
        Ask::Task => match task(scene, reading) {
            Some(task) => added(&[task]),
            None => Answer::say(UNREADABLE),
        },
        Ask::Items(count) => items(scene, count, reading),
        Ask::Due => match due(scene, reading) {
            Some(due) => Answer::say(format!("It is due {}.", dates::speak_due(due, &scene.request.now))),
            None => Answer::say("I see no due date there."),
        },
        Ask::What => Answer::say(described(reading)),
    }
}

fn added(tasks: &[NewTask]) -> Answer {
    let calls = tasks.iter().map(|task| ("add_task", act::add_arguments(task))).collect();
    Answer { text: String::new(), calls }
}

/// What somebody is asked to do there, or what it is about.
fn task(scene: &Scene<'_>, reading: &Reading) -> Option<NewTask> {
    if let [asked] = reading.requests().as_slice() {
        return Some(task_of(scene, asked));
    }
    let title = reading.title()?;
    let named = match reading.key() {
        Some(key) if !title.contains(&key) => format!("{key}: {title}"),
        _ => title,
    };
    Some(NewTask { title: fitting(&named), due: due(scene, reading), priority: priority(reading) })
}

/// A line as a task: a day at its end is when it is due.
fn task_of(scene: &Scene<'_>, line: &str) -> NewTask {
    let words = normalise::tokenise(line);
    let found = dates::find_trailing(&norms(&words), &scene.request.now).filter(|(start, _)| *start > 0);
    let named = found.map_or(words.as_slice(), |(start, _)| &words[..start]);
    let leads = |word: &str| matches!(word, "by" | "before" | "on" | "until" | "till" | "due");
    let end = named.iter().rposition(|word| !leads(&word.norm)).map_or(named.len(), |last| last + 1);
    NewTask { title: fitting(&normalise::title(&named[..end])), due: found.map(|(_, due)| due), priority: None }
}

fn fitting(title: &str) -> String {
    shortened(title, MAX_TITLE_CHARS)
}

fn items(scene: &Scene<'_>, count: Option<usize>, reading: &Reading) -> Answer {
    let open: Vec<String> = reading.items().into_iter().filter(|item| !item.is_done).map(|item| item.text).collect();
    if open.is_empty() {
        return Answer::say("I see no open items there.");
    }
    if open.len() > MOST {
        return Answer::say(format!(
            "I see {} open items there. That is more than I add at once; tell me which ones you want.",
            open.len()
        ));
    }
    if count.is_some_and(|count| count != open.len()) {
        let listed = reply::join(&open, "and");
        let (number, noun) = (open.len(), if open.len() == 1 { "item" } else { "items" });
        return Answer::say(format!(
            "I see {number} open {noun} there: {listed}. If you want them all, say, add the {number} action {noun}."
        ));
    }
    added(&open.iter().map(|line| task_of(scene, line)).collect::<Vec<_>>())
}

/// The day that stands by a label, or else the only one of a request.
fn due(scene: &Scene<'_>, reading: &Reading) -> Option<Due> {
    let labelled = reading.due().and_then(|text| day(scene, &text));
    labelled.or_else(|| match reading.requests().as_slice() {
        [asked] => task_of(scene, asked).due,
        _ => None,
    })
}

fn day(scene: &Scene<'_>, text: &str) -> Option<Due> {
    let words = normalise::tokenise(text);
    let norms = norms(&words);
    dates::parse(&norms, &scene.request.now)
        .or_else(|| dates::find_leading(&norms, &scene.request.now).map(|(_, due)| due))
}

fn priority(reading: &Reading) -> Option<Priority> {
    let word = reading.priority()?.to_lowercase();
    match word.split_whitespace().next()? {
        "high" | "highest" | "critical" | "urgent" | "blocker" | "p0" | "p1" => Some(Priority::High),
        "low" | "lowest" | "minor" | "trivial" | "p4" | "p5" => Some(Priority::Low),
        _ => None,
    }
}

fn described(reading: &Reading) -> String {
    let mut said = match reading.title() {
        Some(title) => format!("I see {}.", shortened(&title, MOST_READ_OUT)),
        None => "I see text, but no title.".to_owned(),
    };
    let open = reading.items().iter().filter(|item| !item.is_done).count();
    match (open, reading.requests().as_slice()) {
        (0, [asked]) => said.push_str(&format!(" It asks you to {asked}.")),
        (0, _) => {}
        (1, _) => said.push_str(" There is one open item."),
        (open, _) => said.push_str(&format!(" There are {open} open items.")),
    }
    said
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_asked_about_a_screen() {
        for (text, ask) in [
            ("create a task from this", Ask::Task),
            ("please make a task out of this ticket", Ask::Task),
            ("add this to my list", Ask::Task),
            ("add this mail", Ask::Task),
            ("turn this into a task", Ask::Task),
            ("add the three action items on my screen", Ask::Items(Some(3))),
            ("add the twelve action items", Ask::Items(Some(12))),
            ("add the twenty five action items", Ask::Items(Some(25))),
            ("add the 100 action items", Ask::Items(Some(100))),
            ("add all the action items", Ask::Items(None)),
            ("add a 3-action items on my screen", Ask::Items(Some(3))),
            ("add a section items on my screen", Ask::Items(None)),
            ("at the reaction items on my screen", Ask::Items(None)),
            ("can you add these to-dos to my list", Ask::Items(None)),
            ("add the next steps", Ask::Items(None)),
            ("what's the due date here", Ask::Due),
            ("what is the deadline on this page", Ask::Due),
            ("when is this due", Ask::Due),
            ("what do you see", Ask::What),
            ("what's on my screen", Ask::What),
            ("can you see my screen", Ask::What),
        ] {
            assert_eq!(asked(text), Some(ask), "{text}");
        }
        for text in [
            "add the first two items on my screen",
            "add buy milk",
            "add a todo",
            "what's on my list",
            "add a task to call mom",
            "what's due today",
            "delete this",
            "when is the dentist due",
            "remind me about the email",
            "write the email",
            "get the mail",
            "read the message",
        ] {
            assert_eq!(asked(text), None, "{text}");
        }
    }

    #[test]
    fn only_what_names_a_screen_asks_for_one() {
        for text in ["what's on my screen", "create a task from this"] {
            assert!(names_a_screen(text), "{text}");
        }
        for text in ["add this to my list", "remind me about this ticket", "add these things", "read my notes"] {
            assert!(!names_a_screen(text), "{text}");
        }
    }
}
