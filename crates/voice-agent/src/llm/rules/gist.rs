//! The gist of what no rule took. A sentence is taken apart into what it can say of tasks at all: which of them it names or
//! points at, a day, a priority, and words that tell what became of them ("seen to", "cross off", "won't bother"). Clause by
//! clause, what is told is done to what is named. Words that no such thing is said in change nothing.

mod follows;
mod told;

use super::act::Scene;
use super::dates;
use super::normalise::{Utterance, Word, end_in_question, norms};
use super::parse::{self, Filter, Intent, Target};

use told::{Told, told};

/// Longest clause that is read so, in words: a longer one is a story.
const LONGEST: usize = 16;

/// What the words come to, if anything.
pub(crate) fn read(scene: &Scene<'_>, utterance: &Utterance) -> Option<Vec<Intent>> {
    if asks(&utterance.words) && !wishes(&norms(&utterance.words)) {
        return question(scene, utterance).map(|intent| vec![intent]);
    }
    let mut named: Vec<Target> = Vec::new();
    let mut intents: Vec<Intent> = Vec::new();
    let mut carried: Vec<Target> = Vec::new();
    for clause in clauses(&utterance.words) {
        let words = norms(clause);
        let mentions = mentioned(scene, &words);
        let pointed = pointed(&words);
        let is_named = !mentions.is_empty();
        let mentions_none = !is_named;
        if is_named {
            named = mentions;
        }
        let mut told = told(scene, &words);
        // A day in words that are about something else is none for a task: "Sue is away on Friday".
        let is_date = dates::parse(&words, scene.known().now).is_some();
        let purpose = is_named && named.iter().all(|target| is_purpose(&words, target));
        // "Dentists are open on Saturday".
        let opens = words.iter().any(|word| matches!(*word, "open" | "closed"));
        let asked_for = asked_for(&words);
        let elsewhere = || {
            !(mentions_none && follows::dates_it(scene, &words)) && unexplained(scene, &beside(asked_for, &named)) > 0
        };
        if purpose || opens || elsewhere() {
            told.retain(|told| !matches!(told, Told::Due(_)));
        }
        let targets = match pointed {
            // "Can't be bothered, tomorrow."
            _ if is_date && named.is_empty() && follows::is_one_spoken_of(scene) => vec![Target::It],
            _ if is_named || is_date => named.clone(),
            Some(pointed) if named.is_empty() => vec![pointed],
            Some(_) => named.clone(),
            // "Bed four, that's me done" tells of nothing in it.
            None => follows::meant(scene, &words, &told, &named),
        };
        if told.is_empty() || targets.is_empty() || clause.len() > LONGEST {
            // "Anna and Clara …": only named, and told of with the next.
            let only_named = is_named && told.is_empty() && clause.len() <= 4 && tells_only(scene, &words);
            carried = if only_named { [carried, named.clone()].concat() } else { Vec::new() };
            continue;
        }
        // "The dog and I took …" begins anew.
        let begins = matches!(
            words[0],
            "i" | "i've" | "i'm" | "we" | "we've" | "he" | "she" | "they" | "it" | "it's" | "that's"
        );
        let before = std::mem::take(&mut carried);
        let targets = if begins { targets } else { [before, targets].concat() };
        for told in told {
            intents.extend(said_of(told, &targets));
        }
    }
    intents.dedup();
    (!intents.is_empty() && intents.len() <= 6).then_some(intents)
}

fn said_of(told: Told, targets: &[Target]) -> Vec<Intent> {
    let each = |build: &dyn Fn(Target) -> Intent| targets.iter().cloned().map(build).collect();
    match told {
        Told::Done => vec![Intent::Complete(targets.to_vec())],
        Told::Gone => vec![Intent::Delete(targets.to_vec())],
        Told::Open => each(&Intent::Reopen),
        Told::Due(due) => each(&|target| Intent::SetDue(target, Some(due))),
        Told::Priority(priority) => each(&|target| Intent::SetPriority(target, priority)),
    }
}

