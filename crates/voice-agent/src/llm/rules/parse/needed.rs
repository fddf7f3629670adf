//! "I need …": something to do, something to buy, or a day for what is on the list.

use super::super::dates;
use super::super::lexicon;
use super::super::normalise::{Word, norms};
use super::add::{build, marked};
use super::rule::Match;
use super::{Filter, Intent, NewTask, Target, new_tasks};

/// "I need to …": a task, unless it is said of the list or of the call itself.
pub(super) fn needed(found: &Match<'_>) -> Option<Intent> {
    let text = found.text("t");
    let words = norms(found.words("t"));
    let said = found.utterance_text().strip_suffix(text)?.trim_end();
    if asks_for_nothing(&words) {
        return None;
    }
    if let Some(kept) = not_forgotten(found, &words) {
        return Some(kept);
    }
    // "I have done …", "I got the milk", "I have a lot on": without a "to", having tells of what is, and asks for nothing.
    if said.ends_with(" have") || said.ends_with(" got") || said.ends_with(" had better") {
        return None;
    }
    if let Some(sooner) = sooner(found, &words) {
        return Some(sooner);
    }
    if let Some(known) = on_the_list_already(found, &words) {
        return Some(known);
    }
    // "I need to buy the strings before the rehearsal", and "Buy strings" is on the list.
    let hinge =
        words.iter().position(|word| matches!(*word, "before" | "after" | "until" | "when")).filter(|at| *at > 1);
    if let Some(title) = hinge.and_then(|at| found.known.titles.same(&words[..at]))
        && dates::find_trailing(&words, found.known.now).is_none()
    {
        return Some(Intent::List(Filter { status: Some("open"), query: Some(title.to_owned()), ..Filter::default() }));
    }
    // "I need the mat before that": it is on the list.
    if matches!(words.as_slice(), ["the" | "my" | "that", _, ..])
        && let [only] = found.known.titles.touched(&words).as_slice()
        && words.len() <= 6
    {
        let query = Some((*only).to_owned());
        return Some(Intent::List(Filter { status: Some("open"), query, ..Filter::default() }));
    }
    // "I need bread": a thing, and no doing.
    let few = words.len() <= 3 || found.words("t")[0].pauses();
    if said.split(' ').next_back() == Some("need") && !lexicon::starts_verb(&words) && few && !is_about_us(&words) {
        return lacking(found);
    }
    // "I have to see the doctor on Friday" is an appointment; "I need to see my list" is none.
    let appointed = words.first() == Some(&"see")
        && (dates::find_trailing(&words, found.known.now).is_some()
            || dates::find_inner(&words, found.known.now).is_some());
    if appointed {
        return marked(found);
    }
    if helps_somebody(&words) && said.ends_with(" to") {
        return marked(found);
    }
    if matches!(
        words.first(),
        Some(&"see" | &"hear" | &"know" | &"help" | &"a" | &"some" | &"no" | &"nothing" | &"any" | &"that" | &"it")
    ) {
        return None;
    }
    if matches!(
        words.as_slice(),
        [
            "do" | "finish" | "start" | "add" | "change" | "fix" | "check",
            "mine" | "it" | "that" | "this" | "them" | "something"
        ]
    ) || matches!(words.as_slice(), ["do", "it" | "that" | "this", "again", ..])
    {
        return None;
    }
    if matches!(text, "go" | "go now" | "leave" | "run" | "think" | "stop" | "do" | "do today") {
        return None;
    }
    // "I have three tasks" states, and does not ask for anything.
    if !lexicon::starts_verb(&words) && !found.text("t").contains(' ') {
        return None;
    }
    marked(found)
}

/// "Remind me about the toner on Friday", which is on the list.
pub(super) fn reminded(found: &Match<'_>) -> Option<Intent> {
    let words = norms(found.words("t"));
    let ["the" | "my" | "that", ..] = words.as_slice() else { return None };
    let (start, due) = dates::find_trailing(&words, found.known.now)?;
    Some(Intent::SetDue(Target::Title(found.known.titles.meant(&words[..start])?), Some(due)))
}

