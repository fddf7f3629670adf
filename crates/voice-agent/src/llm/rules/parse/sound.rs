//! Commands that were heard as other words.

use super::super::lexicon;
use super::super::normalise::{Utterance, Word};
use super::{Intent, Known, parse_exact, statement};

/// Whether the word may stand in front of a command and says nothing.
fn leads(word: &str) -> bool {
    const LEADS: &str =
        "please can could would you i i'd i'll let's and so oh ok okay now then just yes yeah well hey hi";
    lexicon::is_small(word) || LEADS.split_ascii_whitespace().any(|lead| lead == word)
}

/// Tries again with the first word, or the first two, mended by sound.
pub(super) fn mended(utterance: &Utterance, known: Known<'_>) -> Option<Intent> {
    // "Who finished the report": what is asked is not bent into a command.
    if statement::opens_question(utterance) {
        return None;
    }
    for at in 0..utterance.words.len().min(2) {
        // "Something odd here": what is told is not cut down to a command.
        if at > 0 && !leads(&utterance.words[0].norm) {
            break;
        }
        let Some(command) = lexicon::command_by_sound(&utterance.words[at].norm) else { continue };
        let mut words = utterance.words.clone();
        words[at].norm = command.to_owned();
        let mended = Utterance::new(words).starting_at(at);
        let intent = parse_exact(&mended, known);
        // What was not clearly heard is not to end a call, and not to be taken for a bare task.
        if intent.is_command() && !matches!(intent, Intent::Goodbye | Intent::Incomplete(..)) {
            return Some(intent);
        }
    }
    None
}

/// Whether "make" is said of a title on the list, and of no new task, though a word of it is often what "task" is heard as: "make the tax
/// form urgent" is about the tax form.
pub(super) fn is_really_said(utterance: &Utterance, known: Known<'_>) -> bool {
    const HEARD_AS_TASK: &str = "tax attack desk tusk";
    let heard = |pair: &[Word]| HEARD_AS_TASK.split_ascii_whitespace().any(|heard| heard == pair[0].norm);
    let Some((make, words)) = utterance.words.split_first() else { return false };
    let pair = words.windows(2).take(3).find(|pair| heard(pair)).filter(|_| make.norm == "make");
    let Some([said, next]) = pair else { return false };
    known.titles.any(|title| {
        let of_title: Vec<&str> = title.split(' ').collect();
        of_title.windows(2).any(|pair| pair == [said.norm.as_str(), next.norm.as_str()])
    })
}
