//! Corrections: "no, I meant Friday", "the other one".

use super::act::Scene;
use super::answer::{again_by_title, again_with, another_day};
use super::context::{self, corrected_title, uncapitalised};
use super::dates;
use super::dialogue::{self, Called, Pending, Turn};
use super::lexicon::{starts_verb, stem};
use super::locate::choose;
use super::normalise::{Utterance, Word, end_in_question, norms, title};
use super::parse::{self, Intent, Known, Target};

/// What a question begins with.
const ASKING: &str = "is are was do does did when what which who how";

/// "No, I meant Friday": corrects what the turn before did, or did not find.
pub(crate) fn correct(scene: &Scene<'_>, previous: &Turn<'_>, words: &[Word]) -> Option<Vec<Intent>> {
    let known = scene.known();
    // "Wait, is Wednesday the twenty-fifth?" asks.
    let asks = end_in_question(words);
    if asks && words.first().is_some_and(|word| ASKING.split(' ').any(|asks| asks == word.norm)) {
        return None;
    }
    let words = in_front_of_a_reason(when_said_last(words, known), known);
    let norm = norms(words);
    // "No, make that three weeks": from today, as before.
    let distance = || dates::parse(&[&["in"], norm.as_slice()].concat(), known.now).filter(|_| norm.len() > 1);
    let due = dates::parse(&norm, known.now)
        .or_else(|| of_its_unit(scene, previous, &norm))
        .or_else(|| context::another_time(scene, previous, &norm))
        .or_else(distance);
    let priority = parse::find_priority(&norm);
    if let Some(renamed) = a_word_for_another(previous, words) {
        return Some(vec![renamed]);
    }
    if let Some(other) = another_of_them(scene, previous, &norm) {
        return Some(other);
    }
    let unfound = previous.calls.iter().rev().find(|called| matches!(called.status(), "not_found" | "ambiguous"));
    if let (Some(called), None) = (unfound, due) {
        return Some(vec![again_by_title(called, &title(words))]);
    }
    let taken_back = previous.calls.iter().any(|called| called.status() == "undone");
    if let (true, [.., before, _]) = (taken_back, scene.history()) {
        // "I did A" … "undo" … "I meant B".
        let change = dialogue::last_change(before).filter(|change| change.call.name != "add_task")?;
        return known.titles.named(&norm).map(|named| vec![again_by_title(&change, named)]);
    }
    if let Some(dated) = one_of_several(scene, previous, &norm) {
        return Some(vec![dated]);
    }
    let Some(change) = dialogue::last_change(previous) else {
        let listed = previous.calls.iter().rev().find(|called| called.call.name == "list_tasks")?;
        return Some(vec![another_day(listed, due?)]);
    };
    if let (Some(due), false) = (due, change.call.name == "delete_task") {
        return Some(vec![Intent::SetDue(Target::It, Some(due))]);
    }
    if let (Some(priority), false) = (priority, change.call.name == "delete_task") {
        return Some(vec![Intent::SetPriority(Target::It, priority)]);
    }
    if let ["the" | "that", "other", rest @ ..] | ["other", rest @ ..] = norm.as_slice()
        && let Some(other) = other_than(scene, &change, rest)
    {
        return Some(vec![Intent::Undo, again_by_title(&change, &other)]);
    }
    // "I meant the pears", and there are some: the wrong one was renamed.
    if change.call.name == "rename_task"
        && let Some(other) = known.titles.named(&norm)
        && change.task().is_none_or(|task| task.title != other)
    {
        return Some(vec![Intent::Undo, again_by_title(&change, other)]);
    }
    match change.call.name.as_str() {
        "add_task" | "rename_task" => in_other_words(scene, &change, words),
        // The wrong task was changed: take that back, and change the right one. Words that name none correct nothing.
        _ => {
            let near = known.titles.near(&norm);
            let named =
                near.iter().any(|(share, _)| *share >= 0.5) || change.call.name == "complete_task" && near.len() == 1;
            // The one that fits best, in full: what was changed may sound like it.
            let most = near.iter().map(|(share, _)| *share).fold(0.0, f64::max);
            let mut best = near.iter().filter(|(share, _)| *share >= most && most >= 0.99).map(|(_, title)| *title);
            let only = best.next().filter(|_| best.next().is_none()).map_or_else(|| title(words), str::to_owned);
            named.then(|| vec![Intent::Undo, again_by_title(&change, &only)])
        }
    }
}

/// "Eleven. It's ten a.m.": the last sentence, if it says when; else all of them.
fn when_said_last<'w>(words: &'w [Word], known: Known<'_>) -> &'w [Word] {
    let last = words.split_last().and_then(|(_, rest)| rest.iter().rposition(Word::ends_sentence));
    let last = last.map_or(words, |end| &words[end + 1..]);
    let lead = last.iter().take_while(|word| matches!(word.norm.as_str(), "it's" | "it" | "is" | "make")).count();
    if dates::parse(&norms(&last[lead..]), known.now).is_some() { &last[lead..] } else { words }
}

