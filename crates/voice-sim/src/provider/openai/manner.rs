//! How the language model words its answers: always alike, or as chat models do, who say less when they are told to.

use std::str::FromStr;

/// What a chatty model says behind an answer that is no question, depending on the answer: nine words each. Always the same words would be played
/// from a memory, and cost nothing.
const OFFERS: [&str; 12] = [
    "Is there anything else I can help you with?",
    "What else would you like to do right now?",
    "Shall I read out the rest of your tasks?",
    "Would you like to add another task to that?",
    "Tell me if there is more to write down.",
    "Is there something more that I can do today?",
    "Just say so when you want to change it.",
    "Do you want me to set a date too?",
    "Let me know what you want to do next.",
    "Is that all, or is there something you need?",
    "I can also mark one of them as done.",
    "Would you like to hear what is still open?",
];
/// Titles that are read out at most, as a voice agent tells its model.
const MOST_TITLES: usize = 5;
/// Words of a short answer.
const BRIEF_WORDS: usize = 10;

/// How the language model words its answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Manner {
    /// The same answer, whatever the instructions say of its length.
    #[default]
    Fixed,
    /// One sentence, with five titles at most. Told to "answer in one sentence", it names as many titles as ten words hold.
    Sparing,
    /// As a sparing one, and an offer of nine words behind it, one of twelve. Told to "answer in one sentence", it makes no offer.
    Chatty,
}

impl FromStr for Manner {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "fixed" => Ok(Self::Fixed),
            "sparing" => Ok(Self::Sparing),
            "chatty" => Ok(Self::Chatty),
            _ => Err(format!("{text:?} is none of fixed, sparing and chatty")),
        }
    }
}

/// A manner, and whether the request asks for one sentence.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Wording {
    pub(super) manner: Manner,
    pub(super) brief: bool,
}

impl Wording {
    /// The answer as it is said.
    pub(super) fn finish(self, text: String) -> String {
        let offers = self.manner == Manner::Chatty && !self.brief && !text.is_empty() && !text.ends_with('?');
        if offers { format!("{text} {}", offer(&text)) } else { text }
    }

    /// How many of these titles are read out, behind so many words.
    pub(super) fn titles(self, words_before: usize, titles: &[String]) -> usize {
        let most = match self.manner {
            Manner::Fixed => return titles.len(),
            Manner::Sparing | Manner::Chatty => titles.len().min(MOST_TITLES),
        };
        let words = |count: usize| {
            let named: usize = titles[..count].iter().map(|title| title.split_whitespace().count()).sum();
            // "and 2 more"
            words_before + named + if count < titles.len() { 3 } else { 0 }
        };
        if self.brief { (1..=most).rev().find(|count| words(*count) <= BRIEF_WORDS).unwrap_or(0) } else { most }
    }
}

/// One of the offers, the same for the same answer.
fn offer(answer: &str) -> &'static str {
    let sum = answer.bytes().fold(0_usize, |sum, byte| sum.wrapping_mul(31).wrapping_add(usize::from(byte)));
    OFFERS[sum % OFFERS.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    const BRIEF: Wording = Wording { manner: Manner::Chatty, brief: true };
    const CHATTY: Wording = Wording { manner: Manner::Chatty, brief: false };

    #[test]
    fn a_chatty_model_makes_an_offer_unless_it_is_to_be_brief() {
        let added = "Added milk.".to_owned();
        assert_eq!(CHATTY.finish(added.clone()), format!("Added milk. {}", offer("Added milk.")));
        assert_eq!((BRIEF.finish(added.clone()), Wording::default().finish(added.clone())), (added.clone(), added));
        assert_eq!(
            (CHATTY.finish("Which one?".to_owned()), CHATTY.finish(String::new())),
            ("Which one?".to_owned(), String::new())
        );
        assert!(OFFERS.iter().all(|offer| offer.split_whitespace().count() == 9));
        assert_ne!(offer("Added milk."), offer("Added bread."));
        assert_eq!("chatty".parse(), Ok(Manner::Chatty));
        assert!("loud".parse::<Manner>().is_err_and(|error| error.contains("fixed, sparing and chatty")));
    }

    #[test]
    fn a_short_answer_names_as_many_titles_as_ten_words_hold() {
        let titles: Vec<String> = ["buy milk", "call the dentist", "pay the rent"].map(str::to_owned).to_vec();
        let read_out = |wording: Wording, count: usize| wording.titles(4, &titles[..count]);
        assert_eq!((read_out(BRIEF, 1), read_out(BRIEF, 2), read_out(BRIEF, 3)), (1, 2, 1));
        assert_eq!(read_out(CHATTY, 3), 3);
        assert_eq!(CHATTY.titles(4, &vec!["x".to_owned(); 9]), 5);
        assert_eq!(Wording::default().titles(4, &vec!["x".to_owned(); 9]), 9);
        assert_eq!(BRIEF.titles(4, &vec!["a b c d e f g".to_owned(); 2]), 0);
    }
}
