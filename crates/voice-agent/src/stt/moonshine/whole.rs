//! Short utterances that are known as a whole, and were misheard: "put left back" is "put that back".

use std::sync::LazyLock;

use super::bias::{LEADS, NAMED_NATS, NAMED_PHONE_NATS};
use super::confusion::Change;
use super::phones::{Phone, distance, phones_of, weight};
use super::phrases::WHOLE;
use super::rewrite::rewritten;
use super::text::bare;

/// An utterance of at most so many words may be a known one that was misheard; at most this share of it may sound different.
const WHOLE_WORDS: usize = 6;
const WHOLE_SHARE: f32 = 0.3;

/// The phrases that are whole utterances, with their sounds.
static WHOLE_SOUNDS: LazyLock<Vec<(&'static str, Vec<Phone>, f32)>> = LazyLock::new(|| {
    let sound = |phrase: &&'static str| {
        let phones = phones_of(phrase.split(' '));
        let most = WHOLE_SHARE * weight(&phones);
        (*phrase, phones, most)
    };
    WHOLE.iter().filter(|phrase| phrase.contains(' ')).map(sound).collect()
});

/// The text as the known utterance that it sounds most like, if it is none, and what that costs.
pub(super) fn whole_by_sound(text: &str) -> Option<(String, f32)> {
    let written: Vec<String> = text.split_whitespace().map(str::to_owned).collect();
    let words: Vec<String> = written.iter().map(|word| bare(word)).collect();
    let start = words.iter().take_while(|word| LEADS.contains(&word.as_str())).count();
    let rest = words.get(start..).filter(|rest| !rest.is_empty() && rest.len() <= WHOLE_WORDS)?;
    let heard = phones_of(rest.iter().map(String::as_str));
    let near = WHOLE_SOUNDS.iter().filter(|(_, phones, _)| phones.len().abs_diff(heard.len()) <= 3);
    let alike = near.filter_map(|(phrase, phones, most)| {
        let apart = distance(phones, &heard);
        (apart <= *most).then_some((apart, *phrase))
    });
    let (apart, said) = alike.min_by(|a, b| a.0.total_cmp(&b.0))?;
    if said.split(' ').eq(rest.iter().map(String::as_str)) {
        return None;
    }
    let nats = NAMED_NATS + NAMED_PHONE_NATS * apart;
    let change = Change { at: start, length: rest.len(), said: said.to_owned(), nats };
    Some((rewritten(&written, &change).join(" "), nats))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_misheard_utterance_is_the_one_that_sounds_like_it() {
        let read = |text: &str| whole_by_sound(text).map(|(text, _)| text);
        assert_eq!(read("Oops, but that back.").as_deref(), Some("Oops, put that back."));
        assert_eq!(read("Put that back"), None);
        assert_eq!(read("Water the tulips"), None);
        assert_eq!(read(""), None);
    }
}
