//! Yes or no: decided by all the words of an answer, not by the first of them. A yes that is taken back is none.

use super::Intent;

const YES: &[&str] = &[
    "y",
    "yes",
    "yeah",
    "yep",
    "yup",
    "yah",
    "ya",
    "ja",
    "aye",
    "sure",
    "sure thing",
    "of course",
    "certainly",
    "absolutely",
    "definitely",
    "correct",
    "exactly",
    "go ahead",
    "do it",
    "do that",
    "do so",
    "please do",
    "that's right",
    "go for it",
    "by all means",
    "you bet",
    "why not",
    "sounds good",
    "affirmative",
    "confirm",
    "confirmed",
    "i'm sure",
    "i am sure",
    "i do",
    "yes please",
    "you can",
    "you may",
    "i agree",
    "that's correct",
    "indeed",
    "naturally",
];

const NO: &[&str] = &[
    "n",
    "no",
    "nope",
    "nah",
    "naw",
    "don't",
    "do not",
    "not",
    "never",
    "stop",
    "cancel",
    "wait",
    "hold on",
    "hang on",
    "forget it",
    "never mind",
    "keep it",
    "keep them",
    "leave it",
    "better not",
    "rather not",
    "i changed my mind",
    "changed my mind",
    "i've changed my mind",
    "on second thought",
    "on second thoughts",
    "no way",
    "not yet",
    "not really",
    "not now",
    "i don't think so",
    "don't do it",
    "don't do that",
    "not that",
    "scratch that",
    "hmm no",
    "please don't",
    "neither",
    "none",
];

/// Words that are neither.
const NEUTRAL: &[&str] = &[
    "please",
    "thanks",
    "thank you",
    "ok",
    "okay",
    "alright",
    "right",
    "well",
    "oh",
    "actually",
    "just",
    "now",
    "then",
    "so",
    "that",
    "it",
    "them",
    "one",
    "those",
    "i",
    "i'm",
    "mean",
    "i mean",
    "i meant",
    "sorry",
    "and",
    "but",
    "do",
    "hmm",
    "very much",
    "for me",
    "ahead",
    "all",
    "really",
    "i think",
    "i guess",
    "fine",
];

/// Words by which somebody says that they do not know.
const UNSURE: &[&str] =
    &["maybe", "perhaps", "i don't know", "not sure", "i'm not sure", "i am not sure", "dunno", "let me think"];

fn longest(words: &[&str], phrases: &[&str]) -> usize {
    let length = |phrase: &&str| {
        let parts: Vec<&str> = phrase.split(' ').collect();
        words.starts_with(&parts).then_some(parts.len())
    };
    phrases.iter().filter_map(length).max().unwrap_or(0)
}

/// What an answer of nothing but such words says: yes, no, or neither. None if there are other words in it.
pub(super) fn parse(text: &str) -> Option<Intent> {
    let words: Vec<&str> = text.split(' ').collect();
    // "Yes and …" goes on.
    if matches!(words.last(), Some(&("and" | "but" | "then" | "so"))) {
        return None;
    }
    let (mut yes, mut no, mut unsure) = (false, false, false);
    let mut at = 0;
    while at < words.len() {
        let rest = &words[at..];
        let found = [YES, NO, UNSURE, NEUTRAL].map(|phrases| longest(rest, phrases));
        let most = *found.iter().max()?;
        // The longest phrase says what its words mean: "do it" is a yes, "do not" a no, and a bare "do" neither.
        match found.iter().position(|length| *length == most && most > 0)? {
            0 => yes = true,
            1 => no = true,
            2 => unsure = true,
            _ => {}
        }
        at += most;
    }
    match (yes, no, unsure) {
        // "Definitely not", "absolutely not": the yes only strengthens the no.
        (true, true, false) if words.last() == Some(&"not") => Some(Intent::No),
        (true, true, _) | (_, _, true) => Some(Intent::Unsure),
        (true, false, _) => Some(Intent::Yes),
        (false, true, _) => Some(Intent::No),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clean_yes_or_no_is_one() {
        for text in ["yes please do", "ja", "oh yes go ahead", "of course do it", "yes i'm sure"] {
            assert_eq!(parse(text), Some(Intent::Yes), "{text}");
        }
        for text in ["definitely not", "absolutely not", "no please don't", "of course not", "better not"] {
            assert_eq!(parse(text), Some(Intent::No), "{text}");
        }
    }

    #[test]
    fn what_says_both_is_neither() {
        for text in ["yes wait no", "yes no", "yes i mean no", "no no yes", "sure wait", "maybe", "i don't know"] {
            assert_eq!(parse(text), Some(Intent::Unsure), "{text}");
        }
        for text in ["yes add milk", "okay", "milk", ""] {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}