/// "Tomorrow, the shop is shut": the day in front of why it is.
fn in_front_of_a_reason<'w>(words: &'w [Word], known: Known<'_>) -> &'w [Word] {
    let front = words.iter().position(Word::pauses).map_or(words, |at| &words[..=at]);
    let reason = words.get(front.len()..).unwrap_or_default();
    let dated = |words: &[Word]| dates::parse(&norms(words), known.now).is_some();
    let why = reason.len() > 2 && !dated(words) && dates::find_trailing(&norms(reason), known.now).is_none();
    if why && dated(front) && reason.iter().all(|word| word.norm != "not") { front } else { words }
}

/// "I meant oat milk, on Friday": what was just added or renamed, with other words for some of its own.
fn in_other_words(scene: &Scene<'_>, change: &Called<'_>, words: &[Word]) -> Option<Vec<Intent>> {
    let (known, norm) = (scene.known(), norms(words));
    // "I think I said eleven": an hour is no name, and neither are two sentences.
    let sentences = words.split_last().is_some_and(|(_, rest)| rest.iter().any(Word::ends_sentence));
    if sentences || dates::parse(&[&["at"], norm.as_slice()].concat(), known.now).is_some() {
        return None;
    }
    let task = parse::new_tasks(words, false, known).into_iter().next()?;
    let dated = dates::find_trailing(&norm, known.now).map_or(words.len(), |(start, _)| start);
    let old = change.task().map_or("", |task| task.title);
    let new = if dated == words.len() { corrected_title(old, words) } else { task.title };
    let mut intents = vec![Intent::Rename(Target::It, new)];
    if task.due.is_some() {
        intents.push(Intent::SetDue(Target::It, task.due));
    }
    Some(intents)
}

/// "Sorry, in twenty": minutes or days, as was said before.
fn of_its_unit(scene: &Scene<'_>, previous: &Turn<'_>, norm: &[&str]) -> Option<dates::Due> {
    const UNITS: &str = "minutes minute hours hour days day weeks week months month";
    let ["in", number @ ..] = norm else { return None };
    dates::cardinal(number).filter(|(length, _)| *length == number.len())?;
    let user = previous.user.to_lowercase();
    let mut said = user.split(|letter: char| !letter.is_alphanumeric());
    let unit = said.find(|word| UNITS.split(' ').any(|unit| unit == *word))?;
    dates::parse(&[norm, &[unit]].concat(), scene.known().now)
}

/// "The long day's Sunday", of several that were added: the one that is named.
fn one_of_several(scene: &Scene<'_>, previous: &Turn<'_>, norm: &[&str]) -> Option<Intent> {
    let known = scene.known();
    let (start, due) = dates::find_trailing(norm, known.now).filter(|(start, _)| *start > 0)?;
    let named: Vec<&str> = norm[..start]
        .iter()
        .map(|word| word.trim_end_matches("'s"))
        .filter(|word| !matches!(*word, "is" | "are" | "on" | "due" | "for" | "to" | "the" | "should" | "be"))
        .collect();
    let title = known.titles.named(&named).filter(|_| dialogue::changes_of(previous).count() > 1)?;
    Some(Intent::SetDue(Target::Title(title.to_owned()), Some(due)))
}

/// "I meant buy, not byu": one word of the title for another.
fn a_word_for_another(previous: &Turn<'_>, words: &[Word]) -> Option<Intent> {
    let change = dialogue::last_change(previous).filter(|change| {
        matches!(change.call.name.as_str(), "add_task" | "rename_task" | "set_due" | "set_priority")
    })?;
    exchanged_in(change.task()?.title, words).map(|new| Intent::Rename(Target::It, new))
}

/// "Bath, not Bristol": the title with one word for another.
pub(crate) fn exchanged_in(old: &str, words: &[Word]) -> Option<String> {
    let at = words.iter().position(|word| word.norm == "not").filter(|at| *at > 0 && at + 1 < words.len())?;
    let wrong = norms(&words[at + 1..]);
    let of_old: Vec<&str> = old.split(' ').collect();
    // "The white van, not the blue one": what both say is no part of it.
    let small = |word: &&str| matches!(*word, "the" | "one" | "ones" | "a" | "an" | "my");
    let wrong: Vec<&str> = wrong.into_iter().filter(|word| !small(word)).collect();
    let place = of_old
        .windows(wrong.len().max(1))
        .position(|part| part.iter().zip(&wrong).all(|(word, wrong)| word.to_lowercase() == *wrong))
        .filter(|_| !wrong.is_empty())?;
    let kept = |word: &&Word| of_old.iter().any(|old| old.to_lowercase() == word.norm);
    let several = words[..at].len() > 1 && words[..at].iter().any(|word| kept(&word));
    let said = words[..at].iter().filter(|word| !several || !(kept(word) || small(&word.norm.as_str())));
    let said: Vec<&str> = said.map(|word| word.raw.as_str()).collect();
    let new = [&of_old[..place], &said, &of_old[place + wrong.len()..]].concat().join(" ");
    Some(super::normalise::capitalised(&new))
}

