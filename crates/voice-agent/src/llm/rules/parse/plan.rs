//! What is to be done on a day, and is no report of it: "I'll finish the report tomorrow".

use super::super::dates;
use super::super::lexicon;
use super::super::normalise::norms;
use super::rule::Match;
use super::{Intent, Target, target};

/// "I'll finish the report tomorrow": a date for a task that is on the list, or something to do that is not. Never done.
pub(super) fn planned(found: &Match<'_>) -> Option<Intent> {
    let words = found.words("t");
    let norm = norms(words);
    let dated = dates::find_trailing(&norm, found.known.now);
    let named = &words[..dated.map_or(words.len(), |(start, _)| start)];
    let whole = norms(named);
    let finishing = matches!(whole.first(), Some(&"finish" | &"do" | &"complete" | &"get" | &"handle"));
    let known = found.known.titles.named(&whole).or_else(|| {
        let object = whole.get(1..).filter(|object| finishing && !object.is_empty())?;
        found.known.titles.named(object)
    });
    let object = named.get(1..).and_then(target).filter(|_| finishing || whole.first() == Some(&"take"));
    let pointed =
        object.filter(|object| matches!(object, Target::It | Target::Them | Target::Picked(_) | Target::All(_)));
    // "I'll try again tonight."
    let again = matches!(whole.as_slice(), ["try" | "do", rest @ ..] if matches!(rest, ["again"] | ["it" | "that" | "them", "again"] | ["calling" | "reaching", _, "again"]));
    let pointed = pointed.or_else(|| again.then_some(Target::It));
    match (known, dated) {
        (Some(title), Some((_, due))) => Some(Intent::SetDue(Target::Title(title.to_owned()), Some(due))),
        (Some(title), None) => Some(Intent::When(title.to_owned())),
        (None, Some((_, due))) if pointed.is_some() => pointed.map(|target| Intent::SetDue(target, Some(due))),
        _ if again => None,
        _ if lexicon::starts_action(&norm)
            && !matches!(norm[0], "take" | "talk" | "go" | "leave" | "think" | "call") =>
        {
            Some(Intent::Offer(super::new_tasks(words, false, found.known)))
        }
        _ => None,
    }
}
