//! How callers ask for the recording to stop, in their own words.

use words::{
    AFTER, COURTESIES, DONTS, ERASES, FORBIDS, HESITATIONS, KEEPS, KEPT, LASTING, LEAVES, NEGATIONS, QUESTIONS,
    RECORDS, STOPS, TAPES, WITHDRAWS,
};

use super::normalise;

mod request;
mod words;

/// Whether the caller asks for the recording to stop, and for nothing else.
pub fn is_stop_recording(text: &str) -> bool {
    let clauses = clauses(text);
    clauses.iter().any(|clause| forbids_recording(clause))
        && clauses.iter().all(|clause| forbids_recording(clause) || courteous(clause))
}

/// Whether any part of this asks for the recording to stop, whatever the rest says. Decided here, never by a model, and
/// generously: consent may be withdrawn in any words, and a recording that stops needlessly costs nothing. Only the title of
/// a task is none ("remind me to stop recording podcasts"), and a question ("are you recording me?").
pub fn asks_to_stop_recording(text: &str) -> bool {
    stops_asked(text) > 0
}

/// How many parts of this ask for the recording to stop.
pub fn stops_asked(text: &str) -> usize {
    clauses(text).iter().filter(|clause| forbids_recording(clause)).count()
}

/// Whether the caller is not to be recorded at any time, in this call or a later one: "don't record me again", "stop recording
/// my calls", "I opt out of recording".
pub fn opts_out(text: &str) -> bool {
    clauses(text).iter().any(|clause| never_again(&heard(clause)))
}

/// What a caller said besides asking for the recording to stop: what is left is still to be answered.
pub fn without_stop_recording(text: &str) -> String {
    let kept = spans(text).into_iter().filter(|span| !forbids_recording(&normalise(span)));
    let kept = kept.map(str::trim).filter(|span| !courteous(&normalise(span)));
    let rest = kept.collect::<Vec<_>>().join(" ");
    let trimmed = rest.trim_matches(|c: char| c.is_whitespace() || matches!(c, ',' | ';' | '–' | '—'));
    let lower = trimmed.to_lowercase();
    let joined = ["and then ", "and also ", "and ", "or ", "then ", "also ", "but "]
        .iter()
        .find(|word| lower.starts_with(**word));
    joined.map_or(trimmed, |word| trimmed.get(word.len()..).unwrap_or(trimmed)).to_owned()
}

/// The text cut where a clause may begin, and joined again where a hesitation or a recogniser's comma parted one:
/// "stop, um, recording", "are you recording this? Please don't".
fn spans(text: &str) -> Vec<&str> {
    let pieces = pieces(text);
    let mut spans = Vec::new();
    let (mut from, mut at) = (0, 0);
    while at < pieces.len() {
        let next = at + 1 + continued(&pieces[at..]);
        let to = from + pieces[at..next].iter().map(|piece| piece.len()).sum::<usize>();
        spans.push(&text[from..to]);
        (from, at) = (to, next);
    }
    spans
}

/// How many of the next pieces belong to the first.
fn continued(pieces: &[&str]) -> usize {
    let parts_nothing =
        |piece: &&&str| normalise(piece).split_whitespace().all(|word| word == "the" || HESITATIONS.contains(&word));
    let between = pieces.iter().skip(1).take_while(parts_nothing).count();
    let (Some(first), Some(next)) = (pieces.first(), pieces.get(1 + between)) else { return 0 };
    let (first, next) = (normalise(first), normalise(next));
    let (first, next) = (heard(&first), heard(&next));
    let asked = pieces.first().is_some_and(|piece| piece.trim_end().ends_with('?'));
    if is_broken_off(&first, &next) || is_refused(&first, &next, asked) { 1 + between } else { 0 }
}

/// "Stop" and, behind a comma, "recording".
fn is_broken_off(first: &[&str], next: &[&str]) -> bool {
    let article = |word: &&&str| matches!(**word, "the" | "this" | "that" | "my" | "your");
    let last = first.iter().rev().find(|word| !article(word));
    last.is_some_and(|word| STOPS.contains(word) || DONTS.contains(word))
        && next.iter().find(|word| !article(word)).is_some_and(|word| RECORDS.contains(word))
}

