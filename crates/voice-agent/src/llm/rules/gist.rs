//! The gist of what no rule took. A sentence is taken apart into what it can say of tasks at all: which of them it names or
//! points at, a day, a priority, and words that tell what became of them ("seen to", "cross off", "won't bother"). Clause by
//! clause, what is told is done to what is named. Words that no such thing is said in change nothing.

use super::act::Scene;
use super::dates::{self, Due};
use super::dialogue;
use super::lexicon;
use super::normalise::{Utterance, Word, norms};
use super::parse::{self, Filter, Intent, Priority, Target};

/// Longest clause that is read so, in words: a longer one is a story.
const LONGEST: usize = 16;

/// What is told of a task.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Told {
    Done,
    Open,
    Gone,
    Due(Due),
    Priority(Priority),
}

/// What the words come to, if anything.
pub(crate) fn read(scene: &Scene<'_>, utterance: &Utterance) -> Option<Vec<Intent>> {
    if asks(&utterance.words) {
        return question(scene, utterance).map(|intent| vec![intent]);
    }
    let mut named: Vec<Target> = Vec::new();
    let mut intents: Vec<Intent> = Vec::new();
    for clause in clauses(&utterance.words) {
        let words = norms(clause);
        let mentions = mentioned(scene, &words);
        let pointed = pointed(&words);
        let is_named = !mentions.is_empty();
        if is_named {
            named = mentions;
        }
        let mut told = told(scene, &words);
        // A day in words that are about something else is none for a task.
        if !is_named && unexplained(scene, &words) > 0 {
            told.retain(|told| !matches!(told, Told::Due(_)));
        }
        let targets = match pointed {
            _ if is_named => named.clone(),
            Some(pointed) if named.is_empty() => vec![pointed],
            Some(_) => named.clone(),
            // "Bed four, that's me done" tells of nothing in it.
            None => Vec::new(),
        };
        if told.is_empty() || targets.is_empty() || clause.len() > LONGEST {
            continue;
        }
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
    let it = words.iter().any(|word| matches!(*word, "it" | "that" | "this" | "it's" | "that's" | "one"));
    if them { Some(Target::Them) } else { it.then_some(Target::It) }
}

/// The open tasks that the words name.
fn mentioned(scene: &Scene<'_>, words: &[&str]) -> Vec<Target> {
    let bare: Vec<&str> = words.iter().map(|word| word.trim_end_matches("'s")).collect();
    let content: Vec<&str> = bare.iter().map(|word| if is_empty_word(word) { "" } else { word }).collect();
    let found = scene.titles.touched(&content);
    found.into_iter().map(|title| Target::Title(title.to_owned())).collect()
}

/// Whether every word names a task, tells something of it, or belongs to a day.
pub(crate) fn explains(scene: &Scene<'_>, utterance: &Utterance) -> bool {
    let words = norms(&utterance.words);
    let named = mentioned(scene, &words);
    let rest: Vec<&str> = words
        .iter()
        .map(|word| word.trim_end_matches("'s"))
        .filter(|word| {
            !named.iter().any(|target| matches!(target, Target::Title(title) if !super::titles::fit(&[word], title).eq(&0.0)))
        })
        .collect();
    unexplained(scene, &rest) == 0
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
        normal today tomorrow tonight yesterday monday tuesday wednesday thursday friday saturday sunday week weekend month \
        day morning afternoon evening night please thanks need needs want get got list task tasks thing stuff more most \
        less after before instead make first last next new old big good bad some any every everything nothing anything";
    WORDS.split_ascii_whitespace().any(|known| known == word)
}

/// Whether the words ask.
fn asks(words: &[Word]) -> bool {
    let Some(first) = words.first() else { return false };
    let asked = words.last().is_some_and(|last| last.trail.contains('?'));
    asked
        || matches!(
            first.norm.as_str(),
            "what" | "what's" | "which" | "when" | "when's" | "where" | "who" | "how" | "why" | "is" | "are" | "did" | "does"
                | "am" | "was" | "were" | "any" | "anything"
        ) && !(first.norm == "did" && words.get(1).is_some_and(|word| word.norm == "the"))
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
            false if done => Intent::List(Filter { status: Some("all"), query: Some(title.clone()), ..Filter::default() }),
            false => Intent::List(Filter { status: Some("open"), query: Some(title.clone()), ..Filter::default() }),
        });
    }
    let about_me = wants(&["i", "i've", "my", "me", "we", "our", "on", "left", "up", "planned", "happening", "due", "coming"]);
    if about_me && wants(&["afternoon", "morning", "evening", "day", "diary", "schedule", "calendar", "agenda"]) {
        let filter = parse::filter(&utterance.text, scene.known());
        let due = filter.due.or_else(|| Some("today".to_owned()));
        return Some(Intent::List(Filter { status: Some("open"), due, ..Filter::default() }));
    }
    let left = wants(&["left", "remaining", "outstanding", "list", "tasks", "to-do", "todo", "pending"]);
    let filter = parse::filter(&utterance.text, scene.known());
    (left || about_me && filter.due.is_some()).then_some(Intent::List(filter))
}

