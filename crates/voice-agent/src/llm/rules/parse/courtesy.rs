//! Courtesies around what is said: "hey", "could you", "thanks".

use super::super::lexicon;
use super::super::normalise::{Utterance, Word, end_in_question, norms};

/// Without "hey", "please", "could you", "thanks" around the rest, unless nothing would be left.
pub(crate) fn without_courtesies(utterance: &Utterance) -> Utterance {
    let mut words: &[Word] = &utterance.words;
    while let Some(length) = leading_courtesy(words) {
        words = &words[length..];
    }
    while let Some(length) = trailing_courtesy(words) {
        words = &words[..words.len() - length];
    }
    if words.len() == utterance.words.len() {
        return utterance.clone();
    }
    let mut words = words.to_vec();
    // "Nothing else then?" asks, without its "then", too.
    let asks = end_in_question(&utterance.words);
    if let Some(last) = words.last_mut().filter(|last| asks && !last.asks()) {
        last.trail.push('?');
    }
    Utterance::new(words)
}

/// "Would you mind marking it as done": the command that is asked for.
pub(super) fn asked(utterance: Utterance) -> Utterance {
    let Some(command) = utterance.words.first().and_then(|word| lexicon::command_of(&word.norm)) else {
        return utterance;
    };
    let mut words = utterance.words;
    command.clone_into(&mut words[0].norm);
    Utterance::new(words)
}

const LEADING: &[&[&str]] = &[
    &["listen"],
    &["look"],
    &["maybe"],
    &["quick"],
    &["quickly"],
    &["as", "soon", "as", "possible"],
    &["perhaps"],
    &["i", "guess"],
    &["let's", "say"],
    &["let", "us", "say"],
    &["i", "suppose"],
    &["i", "was", "just", "thinking", "that"],
    &["i", "was", "thinking", "that"],
    &["i", "was", "just", "thinking"],
    &["i", "should", "like", "you", "to"],
    &["i", "should", "like", "to"],
    &["i'd", "be", "grateful", "if", "you", "could"],
    &["i'd", "be", "grateful", "if", "you", "would"],
    &["do", "me", "a", "favour", "and"],
    &["do", "me", "a", "favor", "and"],
    &["be", "a", "dear", "and"],
    &["be", "a", "love", "and"],
    &["can", "you", "please"],
    &["could", "you", "please"],
    &["would", "you", "be", "so", "good", "as", "to"],
    &["would", "you", "be", "kind", "enough", "to"],
    &["would", "you", "please"],
    &["would", "you", "mind"],
    &["do", "you", "mind"],
    &["i'd", "like", "you", "to"],
    &["i", "would", "like", "you", "to"],
    &["i", "want", "you", "to"],
    &["i", "need", "you", "to"],
    &["can", "you"],
    &["could", "you"],
    &["could", "we"],
    &["shall", "we"],
    &["can", "we", "please"],
    &["might", "we"],
    &["would", "you"],
    &["will", "you"],
    &["can", "we"],
    &["can", "i", "please"],
    &["go", "ahead", "and"],
    &["i", "think"],
    &["you", "can"],
    &["please"],
    &["kindly"],
    &["just"],
    &["hey"],
    &["hi", "there"],
    &["hi"],
    &["hello"],
    &["hiya"],
    &["g'day"],
    &["howdy"],
    &["hey", "there"],
    &["hello", "there"],
    &["good", "day"],
    &["right", "then"],
    &["okay", "then"],
    &["ok", "then"],
    &["alright", "then"],
    &["first", "up"],
    &["good", "morning"],
    &["good", "afternoon"],
    &["good", "evening"],
    &["ok"],
    &["k"],
    &["okay"],
    &["alright"],
    &["all", "right"],
    &["so"],
    &["well"],
    &["oh"],
    &["now"],
    &["then"],
    &["also"],
    &["and", "then"],
    &["and", "also"],
    &["great"],
    &["let", "me", "know"],
    &["one", "more", "thing"],
    &["there's", "one", "more"],
    &["and", "one", "more", "thing"],
    &["oops"],
    &["it", "would", "be", "great", "if", "you", "could"],
    &["it", "would", "be", "nice", "if", "you", "could"],
    &["it", "would", "be", "good", "if", "you", "could"],
    &["it'd", "be", "great", "if", "you", "could"],
    &["i", "was", "wondering", "if", "you", "could"],
    &["i'd", "appreciate", "it", "if", "you", "could"],
    &["do", "you", "think", "you", "could"],
    &["do", "you", "think", "you", "can"],
    &["is", "it", "possible", "to"],
    &["would", "it", "be", "possible", "to"],
    &["if", "you", "could"],
    &["would", "you", "be", "so", "kind", "as", "to"],
    &["would", "you", "be", "so", "kind", "to"],
    &["be", "so", "kind", "and"],
    &["i", "was", "thinking"],
    &["i've", "been", "thinking"],
    &["i", "wanted", "to"],
    &["i", "just", "wanted", "to"],
    &["i", "just", "remembered", "that"],
    &["i", "just", "remembered"],
    &["i", "realized"],
    &["i", "realised"],
    &["basically"],
    &["apparently"],
    &["i", "forgot", "to", "say"],
    &["i", "forgot", "to", "say", "that"],
    &["i", "forgot", "to", "mention"],
    &["i", "forgot", "to", "mention", "that"],
    &["i", "should", "have", "said"],
    &["i", "should", "have", "said", "that"],
    &["i", "should", "have", "mentioned"],
    &["let's", "start", "over"],
    &["i'd", "like", "to", "start", "over"],
    &["i", "want", "to", "start", "over"],
    &["turns", "out"],
    &["turns", "out", "that"],
    &["it", "turns", "out"],
    &["it", "turns", "out", "that"],
    &["as", "it", "turns", "out"],
    &["anyway"],
    &["by", "the", "way"],
    &["while", "you're", "at", "it"],
    &["please", "note", "that"],
    &["quickly"],
    &["first", "of", "all"],
    &["um"],
    &["like"],
    &["you", "know"],
];