/// A question about the recording, and a refusal behind it: "you're recording this? Please don't".
fn is_refused(question: &[&str], refusal: &[&str], asked: bool) -> bool {
    let asks = asked || question.first().is_some_and(|word| QUESTIONS.contains(word));
    asks && question.iter().any(|word| RECORDS.contains(word)) && refuses(refusal)
}

/// "Please don't", "I don't want that".
fn refuses(words: &[&str]) -> bool {
    words.iter().any(|word| DONTS.contains(word)) && only(words, &[DONTS, &["then"]])
}

/// Whether there is nothing here but these words, courtesies, and the recording itself.
fn only(words: &[&str], also: &[&[&str]]) -> bool {
    words.iter().all(|word| {
        COURTESIES.contains(word) || RECORDS.contains(word) || also.iter().any(|words| words.contains(word))
    })
}

/// The words of a normalised clause without hesitations, and "recording" in one piece where it was misheard in two.
fn heard(clause: &str) -> Vec<&str> {
    let mut words = Vec::new();
    for word in clause.split_whitespace().filter(|word| !HESITATIONS.contains(word)) {
        match (words.last(), word) {
            (Some(&"re"), "cording" | "coding" | "corded") | (Some(&"record"), "in" | "ing") => {
                words.pop();
                words.push("recording");
            }
            _ => words.push(word),
        }
    }
    words
}

/// The text cut behind a sentence's end or a comma, and in front of "and", "or", "but", "then".
fn pieces(text: &str) -> Vec<&str> {
    let mut spans = Vec::new();
    let mut from = 0;
    let mut at = 0;
    for piece in text.split_inclusive(char::is_whitespace) {
        let word = normalise(piece);
        if at > from && matches!(word.as_str(), "and" | "but" | "then" | "because" | "before" | "or") {
            spans.push(&text[from..at]);
            from = at;
        }
        at += piece.len();
        if piece.trim_end().ends_with(['.', '!', '?', ';', '…', ',', ':', '–', '—']) {
            spans.push(&text[from..at]);
            from = at;
        }
    }
    spans.push(&text[from..]);
    spans
}

/// The clauses, normalised. What stands behind a word that introduces a title belongs to that title, up to the end of the
/// sentence.
fn clauses(text: &str) -> Vec<String> {
    let mut clauses: Vec<String> = Vec::new();
    let mut in_title = false;
    for span in spans(text) {
        let clause = normalise(span);
        let words = clause.split(' ').filter(|word| !matches!(*word, "and" | "but" | "then" | "also" | "please"));
        let words = words.collect::<Vec<_>>();
        let stops = words.first().is_some_and(|word| STOPS.contains(word) || matches!(*word, "don't" | "do"))
            || withdraws(&heard(&clause));
        // "Add buy milk and stop recording" is a title and a request; "add rehearse, record and tape" is a title.
        if in_title && !stops {
            clauses.push(format!("task {clause}"));
        } else if !clause.is_empty() {
            clauses.push(clause.clone());
        }
        in_title = (in_title || request::introduction(&words).is_some_and(|at| at < 3))
            && !span.trim_end().ends_with(['.', '!', '?', ';', '…']);
    }
    clauses
}

/// Whether a clause, normalised, stops or forbids a recording, or takes the leave back.
fn forbids_recording(clause: &str) -> bool {
    let words = heard(clause);
    stops_recording(&words) || withdraws(&words) || never_again(&words)
}

/// Whether consent is withdrawn in other words than "stop recording", and nothing else is said.
fn withdraws(words: &[&str]) -> bool {
    let has = |wanted: &[&str]| words.iter().any(|word| wanted.contains(word));
    let says = |wanted: &[&str]| wanted.iter().all(|word| words.contains(word));
    let takes_back =
        has(WITHDRAWS) || says(&["take", "back"]) || says(&["no", "longer"]) || has(&["don't", "dont", "not"]);
    let consent = has(LEAVES) && takes_back && only(words, &[WITHDRAWS, LEAVES, DONTS, &["take", "back", "hereby"]]);
    let mind = says(&["mind"]) && has(&["changed", "change"]) && has(RECORDS);
    let mind = mind && only(words, &[&["changed", "change", "mind", "about", "i've"]]);
    let out = says(&["out"]) && has(&["opt", "opting"]) && has(RECORDS) && only(words, &[&["opt", "opting", "out"]]);
    let kept = has(DONTS) && has(KEEPS) && has(KEPT) && only(words, &[DONTS, KEEPS, KEPT]);
    consent || mind || out || kept || erases(words) || stops_tape(words)
}