/// The parts of a sentence that each may tell something.
fn clauses(words: &[Word]) -> Vec<&[Word]> {
    let mut parts: Vec<&[Word]> = Vec::new();
    let mut from = 0;
    for at in 0..words.len() {
        let joins = matches!(words[at].norm.as_str(), "and" | "but" | "so" | "because" | "then" | "cause" | "cos");
        if joins || at > from && words[at - 1].pauses() {
            if at > from {
                parts.push(&words[from..at]);
            }
            from = at + usize::from(joins);
        }
    }
    if from < words.len() {
        parts.push(&words[from..]);
    }
    parts
}

fn pointed(words: &[&str]) -> Option<Target> {
    let them = words.iter().any(|word| matches!(*word, "them" | "those" | "both" | "they" | "they're" | "these"));
    let it =
        words.iter().any(|word| matches!(*word, "it" | "that" | "this" | "it's" | "that's" | "one" | "him" | "her"));
    if them { Some(Target::Them) } else { it.then_some(Target::It) }
}

/// The open tasks that the words name.
fn mentioned(scene: &Scene<'_>, words: &[&str]) -> Vec<Target> {
    let bare: Vec<&str> = words.iter().map(|word| word.trim_end_matches("'s")).collect();
    let content: Vec<&str> = bare.iter().map(|word| if is_empty_word(word) { "" } else { word }).collect();
    let found = scene.titles.touched(&content);
    found.into_iter().map(|title| Target::Title(title.to_owned())).collect()
}

/// The one open task that the words name, if they name but one and are no story.
pub(crate) fn only_named<'a>(scene: &Scene<'a>, words: &[&str]) -> Option<&'a str> {
    let bare: Vec<&str> = words.iter().map(|word| word.trim_end_matches("'s")).collect();
    let content: Vec<&str> = bare.iter().map(|word| if is_empty_word(word) { "" } else { word }).collect();
    // "My teacher said biology is boring."
    let reported = words.iter().any(|word| matches!(*word, "said" | "says" | "thinks" | "told"))
        && !words.iter().any(|word| matches!(*word, "he'll" | "she'll" | "they'll" | "will"));
    match scene.titles.touched(&content).as_slice() {
        [only] if (2..=LONGEST).contains(&words.len()) && !reported => Some(only),
        _ => None,
    }
}

/// Whether every word names a task, tells something of it, or belongs to a day.
pub(crate) fn explains(scene: &Scene<'_>, utterance: &Utterance) -> bool {
    tells_only(scene, &norms(&utterance.words))
}

/// The same of the words of a clause: "my sister is done with the report" is about somebody else.
fn tells_only(scene: &Scene<'_>, words: &[&str]) -> bool {
    unexplained(scene, &beside(words, &mentioned(scene, words))) == 0
}

/// "The boss wants the report by three": without who wants it.
fn asked_for<'a, 'w>(words: &'a [&'w str]) -> &'a [&'w str] {
    let wants = |word: &&str| matches!(*word, "wants" | "want" | "needs" | "wanted" | "needed" | "expects");
    let at = words.iter().take(4).position(wants).filter(|at| *at > 0);
    let dated = words.iter().any(|word| matches!(*word, "by" | "before" | "at" | "today" | "tomorrow"));
    at.filter(|_| dated).map_or(words, |at| &words[at..])
}

/// Whether the words name only what the task is for: "the party's on Saturday" is not when the napkins for it are due.
fn is_purpose(words: &[&str], target: &Target) -> bool {
    let Target::Title(title) = target else { return false };
    let Some((head, purpose)) = title.split_once(" for ") else { return false };
    let has = |part: &str| words.iter().any(|word| super::titles::fit(&[word.trim_end_matches("'s")], part) > 0.0);
    has(purpose) && !has(head)
}

/// The words that are in none of these titles.
fn beside<'w>(words: &[&'w str], named: &[Target]) -> Vec<&'w str> {
    let titled = |word: &&str| {
        let fits = |target: &Target| matches!(target, Target::Title(title) if super::titles::fit(&[word], title) > 0.0);
        named.iter().any(fits)
    };
    words.iter().map(|word| word.trim_end_matches("'s")).filter(|word| !titled(word)).collect()
}

