//! The task in front, and what is said of it behind: "and the bird feeder, when was that?", "the shed: make it Friday".

use super::super::normalise::{Utterance, Word, norms};
use super::{Intent, Known, parse_one};

/// Longest name in front, in words.
const LONGEST: usize = 6;

/// The command or question about the task that is named in front of a pause, where what follows only points at it.
pub(super) fn parse(utterance: &Utterance, known: Known<'_>) -> Option<Intent> {
    let words = &utterance.words;
    let leads = |word: &&Word| {
        matches!(
            word.norm.as_str(),
            "and"
                | "so"
                | "the"
                | "my"
                | "about"
                | "ok"
                | "okay"
                | "now"
                | "as"
                | "for"
                | "oh"
                | "thank"
                | "you"
                | "thanks"
        )
    };
    let lead = words.iter().take_while(leads).count();
    let pause = (lead..words.len().min(lead + LONGEST)).find(|at| words[*at].pauses())?;
    let named = norms(words.get(lead..=pause)?);
    let rest = words.get(pause + 1..).filter(|rest| (2..=10).contains(&rest.len()))?;
    let title = known.titles.named(&named)?;
    let points = rest.iter().any(|word| matches!(word.norm.as_str(), "it" | "that" | "it's" | "that's" | "this"));
    if !points || super::super::lexicon::starts_verb(&named) && !known.titles.is_said(title, &named) {
        return None;
    }
    parse_one(&Utterance::new(rest.to_vec()), known).of_what_is_pointed_at(title)
}
