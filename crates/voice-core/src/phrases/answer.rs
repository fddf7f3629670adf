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
    /// Something else.
    Neither,
}

/// What agrees by itself.
const YES: [&str; 27] = [
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
    "i do",
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
const AGAINST: [&str; 21] = [
    "no", "not", "don't", "dont", "never", "rather", "nope", "without", "unless", "if", "but", "can't", "cannot",
    "won't", "stop", "refuse", "off", "object", "maybe", "wait", "isn't",
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
    // "Yes add milk": without a comma, what follows the yes is still to be done.
    let tail = if more.is_empty() { rest.trim() } else { last_words(text, more, rest) };
    let says_no_more = begins_with(&normalise(tail), &YES).is_some_and(str::is_empty);
    let is_courtesy = strip_around(&normalise(tail)).is_empty() || is_backchannel(tail);
    ConsentAnswer::Yes { rest: if says_no_more || is_courtesy { String::new() } else { tail.to_owned() } }
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
        ] {
            assert_eq!(consent_answer(text), ConsentAnswer::Yes { rest: String::new() }, "{text}");
        }
        for (text, rest) in [
            ("Yes. What is on my list?", "What is on my list?"),
            ("yes, add buy milk", "add buy milk"),
            ("yes and add buy milk", "add buy milk"),
            ("Sure, call Bob", "call Bob"),
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
        ] {
            assert_eq!(consent_answer(text), ConsentAnswer::Neither, "{text}");
        }
    }
}