/// What the words tell.
fn told(scene: &Scene<'_>, words: &[&str]) -> Vec<Told> {
    let text = format!(" {} ", words.join(" "));
    let has = |phrases: &[&str]| phrases.iter().any(|phrase| text.contains(&format!(" {phrase} ")));
    // What may be, or is wished for, is not told.
    if has(&["if", "unless", "wish", "hope", "hoping", "wonder", "wondering", "might", "maybe", "perhaps", "whether", "remember when"]) {
        return Vec::new();
    }
    if let Some(told) = became(scene, words, &text) {
        return vec![told];
    }
    let mut all = Vec::new();
    all.extend(day(scene, words).map(Told::Due));
    all.extend(priority(words, &text).map(Told::Priority));
    all
}

/// What became of the task: done, open again, or not wanted any more.
fn became(scene: &Scene<'_>, words: &[&str], text: &str) -> Option<Told> {
    let has = |phrases: &[&str]| phrases.iter().any(|phrase| text.contains(&format!(" {phrase} ")));
    const OPEN: &[&str] = &[
        "open again", "reopen", "not done", "isn't done", "aren't done", "wasn't done", "not finished", "isn't finished",
        "wasn't finished", "untick", "uncheck", "unmark", "still to do", "still open", "not yet done", "active again",
        "back on my list", "back on the list", "haven't done", "haven't finished", "didn't do", "didn't finish",
        "not actually done", "never did", "not complete", "isn't complete", "back open",
    ];
    if has(OPEN) {
        return Some(Told::Open);
    }
    const UNWANTED: &[&str] = &[
        "won't bother", "shan't bother", "not bother", "can't be bothered", "not bothering", "don't bother", "no longer need",
        "don't need", "not needed", "no need", "not doing", "isn't happening", "not happening", "called off", "cancelled",
        "canceled", "get rid of", "forget about", "no point", "gave up on", "giving up on", "not going ahead", "lose the",
        "don't want", "changed my mind about", "off the table", "fell through", "not gonna do", "not going to do",
    ];
    let ends = |verbs: &[&str]| words.iter().position(|word| verbs.contains(word));
    let deletes = ends(&["delete", "remove", "erase", "bin", "scrap", "ditch", "drop", "axe", "trash", "scratch"]);
    let denied = |at: usize| {
        words[..at].iter().rev().take(3).any(|word| matches!(*word, "don't" | "not" | "never" | "didn't" | "won't" | "shouldn't"))
    };
    if has(UNWANTED) || deletes.is_some_and(|at| !denied(at) && lead_is_short(&words[..at])) {
        return Some(Told::Gone);
    }
    let negated = words.iter().any(|word| word.ends_with("n't") || matches!(*word, "not" | "never" | "yet" | "no" | "without" | "nobody"));
    const AHEAD: &[&str] = &[
        "will", "i'll", "we'll", "need", "needs", "should", "must", "want", "gonna", "going", "can", "could", "would", "when",
        "before", "after", "until", "almost", "nearly", "half", "soon", "let", "let's", "get", "be", "try", "trying",
    ];
    let ahead = words.iter().any(|word| AHEAD.contains(word));
    if negated {
        return None;
    }
    const OFF: &[&str] = &["cross", "tick", "check", "strike", "mark"];
    let off = ends(OFF).is_some_and(|at| {
        words[at + 1..].iter().any(|word| matches!(*word, "off" | "out" | "done" | "complete" | "completed" | "finished"))
    });
    const DONE: &[&str] = &[
        "done", "finished", "completed", "sorted", "seen to", "been seen to", "taken care of", "dealt with", "handled",
        "out of the way", "in the bag", "all set", "wrapped up", "off my plate", "accomplished", "ticked off", "crossed off",
        "squared away", "over and done with", "taken care", "a done deal",
    ];
    if off || has(DONE) && !ahead || !ahead && did(scene, words) {
        return Some(Told::Done);
    }
    None
}

