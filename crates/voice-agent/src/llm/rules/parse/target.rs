//! Which task is meant.

use super::super::dates;
use super::super::normalise::{Word, norms, title};
use super::{Known, Pick};

/// Which task a command is about.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Target {
    /// The words by which the caller names it.
    Title(String),
    /// "it", "that one": the one that was spoken of last.
    It,
    /// "them": all that were spoken of last.
    Them,
    /// "everything", but for these.
    All(Vec<Target>),
    /// "everything due today", "the overdue ones": all that a question with these words would list.
    Those(String),
    /// "the second one" of those that were listed last.
    Picked(Vec<Pick>),
}

/// Understands the words that name a task. None if there are none.
pub(crate) fn target(words: &[Word]) -> Option<Target> {
    let words = stripped(words);
    if words.is_empty() {
        return None;
    }
    let norm = norms(words);
    let joined = norm.join(" ");
    if let Some(pointed) = pointed(&joined) {
        return Some(pointed);
    }
    if matches!(
        joined.as_str(),
        "he's"
            | "she's"
            | "they're"
            | "he"
            | "she"
            | "they"
            | "already"
            | "now"
            | "just now"
            | "already actually"
            | "a task"
            | "task"
            | "tasks"
            | "something"
            | "an item"
            | "some tasks"
            | "one of my tasks"
    ) {
        return None;
    }
    if is_everything(&norm) {
        return Some(Target::All(Vec::new()));
    }
    if is_filtered(&norm) || names_a_day(&norm) {
        return Some(Target::Those(joined.replace("'s", "")));
    }
    if let Some(kind) = of_a_kind(&norm).filter(|_| super::pick(&joined).is_none()) {
        return Some(kind);
    }
    if let Some(picks) = super::pick(&joined) {
        return Some(Target::Picked(picks));
    }
    let title = title(words);
    (!title.is_empty()).then_some(Target::Title(title))
}

/// Words that only point: "it", "both of them", "the rest".
fn pointed(joined: &str) -> Option<Target> {
    Some(match joined {
        "it"
        | "that"
        | "this"
        | "that one"
        | "this one"
        | "that task"
        | "this task"
        | "the task"
        | "the one"
        | "the last one i added"
        | "the one i just added"
        | "the task i just added"
        | "eat"
        | "the same"
        | "the same one"
        | "what i just added"
        | "that last one"
        | "this last one"
        | "the new one"
        | "the new task"
        | "that thing"
        | "the most recent one"
        | "one"
        | "that item"
        | "it again"
        | "that again"
        | "that one again"
        | "him"
        | "her" => Target::It,
        "them" | "it all" | "those" | "these" | "both" | "both of them" | "all of them" | "those two" | "them both"
        | "them all" | "both tasks" | "these two" | "those tasks" | "all of those" | "these tasks" | "all those"
        | "all three" | "all three of them" => Target::Them,
        "the others" | "the other ones" | "the rest" | "the rest of them" | "all the others" | "all the rest"
        | "all the other ones" | "the remaining ones" | "the other two" | "the other three" | "the other four" => {
            Target::Picked(vec![Pick::Others])
        }
        "the rest of it"
        | "the rest of my list"
        | "the rest of the list"
        | "everything else"
        | "all other tasks"
        | "the other tasks"
        | "the remaining tasks"
        | "what's left" => Target::All(vec![Target::It]),
        _ => return None,
    })
}

/// "The task for tomorrow", "the one due on Friday".
fn names_a_day(words: &[&str]) -> bool {
    const DAYS: &str = "today tomorrow tonight monday tuesday wednesday thursday friday saturday sunday";
    let rest = match words {
        ["the" | "my" | "that", "task" | "one" | "reminder" | "item", rest @ ..] => rest,
        _ => return false,
    };
    let linked = rest
        .iter()
        .take_while(|word| matches!(**word, "that's" | "is" | "which" | "due" | "for" | "on" | "from" | "of"))
        .count();
    matches!(&rest[linked..], [day] if linked > 0 && DAYS.split_ascii_whitespace().any(|known| known == *day))
}

/// "Both emails", "all the calls": those that have the word in their titles.
fn of_a_kind(words: &[&str]) -> Option<Target> {
    let ["both" | "all", kind @ ..] = words else { return None };
    match kind {
        ["of", "the" | "my" | "those", kind] | ["the" | "my" | "those", kind] | [kind] if kind.ends_with('s') => {
            Some(Target::Those(format!("{} about {kind}", words[0])))
        }
        _ => None,
    }
}