const TRAILING: &[&[&str]] = &[
    &["so", "i", "don't", "forget"],
    &["so", "i", "don't", "forget", "it"],
    &["so", "i", "won't", "forget"],
    &["so", "that", "i", "don't", "forget"],
    &["so", "that", "i", "won't", "forget"],
    &["so", "i", "remember"],
    &["don't", "let", "me", "forget"],
    &["don't", "let", "me", "forget", "it"],
    &["and", "don't", "let", "me", "forget"],
    &["before", "i", "forget"],
    &["before", "i", "forget", "it"],
    &["when", "you", "get", "a", "chance"],
    &["when", "you", "have", "a", "moment"],
    &["real", "quick"],
    &["to", "be", "on", "the", "safe", "side"],
    &["to", "be", "safe"],
    &["to", "be", "sure"],
    &["just", "in", "case"],
    &["just", "to", "be", "safe"],
    &["just", "to", "be", "sure"],
    &["i", "suppose"],
    &["i", "guess"],
    &["i", "think"],
    &["i", "reckon"],
    &["if", "that's", "possible"],
    &["if", "we", "can"],
    &["if", "at", "all", "possible"],
    &["if", "i", "can"],
    &["if", "that", "works"],
    &["if", "you", "would", "be", "so", "kind"],
    &["if", "you'd", "be", "so", "kind"],
    &["if", "you", "don't", "mind"],
    &["if", "you", "wouldn't", "mind"],
    &["if", "that's", "okay"],
    &["if", "that's", "ok"],
    &["if", "that's", "all", "right"],
    &["if", "it's", "not", "too", "much", "trouble"],
    &["thank", "you", "very", "much"],
    &["thanks", "a", "lot"],
    &["thank", "you", "dear"],
    &["thanks", "love"],
    &["would", "you", "dear"],
    &["for", "now"],
    &["for", "the", "moment"],
    &["at", "the", "moment"],
    &["for", "the", "time", "being"],
    &["at", "the", "latest"],
    &["at", "the", "very", "latest"],
    &["by", "the", "way"],
    &["btw"],
    &["exactly"],
    &["lol"],
    &["altogether"],
    &["haha"],
    &["actually"],
    &["instead"],
    &["please"],
    &["thanks"],
    &["thank", "you"],
    &["will", "you"],
    &["would", "you"],
    &["ok"],
    &["as", "well"],
    &["too"],
    &["then"],
    &["if", "you", "can"],
    &["if", "you", "could"],
    &["if", "possible"],
    &["if", "i", "may"],
    &["if", "you", "would"],
    &["would", "you", "please"],
];

