//! The task in front, and what is said of it behind: "and the bird feeder, when was that?", "the shed: make it Friday".

use super::super::normalise::{Utterance, Word, norms};
use super::{Intent, Known, Target, parse_one};

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
    // "The other one, put that on Friday."
    let slice = &words[lead.saturating_sub(1)..=pause];
    if let Some(picked @ Target::Picked(_)) = super::target(slice).filter(|_| super::counts_tasks(&norms(slice))) {
        return parse_one(&Utterance::new(rest.to_vec()), known).of_what_is_pointed_at(picked);
    }
    let title = known.titles.named(&named)?;
    let points = rest.iter().any(|word| matches!(word.norm.as_str(), "it" | "that" | "it's" | "that's" | "this"));
    if !points || super::super::lexicon::starts_verb(&named) && !known.titles.is_said(title, &named) {
        return None;
    }
    // "As for the subscription, I've cancelled it", which was to be cancelled.
    let verb = title.split(' ').next().unwrap_or_default().to_lowercase();
    let told = matches!(rest[0].norm.as_str(), "i" | "i've" | "we" | "we've" | "it's" | "that's");
    let denies = |word: &Word| word.norm.ends_with("n't") || matches!(word.norm.as_str(), "not" | "never" | "should");
    let did = |word: &Word| word.norm != verb && known.present_of(&word.norm).is_some_and(|base| base == verb);
    let asks = rest.iter().any(Word::asks);
    if told && !asks && !rest.iter().any(denies) && rest.iter().any(did) {
        return Some(Intent::Complete(vec![Target::Title(title.to_owned())]));
    }
    let said = parse_one(&Utterance::new(rest.to_vec()), known);
    if rest.iter().any(denies) && matches!(said, Intent::Complete(_) | Intent::Delete(_)) {
        return None;
    }
    said.of_what_is_pointed_at(Target::Title(known.titles.meant(&named)?))
}
