//! What is joined by "and" and commas: the titles of several tasks, or one.

use super::super::dates;
use super::super::lexicon;
use super::super::normalise::{Word, norms};
use super::Known;
use super::split::seams;

/// Splits what is to be added into the titles it joins: "buy milk and call John" is two, "buy salt and pepper" is one.
/// `several`: the caller said that there are several.
pub(crate) fn joined_titles<'a>(words: &'a [Word], several: bool, known: Known<'_>) -> Vec<&'a [Word]> {
    if let Some(goods) = goods(words) {
        return goods;
    }
    let several = several || is_enumeration(words, known);
    let mut parts: Vec<&[Word]> = Vec::new();
    let mut from = 0;
    for (end, start) in seams(words) {
        if end <= from {
            continue;
        }
        let before = &words[from..end];
        let rest = &words[start..];
        let conjunction = start > end;
        let then = words[end..start].iter().any(|word| word.norm == "then");
        let begins = then && lexicon::starts_verb(&norms(rest)) && rest.len() > 1;
        if separates(before, rest, conjunction, several || begins, known) {
            parts.push(before);
            from = start;
            if from < words.len() && words[from].norm == "to" {
                from += 1;
            }
        }
    }
    parts.push(&words[from..]);
    parts.retain(|part| !part.is_empty());
    parts
}

/// "Milk eggs and bread", typed without commas: nothing but goods of one word each.
fn goods(words: &[Word]) -> Option<Vec<&[Word]>> {
    let goods = |word: &Word| lexicon::is_grocery(&word.norm) && !word.quoted;
    let joins = |word: &Word| matches!(word.norm.as_str(), "and" | "plus");
    let plain = words.iter().all(|word| goods(word) || joins(word));
    let count = words.iter().filter(|word| goods(word)).count();
    let bare = words.windows(2).any(|pair| goods(&pair[0]) && goods(&pair[1]) && !pair[0].pauses());
    (plain && count >= 3 && bare).then(|| words.iter().filter(|word| goods(word)).map(std::slice::from_ref).collect())
}

/// "Call the bank tomorrow and the school on Friday": each has its date, and the second the verb of the first.
pub(super) fn shares_verb(before: &[&str], rest: &[&str], known: Known<'_>) -> bool {
    let dated = |words: &[&str]| dates::find_trailing(words, known.now).map_or(0, |(start, _)| start);
    let rest_end = dates::find_trailing(rest, known.now).map_or(0, |(start, _)| start);
    lexicon::starts_verb(before)
        && dated(before) > 1
        && (1..=4).contains(&rest_end)
        && !lexicon::starts_verb(rest)
        && !matches!(rest.first(), Some(&"then" | &"again" | &"it" | &"i" | &"at"))
}

/// "Milk, eggs and bread": three things or more without a verb, none of them long, are one task each.
fn is_enumeration(words: &[Word], known: Known<'_>) -> bool {
    let mut from = 0;
    let mut parts: Vec<&[Word]> = Vec::new();
    for (end, start) in seams(words) {
        if end > from {
            parts.push(&words[from..end]);
            from = start;
        }
    }
    let last = &words[from..];
    let dated = dates::find_trailing(&norms(last), known.now).map_or(last.len(), |(start, _)| start);
    parts.push(if dated > 0 { &last[..dated] } else { last });
    let joined = words.iter().any(|word| word.trail.contains(','));
    let thing = |part: &&[Word]| {
        let norm = norms(part);
        (1..=3).contains(&norm.len())
            && (norm.len() == 1 || !lexicon::starts_verb(&norm))
            && !part.iter().any(|word| word.quoted)
            && dates::find_leading(&norm, known.now).is_none()
    };
    joined && parts.len() >= 3 && parts.iter().all(thing)
}

