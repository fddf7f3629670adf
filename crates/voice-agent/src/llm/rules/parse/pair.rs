//! Two sentences of which the second says what is to be done with what the first has told: "… on Wednesday at four, please write that
//! down", "the Christmas cards aren't that urgent. Set them back to normal".

use super::super::dates;
use super::super::normalise::{Utterance, Word, norms, title};
use super::{Intent, Known, Missing, NewTask, Target, courtesy, parse_one};

/// What both come to; None if they are no such pair.
pub(super) fn parse(utterance: &Utterance, known: Known<'_>) -> Option<Vec<Intent>> {
    let words = &utterance.words;
    let pause = (0..words.len().saturating_sub(1)).find(|at| words[*at].pauses() && !words[*at].quoted)?;
    let last = (0..words.len() - 1).rev().find(|at| words[*at].pauses())?;
    let at = |from: usize| Utterance::new(words[from + 1..].to_vec());
    let upto = |end: usize| Utterance::new(words[..=end].to_vec());
    noted(&upto(last), &at(last), known)
        .or_else(|| put_off(&upto(last), &at(last), known))
        .or_else(|| changed(&upto(last), &at(last), known))
        .or_else(|| named_before(&upto(pause), &at(pause), known))
        .or_else(|| taken_back(&upto(last), &at(last), known))
        .or_else(|| reason_before(&upto(pause), &at(pause), known))
        .map(|intent| vec![intent])
        .or_else(|| farewell(&upto(last), &at(last), known))
}

/// "Sophie's lesson is on Wednesday at four, please write that down."
fn noted(first: &Utterance, second: &Utterance, known: Known<'_>) -> Option<Intent> {
    let plain = courtesy::without_courtesies(second);
    let mut said = norms(&plain.words);
    said.retain(|word| !matches!(*word, "please" | "can" | "could" | "you" | "just" | "and"));
    let rest = match said.as_slice() {
        ["write" | "note" | "put" | "jot", "that" | "it" | "this", "down", rest @ ..]
        | ["write" | "note" | "put" | "jot", "down", "that" | "it" | "this", rest @ ..]
        | ["put" | "add", "that" | "it" | "this", "on" | "to", "my" | "the", "list", rest @ ..]
        | ["note" | "add" | "remember", "that" | "it" | "this", rest @ ..] => rest,
        _ => return None,
    };
    let due = dates::parse(rest, known.now);
    if due.is_none() && !rest.is_empty() {
        return None;
    }
    match parse_one(first, known) {
        Intent::Add(mut tasks) | Intent::Offer(mut tasks) => {
            for task in &mut tasks {
                task.due = due.or(task.due);
            }
            Some(Intent::Add(tasks))
        }
        Intent::Unknown => thing_on_a_day(first, due, known),
        _ => None,
    }
}

/// "Sophie's lesson is on Wednesday": the thing, and its day.
fn thing_on_a_day(first: &Utterance, due: Option<dates::Due>, known: Known<'_>) -> Option<Intent> {
    let said = norms(&first.words);
    let (start, day) = dates::find_trailing(&said, known.now)?;
    let end = said[..start].iter().rposition(|word| !matches!(*word, "is" | "are" | "will" | "be"))? + 1;
    let title = title(&first.words[..end]);
    (end < start).then(|| Intent::Add(vec![NewTask { title, due: due.or(Some(day)), priority: None }]))
}

/// "Bring it back. I might still sell it."
fn taken_back(first: &Utterance, second: &Utterance, known: Known<'_>) -> Option<Intent> {
    let tells =
        matches!(second.words.first()?.norm.as_str(), "i" | "i'm" | "i'll" | "it" | "it's" | "we" | "that" | "because");
    // "Undo that, I meant the pears" says what is to be done instead.
    let means = second
        .words
        .iter()
        .take(3)
        .any(|word| matches!(word.norm.as_str(), "meant" | "mean" | "want" | "wanted" | "said"));
    let tells = tells && !means;
    match parse_one(first, known) {
        back @ (Intent::BringBack | Intent::Undo) if tells => Some(back),
        _ => None,
    }
}

