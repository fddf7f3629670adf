//! How callers ask for the recording to stop, in their own words.

use super::normalise;

/// Verbs that end something: "stop recording", "turn the recording off".
const STOPS: [&str; 21] = [
    "stop",
    "quit",
    "end",
    "pause",
    "halt",
    "cease",
    "finish",
    "cancel",
    "disable",
    "deactivate",
    "suspend",
    "discontinue",
    "kill",
    "cut",
    "switch",
    "turn",
    "shut",
    "drop",
    "abort",
    "terminate",
    "stopped",
];
/// Words that forbid, or withdraw a leave: "don't record", "I no longer agree to being recorded".
const FORBIDS: [&str; 23] = [
    "don't",
    "dont",
    "not",
    "no",
    "never",
    "without",
    "stop",
    "quit",
    "withdraw",
    "revoke",
    "refuse",
    "object",
    "rather",
    "cannot",
    "can't",
    "shouldn't",
    "mustn't",
    "won't",
    "wouldn't",
    "didn't",
    "nobody",
    "off",
    "against",
];
/// What is recorded, also as a recogniser mishears it.
const RECORDS: [&str; 9] =
    ["record", "recording", "recorded", "records", "recordings", "recoding", "recorder", "recordin", "rerecording"];
/// What is taped: of a call, said with "me", "us" or "this".
const TAPES: [&str; 2] = ["taping", "tape"];

/// What introduces a title, so that what follows is none of our business: "remind me to stop recording podcasts".
const INTRODUCES: [&str; 22] = [
    "add", "remind", "reminder", "task", "todo", "note", "create", "rename", "call", "put", "move", "delete",
    "complete", "mark", "remember", "forget", "need", "have", "must", "finished", "schedule", "make",
];
/// How a question begins that asks about a recording, and does not ask for anything.
const QUESTIONS: [&str; 14] =
    ["what", "what's", "when", "who", "why", "how", "are", "is", "do", "did", "does", "which", "where", "was"];
/// Words that may stand around a request to stop, and between its two words.
const COURTESIES: [&str; 72] = [
    "please",
    "can",
    "could",
    "would",
    "will",
    "you",
    "now",
    "hey",
    "ok",
    "okay",
    "i",
    "i'd",
    "i'm",
    "want",
    "wanna",
    "to",
    "just",
    "no",
    "wait",
    "oh",
    "uh",
    "um",
    "thanks",
    "like",
    "thank",
    "sorry",
    "actually",
    "yes",
    "yeah",
    "this",
    "the",
    "that",
    "my",
    "our",
    "me",
    "us",
    "call",
    "conversation",
    "session",
    "audio",
    "voice",
    "it",
    "all",
    "any",
    "anymore",
    "longer",
    "more",
    "off",
    "be",
    "being",
    "of",
    "agree",
    "consent",
    "from",
    "on",
    "right",
    "away",
    "immediately",
    "here",
    "and",
    "so",
    "well",
    "at",
    "once",
    "do",
    "am",
    "we",
    "have",
    "kindly",
    "if",
    "for",
    "stop",
];

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

/// What a caller said besides asking for the recording to stop: what is left is still to be answered.
pub fn without_stop_recording(text: &str) -> String {
    let kept = spans(text).into_iter().filter(|span| !forbids_recording(&normalise(span)));
    let kept = kept.map(str::trim).filter(|span| !courteous(&normalise(span)));
    let rest = kept.collect::<Vec<_>>().join(" ");
    let trimmed = rest.trim_matches(|c: char| c.is_whitespace() || matches!(c, ',' | ';' | '–' | '—'));
    let lower = trimmed.to_lowercase();
    let joined =
        ["and then ", "and also ", "and ", "then ", "also ", "but "].iter().find(|word| lower.starts_with(**word));
    joined.map_or(trimmed, |word| trimmed.get(word.len()..).unwrap_or(trimmed)).to_owned()
}

