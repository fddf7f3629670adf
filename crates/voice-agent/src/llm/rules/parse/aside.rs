//! What is told, and what is asked for in the same breath: "we ran out of soap, put it on the list".

use super::super::dates;
use super::super::lexicon;
use super::super::normalise::{Utterance, Word, norms, title};
use super::super::titles;
use super::split::{commands, seams};
use super::{Intent, Known, NewTask, Target, courtesy, names_known, new_tasks, pair, parse_one};

/// "We ran out of soap, put it on the list": what is told is asked for in the same breath.
pub(super) fn wanted(utterance: &Utterance, known: Known<'_>) -> Option<Intent> {
    let words = &utterance.words;
    seams(words).into_iter().find_map(|(end, start)| {
        let mut rest = &words[start..];
        while let Some(length) = courtesy::leading_courtesy(rest) {
            rest = &rest[length..];
        }
        let said = norms(rest);
        let day = pair::behind_noting(&said)?;
        let due = if day.is_empty() { None } else { Some(dates::parse(day, known.now)?) };
        let told = Utterance::new(words[..end].to_vec());
        match parse_one(&told, known) {
            Intent::Offer(tasks) => {
                Some(Intent::Add(tasks.into_iter().map(|task| NewTask { due: due.or(task.due), ..task }).collect()))
            }
            // "Tell Marco about the deadline, put that on my list" asks for no list.
            Intent::List(_) if lexicon::starts_action(&norms(&words[..end])) => {
                let tasks = new_tasks(&words[..end], false, known);
                Some(Intent::Add(tasks.into_iter().map(|task| NewTask { due: due.or(task.due), ..task }).collect()))
            }
            // "Flat 3 needs a new lock. Add that": in the words in which it was told.
            Intent::Unknown => pair::thing_on_a_day(&told, due, known).or_else(|| {
                let is_short = matches!(rest[0].norm.as_str(), "add" | "note") && (2..=10).contains(&end);
                is_short.then(|| Intent::Add(vec![NewTask { title: title(&words[..end]), due, priority: None }]))
            }),
            _ => None,
        }
    })
}

/// "I won't manage the slides today, make it Thursday": what is told names the task, and what is asked for points at it.
pub(super) fn told_of(utterance: &Utterance, known: Known<'_>) -> Option<Intent> {
    let utterance = courtesy::without_courtesies(utterance);
    let words = &utterance.words;
    let (end, start) = *seams(words).last()?;
    let before = norms(&words[..end]);
    let mentioned = || known.titles.mentioned(&before);
    let named = || mentioned().map(|title| Target::Title(title.to_owned()));
    let intent = parse_one(&Utterance::new(words[start..].to_vec()), known);
    let told = parse_one(&Utterance::new(words[..end].to_vec()), known);
    // "Quick one. Set the register to Friday and make it urgent": the sentence in front of the last clause is a command itself.
    let sentence = words[..end - 1].iter().rposition(Word::ends_sentence).map(|at| &words[at + 1..end]);
    let changes = |intent: &Intent| matches!(intent, Intent::SetDue(..) | Intent::SetPriority(..) | Intent::Rename(..));
    let commands = |sentence: &[Word]| {
        let command = parse_one(&Utterance::new(sentence.to_vec()), known);
        changes(&command) && names_known(&command, known)
    };
    if changes(&intent) && sentence.is_some_and(commands) {
        return None;
    }
    // "Call the bank tomorrow, high priority" is to be done itself, whatever else is on the list.
    if let Intent::Add(tasks) | Intent::Offer(tasks) = &told
        && let [task] = tasks.as_slice()
        && words[end - 1].pauses()
        && is_new(task, matches!(intent, Intent::Date(_)), known)
    {
        // "Buy bread, cross it off": there is none to cross off, and that is said.
        let ends = matches!(intent, Intent::Complete(_) | Intent::Delete(_) | Intent::Reopen(_));
        return ends.then(|| intent.of_what_is_pointed_at(Target::Title(task.title.clone()))).flatten();
    }
    if let Some(opened) = opened_again(&before, &told, &intent, known) {
        return Some(opened);
    }
    let pointed = match intent {
        Intent::Date(due) if words[end - 1].pauses() => {
            let clash = before.iter().any(|word| {
                matches!(
                    *word,
                    "busy"
                        | "away"
                        | "can't"
                        | "cannot"
                        | "won't"
                        | "doesn't"
                        | "out"
                        | "early"
                        | "late"
                        | "soon"
                        | "tight"
                )
            });
            named().map(|named| Intent::SetDue(named, Some(due))).or_else(|| clash.then_some(Intent::Date(due)))?
        }
        other => other.of_what_is_pointed_at(Target::Title(mentioned()?.to_owned()))?,
    };
    // "I thought I'd finished the radiators, but I haven't. Reopen that one."
    let thought = matches!((&told, &pointed), (Intent::Complete(_), Intent::Reopen(_)));
    (!told.is_command() || thought).then_some(pointed)
}

