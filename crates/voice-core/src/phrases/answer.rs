//! Yes or no to the question whether a call may be recorded. Decided here, never by a model, and strictly: a consent must be
//! plain, and what is not plainly yes is none.

use super::{asks_to_stop_recording, is_backchannel, normalise};

/// The answer to the question.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ConsentAnswer {
    /// A plain yes; what was said besides is still to be answered.
    Yes {
        /// That, without the yes.
        rest: String,
    },
    /// A no.
    No {
        /// What was said besides.
        rest: String,
    },
    /// It began with a yes, and what followed leaves a doubt, or asks something: the question is to be put once more.
    Unclear,
    /// Something else.
    Neither,
}

/// What agrees, also with a request behind it: "yes, add buy milk".
const FIRMLY: [&str; 6] = ["yes", "yeah", "yep", "yup", "i agree", "i consent"];
/// What agrees by itself. With anything behind it but the recording's own words it may be no answer at all: "I do have a question", "it may rain".
const YES: [&str; 26] = [
    "yes",
    "yeah",
    "yep",
    "yup",
    "sure",
    "ok",
    "okay",
    "absolutely",
    "certainly",
    "definitely",
    "of course",
    "go ahead",
    "please do",
    "i agree",
    "i consent",
    "you may",
    "you can",
    "it may",
    "that's fine",
    "that is fine",
    "that's ok",
    "that's okay",
    "fine",
    "all right",
    "alright",
    "yes you may",
];
/// What is asked for.
const RECORD: [&str; 3] = ["record", "recorded", "recording"];
/// What may stand with that: "you may record this call", "I agree to being recorded".
const NAMING: [&str; 18] = [
    "be",
    "being",
    "to",
    "the",
    "my",
    "our",
    "with",
    "for",
    "me",
    "us",
    "this",
    "that",
    "it",
    "call",
    "conversation",
    "agree",
    "consent",
    "do",
];
/// How a request begins that may follow a yes.
const REQUESTS: [&str; 29] = [
    "add", "remind", "put", "create", "make", "list", "show", "tell", "read", "give", "delete", "remove", "complete",
    "mark", "move", "rename", "change", "set", "schedule", "call", "postpone", "find", "search", "undo", "clear",
    "start", "finish", "let's", "help",
];
/// What may stand before it.
const POLITELY: [&str; 8] =
    ["can you", "could you", "would you", "will you", "i want to", "i need to", "i'd like to", "i would like to"];
/// Requests to be told something, which may be about the recording.
const TELLS: [&str; 4] = ["tell", "show", "read", "give"];
/// How a question begins.
const ASKS: [&str; 24] = [
    "what", "what's", "who", "who's", "why", "how", "how's", "when", "where", "which", "whose", "is", "are", "do",
    "does", "did", "huh", "hello", "hi", "pardon", "sorry", "excuse", "will", "should",
];
/// What a question after a yes has to name to be about something else than the recording.
const TASKS: [&str; 12] =
    ["list", "lists", "task", "tasks", "todo", "todos", "due", "agenda", "reminder", "reminders", "today", "tomorrow"];
/// What refuses by itself.
const NO: [&str; 16] = [
    "no",
    "nope",
    "nah",
    "no thanks",
    "no thank you",
    "rather not",
    "i'd rather not",
    "please don't",
    "don't",
    "dont",
    "not",
    "never",
    "i refuse",
    "i do not",
    "i don't",
    "no way",
];
/// What may stand around either.
const AROUND: [&str; 15] = [
    "please",
    "thanks",
    "thank you",
    "uh",
    "um",
    "well",
    "oh",
    "hm",
    "hmm",
    "then",
    "it",
    "that",
    "you",
    "this",
    "the call",
];
/// What makes a yes doubtful, wherever it stands.
const AGAINST: [&str; 48] = [
    "no",
    "not",
    "don't",
    "dont",
    "never",
    "rather",
    "nope",
    "nah",
    "without",
    "unless",
    "if",
    "but",
    "can't",
    "cannot",
    "won't",
    "stop",
    "refuse",
    "off",
    "object",
    "maybe",
    "wait",
    "isn't",
    "didn't",
    "wouldn't",
    "doesn't",
    "shouldn't",
    "haven't",
    "couldn't",
    "mustn't",
    "aren't",
    "wasn't",
    "weren't",
    "hasn't",
    "prefer",
    "hate",
    "dislike",
    "question",
    "only",
    "except",
    "until",
    "depends",
    "guess",
    "suppose",
    "hardly",
    "unsure",
    "nothing",
    "neither",
    "although",
];
/// What is no refusal although it begins with one: "no problem".
const NO_REFUSAL: [&str; 6] =
    ["no problem", "no worries", "not a problem", "don't mind", "no objection", "no objections"];