/// Whether these words forbid recordings for good, and say nothing else.
fn never_again(words: &[&str]) -> bool {
    let has = |wanted: &[&str]| words.iter().any(|word| wanted.contains(word));
    let calls = words.windows(2).any(|pair| matches!(pair, ["my" | "our" | "any" | "all" | "future", "calls"]));
    let for_good = has(NEGATIONS) && has(LASTING) || has(&["never"]);
    let of_calls = calls && (has(NEGATIONS) || has(STOPS) || has(&["no"]));
    let opts = has(&["opt", "opting"]) && has(&["out"]);
    let names_it = has(RECORDS) || has(TAPES);
    let asks = words.first().is_some_and(|word| QUESTIONS.contains(word)) && !words.starts_with(&["do", "not"]);
    // "You must never record me"; what the caller must never do is a task.
    let yours: &[&str] = if words.contains(&"you") { &["need", "must", "should"] } else { &[] };
    let rest =
        [STOPS, FORBIDS, LASTING, TAPES, yours, &["calls", "next", "time", "in", "opt", "opting", "out", "please"]];
    names_it && (for_good || of_calls || opts) && !asks && only(words, &rest)
}

/// "Delete the recording", but not "I have to delete the recording", nor "don't forget the recording".
fn erases(words: &[&str]) -> bool {
    let Some(at) = words.iter().position(|word| ERASES.contains(word)) else { return false };
    let article = |word: &&str| matches!(*word, "the" | "this" | "that" | "my" | "our" | "your" | "any" | "all");
    let what = &words[at + 1..];
    only(words, &[ERASES, &["about", "your"]])
        && !words[..at].contains(&"have")
        && what.iter().position(|word| RECORDS.contains(word)).is_some_and(|end| what[..end].iter().any(article))
}

/// "Stop the tape", "turn the tape off".
fn stops_tape(words: &[&str]) -> bool {
    let stops = ["stop", "halt", "pause", "off"];
    let is_tape = words.windows(2).any(|pair| matches!(pair, ["the" | "that" | "your", "tape"]));
    is_tape
        && words.iter().any(|word| stops.contains(word))
        && only(words, &[&stops, &["tape", "your", "turn", "switch", "shut"]])
}

/// Whether these words stop or forbid a recording that they name.
fn stops_recording(words: &[&str]) -> bool {
    let Some(at) = words.iter().position(|word| RECORDS.contains(word) || TAPES.contains(word)) else { return false };
    let (before, after) = (&words[..at], &words[at + 1..]);
    if request::introduction(before).is_some() {
        return false;
    }
    if TAPES.contains(&words[at]) && !after.iter().any(|word| matches!(*word, "me" | "us" | "this")) {
        return false;
    }
    // "Are you recording this? Please don't", "you're recording? Stop".
    if request::only_asks(before)
        || before.iter().any(|word| matches!(*word, "you're" | "is" | "are")) && refuses(after)
    {
        return refuses(after);
    }
    let stopped =
        before.iter().any(|word| STOPS.contains(word) || FORBIDS.contains(word)) && !request::turns_on(before, after);
    let off = after.iter().take(3).any(|word| matches!(*word, "off" | "stop" | "stops" | "stopped" | "end" | "not"))
        && before.iter().all(|word| COURTESIES.contains(word) || *word == "need");
    // "We stop recording the show at five": what follows names something else than this call.
    let mut ours = after.iter().take_while(|word| !matches!(**word, "while" | "when" | "until" | "because" | "since"));
    (stopped || off) && ours.all(|word| COURTESIES.contains(word) || AFTER.contains(word))
}

fn courteous(words: &str) -> bool {
    words.split_whitespace().all(|word| COURTESIES.contains(&word) || HESITATIONS.contains(&word))
}

#[cfg(test)]
mod tests;
