//! What only makes sense behind the change before: the same once more ("and again at five"), another one than was meant ("not the
//! oat one"), and the other way round ("later, I meant").

use serde_json::Value;

use super::act::Scene;
use super::dates::{self, Due};
use super::dialogue::{self, Called, Turn};
use super::normalise::{Utterance, Word, normalise, norms};
use super::parse::{self, Intent, Missing, Target};
use super::titles;

/// The commands that such words stand for; None if they are none of them. They are looked at as they were said: "again" and "not"
/// are easily taken for words that only lead to a command.
pub(crate) fn sequel(scene: &Scene<'_>, last: &Turn<'_>, intent: &Intent) -> Option<Vec<Intent>> {
    let utterance = normalise(scene.current()?.user, &scene.request.now);
    if let Some(dated) = reminded_of_it(scene, last, &utterance, intent) {
        return Some(vec![dated]);
    }
    if let Some(dated) = same_verb(scene, intent) {
        return Some(vec![dated]);
    }
    if let Some(dated) = part_of_its_hour(scene, &utterance) {
        return Some(vec![dated]);
    }
    if let Some(dated) = rest_of_it(scene, last, &utterance) {
        return Some(vec![dated]);
    }
    if let Some(next) = next_after(last, &utterance) {
        return Some(vec![next]);
    }
    let change = dialogue::last_change(last)?;
    if let Some(dated) = meant_hour(scene, last, &change, &utterance) {
        return Some(vec![dated]);
    }
    if let Some(dated) = they_meet(scene, &utterance).or_else(|| last_sentence(scene, &utterance, intent)) {
        return Some(vec![dated]);
    }
    once_more(scene, &change, &utterance)
        .or_else(|| not_that_one(scene, last, &change, &utterance))
        .or_else(|| other_way(&change, &utterance))
        .or_else(|| other_amount(scene, last, &change, &utterance))
        .or_else(|| not_yet(&change, &utterance))
        .or_else(|| it_was_another(scene, &change, &utterance))
        .or_else(|| instead(scene, last, intent))
}

/// "Oops, that was the rabbit, not the fish": what was done to one was meant for another.
fn it_was_another(scene: &Scene<'_>, change: &Called<'_>, utterance: &Utterance) -> Option<Vec<Intent>> {
    let words = norms(&utterance.words);
    let said = behind(
        &words,
        &[
            "no", "oops", "sorry", "wait", "oh", "hang", "hold", "on", "actually", "that", "it", "was", "is", "it's",
            "that's", "i", "meant", "mean",
        ],
    );
    let denies = said.iter().position(|word| *word == "not").filter(|at| *at > 0 && at + 1 < said.len())?;
    let (meant, wrong) = (&said[..denies], &said[denies + 1..]);
    // "The electrician I called."
    let meant =
        meant.iter().position(|word| matches!(*word, "i" | "we" | "that" | "which")).map_or(meant, |at| &meant[..at]);
    let changed = change.task().filter(|_| !matches!(change.call.name.as_str(), "add_task" | "rename_task"))?;
    let other = scene.titles.named(meant).filter(|other| *other != changed.title)?;
    titles::has_words(wrong, changed.title).then(|| vec![Intent::Undo, super::answer::again_by_title(change, other)])
}

/// The same where nothing but the gist of the words is known.
pub(crate) fn corrected(scene: &Scene<'_>, intents: Vec<Intent>) -> Vec<Intent> {
    let [intent] = intents.as_slice() else { return intents };
    scene.history().last().and_then(|last| instead(scene, last, intent)).unwrap_or(intents)
}

