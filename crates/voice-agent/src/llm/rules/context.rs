//! What only the turns before tell: whether "I knew that" is "undo that", what "and eggs" adds to, and which words of a title
//! "no, Joe" replaces.

use super::Answer;
use super::act::Scene;
use super::answer::{again_by_title, again_with, best_fit};
use super::apart::counted_from;
use super::correct::{another_number, correct};
use super::dates;
use super::dialogue::{self, Called, TaskView, Turn, changes_of};
use super::follow::follow;
use super::lexicon;
use super::locate::{by_id, choose};
use super::more::ellipsis;
use super::normalise::{Utterance, Word, norms, title};
use super::parse::{self, Intent, NewTask, Pick, Talk};
use super::pointed::pointed_at;
use super::sequel::sequel;

/// Replaces what depends on what was done before.
/// `last` is the turn before, but for those that only repeated or hesitated.
pub(crate) fn settled(scene: &Scene<'_>, last: &Turn<'_>, utterance: &Utterance, intents: Vec<Intent>) -> Vec<Intent> {
    let settle = |intent: Intent| match intent {
        Intent::SoundsLikeUndo if changes_of(last).next().is_some() => Intent::Undo,
        Intent::SoundsLikeUndo if utterance.text.starts_with("i ") => Intent::Talk(Talk::Praise),
        Intent::SoundsLikeUndo => Intent::Unknown,
        Intent::BringBack => brought_back(scene, last),
        // "Scratch that", in so many words, is "undo that".
        Intent::Cancel if scratches(utterance) && changes_of(last).next().is_some() => Intent::Undo,
        Intent::Cancel | Intent::No if forgets(utterance) && changes_of(last).next().is_some() => taken_off(last),
        Intent::No if changes_of(last).count() == 1 && regrets(utterance) => taken_off(last),
        Intent::Add(tasks) => Intent::Add(tasks.into_iter().map(|task| counted_from(scene, utterance, task)).collect()),
        // "Also rake the leaves": one more, as before.
        Intent::Offer(tasks) if is_more(utterance) && added_lately(scene, last) => Intent::Add(tasks),
        Intent::Offer(tasks) => {
            Intent::Offer(tasks.into_iter().map(|task| counted_from(scene, utterance, task)).collect())
        }
        other => other,
    };
    if intents == [Intent::Redo] {
        let again = redone(scene);
        return if again.is_empty() { vec![Intent::NothingToBringBack] } else { again };
    }
    let settle = |intent: Intent| pointed_at(scene, utterance, settle(intent));
    let intents: Vec<Intent> = intents.into_iter().map(settle).collect();
    let [intent] = intents.as_slice() else { return intents };
    let found = sequel(scene, last, intent)
        .or_else(|| follow(scene, last, utterance, intent))
        .or_else(|| ellipsis(scene, last, utterance, intent))
        .or_else(|| mended(scene, last, utterance, intent))
        .or_else(|| picked(scene, last, utterance, intent));
    found.unwrap_or(intents)
}

/// Whether the words say that something is to come on top.
fn is_more(utterance: &Utterance) -> bool {
    let words = norms(&utterance.words);
    matches!(words.as_slice(), ["also" | "plus", ..] | ["oh" | "and" | "then", "also" | "and", ..])
        || matches!(words.as_slice(), [.., "too" | "also"] | [.., "as", "well"])
}

/// Whether a task was added in one of the last turns; what is said right behind that one is looked at elsewhere.
fn added_lately(scene: &Scene<'_>, last: &Turn<'_>) -> bool {
    let adds = |turn: &Turn<'_>| changes_of(turn).any(|called| called.call.name == "add_task");
    !adds(last) && scene.history().iter().rev().take(4).any(adds)
}

