//! "And eggs", "eggs too", "I've called them": more of what was just done, or offered.

use super::act::Scene;
use super::answer::again_by_title;
use super::apart::counted_from;
use super::context::uncapitalised;
use super::dates;
use super::dialogue::{self, Turn};
use super::lexicon;
use super::locate::choose;
use super::normalise::{Utterance, Word, end_in_question, norms, title};
use super::parse::{self, Intent, NewTask, Talk, Target};

/// "And low priority?" behind "how many high priority ones are there?": the same list for another priority.
pub(crate) fn other_priority(last: &Turn<'_>, utterance: &Utterance, intent: &Intent) -> Option<Intent> {
    let Intent::SetPriority(Target::It, priority) = intent else { return None };
    let listed =
        last.calls.last().filter(|called| end_in_question(&utterance.words) && called.call.name == "list_tasks")?;
    let mut arguments = listed.call.arguments.clone();
    arguments.insert("priority".into(), priority.as_str().into());
    arguments.remove("offset");
    Some(Intent::Again("list_tasks".into(), arguments))
}

/// "And at the weekend?" asks, and moves nothing.
pub(crate) fn asked_of_a_day(scene: &Scene<'_>, utterance: &Utterance, intent: &Intent) -> Option<Intent> {
    let Intent::Date(due) = intent else { return None };
    if !due.day_said || !end_in_question(&utterance.words) {
        return None;
    }
    let found = parse::filter(&utterance.text, scene.known());
    let day = found.due.or_else(|| Some(due.date.to_string()));
    Some(Intent::List(parse::Filter { status: Some("open"), due: day, ..parse::Filter::default() }))
}

/// "And eggs", "eggs too": more of what was just done.
pub(crate) fn ellipsis(
    scene: &Scene<'_>,
    last: &Turn<'_>,
    utterance: &Utterance,
    intent: &Intent,
) -> Option<Vec<Intent>> {
    if let Some(found) = asked_too(last, utterance, intent).or_else(|| done_to_it(scene, utterance, intent)) {
        return Some(found);
    }
    let change = dialogue::last_change(last)?;
    if intent.is_command() || !matches!(intent, Intent::Unknown | Intent::Offer(_) | Intent::Talk(Talk::OffTopic)) {
        return None;
    }
    let words = utterance.words.as_slice();
    let words = match words {
        [first, rest @ ..] if rest.len() > 1 && matches!(first.norm.as_str(), "ok" | "okay" | "yes" | "yeah") => rest,
        _ => words,
    };
    // "So are the dishes", "so is the car".
    if let ["so", "is" | "are" | "was" | "were" | "has" | "have" | "did" | "does", rest @ ..] = norms(words).as_slice()
        && change.call.name != "add_task"
    {
        let picked = parse::pick(&rest.join(" ")).map(|picks| choose(&picks, &dialogue::counted(scene.history())));
        let picked = picked.filter(|picked| picked.len() == 1).map(|picked| picked[0].title);
        return picked.or_else(|| scene.titles.named(rest)).map(|named| vec![again_by_title(&change, named)]);
    }
    let leads =
        words.iter().take_while(|word| matches!(word.norm.as_str(), "and" | "also" | "plus" | "oh" | "then")).count();
    let tail = match norms(words).as_slice() {
        [.., "as", "well"] => 2,
        [.., "too" | "also"] => 1,
        _ => 0,
    };
    let leads = if words.first().is_some_and(|word| word.norm == "oh") && leads == 1 { 0 } else { leads };
    if leads + tail == 0 || leads + tail >= words.len() || words.len() > 14 {
        return None;
    }
    let rest = &words[leads..words.len() - tail];
    let rest = if rest[0].norm == "add" && rest.len() > 1 { &rest[1..] } else { rest };
    if tells_or_asks(rest) {
        return None;
    }
    match change.call.name.as_str() {
        "add_task" | "rename_task" => {
            let before = change.task()?;
            let due = before.due.and_then(|due| dates::due_date(due, &scene.request.now));
            let tasks = parse::new_tasks(rest, false, scene.known());
            let like = |task: NewTask| {
                let task = counted_from(scene, utterance, task);
                // What has a verb of its own is another matter, and has its own day.
                let own = lexicon::starts_action(&norms(rest));
                let due = task.due.or(due.filter(|_| !own));
                NewTask { title: with_verb(before.title, &task.title), due, ..task }
            };
            Some(vec![Intent::Add(tasks.into_iter().map(like).collect())]).filter(|_| rest.len() <= 10)
        }
        _ => {
            let named = scene.titles.named(&norms(rest))?;
            Some(vec![again_by_title(&change, named)])
        }
    }
}