/// "Oh no, I haven't": what was just marked as done is open again.
fn not_yet(change: &Called<'_>, utterance: &Utterance) -> Option<Vec<Intent>> {
    let words = norms(&utterance.words);
    let said = behind(&words, &["no", "oh", "wait", "sorry", "actually", "oops", "well", "but"]);
    let length = match said {
        ["i", "haven't" | "didn't", "actually" | "yet", ..] => 3,
        ["i", "haven't" | "didn't", ..] => 2,
        ["it", "isn't" | "wasn't" | "hasn't", "actually" | "yet", ..]
        | ["it's" | "it", "is" | "not", "not" | "yet", ..] => 3,
        ["it", "isn't" | "wasn't" | "hasn't", ..]
        | ["they", "aren't" | "weren't" | "haven't", ..]
        | ["it's", "not", ..]
        | ["not", "yet", ..] => 2,
        _ => return None,
    };
    let at = words.len() - said.len() + length;
    let ends = at == words.len() || utterance.words[at - 1].pauses();
    (change.call.name == "complete_task" && ends).then(|| vec![Intent::Undo])
}

/// "No, it was Jo I mailed": not the one that was marked as done, but another.
fn instead(scene: &Scene<'_>, last: &Turn<'_>, intent: &Intent) -> Option<Vec<Intent>> {
    let change = dialogue::last_change(last)?;
    let Intent::Complete(targets) = intent else { return None };
    let [Target::Title(named)] = targets.as_slice() else { return None };
    // The "no" itself is gone where it begins a second attempt.
    let user = scene.current()?.user.to_lowercase();
    let mut words = user.split(|letter: char| !letter.is_alphanumeric()).filter(|word| !word.is_empty());
    let corrects = matches!(words.next(), Some("no" | "nope" | "oops"))
        && !words.any(|word| matches!(word, "too" | "also" | "well" | "and" | "both"));
    let single = change.call.name == "complete_task" && dialogue::changes_of(last).count() == 1;
    let lower = named.to_lowercase();
    let other = scene.titles.named(&lower.split(' ').collect::<Vec<_>>());
    let is_other = change.task().zip(other).is_some_and(|(task, other)| task.title != other);
    (corrects && single && is_other).then(|| vec![Intent::Undo, intent.clone()])
}

/// "Remind me at seven", where exactly one task was spoken of just now.
fn reminded_of_it(scene: &Scene<'_>, last: &Turn<'_>, utterance: &Utterance, intent: &Intent) -> Option<Intent> {
    let words = norms(&utterance.words);
    let nameless = matches!(intent, Intent::Incomplete(Missing::Title, inner) if matches!(**inner, Intent::Add(_)));
    let at = words.windows(2).position(|pair| pair == ["remind", "me"]).filter(|_| nameless)?;
    let due = dates::parse(&words[at + 2..], &scene.request.now)?;
    dialogue::only_open(std::slice::from_ref(last)).map(|_| Intent::SetDue(Target::It, Some(due)))
}

/// "Make it half past", "no, quarter to": of the hour that the task has already.
fn part_of_its_hour(scene: &Scene<'_>, utterance: &Utterance) -> Option<Intent> {
    const LEADS: &str =
        "no sorry wait oh actually i meant mean make it that change move set to at better rather let's say a the and";
    let words = norms(&utterance.words);
    let leads: Vec<&str> = LEADS.split(' ').collect();
    let minutes = match behind(&words, &leads) {
        ["half", "past", rest @ ..] if rest.iter().all(|word| matches!(*word, "instead" | "please" | "then")) => 30,
        ["quarter", "past", rest @ ..] if rest.iter().all(|word| matches!(*word, "instead" | "please" | "then")) => 15,
        ["quarter", "to", rest @ ..] if rest.iter().all(|word| matches!(*word, "instead" | "please" | "then")) => -15,
        _ => return None,
    };
    let focus = dialogue::focus(scene.history());
    let [task] = focus.as_slice() else { return None };
    let before = dates::due_date(task.due?, &scene.request.now)?;
    let hour = before.time?.with().minute(0).second(0).build().ok()?;
    let time = hour.wrapping_add(jiff::Span::new().minutes(minutes));
    Some(Intent::SetDue(Target::It, Some(Due { time: Some(time), day_said: true, either_half: false, ..before })))
}

