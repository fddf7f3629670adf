//! Words that the second half of a sentence leaves out, because the first half has said them: "add a task to call Bob
//! and one to email Ann". They are put back before the sentence is taken apart.

use super::super::dates;
use super::super::lexicon;
use super::super::normalise::{Utterance, Word, norms, tokenise};
use super::priority::find_priority;
use super::{Known, small};

/// The utterance with what its later clauses left out.
pub(super) fn restored(utterance: &Utterance, known: Known<'_>) -> Utterance {
    let plain = small::without_courtesies(utterance);
    let Some(first) = plain.words.first() else { return utterance.clone() };
    let head = Head::of(&first.norm, &norms(&plain.words));
    let Some(head) = head else { return utterance.clone() };
    let words = &utterance.words;
    let mut built: Vec<Word> = Vec::with_capacity(words.len() + 6);
    let mut at = 0;
    while at < words.len() {
        // Not right behind the verb: "add, like, a task to …" only hesitates.
        let joined = at > 1 && !words[at].quoted && is_joint(&words[at - 1]) && words[at - 1].norm != first.norm;
        if let Some((skipped, said)) = joined.then(|| head.left_out(&words[at..], known)).flatten() {
            built.extend(tokenise(said));
            at += skipped;
        }
        // Whatever was put back, a word of the caller's own comes behind it.
        built.extend(words.get(at).cloned());
        at += 1;
    }
    if built.len() == words.len() { utterance.clone() } else { Utterance::new(built) }
}

fn is_joint(word: &Word) -> bool {
    matches!(word.norm.as_str(), "and" | "plus" | "then" | "also") || word.pauses()
}

/// How the sentence begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Head {
    Adds,
    Reminds,
    Changes,
}

impl Head {
    fn of(first: &str, words: &[&str]) -> Option<Self> {
        match first {
            "remind" => Some(Self::Reminds),
            "add" | "create" | "new" | "make" | "put" | "set" | "note"
                if words.iter().take(7).any(|word| is_task(word)) =>
            {
                Some(Self::Adds)
            }
            "add" | "create" => Some(Self::Adds),
            "set" | "make" | "move" | "change" | "mark" | "push" | "give" | "put" | "reschedule" => Some(Self::Changes),
            _ => None,
        }
    }

    /// What is missing in front of these words: how many of them it replaces, and what to say instead.
    fn left_out(self, rest: &[Word], known: Known<'_>) -> Option<(usize, &'static str)> {
        let words = norms(rest);
        match self {
            Self::Adds => one_more(&words).map(|(skipped, priority)| (skipped, saying(priority))),
            Self::Reminds => {
                if let Some((skipped, priority)) = one_more(&words) {
                    return Some((skipped, saying(priority)));
                }
                let (length, _) = dates::find_leading(&words, known.now)?;
                let to = words.get(length) == Some(&"to") && lexicon::starts_verb(&words[length + 1..]);
                to.then_some((0, "remind me"))
                    .filter(|_| !words.is_empty())
                    .or_else(|| (words[0] == "about" && words.len() > 1).then_some((0, "remind me")))
            }
            Self::Changes => {
                let due = words[0] == "due" && dates::find_leading(&words, known.now).is_some();
                let priority = words.len() <= 4 && find_priority(&words).is_some();
                let linked = words[0] == "to" && find_priority(&words[1..]).is_some();
                (due || priority || linked).then_some((usize::from(linked), "make it"))
            }
        }
    }
}

const fn saying(priority: &str) -> &'static str {
    match priority.as_bytes() {
        b"high" => "add a high priority task to",
        b"low" => "add a low priority task to",
        _ => "add a task to",
    }
}

fn is_task(word: &str) -> bool {
    matches!(word, "task" | "tasks" | "reminder" | "todo" | "to-do" | "item")
}

/// "One to …", "another one to …", "a low priority task to …": how many words, and the priority that is named.
fn one_more<'a>(words: &[&'a str]) -> Option<(usize, &'a str)> {
    let mut at = 0;
    let mut counted = false;
    while matches!(
        words.get(at),
        Some(&("a" | "an" | "another" | "one" | "more" | "second" | "third" | "the" | "other"))
    ) {
        counted |= matches!(words[at], "one" | "another");
        at += 1;
    }
    let mut priority = "";
    match words.get(at..)? {
        [level @ ("high" | "low" | "normal" | "top"), "priority", ..] => {
            priority = if *level == "top" { "high" } else { level };
            at += 2;
        }
        ["high-priority" | "urgent" | "important", ..] => {
            priority = "high";
            at += 1;
        }
        ["low-priority", ..] => {
            priority = "low";
            at += 1;
        }
        _ => {}
    }
    let named = words.get(at).is_some_and(|word| is_task(word) || *word == "one");
    at += usize::from(named);
    let linked = matches!(words.get(at), Some(&("to" | "called" | "named" | "for" | "about" | "saying")));
    let begins = at > 0 && linked && (named || counted) && words.len() > at + 1;
    begins.then_some((at + 1, priority))
}