/// "Make it thirty", "eight kilometres": another number in the title, with the thing that is counted if that is said.
pub(crate) fn another_number(scene: &Scene<'_>, change: &Called<'_>, words: &[Word]) -> Option<Intent> {
    let task = change.task().filter(|_| matches!(change.call.name.as_str(), "add_task" | "rename_task"))?;
    let norm = norms(words);
    let lead = norm
        .iter()
        .take_while(|word| {
            matches!(
                **word,
                "better"
                    | "make"
                    | "it"
                    | "that"
                    | "no"
                    | "sorry"
                    | "actually"
                    | "say"
                    | "rather"
                    | "i"
                    | "meant"
                    | "mean"
            )
        })
        .count();
    let said = norm.get(lead..)?;
    let (length, _) = dates::cardinal(said)?;
    let things = &said[length..];
    let of_old: Vec<&str> = task.title.split(' ').collect();
    let lower: Vec<String> = of_old.iter().map(|word| word.to_lowercase()).collect();
    let lower: Vec<&str> = lower.iter().map(String::as_str).collect();
    let at = (0..lower.len()).find(|at| dates::cardinal(&lower[*at..]).is_some())?;
    let (old_length, _) = dates::cardinal(&lower[at..])?;
    let behind = lower.get(at + old_length..).unwrap_or_default();
    let same_things =
        things.iter().enumerate().all(|(place, word)| behind.get(place).is_some_and(|old| stem(old) == stem(word)));
    // "Make it three" of a task with an hour may mean the hour.
    let timed = task.due.is_some_and(|due| due.contains('T')) && things.is_empty();
    if things.len() > 2 || !same_things || timed || scene.request.titles.is_empty() {
        return None;
    }
    let number = words.get(lead..lead + length)?.iter().map(|word| word.raw.as_str());
    let new: Vec<&str> =
        of_old[..at].iter().copied().chain(number).chain(of_old[at + old_length..].iter().copied()).collect();
    Some(Intent::Rename(Target::It, super::normalise::capitalised(&new.join(" "))))
}

/// "Change soup to two salads": a word of the title for another, where the title says more.
pub(crate) fn within_title(scene: &Scene<'_>, utterance: &Utterance, target: &Target, new: &str) -> Option<String> {
    let changes = matches!(utterance.words.first()?.norm.as_str(), "change" | "turn" | "swap" | "replace");
    let Target::Title(old) = target else { return None };
    if !changes {
        return None;
    }
    let lower = old.to_lowercase();
    let words: Vec<&str> = lower.split(' ').filter(|word| !matches!(*word, "the" | "my" | "a")).collect();
    let title = scene.titles.named(&words)?;
    let of_title: Vec<&str> = title.split(' ').collect();
    let verb = starts_verb(&[&of_title.first()?.to_lowercase()]);
    let at = of_title
        .windows(words.len())
        .position(|part| part.iter().zip(&words).all(|(of, word)| of.to_lowercase() == *word))?;
    let new_lower = new.to_lowercase();
    let own_verb = starts_verb(&new_lower.split(' ').collect::<Vec<_>>());
    if !verb || at == 0 || own_verb || words.len() + 1 > of_title.len() {
        return None;
    }
    let said = if new.chars().nth(1).is_some_and(char::is_uppercase) { new.to_owned() } else { uncapitalised(new) };
    let whole: Vec<&str> = of_title[..at]
        .iter()
        .copied()
        .chain([said.as_str()])
        .chain(of_title[at + words.len()..].iter().copied())
        .collect();
    Some(whole.join(" "))
}

/// "No, the first": another of those between which the caller chose, or which were read out.
fn another_of_them(scene: &Scene<'_>, previous: &Turn<'_>, words: &[&str]) -> Option<Vec<Intent>> {
    let picks = parse::pick(&words.join(" "))?;
    let change = dialogue::last_change(previous).filter(|change| change.call.name != "add_task")?;
    let history = scene.history();
    let among = history.iter().rev().take(3).find_map(|turn| match dialogue::pending(turn) {
        Some(Pending::Choose { among, .. }) if among.len() > 1 => Some(among),
        _ => None,
    });
    let chosen = choose(&picks, &among?);
    let [task] = chosen.as_slice() else { return None };
    let again = again_with(&change.call.name, &change.call.arguments, task);
    (change.task()?.id != task.id).then(|| vec![Intent::Undo, again])
}

/// The one open task that is like the one that was changed but is not it: "the other one", "the other report".
pub(crate) fn other_than(scene: &Scene<'_>, change: &Called<'_>, words: &[&str]) -> Option<String> {
    let changed = change.task()?.title;
    let lower = changed.to_lowercase();
    let of_it: Vec<&str> = lower.split(' ').collect();
    let words: Vec<&str> = words.iter().copied().filter(|word| !matches!(*word, "one" | "task")).collect();
    let mut near = scene.titles.near(if words.is_empty() { &of_it } else { &words });
    near.retain(|(share, title)| *title != changed && (words.is_empty() || *share >= 0.99));
    near.sort_by(|a, b| b.0.total_cmp(&a.0));
    match near.as_slice() {
        [(_, only)] => Some((*only).to_owned()),
        [(first, title), (second, _), ..] if first > second => Some((*title).to_owned()),
        _ => None,
    }
}