/// "The rest by Sunday", where half of a task was told of: a day for the task.
fn rest_of_it(scene: &Scene<'_>, last: &Turn<'_>, utterance: &Utterance) -> Option<Intent> {
    const LEADS: &str = "and i'll i will do finish the i'm doing going gonna to we'll but then so";
    let words = norms(&utterance.words);
    let leads: Vec<&str> = LEADS.split(' ').collect();
    let said = match behind(&words, &leads) {
        ["rest" | "remainder", "of", "it" | "them", rest @ ..] => rest,
        ["rest" | "remainder", rest @ ..] | ["other", "half", rest @ ..] => rest,
        _ => return None,
    };
    let lower = last.user.to_lowercase();
    let part = lower
        .split(' ')
        .any(|word| matches!(word, "half" | "some" | "most" | "part" | "started" | "begun" | "two" | "three"));
    let due = dates::parse(said, &scene.request.now).filter(|_| part)?;
    dialogue::only_open(std::slice::from_ref(last)).map(|_| Intent::SetDue(Target::It, Some(due)))
}

/// "And we're meeting at half past twelve", behind what was just added or changed.
fn they_meet(scene: &Scene<'_>, utterance: &Utterance) -> Option<Intent> {
    let words = norms(&utterance.words);
    let when = match behind(&words, &["and", "but", "so", "oh", "actually", "well"]) {
        ["we're" | "i'm" | "they're" | "we" | "i", "meeting" | "meet" | "starting" | "start", rest @ ..] => rest,
        ["it" | "that", "starts" | "begins", rest @ ..] | ["it's", rest @ ..] => rest,
        _ => return None,
    };
    let when = match when {
        ["him" | "her" | "them", rest @ ..] | ["each", "other", rest @ ..] => rest,
        when => when,
    };
    let due = dates::parse(when, &scene.request.now).filter(|due| due.time.is_some())?;
    Some(Intent::SetDue(Target::It, Some(due)))
}

/// "Before nine if possible. Say 8:30." The sentence at the end is what counts.
fn last_sentence(scene: &Scene<'_>, utterance: &Utterance, intent: &Intent) -> Option<Intent> {
    let words = &utterance.words;
    let end = words.split_last()?.1.iter().rposition(Word::ends_sentence)?;
    if !matches!(intent, Intent::Unknown) {
        return None;
    }
    let rest = norms(&words[end + 1..]);
    let said = behind(&rest, &["say", "so", "maybe", "let's", "make", "it", "at", "then", "rather", "or"]);
    let now = &scene.request.now;
    let due = dates::parse(said, now).or_else(|| dates::parse(&[&["at"], said].concat(), now))?;
    Some(Intent::SetDue(Target::It, Some(due)))
}

/// "And the one after that?", where it was asked which task comes first.
fn next_after(last: &Turn<'_>, utterance: &Utterance) -> Option<Intent> {
    let words = norms(&utterance.words);
    let said = behind(&words, &["and", "so", "then", "ok", "okay", "what", "what's", "which", "is", "about", "comes"]);
    let next = matches!(
        said,
        ["the", "one", "after", "that" | "this" | "it"]
            | ["after", "that" | "this" | "it"]
            | ["the", "next", "one"]
            | ["the", "next"]
            | ["next"]
            | ["the", "second", "one"]
            | ["the", "second"]
    );
    if !next || !dialogue::asks_first(last.user) {
        return None;
    }
    let listed = last.calls.iter().find(|called| called.call.name == "list_tasks" && called.status() == "ok")?;
    let tasks = listed.tasks("tasks");
    tasks.get(1).map(|task| Intent::When(task.title.to_owned()))
}