/// What was answered.
pub fn consent_answer(text: &str) -> ConsentAnswer {
    let (first, rest) = first_clause(text);
    let words = normalise(first);
    if NO_REFUSAL.iter().any(|phrase| words.contains(phrase)) {
        return ConsentAnswer::Neither;
    }
    if asks_to_stop_recording(text) || begins_with(&words, &NO).is_some() {
        let is_plain = begins_with(&words, &NO).is_some_and(str::is_empty);
        let says_more = !strip_around(&normalise(rest)).is_empty() && begins_with(&normalise(rest), &NO).is_none();
        let rest = if is_plain && says_more && !asks_to_stop_recording(rest) { rest } else { "" };
        return ConsentAnswer::No { rest: rest.trim().to_owned() };
    }
    let Some(more) = begins_with(&words, &YES) else { return ConsentAnswer::Neither };
    let whole = normalise(text);
    if whole.split(' ').any(|word| AGAINST.contains(&word)) {
        return ConsentAnswer::Neither;
    }
    // "Yes add milk": without a comma, what follows the yes is still to be done. "You may record this call" is all of it.
    let tail = if names_recording(more) { rest.trim() } else { last_words(text, more, rest) };
    let said = normalise(tail);
    let said = begins_with(&said, &YES).unwrap_or_else(|| strip_around(&said));
    let asks = begins_with_any(said, &ASKS) || text.trim_end().ends_with('?');
    if names_recording(said) || is_backchannel(tail) {
        // "Yes?" is how people answer who have not understood what was said.
        let plain = ConsentAnswer::Yes { rest: String::new() };
        return if asks { ConsentAnswer::Unclear } else { plain };
    }
    let is_firm = FIRMLY.iter().any(|phrase| after(strip_around(&words), phrase).is_some());
    if is_firm && is_request(said, asks) {
        ConsentAnswer::Yes { rest: tail.to_owned() }
    } else if is_firm || asks {
        ConsentAnswer::Unclear
    } else {
        ConsentAnswer::Neither
    }
}

/// Whether this names the recording, or nothing, and says nothing else: "record this call", "it".
fn names_recording(words: &str) -> bool {
    let mut all = words.split_whitespace();
    // "It may be" is no "it may"; "okay, call me" has something done.
    let is_passive = all.clone().any(|word| matches!(word, "be" | "being"));
    all.clone().next() != Some("call")
        && (!is_passive || all.clone().any(|word| RECORD.contains(&word)))
        && all.all(|word| RECORD.contains(&word) || NAMING.contains(&word) || AROUND.contains(&word))
}

/// Whether this is something to be done, or a question about the tasks, and nothing about the recording.
fn is_request(said: &str, asks: bool) -> bool {
    let has = |wanted: &[&str]| said.split(' ').any(|word| wanted.contains(&word));
    let asked = POLITELY.iter().find_map(|phrase| after(said, phrase)).map_or(said, strip_around);
    let is_question = asks || begins_with_any(asked, &TELLS) && has(&ASKS);
    // "Yes, tell me more", "yes, give me a second": who wants to know or think has not agreed.
    let wants_time = has(&["more", "second", "moment", "minute", "through", "why"]);
    !has(&RECORD) && !wants_time && if is_question { has(&TASKS) } else { begins_with_any(asked, &REQUESTS) }
}

fn begins_with_any(words: &str, phrases: &[&str]) -> bool {
    phrases.iter().any(|phrase| after(words, phrase).is_some())
}

/// The end of the text as it was said, from where no more of its first clause is left than `more`, which is followed by `rest`.
fn last_words<'t>(text: &'t str, more: &str, rest: &str) -> &'t str {
    let count = |text: &str| normalise(text).split_whitespace().count();
    let wanted = count(more) + count(rest);
    let starts = text.char_indices().filter(|(at, _)| *at == 0 || text[..*at].ends_with(char::is_whitespace));
    starts.map(|(at, _)| &text[at..]).find(|end| count(end) <= wanted).unwrap_or_default().trim()
}

/// The text up to the first end of a clause, and what follows it.
fn first_clause(text: &str) -> (&str, &str) {
    let text = text.trim_start_matches(|c: char| !c.is_alphanumeric());
    let ends = |c: char| matches!(c, '.' | '!' | '?' | ';' | ',' | '…' | ':' | '–' | '—');
    let at = text.find(ends).unwrap_or(text.len());
    let (first, rest) = text.split_at(at);
    let rest = rest.trim_start_matches(|c: char| !c.is_alphanumeric());
    // "Well, yes": courtesies are no clause of their own.
    if !rest.is_empty() && strip_around(&normalise(first)).is_empty() { first_clause(rest) } else { (first, rest) }
}