/// "I can't make it to the library tomorrow. Can we do Thursday instead?"
fn put_off(first: &Utterance, second: &Utterance, known: Known<'_>) -> Option<Intent> {
    let Intent::Incomplete(Missing::Date, inner) = parse_one(first, known) else { return None };
    let Intent::SetDue(target, _) = *inner else { return None };
    let said = norms(&second.words);
    let start = said.iter().position(|word| {
        !matches!(
            *word,
            "can"
                | "could"
                | "we"
                | "i"
                | "you"
                | "do"
                | "it"
                | "make"
                | "move"
                | "to"
                | "let's"
                | "say"
                | "please"
                | "how"
                | "about"
        )
    })?;
    let said = said[start..].strip_suffix(&["instead"]).unwrap_or(&said[start..]);
    let due = dates::parse(said, known.now)?;
    Some(Intent::SetDue(target, Some(due)))
}

/// "Wait, the class is on Thursday. Can you change it?"
fn changed(first: &Utterance, second: &Utterance, known: Known<'_>) -> Option<Intent> {
    let asks = matches!(
        norms(&courtesy::without_courtesies(second).words).as_slice(),
        ["change" | "fix" | "update" | "correct" | "move" | "adjust", "it" | "that"]
            | ["change" | "fix" | "update" | "correct" | "move" | "adjust", "it" | "that", "please"]
            | ["can" | "could", "you", "change" | "fix" | "update" | "correct" | "move" | "adjust", "it" | "that", ..]
    );
    let said = norms(&first.words);
    let (start, due) = dates::find_trailing(&said, known.now).filter(|_| asks)?;
    (start > 0).then_some(Intent::SetDue(Target::It, Some(due)))
}

/// "The boxes are the most important, make those high priority": said of the task that is named before.
fn named_before(first: &Utterance, second: &Utterance, known: Known<'_>) -> Option<Intent> {
    let told = norms(&first.words);
    let tells = told.iter().any(|word| {
        matches!(*word, "is" | "are" | "isn't" | "aren't" | "can" | "can't" | "was" | "has" | "needs" | "should")
            || word.ends_with("'s")
    });
    let leads = matches!(
        told.first(),
        Some(&"add" | &"remind" | &"i" | &"i'm" | &"i've" | &"we" | &"delete" | &"what" | &"when" | &"no" | &"please")
    );
    if !tells || leads || told.len() > 9 {
        return None;
    }
    let [title] = known.titles.touched(&told)[..] else { return None };
    let is_it = |target: &Target| matches!(target, Target::It | Target::Them);
    let meant = Target::Title(title.to_owned());
    match parse_one(second, known) {
        Intent::SetPriority(target, priority) if is_it(&target) => Some(Intent::SetPriority(meant, priority)),
        Intent::SetDue(target, due) if is_it(&target) => Some(Intent::SetDue(meant, due)),
        Intent::Shift(target, shift) if is_it(&target) => Some(Intent::Shift(meant, shift)),
        _ => None,
    }
}

/// "We're out of eggs, so add eggs to the list": why, and what is asked for.
fn reason_before(first: &Utterance, second: &Utterance, known: Known<'_>) -> Option<Intent> {
    let so = second.words.first().is_some_and(|word| word.norm == "so");
    let asked = second
        .words
        .iter()
        .skip(1)
        .map(|word| word.norm.as_str())
        .find(|word| !matches!(*word, "please" | "can" | "could" | "you"))?;
    let adds = matches!(asked, "add" | "remind" | "put" | "note");
    let told = matches!(
        first.words.first()?.norm.as_str(),
        "we're" | "i'm" | "we" | "i" | "there's" | "it's" | "the" | "my" | "our" | "she's" | "he's" | "they're"
    );
    if !so || !adds || !told || first.words.len() > 9 {
        return None;
    }
    match parse_one(&second.starting_at(1), known) {
        added @ Intent::Add(_) => Some(added),
        _ => None,
    }
}

/// "Great, then I'll take it easy. Goodbye."
fn farewell(first: &Utterance, second: &Utterance, known: Known<'_>) -> Option<Vec<Intent>> {
    let ends = first.words.last().is_some_and(Word::ends_sentence) && parse_one(second, known) == Intent::Goodbye;
    let idle = ends && matches!(parse_one(first, known), Intent::Unknown | Intent::Talk(_) | Intent::Yes | Intent::No);
    let plans = ends
        && matches!(
            first.words.first()?.norm.as_str(),
            "great" | "okay" | "ok" | "good" | "fine" | "perfect" | "thanks"
        );
    let asks = first.words.iter().any(|word| word.trail.contains('?'));
    let command = || parse_one(first, known).is_command();
    (!asks && (idle || plans && !command())).then(|| vec![Intent::Goodbye])
}
