//! Ordinals: which ones of a list.

use super::super::dates;
use super::super::normalise::Utterance;
use super::{Known, Pick};

/// Whether words that pick say that they count tasks: "the second", "number three", and not a bare "three", which may be an hour.
pub(crate) fn counts_tasks(words: &[&str]) -> bool {
    words
        .iter()
        .any(|word| matches!(*word, "the" | "one" | "ones" | "other" | "others" | "number" | "both" | "them" | "last"))
}

/// "the second one", "number two", "the first and the third", "both", "all of them".
pub(crate) fn pick(text: &str) -> Option<Vec<Pick>> {
    let said: Vec<&str> = text.split(' ').collect();
    // "Number one and number three", "one and three"; "the second one" counts no one.
    let counted = |at: usize| {
        let before = at.checked_sub(1).map(|before| said[before]);
        said[at] == "one"
            && (matches!(before, Some("number" | "option" | "and")) || at == 0 && said.get(1) == Some(&"and"))
    };
    let several = said.contains(&"and");
    let words: Vec<&str> = (0..said.len()).map(|at| if several && counted(at) { "1st" } else { said[at] }).collect();
    let strip = |word: &str| {
        !matches!(
            word,
            "the"
                | "one"
                | "ones"
                | "number"
                | "task"
                | "tasks"
                | "please"
                | "option"
                | "item"
                | "and"
                | "i"
                | "mean"
                | "meant"
                | "of"
                | "them"
                | "those"
                | "these"
                | "it's"
                | "take"
                | "pick"
                | "with"
                | "just"
                | "only"
                | "um"
                | "uh"
                | "that"
                | "yes"
                | "yeah"
                | "too"
                | "also"
        )
    };
    let had_article = words.iter().any(|word| matches!(*word, "the" | "number" | "option" | "one" | "ones"));
    let kept: Vec<&str> = words.iter().copied().filter(|word| strip(word)).collect();
    match kept.as_slice() {
        [] if text == "one" || text == "number one" || text == "option one" => return Some(vec![Pick::Nth(0)]),
        ["both"] | ["both", "two"] | ["two"]
            if !text.contains("number") && (text.starts_with("both") || text.ends_with("two of them")) =>
        {
            return Some(vec![Pick::Both]);
        }
        ["all"] | ["all", "three"] | ["everything"] | ["every"] => return Some(vec![Pick::All]),
        ["last"] | ["latter"] => return Some(vec![Pick::Last]),
        ["last", "two"] => return Some(vec![Pick::BeforeLast, Pick::Last]),
        ["former"] => return Some(vec![Pick::Nth(0)]),
        ["other"] if had_article => return Some(vec![Pick::Other]),
        ["first", "two"] => return Some(vec![Pick::Nth(0), Pick::Nth(1)]),
        ["first", "three"] => return Some(vec![Pick::Nth(0), Pick::Nth(1), Pick::Nth(2)]),
        _ => {}
    }
    if kept.is_empty() || kept.len() > 3 {
        return None;
    }
    let number = |word: &str| {
        let (_, value) = dates::ordinal(&[word]).or_else(|| dates::cardinal(&[word]))?;
        usize::try_from(value).ok().filter(|value| (1..=20).contains(value)).map(|value| Pick::Nth(value - 1))
    };
    kept.iter().map(|word| if *word == "last" { Some(Pick::Last) } else { number(word) }).collect()
}

/// "Mia's one" is Mia's, and no hour.
pub(crate) fn whose_one(utterance: &Utterance, known: Known<'_>) -> Option<Utterance> {
    let [lead @ .., whose, one] = utterance.words.as_slice() else { return None };
    let name = whose.norm.strip_suffix("'s").filter(|_| one.norm == "one" && lead.len() <= 1)?;
    known.titles.named(&[name])?;
    Some(Utterance::new(utterance.words[..=lead.len()].to_vec()))
}