/// What follows the longest of these at the beginning of the words; courtesies around it do not count.
fn begins_with<'w>(words: &'w str, phrases: &[&str]) -> Option<&'w str> {
    let longest =
        |words: &'w str| phrases.iter().filter_map(|phrase| after(words, phrase)).min_by_key(|rest| rest.len());
    // "You may" is a yes of its own; "you, yes" is one behind a courtesy.
    let mut rest = longest(words).or_else(|| longest(strip_around(words)))?;
    // "Yes sure", "no thanks", "yes please".
    while let Some(shorter) = phrases.iter().filter(|_| !rest.is_empty()).find_map(|phrase| after(rest, phrase)) {
        rest = shorter;
    }
    let rest = strip_around(rest);
    Some(rest.strip_prefix("and ").unwrap_or(rest))
}

/// What follows a phrase that the words begin with.
fn after<'w>(words: &'w str, phrase: &str) -> Option<&'w str> {
    let rest = words.strip_prefix(phrase)?;
    if rest.is_empty() { Some(rest) } else { rest.strip_prefix(' ') }
}

fn strip_around(words: &str) -> &str {
    let mut words = words;
    while let Some(rest) = AROUND.iter().filter(|_| !words.is_empty()).find_map(|phrase| after(words, phrase)) {
        words = rest;
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plain_yes_agrees() {
        for text in [
            "Yes.",
            "yes please",
            "Yeah, sure.",
            "Okay",
            "uh, yes",
            "Well, yes, of course!",
            "I agree.",
            "you may",
            "Go ahead",
            "Yes, that's fine.",
            "Yes yes",
            "sure thanks",
            "You may record this call.",
            "yes, you can record me",
            "I agree to being recorded",
            "It may be recorded.",
            "Go ahead and record it",
            "Fine with me",
        ] {
            assert_eq!(consent_answer(text), ConsentAnswer::Yes { rest: String::new() }, "{text}");
        }
        for (text, rest) in [
            ("Yes. What is on my list?", "What is on my list?"),
            ("yes, add buy milk", "add buy milk"),
            ("yes and add buy milk", "add buy milk"),
            ("Yes, call Bob", "call Bob"),
            ("Yeah. Could you please tell me what's on my list?", "Could you please tell me what's on my list?"),
            ("I agree, remind me to water the plants", "remind me to water the plants"),
            ("yes please uh-huh", ""),
            ("yes add Jean-Luc's bread", "add Jean-Luc's bread"),
        ] {
            assert_eq!(consent_answer(text), ConsentAnswer::Yes { rest: rest.to_owned() }, "{text}");
        }
    }

    #[test]
    fn a_no_refuses() {
        for text in [
            "No.",
            "no thanks",
            "Nope",
            "I'd rather not",
            "please don't",
            "no, don't record me",
            "stop recording",
            "don't record this",
            "uh, no",
            "I do not",
        ] {
            assert_eq!(consent_answer(text), ConsentAnswer::No { rest: String::new() }, "{text}");
        }
        let rest = "What is on my list?".to_owned();
        assert_eq!(consent_answer("No. What is on my list?"), ConsentAnswer::No { rest });
    }

    #[test]
    fn whatever_is_not_plain_is_no_consent() {
        for text in [
            "",
            "what?",
            "add buy milk",
            "what is on my list",
            "yes but only today",
            "yes if I must",
            "maybe",
            "no problem",
            "I don't mind",
            "yesterday",
            "yes, or rather not",
            "okay wait",
            "is this recorded",
            "surely",
            "norway",
            "I do have a question first.",
            "You can tell me what's on my list",
            "It may rain tomorrow",
            "It may be.",
            "Yeah, nah.",
            "Okay, I'd prefer you didn't.",
            "Yes I wouldn't like that",
            "Go ahead and tell me my tasks",
            "Sure, call Bob",
            "Okay, call me",
            "Fine, I hate this",
            "you can mark milk as done",
            "I do the dishes tomorrow",
            "Yes, I guess",
            "Okay Google",
            "certainly the dentist is on Monday",
            "go ahead with the first one",
        ] {
            assert_eq!(consent_answer(text), ConsentAnswer::Neither, "{text}");
        }
    }

    #[test]
    fn a_yes_that_asks_is_asked_once_more() {
        for text in [
            "Sure, why would you record me?",
            "OK what is this?",
            "Okay, hello?",
            "Yes?",
            "Yes, who is this?",
            "yes what is this",
            "Yes, this is Bob speaking.",
            "Yes, I",
            "Yeah. Tell me why.",
            "yes can you hear me",
            "You can record me?",
            "Yes, is this call recorded?",
            "Fine, how are you?",
            "I agree that it is raining",
            "Yes, tell me what the recording is for",
        ] {
            assert_eq!(consent_answer(text), ConsentAnswer::Unclear, "{text}");
        }
    }
}