/// Words that are called out in front of what is said, with a pause behind them.
const CALLS: &str = "dear love morning evening afternoon perfect thanks cool wonderful lovely nice excellent brilliant fantastic awesome super amazing ha haha darling sweetheart mate bother damn blast rats whoops gosh god hah";

fn starts_with(words: &[Word], phrase: &[&str]) -> bool {
    words.len() > phrase.len() && phrase.iter().zip(words).all(|(expected, word)| word.norm == *expected)
}

/// "Well, we're not going camping. Delete the tent", "remind me, when does the car go in?": without what only leads to it.
pub(super) fn behind_a_lead(utterance: &Utterance) -> Option<Utterance> {
    let [first, second, third, _, ..] = utterance.words.as_slice() else { return None };
    let asks = matches!(third.norm.as_str(), "when" | "when's" | "which" | "who" | "how" | "where");
    match (first.norm.as_str(), second.norm.as_str()) {
        ("well" | "so", _) if first.pauses() => Some(utterance.starting_at(1)),
        ("remind", "me") if asks => Some(utterance.starting_at(2)),
        _ => None,
    }
}

/// "It's going to rain, so move both to Sunday": without what is only told in front of a "so".
pub(super) fn behind_a_reason(utterance: &Utterance) -> Option<(Utterance, Utterance)> {
    let words = &utterance.words;
    let at = words.iter().take(9).position(Word::pauses).filter(|at| *at > 0 && at + 3 < words.len())?;
    let told = Utterance::new(words[..=at].to_vec());
    (words[at + 1].norm == "so").then(|| (told, utterance.starting_at(at + 2)))
}

pub(super) fn leading_courtesy(words: &[Word]) -> Option<usize> {
    // "Look up flights" is something to do.
    if words.first().is_some_and(|word| matches!(word.norm.as_str(), "look" | "listen") && !word.pauses()) {
        return None;
    }
    // The longest: "would you be so kind as to" is more than "would you".
    if let Some(length) = LEADING.iter().filter(|phrase| starts_with(words, phrase)).map(|phrase| phrase.len()).max() {
        return Some(length);
    }
    // "Morning! What's due?", "perfect, add milk".
    if let [first, _, ..] = words
        && first.pauses()
        && CALLS.split(' ').any(|call| call == first.norm)
    {
        return Some(1);
    }
    leading_phrase(words).or_else(|| leading_word(words))
}

/// What leads to a command only with what follows it.
fn leading_phrase(words: &[Word]) -> Option<usize> {
    // "Let's start with call the landlord."
    if let [lets, start, with, rest @ ..] = words
        && matches!(lets.norm.as_str(), "let's" | "i'll" | "we'll")
        && matches!((start.norm.as_str(), with.norm.as_str()), ("start" | "begin", "with"))
        && lexicon::starts_verb(&norms(rest))
    {
        return Some(3);
    }
    // "Hang on, that one isn't done"; "hang on to the receipt" is something to do.
    if let [first, second, _, ..] = words
        && second.pauses()
        && matches!((first.norm.as_str(), second.norm.as_str()), ("hang" | "hold", "on") | ("ha", "ha"))
    {
        return Some(2);
    }
    // "First I want to …, then …".
    if let [first, second, _, ..] = words
        && matches!(first.norm.as_str(), "first" | "firstly" | "secondly" | "lastly" | "finally")
        && matches!(second.norm.as_str(), "i" | "i'd" | "i'll" | "we" | "add" | "put" | "can" | "could" | "please")
    {
        return Some(1);
    }
    None
}