/// "And dish soap" behind an offer to add a task: what it adds to it.
pub(crate) fn one_more(scene: &Scene<'_>, before: &str, words: &[Word]) -> Option<Vec<NewTask>> {
    let leads = words.iter().take_while(|word| matches!(word.norm.as_str(), "and" | "also" | "plus" | "add")).count();
    let rest = words.get(leads..).filter(|rest| !rest.is_empty() && rest.len() <= 10 && !tells_or_asks(rest))?;
    let plain = parse::without_courtesies(&Utterance::new(rest.to_vec()));
    let tasks = parse::new_tasks(&plain.words, false, scene.known());
    let like = |task: NewTask| NewTask { title: with_verb(before, &task.title), ..task };
    Some(tasks.into_iter().map(like).collect::<Vec<_>>()).filter(|tasks| !tasks.is_empty())
}

/// "And we're meeting at noon", "and how do I remove it" name nothing to add.
fn tells_or_asks(rest: &[Word]) -> bool {
    const TELLING: &str = "i i'm i've i'll we we're we've we'll he he's she she's they they're it it's that's there's you how what what's when \
        why where who which can could is are do does did just only once twice maybe perhaps not never so if because since yes no \
        okay then there here always again";
    TELLING.split_ascii_whitespace().any(|telling| telling == rest[0].norm)
}

/// "And matches?": the question before, about another task.
fn asked_too(last: &Turn<'_>, utterance: &Utterance, intent: &Intent) -> Option<Vec<Intent>> {
    let asked =
        last.calls.last().filter(|called| called.call.name == "list_tasks" && called.argument("query").is_some())?;
    let open = matches!(intent, Intent::Unknown | Intent::Offer(_) | Intent::Talk(Talk::OffTopic));
    let rest = match utterance.words.as_slice() {
        [and, rest @ ..] if matches!(and.norm.as_str(), "and" | "or") && (1..=6).contains(&rest.len()) && open => rest,
        _ => return None,
    };
    let mut arguments = asked.call.arguments.clone();
    arguments.insert("query".into(), title(rest).into());
    arguments.remove("offset");
    Some(vec![Intent::Again("list_tasks".into(), arguments)])
}

/// "I've called them": the one task of those spoken of, or of all, that begins with the verb.
fn done_to_it(scene: &Scene<'_>, utterance: &Utterance, intent: &Intent) -> Option<Vec<Intent>> {
    if !matches!(intent, Intent::Incomplete(parse::Missing::Title, inner) if matches!(**inner, Intent::Complete(_))) {
        return None;
    }
    let verb = utterance.words.iter().find_map(|word| lexicon::present_of(&word.norm).filter(|verb| verb != "do"))?;
    let begins = |title: &str| title.to_lowercase().split(' ').next() == Some(verb.as_str());
    let focus = dialogue::focus(scene.history());
    let spoken: Vec<&str> =
        focus.iter().filter(|task| !task.done).map(|task| task.title).filter(|title| begins(title)).collect();
    let all: Vec<&str> = scene.request.titles.iter().map(String::as_str).filter(|title| begins(title)).collect();
    match (spoken.as_slice(), all.as_slice()) {
        ([only], _) | ([], [only]) => Some(vec![Intent::Complete(vec![Target::Title((*only).to_owned())])]),
        _ => None,
    }
}

/// A thing with the verb of the task before: "buy milk" and "eggs" are "Buy eggs".
fn with_verb(before: &str, thing: &str) -> String {
    let lower = before.to_lowercase();
    let of_before: Vec<&str> = lower.split(' ').collect();
    let lower = thing.to_lowercase();
    let of_thing: Vec<&str> = lower.split(' ').collect();
    // "Dry cleaning" begins with no verb.
    let noun = of_before.get(1).is_some_and(|word| word.ends_with("ing") && of_before.len() == 2);
    let alike = lexicon::starts_verb(&of_before) && of_before.len() > 1 && of_thing.len() <= 3 && !noun;
    let own_verb = lexicon::starts_verb(&of_thing);
    match before.split(' ').next().filter(|_| alike && !own_verb) {
        Some(verb) => format!("{verb} {}", uncapitalised(thing)),
        None => thing.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thing_takes_the_verb_before_it() {
        assert_eq!(with_verb("Buy milk", "Eggs"), "Buy eggs");
        assert_eq!(with_verb("Buy milk", "USB sticks"), "Buy USB sticks");
        assert_eq!(with_verb("Buy milk", "Call Bob"), "Call Bob");
        assert_eq!(with_verb("Milk", "Eggs"), "Eggs");
        assert_eq!(with_verb("Dry cleaning", "The pharmacy"), "The pharmacy");
        assert_eq!(with_verb("Buy paint", "A ladder"), "Buy a ladder");
    }
}
