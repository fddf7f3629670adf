//! "Move X to Friday", "make X urgent": told apart by what stands at the end.

use super::super::dates;
use super::super::normalise::{Word, norms};
use super::priority::{plain_priority, trailing_priority};
use super::rule::Match;
use super::{Intent, Known, Missing, Target, change::incomplete, target};

/// "Move X to Friday", "make X urgent": told apart by what stands at the end.
pub(super) fn changed(found: &Match<'_>) -> Option<Intent> {
    let words = without_same_time(found.words("x"));
    let norm = norms(words);
    // "Make that Thursday" may be a correction, and is a new date either way.
    let verb = found.utterance_text().split(' ').next().unwrap_or_default();
    // "Put down renew my licence, high priority" is to be added.
    if verb == "put" && matches!(norm.first(), Some(&"down" | &"me")) {
        return None;
    }
    let dated = dates::find_trailing(&norm, found.known.now)
        .or_else(|| by_a_while(&norm, found.known))
        .or_else(|| part_of_day(&norm, found.known));
    if let Some((start, due)) = dated {
        let named_words = without_tail(without_old_day(&words[..start], found.known));
        // "Change Friday to Saturday": the day that it has.
        let old_day = verb == "change"
            && dates::parse(&norms(named_words), found.known.now).is_some_and(|due| due.day_said)
            && found.known.titles.named(&norms(named_words)).is_none();
        let named = if start == 0 || old_day { Target::It } else { target(named_words)? };
        // "Make a cake tomorrow" and "put out the trash tonight" are things to do; "… to tomorrow", "… due tomorrow" are not.
        let linked = matches!(norm[start], "to" | "due" | "until" | "till")
            || matches!(norm.get(start.wrapping_sub(1)), Some(&"be" | &"due" | &"to"));
        let postponing = matches!(verb, "postpone" | "reschedule" | "snooze" | "defer" | "delay");
        let pointed = !matches!(named, Target::Title(_));
        let known = found.known.titles.named(&norms(named_words)).is_some();
        return (linked || postponing || pointed || known).then_some(Intent::SetDue(named, Some(due)));
    }
    // "Make it seven thirty".
    if let ["it" | "that", rest @ ..] = norm.as_slice()
        && matches!(verb, "make" | "set" | "put" | "move" | "change")
        && let Some(due) = dates::parse(&[&["at"], rest].concat(), found.known.now)
    {
        return Some(Intent::SetDue(Target::It, Some(due)));
    }
    // "Move gym to 8", "… to nine fifteen": an hour, because a move ends in a date.
    if let Some(at) = norm.iter().rposition(|word| *word == "to").filter(|at| *at > 0)
        && matches!(verb, "move" | "change" | "shift" | "push" | "reschedule" | "set" | "make" | "put")
        && let Some(due) = dates::parse(&[&["at"], &norm[at + 1..]].concat(), found.known.now)
    {
        let old = without_old_day(&words[..at], found.known);
        let named = target(old)?;
        let known = !matches!(named, Target::Title(_)) || found.known.titles.named(&norms(old)).is_some();
        return known.then_some(Intent::SetDue(named, Some(due)));
    }
    if let Some((start, priority)) = trailing_priority(words).or_else(|| plain_priority(words, found.known)) {
        let named = if start == 0 { Target::It } else { target(without_tail(&words[..start]))? };
        return Some(Intent::SetPriority(named, priority));
    }
    let moving = ["move", "postpone", "reschedule", "delay", "push", "snooze", "defer", "shift"];
    if !moving.contains(&verb) {
        return None;
    }
    // "Move the couch" is a thing to do, unless there is such a task on the list.
    let target = target(words)?;
    let known = !matches!(target, Target::Title(_)) || found.known.titles.named(&norm).is_some();
    if known || matches!(verb, "postpone" | "reschedule" | "snooze") {
        return Some(incomplete(Missing::Date, Intent::SetDue(target, None)));
    }
    // "Move the dentist to the afternoon": which task is clear, and only to when is not.
    let named =
        (1..words.len()).rev().filter(|end| matches!(norm[*end], "to" | "until" | "till" | "from" | "into" | "by"));
    named.map(|end| &words[..end]).find_map(|named| {
        let target = super::target(named)?;
        let known = !matches!(target, Target::Title(_)) || found.known.titles.named(&norms(named)).is_some();
        known.then(|| incomplete(Missing::Date, Intent::SetDue(target, None)))
    })
}

/// "The dentist from Friday": the day that it had until now is none of its name.
fn without_old_day<'a>(words: &'a [Word], known: Known<'_>) -> &'a [Word] {
    let norm = norms(words);
    let from = norm.iter().rposition(|word| *word == "from").filter(|at| *at > 0);
    let dated = from.filter(|at| {
        let old = &norm[at + 1..];
        dates::parse(old, known.now).or_else(|| dates::parse(&[&["at"], old].concat(), known.now)).is_some()
    });
    // "Everything from Friday" is all of that day.
    let single = |at: &usize| known.titles.named(&norm[..*at]).is_some() || target(&words[..*at]) == Some(Target::It);
    dated.filter(single).map_or(words, |at| &words[..at])
}

/// A day alone keeps the hour that the task has: "same time" says no more.
fn without_same_time(words: &[Word]) -> &[Word] {
    let kept = match norms(words).as_slice() {
        [rest @ .., "at", "the", "same", "time"] => rest.len(),
        [rest @ .., "the" | "at", "same", "time"] => rest.len(),
        [rest @ .., "same", "time"] => rest.len(),
        all => all.len(),
    };
    &words[..kept]
}

/// "… to the afternoon": of the day that it has.
fn part_of_day(words: &[&str], known: Known<'_>) -> Option<(usize, dates::Due)> {
    let (start, part) = match words {
        [rest @ .., "to" | "until" | "till" | "into", "the", part] => (rest.len(), *part),
        [rest @ .., "to" | "until" | "till" | "into", part] => (rest.len(), *part),
        _ => return None,
    };
    let phrase = if part == "night" { vec!["at", part] } else { vec!["in", "the", part] };
    dates::parse(&phrase, known.now).map(|due| (start, due))
}

/// "… by two days": from today.
fn by_a_while(words: &[&str], known: Known<'_>) -> Option<(usize, dates::Due)> {
    let at = words.iter().rposition(|word| *word == "by" || *word == "a")?;
    let from = if words[at] == "by" { at + 1 } else { at };
    let mut phrase = vec!["in"];
    phrase.extend(&words[from..]);
    dates::parse(&phrase, known.now).map(|due| (at, due))
}

fn without_tail(words: &[Word]) -> &[Word] {
    let mut words = words;
    while let [rest @ .., last] = words
        && matches!(
            last.norm.as_str(),
            "to" | "be"
                | "is"
                | "as"
                | "back"
                | "due"
                | "a"
                | "two"
                | "out"
                | "off"
                | "till"
                | "for"
                | "on"
                | "my"
                | "the"
                | "forward"
                | "in"
                | "up"
        )
        && !rest.is_empty()
    {
        words = rest;
    }
    words
}