fn separates(before: &[Word], rest: &[Word], conjunction: bool, several: bool, known: Known<'_>) -> bool {
    let rest_norms = norms(rest);
    let before_norms = norms(before);
    let rest_norms = match rest_norms.as_slice() {
        ["to" | "i", "need" | "have", "to", tail @ ..] | ["to", tail @ ..] => tail.to_vec(),
        all => all.to_vec(),
    };
    // "Send the contract, top priority."
    if rest_norms.is_empty() || super::find_priority(&rest_norms).is_some() {
        return false;
    }
    // "… and on Saturday pick it up"
    if let Some((length, _)) = dates::find_leading(&rest_norms, known.now)
        && conjunction
        && lexicon::starts_verb(&rest_norms[length..])
    {
        return true;
    }
    // "Email Sue on Wednesday and visit Grandpa …": what has its date is complete.
    if dates::find_trailing(&before_norms, known.now).is_some_and(|(start, _)| start > 1)
        && lexicon::starts_verb(&rest_norms)
        && lexicon::starts_verb(&before_norms)
        && rest_norms.len() > 1
    {
        return true;
    }
    // "Maths due Wednesday and French due Friday": each has its day.
    let dated =
        |words: &[&str]| dates::find_trailing(words, known.now).is_some_and(|(start, due)| start > 0 && due.day_said);
    if conjunction && dated(&before_norms) && dated(&rest_norms) && !lexicon::starts_verb(&before_norms) {
        return true;
    }
    if conjunction && shares_verb(&before_norms, &rest_norms, known) {
        return true;
    }
    if several {
        return conjunction || before.last().is_some_and(Word::pauses);
    }
    // A date is no task: "buy milk, tomorrow", "on the second of January, collect the manure".
    if dates::parse(&rest_norms, known.now).is_some() || dates::parse(&before_norms, known.now).is_some() {
        return false;
    }
    // "read and sign the contract", "go to the shop and buy milk" are one thing.
    // "pick up and drop off the kids": both verbs have two words, and share what follows.
    let particle = |words: &[&str]| {
        matches!(words.get(1), Some(&("up" | "off" | "out" | "in" | "down" | "over" | "back" | "away" | "on")))
    };
    let phrasal = before_norms.len() == 2 && particle(&before_norms) && particle(&rest_norms);
    let lone_verb = lexicon::starts_verb(&before_norms) && (before_norms.len() == 1 || phrasal);
    let errand = matches!(before_norms.first(), Some(&"go" | &"come" | &"try" | &"drive" | &"stop" | &"sit" | &"run"));
    let depends = matches!(
        rest_norms.first(),
        Some(&"ask" | &"tell" | &"discuss" | &"see" | &"say" | &"talk" | &"let" | &"try" | &"thank")
    );
    // "… and ask Yusuf to bring ice" is of somebody else.
    let capital = |word: &Word| word.raw.chars().next().is_some_and(char::is_uppercase) && word.norm != "i";
    let depends = depends && !(before.last().is_some_and(Word::pauses) && rest.get(1).is_some_and(capital));
    let refers = rest_norms.iter().take(4).any(|word| matches!(*word, "it" | "them" | "him" | "her"))
        && !before_norms.iter().any(|word| matches!(*word, "it" | "them" | "him" | "her"));
    // "Vacuum, do the dishes and …": a verb alone is a thing to do behind which a comma stands, and another with its object.
    let part = seams(rest).first().map_or(rest.len(), |(end, _)| *end);
    let paused = !conjunction && before.last().is_some_and(Word::pauses) && part > 1;
    let alone = paused && before_norms.len() == 1 && lexicon::starts_action(&rest_norms[..part.min(rest_norms.len())]);
    if alone && !refers {
        return true;
    }
    if lone_verb || errand || depends || refers {
        return false;
    }
    // "Print the handouts, order sandwiches and …": behind a comma, what could be a thing is something to do, too.
    if paused && lexicon::starts_verb(&rest_norms) && lexicon::starts_action(&before_norms) {
        return true;
    }
    let opens = lexicon::starts_action(&rest_norms) || lexicon::opens_action(rest);
    opens && (lexicon::starts_verb(&before_norms) || before_norms.len() >= 2)
}