/// "No bread", "without the balloons": one of the tasks that were added lately is not wanted.
pub(crate) fn dropped(scene: &Scene<'_>, utterance: &Utterance) -> Option<Vec<Intent>> {
    let words = norms(&utterance.words);
    let rest = match words.as_slice() {
        [
            "no" | "not" | "without" | "minus" | "skip" | "except" | "scrap" | "ditch" | "forget",
            "the" | "my",
            rest @ ..,
        ]
        | ["no" | "not", "more", rest @ ..]
        | ["leave", "out", "the", rest @ ..]
        | ["leave", "out", rest @ ..]
        | ["no" | "not" | "without" | "minus" | "skip" | "except" | "scrap" | "ditch" | "forget", rest @ ..] => rest,
        _ => return None,
    };
    let rest = rest.strip_suffix(&["though"]).or_else(|| rest.strip_suffix(&["please"])).unwrap_or(rest);
    if rest.is_empty() || rest.len() > 3 {
        return None;
    }
    let lately = scene.history().iter().rev().take(3);
    let added: Vec<TaskView<'_>> = lately
        .flat_map(|turn| changes_of(turn).filter(|called| called.call.name == "add_task"))
        .filter_map(Called::task)
        .collect();
    let mut meant = added.iter().filter(|task| super::titles::has_words(rest, task.title));
    let task = meant.next().filter(|_| meant.next().is_none())?;
    Some(vec![Intent::Delete(vec![parse::Target::Title(task.title.to_owned())])])
}

/// "Actually, forget it": only what is said of what was just done.
fn forgets(utterance: &Utterance) -> bool {
    let said = |phrase: &&str| utterance.text.contains(phrase);
    ["forget it", "forget that", "forget about", "scratch that", "cancel that", "cancel it"].iter().any(said)
}

fn scratches(utterance: &Utterance) -> bool {
    ["scratch that", "scratch it", "strike that"].iter().any(|phrase| utterance.text.contains(phrase))
}

/// "Oh no", "no wait", "no, please don't": said right behind a change, it may be sorry for it. "No thanks" is not.
fn regrets(utterance: &Utterance) -> bool {
    let words = norms(&utterance.words);
    words.iter().any(|word| matches!(*word, "wait" | "don't" | "oh" | "actually")) && !words.contains(&"thanks")
}

/// The change is taken back; whether a new task goes again is asked first, where there is one such.
fn taken_off(last: &Turn<'_>) -> Intent {
    match changes_of(last).collect::<Vec<_>>().as_slice() {
        [_] => {
            let asks = serde_json::Map::from_iter([("confirmed".to_owned(), false.into())]);
            Intent::Again("undo".into(), asks)
        }
        _ => Intent::Undo,
    }
}

/// What the last "undo" took back, to be done again in the order in which it was done.
fn redone(scene: &Scene<'_>) -> Vec<Intent> {
    let mut done: Vec<Called<'_>> = Vec::new();
    let mut undone: Vec<Vec<Called<'_>>> = Vec::new();
    for turn in scene.history() {
        let count = turn.calls.iter().filter(|called| called.status() == "undone").count();
        if count > 0 {
            undone.push(done.split_off(done.len().saturating_sub(count)));
        }
        if changes_of(turn).next().is_some() {
            undone.clear();
            done.extend(changes_of(turn).copied());
        }
    }
    let again = |called: &Called<'_>| {
        let mut arguments = called.call.arguments.clone();
        // By its id, where it is still the same task.
        if let Some(task) = called.task().filter(|_| called.call.name != "add_task") {
            arguments.remove("title");
            arguments.insert("id".into(), task.id.clone());
        }
        Intent::Again(called.call.name.clone(), arguments)
    };
    undone.pop().unwrap_or_default().iter().map(again).collect()
}

/// "Put it back": what was just deleted, finished, or taken off again by an "undo".
fn brought_back(scene: &Scene<'_>, last: &Turn<'_>) -> Intent {
    if changes_of(last).any(|called| matches!(called.call.name.as_str(), "delete_task" | "complete_task")) {
        return Intent::Undo;
    }
    let taken_off = last.calls.iter().rev().find(|called| {
        called.status() == "undone" && called.field("action").and_then(serde_json::Value::as_str) == Some("add_task")
    });
    match taken_off.and_then(|called| called.task()) {
        Some(task) => Intent::Add(vec![NewTask {
            title: task.title.to_owned(),
            due: task.due.and_then(|due| dates::due_date(due, &scene.request.now)),
            priority: parse::find_priority(&[task.priority]),
        }]),
        None => Intent::NothingToBringBack,
    }
}

pub(crate) fn uncapitalised(text: &str) -> String {
    let second_is_capital = text.chars().nth(1).is_some_and(char::is_uppercase);
    let mut letters = text.chars();
    match letters.next() {
        Some(first) if !second_is_capital => first.to_lowercase().chain(letters).collect(),
        _ => text.to_owned(),
    }
}

