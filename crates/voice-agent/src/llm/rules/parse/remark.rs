//! What is said beside a command: what it is not ("tomorrow, not Friday"), and why ("…, it's been extended").

use super::super::dates;
use super::super::normalise::{Utterance, Word, norms};
use super::{Intent, Known, names_known, parse_exact};

/// Whether it changes a task that is on the list.
pub(super) fn changes_a_task(intent: &Intent) -> bool {
    matches!(
        intent,
        Intent::Complete(_)
            | Intent::Delete(_)
            | Intent::Reopen(_)
            | Intent::SetDue(..)
            | Intent::SetPriority(..)
            | Intent::Shift(..)
    )
}

/// Without what the caller did not mean: "it's tomorrow, not Friday".
pub(super) fn without_denial(utterance: &Utterance, known: Known<'_>) -> Utterance {
    let words = &utterance.words;
    let denied = (1..words.len().saturating_sub(1)).find(|at| {
        let denied = norms(&words[at + 1..]);
        let hour = || dates::parse(&[&["at"], denied.as_slice()].concat(), known.now);
        let before = norms(&words[..*at]);
        let denies = words[*at].norm == "not"
            || matches!(before.last(), Some(&"instead" | &"rather"))
                && matches!(words[*at].norm.as_str(), "of" | "than");
        denies
            && (words[at - 1].pauses() && dates::parse(&denied, known.now).is_some()
                || dates::parse(&denied, known.now).or_else(hour).is_some()
                    && dates::find_trailing(before.strip_suffix(&["instead"]).unwrap_or(&before), known.now).is_some())
    });
    let end = denied.map(|at| if words[at].norm == "not" { at } else { at - 1 });
    end.map_or_else(|| utterance.clone(), |at| Utterance::new(words[..at].to_vec()))
}

/// "Mark it as low, it's been extended": a command, and why.
pub(super) fn before_a_remark(utterance: &Utterance, known: Known<'_>) -> Option<Intent> {
    let why = utterance
        .words
        .iter()
        .position(|word| matches!(word.norm.as_str(), "because" | "cos" | "cuz"))
        .filter(|at| *at > 1);
    let pause = utterance
        .words
        .iter()
        .position(Word::pauses)
        .filter(|at| at + 1 < utterance.words.len())
        .or(why.map(|at| at - 1))?;
    let remark = utterance.words.get(pause + 1)?;
    let explains = matches!(
        remark.norm.as_str(),
        "it's"
            | "it"
            | "because"
            | "since"
            | "as"
            | "so"
            | "i"
            | "i'm"
            | "that's"
            | "they"
            | "they're"
            | "he"
            | "she"
            | "we"
            | "we're"
            | "there's"
            | "cause"
            | "cuz"
    );
    let head = Utterance::new(utterance.words[..=pause].to_vec());
    let command = parse_exact(&head, known);
    let fits = (command.is_command() || command == Intent::BringBack)
        && !matches!(command, Intent::Add(_) | Intent::Incomplete(..) | Intent::Goodbye);
    let clear = explains || names_known(&command, known) || matches!(command, Intent::Reopen(_));
    (clear && fits).then_some(command)
}

/// "Maybe I should learn Spanish": thought of, and not asked for.
pub(super) fn only_thinks(utterance: &Utterance) -> bool {
    let words = norms(&utterance.words);
    let asks =
        words.iter().any(|word| matches!(*word, "add" | "remind" | "put" | "note" | "task" | "reminder" | "list"));
    matches!(words.first(), Some(&"maybe" | &"perhaps")) && !asks
}

/// "I'm sick, push everything back by two days": how somebody feels, and the command that follows from it.
pub(super) fn behind_a_feeling(utterance: &Utterance, known: Known<'_>) -> Option<Intent> {
    let words = &utterance.words;
    let feels = matches!(words.first()?.norm.as_str(), "i'm" | "i" | "we're" | "i've");
    let pause = words.iter().take(6).position(Word::pauses).filter(|at| feels && at + 2 < words.len())?;
    let head = Utterance::new(words[..=pause].to_vec());
    let talk = matches!(super::small::parse_whole_talk(&head), Some(Intent::Talk(super::Talk::Feeling)));
    let rest = utterance.starting_at(pause + 1);
    let rest = if rest.words[0].norm == "so" { rest.starting_at(1) } else { rest };
    talk.then(|| super::parse_one(&rest, known)).filter(Intent::is_command)
}

/// "He didn't get it", "there's a strike on": only told, of no task, and asking for nothing.
pub(crate) fn is_remark(words: &[Word], known: Known<'_>) -> bool {
    const TELLING: &str =
        "he he's she she's they they're they've it it's there's that's we're i'm because cos since as";
    const ASKING: &str = "need needs want wants must should has have to please remind add list task put";
    let words = norms(words);
    let listed = |list: &str, word: &str| list.split_ascii_whitespace().any(|entry| entry == word);
    let tells = words.first().is_some_and(|first| listed(TELLING, first));
    let dated = (0..words.len()).any(|at| dates::find_leading(&words[at..], known.now).is_some());
    tells && !dated && !words.iter().any(|word| listed(ASKING, word)) && known.titles.touched(&words).is_empty()
}

/// "Sam's flight is early, …": in front of a command, why it is given.
pub(super) fn is_reason(words: &[Word], known: Known<'_>) -> bool {
    let words = norms(words);
    let tells = |word: &str| {
        matches!(
            word,
            "is" | "are"
                | "was"
                | "were"
                | "has"
                | "had"
                | "got"
                | "isn't"
                | "aren't"
                | "can't"
                | "won't"
                | "there's"
                | "it's"
        ) || word.ends_with("'s") && word != "what's"
    };
    let asks = |word: &str| {
        matches!(word, "i" | "we" | "you" | "add" | "remind" | "please" | "not" | "need" | "done" | "should")
    };
    let dated = (0..words.len()).any(|at| dates::find_leading(&words[at..], known.now).is_some());
    let at = words.iter().position(|word| tells(word)).filter(|at| *at <= 4);
    at.is_some_and(|at| at + 1 < words.len()) && !dated && !words.iter().any(|word| asks(word))
}
