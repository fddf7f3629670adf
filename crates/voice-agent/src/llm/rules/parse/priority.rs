//! Priorities: a word alone, in front of a title, or behind it.

use super::super::lexicon;
use super::super::normalise::{Word, norms};
use super::{Known, Priority, Target, target};

/// "Make it normal", "make the rent low": a bare word, behind what is clearly a task.
pub(super) fn plain_priority(words: &[Word], known: Known<'_>) -> Option<(usize, Priority)> {
    let (last, before) = words.split_last()?;
    let priority = find_priority(&[last.norm.as_str()])?;
    let pointed = !matches!(target(before)?, Target::Title(_)) || known.titles.named(&norms(before)).is_some();
    pointed.then_some((before.len(), priority))
}

/// A priority, if the words name one and nothing else.
pub(crate) fn find_priority(words: &[&str]) -> Option<Priority> {
    const AROUND: &str = "a an as very really quite priority to it's that's is with at please pretty super of level so that marked now \
        the more importance any anymore longer thing that one's";
    let around = |word: &str| AROUND.split_ascii_whitespace().any(|known| known == word);
    let kept: Vec<&str> = words.iter().copied().filter(|word| !around(word)).collect();
    match kept.as_slice() {
        ["high"]
        | ["highest"]
        | ["top"]
        | ["urgent"]
        | ["important"]
        | ["critical"]
        | ["crucial"]
        | ["higher"]
        | ["asap"]
        | ["hi"]
        | ["urgently"]
        | ["essential"]
        | ["p0" | "p1"] => Some(Priority::High),
        // "… isn't urgent any more": as any other.
        ["not" | "isn't", "urgent" | "important"]
            if words.iter().any(|word| matches!(*word, "any" | "anymore" | "longer")) =>
        {
            Some(Priority::Normal)
        }
        ["low"]
        | ["lo"]
        | ["lowest"]
        | ["lower"]
        | ["unimportant"]
        | ["not", "important"]
        | ["not", "urgent"]
        | ["no" | "not", "rush" | "hurry"]
        | ["no", "big", "rush" | "hurry"]
        | ["not", "that", "important"]
        | ["less", "important"]
        | ["less", "urgent"]
        | ["minor"]
        | ["isn't", "important"]
        | ["isn't", "urgent"]
        | ["not", "high"]
        | ["p3" | "p4"] => Some(Priority::Low),
        ["p2"] | ["normal"] | ["medium"] | ["regular"] | ["default"] | ["standard"] | ["middle"] => {
            Some(Priority::Normal)
        }
        [] if words == ["priority"] || words == ["a", "priority"] => Some(Priority::High),
        _ => None,
    }
}

/// A priority at the end of the words, and where it starts.
pub(super) fn trailing_priority(words: &[Word]) -> Option<(usize, Priority)> {
    let mut norm = norms(words);
    // "… as a low priority task".
    if let [.., "as", "a" | "an", _, "task" | "item" | "one"]
    | [.., "as", "a" | "an", _, "priority", "task" | "item" | "one"] = norm.as_slice()
    {
        norm.pop();
    }
    (0..norm.len()).find_map(|start| {
        if words[start].quoted || norm.len() - start > 5 {
            return None;
        }
        let priority = find_priority(&norm[start..])?;
        let introduced = matches!(
            norm[start],
            "with" | "as" | "at" | "it's" | "is" | "a" | "very" | "really" | "to" | "that's" | "that"
        );
        let clear = norm[start..].iter().any(|word| {
            matches!(
                *word,
                "priority"
                    | "urgent"
                    | "asap"
                    | "urgently"
                    | "important"
                    | "unimportant"
                    | "critical"
                    | "rush"
                    | "hurry"
            )
        });
        let pause = start == 0 || words[start - 1].pauses();
        // "buy something important" keeps its word; ", important" and "as important" do not.
        let soft = matches!(
            norm[start],
            "important" | "critical" | "high" | "low" | "normal" | "medium" | "top" | "crucial" | "essential" | "hi"
        ) && !norm[start..].contains(&"priority");
        let allowed = if soft { pause } else { clear || (introduced && start > 0) };
        // "a" in "a high" belongs to a title.
        (allowed && (norm[start] != "a" || norm[start..].contains(&"priority"))).then_some((start, priority))
    })
}

/// A priority in front of a title: "high priority: call the bank".
pub(super) fn leading_priority(words: &[&str]) -> Option<(usize, Priority)> {
    match words {
        ["high" | "top", "priority", ..] => Some((2, Priority::High)),
        ["low", "priority", ..] => Some((2, Priority::Low)),
        ["urgent" | "urgently", ..] if words.get(1).is_some_and(|_| lexicon::starts_verb(&words[1..])) => {
            Some((1, Priority::High))
        }
        _ => None,
    }
}
