//! Everything at once, but for what is excepted: "delete all except the milk", "move everything but the report to Monday".

use super::super::normalise::{Utterance, Word, norms};
use super::{Intent, Known, Target, change, joined_titles, statement, target};

/// What introduces an exception, longest first. The flag: only right behind the words for everything, because "but"
/// joins clauses too.
const EXCEPT: [(&[&str], bool); 15] = [
    (&["with", "the", "exception", "of"], false),
    (&["except", "for"], false),
    (&["accept", "for"], true),
    (&["apart", "from"], false),
    (&["aside", "from"], false),
    (&["other", "than"], false),
    (&["not", "including"], false),
    (&["but", "not"], true),
    (&["but", "keep"], true),
    (&["but", "for"], true),
    (&["except"], false),
    (&["excluding"], false),
    (&["besides"], true),
    (&["accept"], true),
    (&["but"], true),
];

/// Where an exception is introduced: the words before, and the length of the introduction.
fn introduction(words: &[&str]) -> Option<(usize, usize)> {
    (2..words.len()).find_map(|at| {
        let everything = matches!(
            words[at - 1],
            "all" | "everything" | "tasks" | "task" | "list" | "items" | "it" | "them" | "ones"
        );
        let (phrase, _) =
            EXCEPT.iter().find(|(phrase, close)| words[at..].starts_with(phrase) && (everything || !close))?;
        (at + phrase.len() < words.len()).then_some((at, phrase.len()))
    })
}

/// A command about all tasks but some. The exception ends where what is left is such a command: "make everything
/// except the milk | high priority".
pub(super) fn parse(utterance: &Utterance, known: Known<'_>) -> Option<Intent> {
    let words = &utterance.words;
    let (at, length) = introduction(&norms(words))?;
    let (head, tail) = (&words[..at], &words[at + length..]);
    (1..=tail.len()).find_map(|end| {
        let rest = Utterance::new(head.iter().chain(&tail[end..]).cloned().collect());
        let said = change::parse(&rest, known).or_else(|| statement::parse(&rest, known))?;
        let intent = Some(all_of(said)).filter(Intent::spans_all)?;
        let kept = kept(&tail[..end], known);
        (!kept.is_empty()).then(|| sparing(intent, kept))
    })
}

/// "All of them", in front of an exception, are all that there are.
fn all_of(intent: Intent) -> Intent {
    match intent {
        Intent::Complete(targets) if targets == [Target::Them] => Intent::Complete(vec![Target::All(Vec::new())]),
        Intent::Delete(targets) if targets == [Target::Them] => Intent::Delete(vec![Target::All(Vec::new())]),
        Intent::SetDue(Target::Them, due) => Intent::SetDue(Target::All(Vec::new()), due),
        Intent::SetPriority(Target::Them, priority) => Intent::SetPriority(Target::All(Vec::new()), priority),
        other => other,
    }
}

/// The tasks that are excepted: one whose title has an "and" in it, or several.
fn kept(words: &[Word], known: Known<'_>) -> Vec<Target> {
    if known.titles.named(&norms(words)).is_some() {
        return target(words).into_iter().collect();
    }
    joined_titles(words, true, known).into_iter().filter_map(target).collect()
}

fn sparing(intent: Intent, kept: Vec<Target>) -> Intent {
    let all = Target::All(kept.clone());
    match intent {
        Intent::Complete(_) => Intent::Complete(vec![all]),
        Intent::Delete(_) => Intent::Delete(vec![all]),
        Intent::SetDue(_, due) => Intent::SetDue(all, due),
        Intent::SetPriority(_, priority) => Intent::SetPriority(all, priority),
        Intent::DeleteScope(scope, _) => Intent::DeleteScope(scope, kept),
        other => other,
    }
}
