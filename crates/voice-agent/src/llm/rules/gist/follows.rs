//! Clauses that name no task and go on about one: "…, no need", "so I'll try again on Thursday", "they've given us until Friday".

use super::super::act::Scene;
use super::super::dates;
use super::super::dialogue;
use super::super::parse::Target;
use super::told::Told;
use super::unexplained;

/// What says that a day is for what was spoken of.
const CUES: &str = "until till again instead rather later earlier only extended";
/// Words that say nothing beside a day.
const AROUND: &str = "i i'll i'd i'm i've we we'll we'd we've let's it that this they they've they'll he he'll he's she she'll she's you can could \
    will would should shall must have has had to be is it's that's so then but and now just probably really actually please ok okay the \
    a an at on by for in due do does try trying make manage get got up me us oh well still one";
/// The same, where a word says that the day is for it.
const BESIDE_A_CUE: &str = "can't couldn't won't don't didn't isn't not given give gave gimme come comes been said says wants wanted want \
    needs need asked asks told changed change moved put pushed back longer more time deadline extension day after works suits them him her";

fn listed(list: &str, word: &str) -> bool {
    list.split_ascii_whitespace().any(|entry| entry == word)
}

/// Whether a clause with a day in it, in which no task is named, can only be about the one that was spoken of.
pub(super) fn dates_it(scene: &Scene<'_>, words: &[&str]) -> bool {
    let now = scene.known().now;
    let cued = words.iter().any(|word| listed(CUES, word));
    let it = words.iter().any(|word| matches!(*word, "it" | "that" | "this"));
    let by = it && words.iter().any(|word| matches!(*word, "by" | "before"));
    let denied = words.iter().any(|word| word.ends_with("n't") || *word == "not");
    let later = words.iter().any(|word| matches!(*word, "until" | "till" | "before"));
    let doing = words.iter().any(|word| matches!(*word, "do" | "try" | "manage" | "make"));
    if denied && !later || !(cued || by || doing) {
        return false;
    }
    let mut at = 0;
    while at < words.len() {
        let day = dates::find_leading(&words[at..], now).filter(|(length, _)| *length > 0);
        let known =
            listed(AROUND, words[at]) || listed(CUES, words[at]) || (cued || by) && listed(BESIDE_A_CUE, words[at]);
        match day {
            Some((length, _)) => at += length,
            None if known => at += 1,
            None => return false,
        }
    }
    true
}

/// The tasks that a clause without a name is about: those of the clause before it, or the one that was spoken of last.
pub(super) fn meant(scene: &Scene<'_>, words: &[&str], told: &[Told], named: &[Target]) -> Vec<Target> {
    let about_day = told.iter().any(|told| matches!(told, Told::Due(_))) && dates_it(scene, words);
    if !named.is_empty() {
        // "… in the cupboard, no need".
        let says_only = !told.contains(&Told::Done) && unexplained(scene, words) == 0;
        return if about_day || says_only { named.to_vec() } else { Vec::new() };
    }
    if about_day && is_one_spoken_of(scene) { vec![Target::It] } else { Vec::new() }
}

/// Whether exactly one task was spoken of in the turn before.
pub(super) fn is_one_spoken_of(scene: &Scene<'_>) -> bool {
    let last = scene.history().last().map(std::slice::from_ref).unwrap_or_default();
    dialogue::only_open(last).is_some()
}