/// Whether a task is like none on the list; `dated`: nothing but a day is said of it.
fn is_new(task: &NewTask, dated: bool, known: Known<'_>) -> bool {
    let lower = task.title.to_lowercase();
    let words: Vec<&str> = lower.split(' ').collect();
    // "Do the school's windows" is not "Do the bank's windows".
    let same_verb = |title: &str| title.split(' ').next().is_some_and(|verb| verb.to_lowercase() == words[0]);
    let other =
        |title: &str| dated && same_verb(title) && lexicon::starts_verb(&words) && !titles::has_words(&words, title);
    known.titles.mentioned(&words).is_none_or(other)
}

/// "The phone update didn't work, so please reopen that one": what is done is not among the titles that are known here, so that its
/// name is what stands before the verb.
fn opened_again(before: &[&str], told: &Intent, asked: &Intent, known: Known<'_>) -> Option<Intent> {
    const VERBS: &str = "isn't wasn't hasn't didn't doesn't broke came still failed";
    if !matches!(asked, Intent::Reopen(Target::It)) || known.titles.mentioned(before).is_some() {
        return None;
    }
    if let Intent::Reopen(Target::Title(_)) = told {
        return Some(told.clone());
    }
    let subject = before.strip_prefix(&["the"]).or_else(|| before.strip_prefix(&["my"]))?;
    let end = subject.iter().position(|word| VERBS.split(' ').any(|verb| verb == *word))?;
    let name = subject[..end].join(" ");
    (1..=4).contains(&end).then_some(Intent::Reopen(Target::Title(name)))
}

/// "My boss wants the slides earlier. Bring them forward to Wednesday, and make them urgent": all that is asked for points at what the
/// first sentence names.
pub(super) fn all_told_of(utterance: &Utterance, known: Known<'_>) -> Option<Vec<Intent>> {
    let words = &utterance.words;
    let end = words.iter().position(Word::ends_sentence).filter(|end| end + 2 < words.len())? + 1;
    let several = words[end..].iter().any(|word| word.pauses() || word.norm == "and");
    let before = norms(&words[..end]);
    let title = known.titles.mentioned(&before).filter(|_| several && end <= 12)?;
    if parse_one(&Utterance::new(words[..end].to_vec()), known).is_command() {
        return None;
    }
    let asked = commands(&Utterance::new(words[end..].to_vec()), known);
    (asked.len() > 1)
        .then(|| {
            asked.into_iter().map(|intent| intent.of_what_is_pointed_at(Target::Title(title.to_owned()))).collect()
        })
        .flatten()
}

/// "We're doing lasagne on Saturday, need mince": something that could be added, and only told why.
pub(super) fn offered_beside(parts: &[&[Word]], known: Known<'_>) -> Option<Intent> {
    let tells = |part: &[Word]| {
        matches!(part[0].norm.as_str(), "we" | "we're" | "i" | "i'm" | "there's" | "it's" | "so" | "my" | "our")
    };
    let (mut offer, mut told) = (None, 0);
    for part in parts {
        match parse_one(&Utterance::new(part.to_vec()), known) {
            found @ Intent::Offer(_) if offer.is_none() => offer = Some(found),
            found @ Intent::Add(_) if offer.is_none() && part[0].norm == "need" => offer = Some(found),
            Intent::Unknown if tells(part) => told += 1,
            Intent::Talk(_) => {}
            Intent::Unknown if part.len() <= 2 && part[0].norm == "first" => {}
            _ => return None,
        }
    }
    match offer.filter(|_| told > 0)? {
        Intent::Add(tasks) => Some(Intent::Offer(tasks)),
        offer => Some(offer),
    }
}
