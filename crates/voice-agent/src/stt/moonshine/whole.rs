//! Short utterances that are known as a whole, and were misheard: "put left back" is "put that back".

use std::sync::LazyLock;

use super::bias::{LEADS, NAMED_NATS, NAMED_PHONE_NATS};
use super::confusion::Change;
use super::language::LANGUAGE;
use super::phones::{Phone, distance, phones_of, weight};
use super::phrases::WHOLE;
use super::rewrite::rewritten;
use super::text::bare;

/// An utterance of at most so many words may be a known one that was misheard; at most this share of it may sound different.
const WHOLE_WORDS: usize = 6;
const WHOLE_SHARE: f32 = 0.3;
/// There are few days, and nothing else is as likely behind a "no".
const DAY_SHARE: f32 = 0.45;
/// A day may be written as so many words: "one is they".
const DAY_WORDS: usize = 3;

/// Days by which a caller corrects another, behind words of which one is of the first kind: "no, Friday", "sorry, I meant Friday".
const DAYS: &str = "monday tuesday wednesday thursday friday saturday sunday tomorrow today";
const CORRECTING: &str = "no sorry oops actually wait meant mean";
/// Words that may stand beside those.
const LEADING: &str = "oh i said make it that it's rather better";
/// What begins an amount or a thing.
const COUNTING: &str = "a an the my one two three four five six seven eight nine ten";

/// The days with their sounds.
static DAY_SOUNDS: LazyLock<Vec<(&'static str, Vec<Phone>)>> =
    LazyLock::new(|| DAYS.split(' ').map(|day| (day, phones_of(std::iter::once(day)))).collect());

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

/// "No, money" as "no, Monday": behind words that correct, a few that sound like a day are one. And what that costs.
pub(super) fn day_by_sound(text: &str) -> Option<(String, f32)> {
    let written: Vec<String> = text.split_whitespace().map(str::to_owned).collect();
    let words: Vec<String> = written.iter().map(|word| bare(word)).collect();
    let corrects = |word: &String| CORRECTING.split(' ').any(|known| known == word.as_str());
    let leads = |word: &&String| corrects(word) || LEADING.split(' ').any(|known| known == word.as_str());
    let start = words.iter().take_while(leads).count();
    let (lead, rest) = words.split_at(start);
    if !lead.iter().any(corrects) || !(1..=DAY_WORDS).contains(&rest.len()) {
        return None;
    }
    // "No, one day", "no, a day", "no, Sandy": an amount, a thing and a person are none.
    let counts = |word: &String| COUNTING.split(' ').any(|known| known == word.as_str());
    if counts(&rest[0]) || rest.iter().any(|word| LANGUAGE.is_name(word)) {
        return None;
    }
    let heard = phones_of(rest.iter().map(String::as_str));
    let alike = DAY_SOUNDS.iter().filter_map(|(day, phones)| {
        let apart = distance(phones, &heard);
        (apart <= DAY_SHARE * weight(phones)).then_some((apart, *day))
    });
    let (apart, day) = alike.min_by(|a, b| a.0.total_cmp(&b.0)).filter(|(apart, _)| *apart > 0.0)?;
    let nats = NAMED_NATS + NAMED_PHONE_NATS * apart;
    let change = Change { at: start, length: rest.len(), said: day.to_owned(), nats };
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

    #[test]
    fn behind_a_no_what_sounds_like_a_day_is_one() {
        let read = |text: &str| day_by_sound(text).map(|(text, _)| text);
        assert_eq!(read("No money.").as_deref(), Some("No monday."));
        assert_eq!(read("Sorry, I meant money.").as_deref(), Some("Sorry, I meant monday."));
        assert_eq!(read("No, Monday."), None);
        assert_eq!(read("Money"), None);
        for other in [
            "No, thank you.",
            "No, keep it.",
            "No, don't.",
            "No, not that.",
            "Oh no.",
            "No, the milk.",
            "No, one day.",
            "No, two days.",
            "No, make it a day.",
            "No, the date.",
        ] {
            assert_eq!(read(other), None, "{other}");
        }
    }
}