/// "Sorry, call Joan", "no, Joe": other words for what was just added.
fn mended(scene: &Scene<'_>, last: &Turn<'_>, utterance: &Utterance, intent: &Intent) -> Option<Vec<Intent>> {
    let change = dialogue::last_change(last)?;
    let open = matches!(intent, Intent::Unknown | Intent::Offer(_) | Intent::Correct(_));
    if let Some(numbered) = another_number(scene, &change, &utterance.words).filter(|_| open) {
        return Some(vec![numbered]);
    }
    let renames = matches!(change.call.name.as_str(), "add_task" | "rename_task");
    if !matches!(intent, Intent::Unknown | Intent::Offer(_)) {
        return None;
    }
    let lead = utterance
        .words
        .iter()
        .take_while(|word| {
            matches!(word.norm.as_str(), "no" | "sorry" | "nope" | "wait" | "actually" | "oops" | "rather" | "oh")
        })
        .count();
    let behind = norms(&utterance.words[lead..]);
    let lead = lead
        + match behind.as_slice() {
            ["i", "meant" | "mean" | "said", _, ..] | ["it", "is" | "was", _, ..] | ["that", "is", _, ..] => 2,
            ["it's" | "that's" | "its", _, ..] => 1,
            // "No, undo that, …" is no title.
            ["undo" | "delete" | "remove" | "what" | "what's" | "show" | "list" | "forget", ..] => return None,
            _ => 0,
        };
    // "No sorry, …" is gone by now: what stands before it is not looked at.
    let user = scene.current().map_or("", |turn| turn.user).to_lowercase();
    let corrects = lead > 0
        || ["no ", "no,", "sorry", "wait", "i mean"].iter().any(|word| user.starts_with(word))
        || ["i mean", "i mean."].iter().any(|word| user.trim_end().ends_with(word));
    let rest = utterance.words.get(lead..)?;
    // "Silk thread actually."
    let (rest, turned) = match norms(rest).as_slice() {
        [.., "actually"] => (&rest[..rest.len() - 1], true),
        [.., "i", "mean" | "meant"] => (&rest[..rest.len() - 2], true),
        _ => (rest, false),
    };
    let rest = Some(rest).filter(|rest| (corrects || turned) && !rest.is_empty() && rest.len() <= 7)?;
    let like = replaces(change.task().map_or("", |task| task.title), &norms(rest));
    if is_phrase(&norms(rest), like) {
        return None;
    }
    // "That's all I need" tells, and corrects nothing.
    let only_is = lead == 1 && behind.first().is_some_and(|word| matches!(*word, "it's" | "that's" | "its")) && !turned;
    if only_is && !like && !["no", "sorry", "wait"].iter().any(|word| user.starts_with(word)) {
        return None;
    }
    // "Oh, dinner's ready, she said" is of something else.
    let copula = |word: &&str| matches!(*word, "is" | "are" | "was");
    if !meant_so(&user) && !like && norms(rest).iter().take(3).any(copula) {
        return None;
    }
    // Without a pause, "no" and "oh" belong to the word behind them ("no worries"), unless that is like one it corrects.
    let lead_pauses = match lead {
        0 => {
            user.split_whitespace().next().is_some_and(|word| word.ends_with([',', '.', '!', ';', '…', '-', '–', '—']))
        }
        _ => utterance.words[lead - 1].pauses(),
    };
    let meant = lead > utterance.words.len() - behind.len();
    if renames && !lead_pauses && !meant && !like {
        return None;
    }
    // Another task than the one that was changed has to be named.
    (renames || scene.titles.named(&norms(rest)).is_some()).then(|| correct(scene, last, rest)).flatten()
}

/// "Nine thirty", where a time was said before.
pub(crate) fn another_time(scene: &Scene<'_>, last: &Turn<'_>, words: &[&str]) -> Option<dates::Due> {
    let before = dialogue::last_change(last)?.task()?.due?;
    let due = dates::parse(&[&["at"], words].concat(), &scene.request.now)?;
    (before.contains('T') && due.time.is_some()).then_some(due)
}