/// A word that leads to a command only with what follows it.
fn leading_word(words: &[Word]) -> Option<usize> {
    // "Do delete it", "only delete the lantern".
    if let [first, second, _, ..] = words
        && matches!(first.norm.as_str(), "do" | "only")
        && matches!(
            second.norm.as_str(),
            "delete"
                | "remove"
                | "make"
                | "move"
                | "add"
                | "put"
                | "keep"
                | "mark"
                | "cross"
                | "remind"
                | "change"
                | "cancel"
                | "bin"
        )
    {
        return Some(1);
    }
    // A plain "yes" or "and" in front only with something longer behind it.
    let [first, second, _, ..] = words else { return None };
    let connecting = matches!(first.norm.as_str(), "yes" | "yeah" | "yep" | "and" | "sure" | "right" | "thank" | "but");
    match (connecting, first.norm.as_str()) {
        (true, "thank") => (second.norm == "you").then_some(2),
        // "and a task to …" is a misheard "add a task to …", and "and milk to my list" another.
        (true, "and") => {
            let listed = words.last().is_some_and(|last| last.norm == "list") && is_thing(&second.norm);
            (!listed && !matches!(second.norm.as_str(), "a" | "an" | "the" | "new")).then_some(1)
        }
        (connecting, _) => connecting.then_some(1),
    }
}

/// Whether the word may begin what is to be put on the list, and is no command or question to us.
fn is_thing(word: &str) -> bool {
    !matches!(
        word,
        "what"
            | "what's"
            | "which"
            | "when"
            | "how"
            | "is"
            | "are"
            | "do"
            | "can"
            | "show"
            | "read"
            | "tell"
            | "give"
            | "list"
            | "go"
            | "open"
            | "check"
            | "clear"
            | "delete"
            | "remove"
            | "empty"
            | "take"
            | "put"
            | "add"
            | "mark"
            | "cross"
            | "complete"
            | "review"
            | "move"
            | "i"
    )
}

/// "… an hour ago", "… a couple of days ago": what is done is done.
fn past_while(words: &[Word]) -> Option<usize> {
    let [.., unit, ago] = words else { return None };
    let known =
        matches!(unit.norm.trim_end_matches('s'), "minute" | "hour" | "day" | "week" | "moment" | "second" | "while");
    if ago.norm != "ago" || !known {
        return None;
    }
    let counts = |word: &&Word| {
        matches!(word.norm.as_str(), "a" | "an" | "few" | "couple" | "of" | "half" | "some" | "just" | "about")
            || super::super::dates::cardinal(&[word.norm.as_str()]).is_some()
    };
    Some(2 + words[..words.len() - 2].iter().rev().take(4).take_while(counts).count())
}

fn trailing_courtesy(words: &[Word]) -> Option<usize> {
    if let Some(length) = past_while(words).filter(|length| *length < words.len()) {
        return Some(length);
    }
    // "…, yeah": only behind a pause, because a title may end in such a word.
    if let [.., before, last] = words
        && words.len() > 2
        && before.pauses()
        && matches!(last.norm.as_str(), "yeah" | "yes" | "right" | "okay" | "yep")
    {
        return Some(1);
    }
    // "…, love": to whom it is said.
    if let [.., before, last] = words
        && before.pauses()
        && matches!(
            last.norm.as_str(),
            "love" | "dear" | "mate" | "darling" | "pal" | "buddy" | "sweetheart" | "man" | "lah" | "eh" | "innit"
        )
    {
        return Some(1);
    }
    // "…, no date for that one".
    let date = words.iter().rposition(|word| word.norm == "no").filter(|at| *at > 1 && words[at - 1].pauses());
    if let Some(at) = date
        && matches!(
            norms(&words[at..]).as_slice(),
            ["no", "date" | "deadline" | "due"] | ["no", "date" | "due" | "deadline", "date" | "for" | "needed", ..]
        )
    {
        return Some(words.len() - at);
    }
    // "… for then" is a day.
    if let [.., before, last] = words
        && last.norm == "then"
        && matches!(before.norm.as_str(), "for" | "by" | "until" | "till" | "before")
    {
        return None;
    }
    TRAILING
        .iter()
        .filter(|phrase| {
            words.len() > phrase.len()
                && phrase
                    .iter()
                    .zip(&words[words.len() - phrase.len()..])
                    .all(|(expected, word)| word.norm == *expected)
        })
        .map(|phrase| phrase.len())
        .max()
}
