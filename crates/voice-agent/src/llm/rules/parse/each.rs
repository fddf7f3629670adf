//! Parts of one breath that are each clearly about a task on the list.

use super::super::normalise::{Utterance, Word, norms};
use super::{Intent, Known, MAX_COMMANDS, Target, parse_one};

/// "The lease is top priority, the intern can wait": parts that are each clearly about a task on the list.
pub(super) fn told_each(utterance: &Utterance, known: Known<'_>) -> Option<Vec<Intent>> {
    let words = &utterance.words;
    let mut parts: Vec<&[Word]> = Vec::new();
    let mut from = 0;
    for at in 1..words.len() {
        let joins = matches!(words[at].norm.as_str(), "and" | "but" | "while");
        if (joins || words[at - 1].pauses()) && at > from && !words[at].quoted {
            parts.push(&words[from..at]);
            from = at + usize::from(joins);
        }
    }
    parts.push(words.get(from..)?);
    parts.retain(|part| !part.is_empty());
    if !(2..=MAX_COMMANDS).contains(&parts.len()) {
        return None;
    }
    let clear = |part: &&[Word]| {
        let intent = parse_one(&with_copula(part, known), known);
        let told = matches!(
            intent,
            Intent::Complete(_)
                | Intent::SetDue(_, Some(_))
                | Intent::SetPriority(..)
                | Intent::Shift(..)
                | Intent::Reopen(_)
                | Intent::Delete(_)
        );
        let counted = |intent: &Intent| {
            matches!(intent, Intent::SetDue(Target::Picked(_), _) | Intent::SetPriority(Target::Picked(_), _))
        };
        (told && (super::names_title(&intent, known) || counted(&intent))).then_some(intent)
    };
    let mut intents = parts.iter().map(clear).collect::<Option<Vec<Intent>>>()?;
    intents.dedup();
    Some(intents)
}

/// "… and the second for today": with the "is" that the part before has said.
fn with_copula(part: &[Word], known: Known<'_>) -> Utterance {
    let norm = norms(part);
    let start = super::super::dates::find_trailing(&norm, known.now).map_or(0, |(start, _)| start);
    let said = norm.iter().any(|word| matches!(*word, "is" | "are" | "to" | "can" | "has") || word.ends_with("'s"));
    if said || start == 0 || super::pick(&norm[..start].join(" ")).is_none() {
        return Utterance::new(part.to_vec());
    }
    let is = super::super::normalise::tokenise("is");
    Utterance::new(part[..start].iter().chain(&is).chain(&part[start..]).cloned().collect())
}