/// Whether only such words stand in front of a command as lead to it.
fn lead_is_short(lead: &[&str]) -> bool {
    lead.len() <= 5
        && lead.iter().all(|word| {
            matches!(
                *word,
                "please" | "just" | "can" | "could" | "you" | "we" | "let's" | "i" | "i'd" | "like" | "to" | "want" | "then" | "do"
                    | "go" | "ahead" | "and" | "also" | "now" | "no" | "yes" | "ok" | "okay" | "think" | "should" | "better"
                    | "rather" | "might" | "as" | "well" | "i'll" | "will" | "oh" | "well," | "right" | "um" | "best"
            )
        })
}

/// Whether somebody did what a task on the list asks for: "I rang mum by the way".
fn did(scene: &Scene<'_>, words: &[&str]) -> bool {
    const CALLED: &[&str] = &["call", "phone", "ring", "speak", "talk", "contact"];
    const BOUGHT: &[&str] = &["buy", "get", "pick", "order", "collect", "fetch", "purchase"];
    const SENT: &[&str] = &["send", "email", "mail", "post", "write", "message", "text"];
    let people = ["i", "i've", "we", "we've", "he", "she", "they", "he's", "she's", "they've", "already", "just", "finally", "also"];
    let found = mentioned(scene, words);
    let [Target::Title(title)] = found.as_slice() else { return false };
    let lower = title.to_lowercase();
    let verb = lower.split(' ').next().unwrap_or_default();
    (0..words.len()).any(|at| {
        let told = lexicon::present_of(words[at]).filter(|_| at == 0 || people.contains(&words[at - 1]));
        told.is_some_and(|told| {
            let alike = |kind: &[&str]| kind.contains(&told.as_str()) && kind.contains(&verb);
            told == verb || told == "do" || told == "finish" || alike(CALLED) || alike(BOUGHT) || alike(SENT)
        })
    })
}

/// The day that is told, without one that is denied: "it isn't Thursday, it's Wednesday".
fn day(scene: &Scene<'_>, words: &[&str]) -> Option<Due> {
    let now = scene.known().now;
    // What happened on a day says nothing of when it is due.
    let past = words.iter().any(|word| {
        matches!(*word, "was" | "were" | "did" | "yesterday" | "since" | "ago" | "had") || word.ends_with("ed") && *word != "need"
    });
    if past && !words.iter().any(|word| matches!(*word, "moved" | "pushed" | "postponed" | "rescheduled" | "supposed")) {
        return None;
    }
    if let Some(later) = weekday_after(scene, words) {
        return Some(later);
    }
    let mut found = None;
    let mut at = 0;
    while at < words.len() {
        match dates::find_leading(&words[at..], now).filter(|(length, _)| *length > 0) {
            Some((length, due)) => {
                let denied = at > 0 && (words[at - 1].ends_with("n't") || matches!(words[at - 1], "not" | "from"))
                    || at > 1 && matches!(words[at - 1], "on" | "for") && matches!(words[at - 2], "not" | "isn't");
                if !denied {
                    found = Some(due);
                }
                at += length;
            }
            None => at += 1,
        }
    }
    found
}

/// "The Monday after": after the day that the task has, which was spoken of last.
fn weekday_after(scene: &Scene<'_>, words: &[&str]) -> Option<Due> {
    let now = scene.known().now;
    let at = words.windows(2).position(|pair| pair[1] == "after" && pair[0].ends_with("day"))?;
    if words.get(at + 2).is_some_and(|word| *word != "instead" && *word != "then" && *word != "that") {
        return None;
    }
    let mut due = dates::parse(&["on", words[at]], now)?;
    let focus = dialogue::focus(scene.history());
    let before = focus.last().and_then(|task| task.due).and_then(|due| dates::due_date(due, now)).map_or(now.date(), |due| due.date);
    while due.date <= before {
        due.date = due.date.checked_add(jiff::Span::new().days(7)).ok()?;
    }
    Some(due)
}

fn priority(words: &[&str], text: &str) -> Option<Priority> {
    let has = |phrases: &[&str]| phrases.iter().any(|phrase| text.contains(&format!(" {phrase} ")));
    if has(&["can wait", "could wait", "no rush", "no hurry", "not urgent", "isn't urgent", "not important", "isn't important",
        "not that important", "not so important", "not a priority", "least important", "low priority", "not in a hurry", "isn't a priority"])
    {
        return Some(Priority::Low);
    }
    if has(&["most important", "top priority", "high priority", "comes first", "super important", "really important", "very important",
        "urgent", "asap", "pressing", "critical", "crucial", "matters most", "priority one", "number one", "can't wait", "highest priority"])
        && !words.iter().any(|word| matches!(*word, "not" | "isn't" | "no" | "aren't"))
    {
        return Some(Priority::High);
    }
    has(&["normal priority", "back to normal", "medium priority"]).then_some(Priority::Normal)
}