/// "Call both on Sunday" behind "call Mom" and "call Dad": a day for what was spoken of, with its verb said again.
fn same_verb(scene: &Scene<'_>, intent: &Intent) -> Option<Intent> {
    let (Intent::Add(tasks) | Intent::Offer(tasks)) = intent else { return None };
    let [parse::NewTask { title, due: Some(due), .. }] = tasks.as_slice() else { return None };
    let lower = title.to_lowercase();
    let (verb, object) = lower.split_once(' ')?;
    let focus = dialogue::focus(scene.history());
    let begins = focus.iter().all(|task| task.title.to_lowercase().split(' ').next() == Some(verb));
    let target = match (object, focus.len()) {
        ("both" | "both of them", 2) | ("them" | "all of them", 2..) => Target::Them,
        ("it" | "him" | "her" | "them", 1) => Target::It,
        _ => return None,
    };
    begins.then_some(Intent::SetDue(target, Some(*due)))
}

/// "I meant two": the hour of what was just given one, and not the second of a list.
fn meant_hour(scene: &Scene<'_>, last: &Turn<'_>, change: &Called<'_>, utterance: &Utterance) -> Option<Intent> {
    let words = norms(&utterance.words);
    let said = behind(&words, &["no", "sorry", "oh", "wait", "oops"]);
    let hour = match said {
        ["i", "meant" | "mean" | "said", hour @ ..] if !hour.is_empty() => hour,
        // "Wait, nine thirty"; a lone "two" may be the second of a list.
        hour @ [_, _] if hour.len() < words.len() => hour,
        _ => return None,
    };
    let timed = matches!(change.call.name.as_str(), "add_task" | "set_due");
    let due = super::context::another_time(scene, last, hour).filter(|_| timed)?;
    Some(Intent::SetDue(Target::It, Some(due)))
}