/// Whether words behind a "no", "oh" or "sorry" are a phrase with it, which people say out of politeness or surprise, and
/// correct nothing.
fn is_phrase(words: &[&str], like: bool) -> bool {
    const OPENING: &str = "worries worry problem problems rush hurry pressure need wonder big biggie idea way \
        doubt matter more due good thanks chance kidding sweat stress trouble harm offence offense luck god gosh boy man dear \
        well wow hell heavens goodness all everything enough fine great nice lovely right true wrong sad bad funny perfect";
    let first = match words {
        ["about", "that" | "it" | "this"] => return true,
        ["my", last] => *last,
        // "Sorry about that"; but "no, for Lina" behind "… for Lena".
        ["about" | "for" | "to" | "if" | "that", ..] => return !like,
        [first, ..] => *first,
        [] => return true,
    };
    OPENING.split_ascii_whitespace().any(|word| word == first)
}

/// Whether the words are likely to stand for others of the title: a command of their own, or one that is close to one of its
/// words.
fn replaces(title: &str, words: &[&str]) -> bool {
    let lower = title.to_lowercase();
    let near = |word: &&str| lower.split(' ').any(|old| strsim::normalized_damerau_levenshtein(old, word) >= 0.5);
    lexicon::starts_verb(words) && words.len() > 1 || words.len() <= 4 && words.iter().any(near)
}

/// Whether the words say that they correct.
fn meant_so(user: &str) -> bool {
    ["no", "sorry", "wait", "i mean", "it's", "that's"].iter().any(|word| user.starts_with(word))
}

/// The title with the new words in the place of those that they correct: "Call John" and "Joe" are "Call Joe".
pub(crate) fn corrected_title(old: &str, words: &[Word]) -> String {
    let new: Vec<&str> = norms(words);
    let lower = old.to_lowercase();
    let of_old: Vec<&str> = lower.split(' ').collect();
    if let Some(placed) = at_another_place(old, words) {
        return placed;
    }
    let whole =
        lexicon::starts_verb(&new) || !lexicon::starts_verb(&of_old) || of_old.len() < 2 || new.len() >= of_old.len();
    if whole {
        return title(words);
    }
    let raw: Vec<&str> = old.split(' ').collect();
    // What began a sentence is spelt as it was within the title: "Chapter six, I mean".
    let spelt =
        |word: &Word| raw.iter().find(|old| **old == word.norm).map_or(word.raw.clone(), |old| (*old).to_owned());
    let said = words.iter().map(spelt).collect::<Vec<_>>().join(" ");
    let (at, length) = match new.as_slice() {
        [only] => {
            let near = |word: &str| strsim::normalized_damerau_levenshtein(word, only);
            let best = (1..of_old.len()).max_by(|a, b| near(of_old[*a]).total_cmp(&near(of_old[*b]))).unwrap_or(1);
            (if near(of_old[best]) >= 0.5 { best } else { of_old.len() - 1 }, 1)
        }
        several => (of_old.len().saturating_sub(several.len()).max(1), of_old.len().min(several.len())),
    };
    let head = raw[..at].join(" ");
    let tail = raw.get(at + length..).unwrap_or_default().join(" ");
    format!("{head} {said} {tail}").trim_end().to_owned()
}

/// "It's at the Black Lion", of "Quiz night at the Red Lion": what stands behind the same preposition, or at the end.
fn at_another_place(old: &str, words: &[Word]) -> Option<String> {
    let preposition = words.first()?.norm.as_str();
    if !matches!(preposition, "at" | "in" | "with" | "for" | "from") || !(2..=5).contains(&words.len()) {
        return None;
    }
    let of_old: Vec<&str> = old.split(' ').collect();
    let end = of_old.iter().rposition(|word| *word == preposition).filter(|at| *at > 0).unwrap_or(of_old.len());
    let next = |word: &&str| matches!(*word, "at" | "in" | "with" | "for" | "from" | "about");
    let rest = of_old.iter().skip(end + 1).position(next).map_or(of_old.len(), |at| end + 1 + at);
    let said: Vec<&str> = words.iter().map(|word| word.raw.as_str()).collect();
    Some([&of_old[..end], said.as_slice(), &of_old[rest..]].concat().join(" "))
}

