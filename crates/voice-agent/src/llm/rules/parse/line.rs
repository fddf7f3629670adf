//! Lines that were typed or pasted at once: each says something of its own.

use super::super::lexicon;
use super::super::normalise::{Utterance, Word, norms};
use super::{Intent, Known, NewTask, new_tasks, parse};

/// Longest line that may be a title although it is no command, in words.
const LONGEST_TITLE: usize = 10;

/// What the lines come to, if there are several: commands in their order, and what could be added is offered together. None
/// if one of them is neither.
pub(super) fn parse_lines(utterance: &Utterance, known: Known<'_>) -> Option<Vec<Intent>> {
    let lines: Vec<&[Word]> = utterance.words.split_inclusive(Word::ends_line).collect();
    if !(2..=super::MAX_COMMANDS).contains(&lines.len()) {
        return None;
    }
    let mut intents: Vec<Intent> = Vec::new();
    let mut offered: Vec<NewTask> = Vec::new();
    let mut unknown: Vec<NewTask> = Vec::new();
    let mut adding = false;
    for line in lines {
        let mut words = line.to_vec();
        if let Some(last) = words.last_mut() {
            last.trail = last.trail.trim_end_matches('\n').to_owned();
        }
        match parse(&Utterance::new(words.clone()), known).as_slice() {
            [Intent::Offer(tasks)] => offered.extend(tasks.iter().cloned()),
            [Intent::Unknown] if words.len() <= LONGEST_TITLE => unknown.extend(new_tasks(&words, false, known)),
            // "Add" on a line of its own announces the others.
            [Intent::Incomplete(super::Missing::Title, inner)] if matches!(**inner, Intent::Add(_)) => adding = true,
            [Intent::Talk(_)] => {}
            all if all.iter().all(Intent::is_command) => intents.extend(all.iter().cloned()),
            _ => return None,
        }
    }
    adding |= intents.iter().any(|intent| matches!(intent, Intent::Add(_)));
    let commanded = intents.iter().any(|intent| !matches!(intent, Intent::Add(_)));
    if commanded {
        // Beside other commands what could be done is to be added, and what is no command is said to be lost.
        intents.extend((!offered.is_empty()).then_some(Intent::Add(offered)));
        intents.extend(unknown.into_iter().map(|task| Intent::Missed(task.title)));
    } else if !(offered.is_empty() && unknown.is_empty()) {
        offered.extend(unknown);
        intents.push(if adding { Intent::Add(offered) } else { Intent::Offer(offered) });
    }
    (!intents.is_empty()).then(|| super::chain(intents))
}

/// "First, call the insurance. Second, scan the receipts": what is counted off is a list.
pub(super) fn parse_enumerated(utterance: &Utterance, known: Known<'_>) -> Option<Intent> {
    const COUNTING: &str = "first firstly second secondly third thirdly fourth fifth finally lastly next then";
    let words = &utterance.words;
    let counts = |at: usize| {
        let begins = at == 0 || words[at - 1].pauses() || words[at - 1].norm == "and";
        begins && words[at].pauses() && COUNTING.split_ascii_whitespace().any(|word| word == words[at].norm)
    };
    let starts: Vec<usize> = (0..words.len()).filter(|at| counts(*at)).collect();
    if starts.len() < 2 || starts.first() != Some(&0) {
        return None;
    }
    let ends = starts.iter().skip(1).copied().chain([words.len()]);
    let parts: Vec<&[Word]> = starts.iter().zip(ends).map(|(start, end)| without_and(&words[start + 1..end])).collect();
    let doing = |part: &&[Word]| lexicon::starts_verb(&norms(part)) && part.len() > 1;
    if !parts.iter().all(doing) {
        return None;
    }
    Some(Intent::Add(parts.into_iter().flat_map(|part| new_tasks(part, false, known)).collect()))
}

/// Without the "and" that leads to the last one.
fn without_and(words: &[Word]) -> &[Word] {
    match words {
        [rest @ .., last] if last.norm == "and" => rest,
        _ => words,
    }
}