/// The words behind those that only lead to them.
fn behind<'w>(words: &'w [&'w str], leads: &[&str]) -> &'w [&'w str] {
    &words[words.iter().take_while(|word| leads.contains(word)).count()..]
}

/// "And again at five", "and another one on Friday": the task that was just added, a second time.
fn once_more(scene: &Scene<'_>, change: &Called<'_>, utterance: &Utterance) -> Option<Vec<Intent>> {
    let words = norms(&utterance.words);
    let said = match behind(&words, &["and", "also", "then", "oh", "please", "ok", "okay"]) {
        ["again", rest @ ..] | ["another", "one" | "reminder", rest @ ..] | ["another", rest @ ..] => rest,
        ["one", "more" | "again", rest @ ..] | ["the", "same", "again", rest @ ..] => rest,
        // "And also tomorrow night."
        rest @ [_, ..] if words[..words.len() - rest.len()].contains(&"also") => rest,
        _ => return None,
    };
    let task = change.task().filter(|_| change.call.name == "add_task")?;
    let due = dates::parse(said, &scene.request.now)?;
    let before = task.due.and_then(|due| dates::due_date(due, &scene.request.now));
    let mut arguments = change.call.arguments.clone();
    arguments.insert("title".into(), task.title.into());
    arguments.insert("due".into(), on_its_day(due, before).to_argument().into());
    // Nobody asks whether a second one is meant: it was asked for.
    arguments.insert("anyway".into(), Value::Bool(true));
    Some(vec![Intent::Again("add_task".into(), arguments)])
}

/// An hour alone is on the day of the one before.
fn on_its_day(due: Due, before: Option<Due>) -> Due {
    match before {
        Some(before) if !due.day_said && due.time.is_some() => Due { date: before.date, ..due },
        _ => due,
    }
}

/// "Not the oat one": if that is what was changed, it is taken back; if it is another, that one stays as it is.
fn not_that_one(scene: &Scene<'_>, last: &Turn<'_>, change: &Called<'_>, utterance: &Utterance) -> Option<Vec<Intent>> {
    let words = norms(&utterance.words);
    let named = match behind(&words, &["no", "but", "sorry", "oh"]) {
        ["not", "the" | "my", rest @ ..] if (1..=4).contains(&rest.len()) => rest,
        _ => return None,
    };
    let lead = words.len() - behind(&words, &["no", "but", "sorry", "oh"]).len();
    let pauses = utterance.words[lead..].split_last().is_some_and(|(_, rest)| rest.iter().any(Word::pauses));
    // "Sorry, not the corn": of several that were done, that one is not.
    let several: Vec<Called<'_>> = dialogue::changes_of(last).copied().collect();
    if several.len() > 1 && !pauses {
        let is_it = |called: &&Called<'_>| called.task().is_some_and(|task| titles::has_words(named, task.title));
        let mut meant = several.iter().filter(|called| called.call.name == "complete_task").filter(is_it);
        let task = meant.next().filter(|_| meant.next().is_none())?.task()?;
        return Some(vec![Intent::Reopen(Target::Title(task.title.to_owned()))]);
    }
    let adds = matches!(change.call.name.as_str(), "add_task" | "rename_task");
    let changed = change.task().filter(|_| !pauses && !adds)?;
    if titles::has_words(named, changed.title) {
        return Some(vec![Intent::Undo]);
    }
    scene.titles.named(named).map(|_| vec![Intent::Stays])
}

/// "No, two days", "make that three hours": as far as that, instead of as far as was said.
fn other_amount(scene: &Scene<'_>, last: &Turn<'_>, change: &Called<'_>, utterance: &Utterance) -> Option<Vec<Intent>> {
    let words = norms(&utterance.words);
    let said = behind(
        &words,
        &[
            "no", "sorry", "wait", "oh", "actually", "i", "meant", "mean", "make", "it", "that", "better", "rather",
            "only", "just",
        ],
    );
    let corrects = said.len() < words.len();
    // "One hour earlier was enough."
    let enough = ["was", "is", "will", "would", "should"];
    let said = match said.iter().position(|word| enough.contains(word)) {
        Some(at) => {
            let by = &said[..at];
            by.strip_suffix(&["earlier"]).or_else(|| by.strip_suffix(&["later"])).unwrap_or(by)
        }
        None => said,
    };
    if !corrects || !(2..=4).contains(&said.len()) {
        return None;
    }
    let by = parse::amount(&said.join(" "))?;
    let moved = |unit: &&str| change.call.arguments.get(*unit).and_then(Value::as_i64).filter(|by| *by != 0);
    if let Some(before) = ["months", "days", "minutes"].iter().find_map(moved) {
        let (unit, amount) = by.argument();
        let mut arguments = change.call.arguments.clone();
        for unit in ["months", "days", "minutes"] {
            arguments.remove(unit);
        }
        arguments.insert(unit.into(), Value::from(amount * before.signum()));
        return Some(vec![Intent::Undo, Intent::Again(change.call.name.clone(), arguments)]);
    }
    let counted = last.user.to_lowercase().split(' ').any(|word| word == "in");
    let due = dates::parse(&[&["in"], said].concat(), &scene.request.now)?;
    counted.then(|| vec![Intent::SetDue(Target::It, Some(due))])
}

/// "No, later I meant": what was moved one way is moved the other way from where it was.
fn other_way(change: &Called<'_>, utterance: &Utterance) -> Option<Vec<Intent>> {
    const AROUND: &str = "no nope sorry wait oh actually i meant mean said it that's is what not";
    let words = norms(&utterance.words);
    let said: Vec<&str> =
        words.into_iter().filter(|word| !AROUND.split_ascii_whitespace().any(|known| known == *word)).collect();
    let sign = match said.as_slice() {
        ["later"] => 1,
        ["earlier" | "sooner"] => -1,
        _ => return None,
    };
    let moved = |unit: &&str| change.call.arguments.get(*unit).and_then(Value::as_i64).is_some_and(|by| by != 0);
    let unit = ["months", "days", "minutes"].into_iter().find(moved)?;
    let by = change.call.arguments.get(unit).and_then(Value::as_i64)?;
    if by.signum() == sign {
        return None;
    }
    let mut arguments = change.call.arguments.clone();
    arguments.insert(unit.into(), Value::from(-by));
    Some(vec![Intent::Undo, Intent::Again(change.call.name.clone(), arguments)])
}