/// How many words neither tell anything nor belong to a day.
fn unexplained(scene: &Scene<'_>, words: &[&str]) -> usize {
    let mut left = 0;
    let mut at = 0;
    while at < words.len() {
        match dates::find_leading(&words[at..], scene.known().now).filter(|(length, _)| *length > 0) {
            Some((length, _)) => at += length,
            None => {
                left += usize::from(!is_empty_word(words[at]) && !is_empty_word(words[at].trim_end_matches("'s")));
                at += 1;
            }
        }
    }
    left
}

/// Words that tell something of a task, and do not name one.
fn is_empty_word(word: &str) -> bool {
    const WORDS: &str = "i i'm i've i'll i'd we we've you he she they it that this those them one ones is isn't are aren't was \
        wasn't were be been being has have had do don't does did didn't will won't would can can't could should must might \
        not no never yet already now again just also too still really very all of the a an my our your to for on at in by \
        with from off out up down back over about done finished completed complete sorted open reopen delete remove bin \
        scrap ditch drop cancel cross tick check mark move push put set make change due urgent important priority high low \
        normal him her go going gonna better wants meet same time fine ok okay alright today tomorrow tonight yesterday monday tuesday wednesday thursday friday saturday sunday week weekend month \
        day morning afternoon evening night please thanks need needs want get got list task tasks thing stuff more most \
        less after before instead stay stays stayed remain remains keep keeps except till until make first last next new old big good bad some any every everything nothing anything";
    WORDS.split_ascii_whitespace().any(|known| known == word)
}

/// Whether the words ask.
pub(crate) fn asks(words: &[Word]) -> bool {
    let Some(first) = words.first() else { return false };
    let asked = end_in_question(words);
    asked
        || matches!(
            first.norm.as_str(),
            "what"
                | "what's"
                | "which"
                | "when"
                | "when's"
                | "where"
                | "who"
                | "how"
                | "why"
                | "is"
                | "are"
                | "did"
                | "does"
                | "am"
                | "was"
                | "were"
                | "any"
                | "anything"
        ) && !(first.norm == "did" && words.get(1).is_some_and(|word| word.norm == "the"))
}

/// "Can I have until Monday?" wants another day.
fn wishes(words: &[&str]) -> bool {
    let mine = matches!(
        words,
        ["can" | "could" | "may", "i" | "we", "have" | "get" | "take" | "leave" | "do" | "make" | "put", ..]
    );
    mine && words.iter().any(|word| matches!(*word, "until" | "till"))
}

/// A question that names a task, or a day.
fn question(scene: &Scene<'_>, utterance: &Utterance) -> Option<Intent> {
    let words = norms(&utterance.words);
    let wants = |any: &[&str]| words.iter().any(|word| any.contains(word));
    if wants(&["you", "you're", "your", "weather", "if", "should"]) || words.len() > LONGEST {
        return None;
    }
    if let [Target::Title(title)] = mentioned(scene, &words).as_slice() {
        let when = wants(&["when", "when's", "time", "day", "due", "date", "long", "soon", "late"]);
        let done = wants(&["done", "finished", "did", "already"]);
        return Some(match when {
            true => Intent::When(title.clone()),
            false if done => {
                Intent::List(Filter { status: Some("all"), query: Some(title.clone()), ..Filter::default() })
            }
            false => Intent::List(Filter { status: Some("open"), query: Some(title.clone()), ..Filter::default() }),
        });
    }
    let about_me =
        wants(&["i", "i've", "my", "me", "we", "our", "on", "left", "up", "planned", "happening", "due", "coming"]);
    if about_me && wants(&["afternoon", "morning", "evening", "day", "diary", "schedule", "calendar", "agenda"]) {
        let filter = parse::filter(&utterance.text, scene.known());
        let due = filter.due.or_else(|| Some("today".to_owned()));
        return Some(Intent::List(Filter { status: Some("open"), due, ..Filter::default() }));
    }
    let left = wants(&["left", "remaining", "outstanding", "list", "tasks", "to-do", "todo", "pending"]);
    let filter = parse::filter(&utterance.text, scene.known());
    (left || about_me && filter.due.is_some()).then_some(Intent::List(filter))
}