/// "And the first", "and the other one": the same again with another task.
fn picked(scene: &Scene<'_>, last: &Turn<'_>, utterance: &Utterance, intent: &Intent) -> Option<Vec<Intent>> {
    let Intent::Pick(picks) = intent else { return None };
    let change = dialogue::last_change(last)?;
    if matches!(change.call.name.as_str(), "add_task" | "rename_task") || dialogue::pending(last).is_some() {
        return None;
    }
    // "No sorry, the third": of the month, where a date was given before.
    if change.call.name == "set_due"
        && dialogue::counted(scene.history()).len() < 2
        && let Some(due) = dates::parse(&norms(&utterance.words), &scene.request.now)
    {
        return Some(vec![Intent::SetDue(parse::Target::It, Some(due))]);
    }
    let among = dialogue::counted(scene.history());
    let changed = change.task()?;
    if picks.as_slice() == [Pick::Other] {
        let others: Vec<_> = among.iter().filter(|task| task.id != changed.id).collect();
        let only_open = scene.request.titles.iter().filter(|title| *title != changed.title).collect::<Vec<_>>();
        return match (others.as_slice(), only_open.as_slice()) {
            ([other], _) => Some(vec![again_with(&change.call.name, &change.call.arguments, other)]),
            (_, [only]) => Some(vec![again_by_title(&change, only)]),
            _ => None,
        };
    }
    // Without an "and" it corrects: the wrong one was changed.
    let adds = matches!(utterance.words[0].norm.as_str(), "and" | "also" | "then" | "plus");
    let chosen = choose(picks, &among);
    if chosen.is_empty() || !adds {
        return None;
    }
    Some(chosen.iter().map(|task| again_with(&change.call.name, &change.call.arguments, task)).collect())
}

/// The task stays on its day, at no hour; a look at the list has found which day that is.
pub(crate) fn untimed(scene: &Scene<'_>, target: &parse::Target) -> Answer {
    match looked_up(scene, target).as_slice() {
        [task] => match task.due.and_then(|due| dates::due_date(due, &scene.request.now)) {
            Some(due) => {
                let mut arguments = by_id(task);
                arguments.insert("due".into(), due.date.to_string().into());
                Answer::call("set_due", arguments)
            }
            None => Answer::say(format!("{} has no due date.", super::reply::spoken(task.title))),
        },
        _ => Answer::say("Which task do you mean? Please say its name."),
    }
}

/// The tasks of a look at the list that are meant.
fn looked_up<'a>(scene: &Scene<'a>, target: &parse::Target) -> Vec<TaskView<'a>> {
    let tasks = scene.looked().unwrap_or_default();
    match target {
        parse::Target::Title(title) => {
            let lower = title.to_lowercase();
            best_fit(&lower.split(' ').collect::<Vec<_>>(), &tasks)
        }
        _ => {
            let focus = dialogue::focus(scene.history());
            tasks.iter().filter(|task| focus.iter().any(|spoken| spoken.id == task.id)).copied().collect()
        }
    }
}

/// Two tasks get each other's due dates, which a look at the list has found.
pub(crate) fn swap(scene: &Scene<'_>, targets: &[parse::Target]) -> Answer {
    let tasks = scene.looked().unwrap_or_default();
    let mut meant: Vec<TaskView<'_>> = targets.iter().flat_map(|target| looked_up(scene, target)).collect();
    // "Swap them round": there are but two.
    if meant.len() != 2 && tasks.len() == 2 && matches!(targets, [parse::Target::Them]) {
        meant = tasks.clone();
    }
    let [one, other] = meant.as_slice() else {
        return Answer::say("Which two tasks do you mean? Please say their names.");
    };
    let dated = |task: &TaskView<'_>, due: Option<&str>| {
        let mut arguments = by_id(task);
        arguments.insert("due".into(), due.into());
        ("set_due", arguments)
    };
    Answer { text: String::new(), calls: vec![dated(one, other.due), dated(other, one.due)] }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::llm::rules::normalise::tokenise;

    #[test]
    fn a_correction_replaces_what_it_is_like() {
        for (old, said, new) in [
            ("Call John", "Joe", "Call Joe"),
            ("Call John", "call Joan", "Call Joan"),
            ("Call Maria about the rent", "Marta", "Call Marta about the rent"),
            ("Buy milk", "bread", "Buy bread"),
            ("Buy a blue shirt", "a green shirt", "Buy a green shirt"),
            ("Milk", "oat milk", "Oat milk"),
            ("Buy milk", "sell the old bike today", "Sell the old bike today"),
        ] {
            assert_eq!(corrected_title(old, &tokenise(said)), new, "{old} / {said}");
        }
    }
}
