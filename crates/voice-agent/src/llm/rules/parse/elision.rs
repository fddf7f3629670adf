//! Words that the second half of a sentence leaves out, because the first half has said them: "add a task to call Bob
//! and one to email Ann". They are put back before the sentence is taken apart.

use super::super::dates;
use super::super::lexicon;
use super::super::normalise::{Utterance, Word, norms, tokenise};
use super::priority::find_priority;
use super::{Known, courtesy};

/// The utterance with what its later clauses left out.
pub(super) fn restored(utterance: &Utterance, known: Known<'_>) -> Utterance {
    let plain = courtesy::without_courtesies(utterance);
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
    Tells,
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
            "i've" | "we've" => Some(Self::Tells),
            "i" | "we" if words.get(1).is_some_and(|word| *word == "have" || lexicon::present_of(word).is_some()) => {
                Some(Self::Tells)
            }
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
            // "I've ironed the shirts and returned the drill."
            Self::Tells => {
                // "… , put it on the list" commands.
                let commands = matches!(words.as_slice(), [only, "it" | "them" | "that" | "those", ..] if lexicon::present_of(only).as_deref() == Some(*only));
                let told = words.len() > 1 && !commands && lexicon::present_of(words[0]).is_some();
                told.then_some((0, "i've"))
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

#[cfg(test)]
mod tests {
    use jiff::ZonedDateTime;

    use super::*;
    use crate::llm::rules::titles::Titles;

    fn text(said: &str) -> String {
        let now: ZonedDateTime = "2026-11-23T10:00[America/New_York]".parse().unwrap();
        restored(&Utterance::new(tokenise(said)), Known { now: &now, titles: Titles::NONE }).text
    }

    #[test]
    fn what_was_left_out_is_put_back() {
        for (said, whole) in [
            ("add a task to call Bob and one to email Ann", "add a task to call bob and add a task to email ann"),
            (
                "add a task to pay and a low priority one to rest",
                "add a task to pay and add a low priority task to rest",
            ),
            ("remind me at 7 to eat and at 9 to call Bob", "remind me at 7 to eat and remind me at 9 to call bob"),
            ("set milk to high and due tomorrow", "set milk to high and make it due tomorrow"),
            ("I've ironed the shirts and returned the drill", "i've ironed the shirts and i've returned the drill"),
        ] {
            assert_eq!(text(said), whole);
        }
    }

    #[test]
    fn what_is_whole_stays_as_it_is() {
        for said in [
            "add a task to call",
            "add buy salt and pepper",
            "could you add, a task to call the bank",
            "remind me to call Bob and Ann at 9",
            "what's due today and tomorrow",
            "",
        ] {
            assert_eq!(text(said), Utterance::new(tokenise(said)).text);
        }
    }
}