/// The text cut where a clause may begin: behind a sentence's end or a comma, and in front of "and", "but", "then".
fn spans(text: &str) -> Vec<&str> {
    let mut spans = Vec::new();
    let mut from = 0;
    let mut at = 0;
    for piece in text.split_inclusive(char::is_whitespace) {
        let word = normalise(piece);
        if at > from && matches!(word.as_str(), "and" | "but" | "then" | "because" | "before") {
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
        let first_words = clause.split(' ').filter(|word| !matches!(*word, "and" | "but" | "then" | "also" | "please"));
        let stops = first_words.clone().take(1).any(|word| STOPS.contains(&word) || matches!(word, "don't" | "do"));
        // "Add buy milk and stop recording" is a title and a request; "add rehearse, record and tape" is a title.
        if in_title && !stops {
            clauses.push(format!("task {clause}"));
        } else if !clause.is_empty() {
            clauses.push(clause.clone());
        }
        in_title = (in_title || first_words.take(3).any(|word| INTRODUCES.contains(&word)))
            && !span.trim_end().ends_with(['.', '!', '?', ';', '…']);
    }
    clauses
}

/// Whether a clause, normalised, stops or forbids a recording.
fn forbids_recording(clause: &str) -> bool {
    let words: Vec<&str> = clause.split(' ').filter(|word| !word.is_empty()).collect();
    let Some(at) = words.iter().position(|word| RECORDS.contains(word) || TAPES.contains(word)) else { return false };
    let (before, after) = (&words[..at], &words[at + 1..]);
    if before.iter().any(|word| INTRODUCES.contains(word)) && !before.starts_with(&["i", "have", "not"]) {
        return false;
    }
    if TAPES.contains(&words[at]) && !after.iter().any(|word| matches!(*word, "me" | "us" | "this")) {
        return false;
    }
    let open = before.iter().position(|word| !matches!(*word, "and" | "but" | "then" | "so" | "ok" | "okay" | "hey"));
    let first = open.map_or("", |at| before[at]);
    let second = open.and_then(|at| before.get(at + 1)).copied().unwrap_or_default();
    // "Do not record this" forbids, "do you record this?" asks; and "can you stop recording" is no question.
    if QUESTIONS.contains(&first) && !matches!((first, second), ("do", "not") | ("why", "don't")) {
        return false;
    }
    let stopped = before.iter().any(|word| STOPS.contains(word) || FORBIDS.contains(word));
    let off = after.iter().take(3).any(|word| matches!(*word, "off" | "stop" | "stops" | "stopped" | "end" | "not"))
        && before.iter().all(|word| COURTESIES.contains(word));
    // "We stop recording the show at five": what follows names something else than this call.
    let ours = after.iter().take_while(|word| !matches!(**word, "while" | "when" | "until" | "because" | "since"));
    (stopped || off)
        && ours
            .clone()
            .all(|word| COURTESIES.contains(word) || matches!(*word, "stop" | "stops" | "end" | "not" | "stopped"))
}

fn courteous(words: &str) -> bool {
    words.split_whitespace().all(|word| COURTESIES.contains(&word))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stop_recording_is_heard_in_many_forms() {
        for text in [
            "Stop recording.",
            "stop recording",
            "Please, stop the recording!",
            "Could you stop recording this call, please?",
            "No, wait. Stop recording now.",
            "I want you to turn off recording",
            "Don't record this.",
            "I'd like you to stop recording, please",
            "don't record me",
            "I don't want to be recorded",
            "no more recording",
            "quit recording",
            "end the recording",
            "pause recording",
            "stop recoding",
            "Turn the recording off please",
            "I no longer want to be recorded",
            "I would rather not be recorded",
            "please do not record our conversation",
            "stop taping me",
            "Okay, no recording",
        ] {
            assert!(is_stop_recording(text), "{text}");
            assert!(asks_to_stop_recording(text), "{text}");
        }
    }

    #[test]
    fn a_title_that_holds_the_phrase_is_no_request() {
        for text in [
            "Add a task to stop recording the show",
            "Remind me to stop recording podcasts",
            "remind me to stop recording",
            "What did we stop recording?",
            "Add buy tape, record the show and call Bob",
            "are you recording me?",
            "is this call being recorded?",
            "I need to stop recording at five",
            "rename it to stop recording",
            "unstop recording",
            "add record the podcast",
            "",
        ] {
            assert!(!asks_to_stop_recording(text), "{text}");
            assert!(!is_stop_recording(text), "{text}");
        }
    }

    #[test]
    fn one_clause_of_several_is_enough() {
        for (text, rest) in [
            ("Add milk. Stop recording.", "Add milk."),
            ("Stop recording! What is on my list?", "What is on my list?"),
            ("please stop recording and add buy milk", "add buy milk"),
            ("I don't want to be recorded, and then delete the dentist", "delete the dentist"),
            ("add buy milk and stop recording", "add buy milk"),
            ("Stop recording, please. Call John tomorrow, at five.", "Call John tomorrow, at five."),
        ] {
            assert!(asks_to_stop_recording(text) && !is_stop_recording(text), "{text}");
            assert_eq!(without_stop_recording(text), rest, "{text}");
        }
        assert!(!asks_to_stop_recording("Add milk. Remind me to stop recording podcasts."));
        assert_eq!(without_stop_recording("stop recording please"), "");
    }
}