/// "everything", "all my tasks", "the whole list".
fn is_everything(words: &[&str]) -> bool {
    let tasks = |word: &&str| {
        matches!(*word, "tasks" | "task" | "to-dos" | "to-do" | "todos" | "items" | "reminders" | "list" | "things")
    };
    let filler = |word: &&str| {
        tasks(word)
            || matches!(
                *word,
                "of" | "my" | "the" | "our" | "open" | "single" | "on" | "it" | "whole" | "entire" | "these"
            )
    };
    match words {
        ["all" | "everything", rest @ ..] => rest.iter().all(filler),
        ["every" | "each", rest @ ..] => rest.iter().any(tasks) && rest.iter().all(filler),
        ["my" | "the" | "our", rest @ ..] => {
            matches!(rest, ["tasks" | "to-dos" | "todos"]) || matches!(rest, ["whole" | "entire", "list"])
        }
        _ => false,
    }
}

/// "everything due today", "all urgent tasks", "the overdue ones".
fn is_filtered(words: &[&str]) -> bool {
    let tasks = |word: &str| {
        matches!(word, "tasks" | "ones" | "things" | "stuff" | "to-dos" | "items" | "everything" | "all" | "those")
    };
    let skip =
        words.iter().take_while(|word| matches!(**word, "the" | "my" | "of" | "all" | "everything" | "those")).count();
    let spans = words[..skip].iter().any(|word| matches!(*word, "all" | "everything" | "those"));
    let rest = &words[skip..];
    // "The overdue ones".
    let kind = match rest {
        ["overdue" | "late" | "urgent" | "important" | "unimportant", tail @ ..] => Some(tail),
        ["high" | "low" | "normal", "priority", tail @ ..] => Some(tail),
        _ => None,
    };
    if let Some(tail) = kind {
        return matches!(tail, [last] if tasks(last)) || tail.is_empty() && spans;
    }
    // "All of today's tasks".
    if let [day, last] = rest
        && day.ends_with("'s")
        && tasks(last)
    {
        return true;
    }
    // "Everything due today", "all tasks from today", "the ones for tomorrow".
    let named = usize::from(rest.first().is_some_and(|word| tasks(word)));
    let mut tail = &rest[named..];
    while let [
        "that" | "that's" | "which" | "is" | "was" | "were" | "are" | "scheduled" | "planned" | "still",
        more @ ..,
    ] = tail
    {
        tail = more;
    }
    let dated = matches!(tail, ["due" | "from" | "for" | "on" | "of", _, ..])
        || matches!(tail, ["overdue" | "urgent" | "late"]);
    (spans || named == 1) && skip + named > 0 && dated
}

/// The words without what only says that they are about a task.
pub(super) fn strip_task(words: &[Word]) -> &[Word] {
    stripped(words)
}

/// Without "the task called …" in front and "… task" behind.
fn stripped(words: &[Word]) -> &[Word] {
    let mut words = words;
    if words.len() == 1 && words[0].quoted {
        return words;
    }
    if let [actually, the, ..] = words
        && (actually.norm == "actually" || actually.norm == "and" && matches!(the.norm.as_str(), "the" | "my"))
    {
        words = &words[1..];
    }
    let norm = norms(words);
    if names_a_day(&norm) {
        return words;
    }
    let article = usize::from(matches!(norm.first(), Some(&"the" | &"my" | &"that" | &"this" | &"a" | &"our")));
    if matches!(norm.get(article), Some(&"task" | &"item" | &"reminder" | &"todo" | &"to-do" | &"one" | &"entry")) {
        let linking = matches!(
            norm.get(article + 1),
            Some(
                &"called" | &"named" | &"to" | &"about" | &"for" | &"with" | &"of" | &"titled" | &"saying" | &"that's"
            )
        );
        let digit =
            norm.get(article + 1).is_some_and(|word| dates::cardinal(&[word]).is_some()) && norm.len() == article + 2;
        if linking && norm.len() > article + 2 {
            words = &words[article + 2..];
        } else if norm.len() > article + 1 && article == 1 && !digit {
            words = &words[article + 1..];
        }
        return words;
    }
    if let [first, .., last] = norm.as_slice()
        && norm.len() >= 3
        && matches!(*first, "the" | "my" | "that" | "this")
        && matches!(*last, "task" | "item" | "reminder" | "one" | "todo" | "to-do" | "entry" | "thing")
        && super::pick(&norm.join(" ")).is_none()
    {
        return &words[1..words.len() - 1];
    }
    words
}

/// "Everything tomorrow", "tomorrow's call": what is due then.
pub(super) fn of_that_day(words: &[Word], known: Known<'_>) -> Option<Target> {
    let words = norms(words);
    let day = |words: &[&str]| dates::parse(words, known.now).is_some_and(|due| due.day_said);
    match words.as_slice() {
        ["everything" | "all", "due" | "for" | "on", when @ ..] | ["everything" | "all", when @ ..] if day(when) => {
            Some(Target::Those(format!("everything due {}", when.join(" "))))
        }
        [when, name @ ..] => {
            let named = known.titles.named(name).filter(|_| known.titles.named(&words).is_none())?;
            when.strip_suffix("'s").filter(|when| day(&[*when])).map(|_| Target::Title(named.to_owned()))
        }
        [] => None,
    }
}