/// "I have until Friday to submit the form": a day for what is on the list, or a task with its day.
pub(super) fn until(found: &Match<'_>) -> Option<Intent> {
    let due = dates::parse(&norms(found.words("d")), found.known.now)?;
    if let Some(title) = found.known.titles.meant(&norms(found.words("t"))) {
        return Some(Intent::SetDue(Target::Title(title), Some(due)));
    }
    let tasks = new_tasks(found.words("t"), false, found.known);
    Some(Intent::Add(tasks.into_iter().map(|task| NewTask { due: Some(due), ..task }).collect()))
}

/// "I need to frame the poster by Wednesday", and it is on the list for another day.
fn on_the_list_already(found: &Match<'_>, words: &[&str]) -> Option<Intent> {
    let (start, due) = dates::find_trailing(words, found.known.now).filter(|(start, _)| *start > 1)?;
    let title = found.known.titles.same(&words[..start])?;
    Some(Intent::SetDue(Target::Title(title.to_owned()), Some(due)))
}

/// "I should have watered the plants" was not done, and "I really should go more often, shouldn't I?" is no plan.
fn asks_for_nothing(words: &[&str]) -> bool {
    matches!(words, ["have", verb, ..] if lexicon::present_of(verb).is_some())
        || matches!(words.last(), Some(&"i" | &"we"))
}

/// "I need to help Grandma with the boxes", and not "help me".
fn helps_somebody(words: &[&str]) -> bool {
    matches!(words, ["help", somebody, ..] if !matches!(*somebody, "me" | "us" | "you" | "with" | "here" | "please"))
}

/// "I must not forget my passport."
fn not_forgotten(found: &Match<'_>, words: &[&str]) -> Option<Intent> {
    let ["not", "forget", about, ..] = words else { return None };
    let lead = if matches!(*about, "to" | "about") { 3 } else { 2 };
    let kept = found.words("t").get(lead..).filter(|kept| !kept.is_empty())?;
    Some(build(kept, false, None, found.known))
}

/// "We need the hay sooner, by Friday": it is on the list.
fn sooner(found: &Match<'_>, words: &[&str]) -> Option<Intent> {
    let (start, due) = dates::find_trailing(words, found.known.now).filter(|(start, _)| *start > 0)?;
    let named: Vec<&str> = words[..start]
        .iter()
        .copied()
        .filter(|word| !matches!(*word, "sooner" | "earlier" | "later" | "already" | "done" | "back"))
        .collect();
    let title = found.known.titles.meant(&named).filter(|_| !lexicon::starts_verb(&named))?;
    Some(Intent::SetDue(Target::Title(title), Some(due)))
}

fn is_about_us(words: &[&str]) -> bool {
    matches!(words, [first, ..] if matches!(*first, "help" | "you" | "a" | "an" | "some" | "it" | "that" | "this" | "more" | "no" | "nothing" | "anything" | "time" | "to" | "my"))
}

/// Something is needed, or has run out: to be bought, we suppose, and ask.
pub(super) fn lacking(found: &Match<'_>) -> Option<Intent> {
    // What follows in a sentence of its own is none of the thing.
    if found.words("t").split_last().is_some_and(|(_, rest)| rest.iter().any(Word::ends_sentence)) {
        return None;
    }
    let things = match found.words("t") {
        // "We're out of coffee again."
        [things @ .., last] if last.norm == "again" && !things.is_empty() => things,
        things => things,
    };
    match build(things, false, None, found.known) {
        Intent::Add(tasks) => {
            let buy = |task: NewTask| {
                let mut letters = task.title.chars();
                // "Buy milk", but "Buy USB sticks".
                let acronym = task.title.chars().nth(1).is_some_and(char::is_uppercase);
                let first = letters
                    .next()
                    .map(|first| if acronym { first.to_string() } else { first.to_lowercase().to_string() });
                NewTask { title: format!("Buy {}{}", first.unwrap_or_default(), letters.as_str()), ..task }
            };
            Some(Intent::Offer(tasks.into_iter().map(buy).collect()))
        }
        _ => None,
    }
}
