//! What the caller is doing just now: "I'm paying it right now. Okay, done." It is done only once they say so.

use super::act::Scene;
use super::dialogue;
use super::normalise::{Utterance, Word, norms};
use super::parse::{self, Intent, Talk, Target};
use super::reply;

/// What was being done, and is done within the same words.
pub(crate) fn done_meanwhile(scene: &Scene<'_>, utterance: &Utterance) -> Option<Intent> {
    let words = &utterance.words;
    let pauses = |at: &usize| words[*at].pauses() && at + 1 < words.len();
    let at_it = |end: &usize| {
        let said = Utterance::new(words[..=*end].to_vec());
        parse::parse_one(&said, scene.known()) == Intent::Talk(Talk::AtIt)
    };
    let end = (0..words.len()).filter(pauses).find(at_it)?;
    says_done(&words[end + 1..]).then(|| of_the_one(scene)).flatten()
}

/// "Done", behind "I'll do it now".
pub(crate) fn done_at_last(scene: &Scene<'_>, utterance: &Utterance) -> Option<Intent> {
    let last = scene.history().last()?;
    let at_it = last.calls.is_empty() && last.reply == reply::AT_IT;
    (at_it && says_done(&utterance.words)).then(|| of_the_one(scene)).flatten()
}

/// "Okay, I just paid it": the one task that was spoken of, if it begins with the verb.
pub(crate) fn did_the_one(scene: &Scene<'_>, intents: &[Intent]) -> Option<Intent> {
    let [Intent::Complete(targets)] = intents else { return None };
    let [Target::Title(said)] = targets.as_slice() else { return None };
    let lower = said.to_lowercase();
    let (verb, _) = lower.split_once(' ').filter(|(_, it)| matches!(*it, "it" | "that" | "that one" | "this"))?;
    let task = dialogue::only_open(scene.history())?;
    let begins = task.title.to_lowercase().split(' ').next() == Some(verb);
    begins.then(|| Intent::Complete(vec![Target::It]))
}

/// The one open task that was spoken of is done.
fn of_the_one(scene: &Scene<'_>) -> Option<Intent> {
    dialogue::only_open(scene.history()).map(|_| Intent::Complete(vec![Target::It]))
}

/// Whether the words say that it is done, and no more.
fn says_done(words: &[Word]) -> bool {
    const AROUND: &str =
        "and ok okay there right so that's it's that is it all now yes yep i'm i've am just thanks we go";
    const DONE: &str = "done finished sorted completed paid sent";
    let listed = |list: &str, word: &str| list.split(' ').any(|entry| entry == word);
    let said = norms(words);
    said.iter().any(|word| listed(DONE, word)) && said.iter().all(|word| listed(DONE, word) || listed(AROUND, word))
}
