//! Answers to "shall I add that to your list?": yes, no, a day for it, or other words.

use super::act::Scene;
use super::answer::{asked_about, question_turn};
use super::context::corrected_title;
use super::correct::exchanged_in;
use super::dates;
use super::lexicon;
use super::more::one_more;
use super::normalise::{Utterance, Word, end_in_question, norms};
use super::parse::{self, Intent, Known, Missing, Target};

/// The commands that an answer to an offer stands for.
pub(crate) fn answer_offer(
    tasks: &[parse::NewTask],
    scene: &Scene<'_>,
    utterance: &Utterance,
    intent: &Intent,
) -> Option<Vec<Intent>> {
    let with_due = |due: dates::Due| {
        // An hour alone is of the day that was offered.
        let on_its_day = |before: Option<dates::Due>| match before {
            Some(before) if !due.day_said && due.time.is_some() => on_the_day(before.date, due, &scene.request.now),
            _ => due,
        };
        let fill = |task: &parse::NewTask| parse::NewTask { due: Some(on_its_day(task.due)), ..task.clone() };
        vec![Intent::Add(tasks.iter().map(fill).collect())]
    };
    let reworded = with_another_word(tasks, utterance);
    match intent {
        Intent::Yes | Intent::AddThat(None) => Some(vec![Intent::Add(tasks.to_vec())]),
        Intent::Incomplete(Missing::Title, inner) if matches!(**inner, Intent::Add(_)) => {
            Some(vec![Intent::Add(tasks.to_vec())])
        }
        Intent::No | Intent::Cancel => Some(vec![Intent::Enough]),
        Intent::Date(due) | Intent::AddThat(Some(due)) | Intent::SetDue(Target::It | Target::Them, Some(due)) => {
            Some(with_due(*due))
        }
        Intent::SetPriority(Target::It | Target::Them, priority) => {
            let fill = |task: &parse::NewTask| parse::NewTask { priority: Some(*priority), ..task.clone() };
            Some(vec![Intent::Add(tasks.iter().map(fill).collect())])
        }
        Intent::Correct(words) => Some(vec![Intent::Offer(corrected_offer(scene, tasks, words))]),
        // "Sorry, Bath, not Bristol."
        Intent::Unknown | Intent::Offer(_) if reworded.is_some() => {
            reworded.map(|task| vec![Intent::Offer(vec![task])])
        }
        // "And dish soap": who goes on has agreed to what came before.
        Intent::Unknown | Intent::Offer(_) | Intent::Add(_) | Intent::Talk(parse::Talk::OffTopic)
            if matches!(utterance.words[0].norm.as_str(), "and" | "also" | "plus") && tasks.len() == 1 =>
        {
            let more = one_more(scene, &tasks[0].title, &utterance.words)?;
            Some(vec![Intent::Add(tasks.iter().cloned().chain(more).collect())])
        }
        _ => {
            // "Yes, for Friday."
            let words = norms(&utterance.words);
            let yes = matches!(words.first(), Some(&"yes" | &"yeah" | &"sure" | &"yep" | &"okay" | &"ok"));
            let due = yes.then(|| dates::parse(&words[1..], scene.known().now)).flatten()?;
            Some(with_due(due))
        }
    }
}

/// "Sorry, Bath, not Bristol": what was offered, with one word for another.
fn with_another_word(tasks: &[parse::NewTask], utterance: &Utterance) -> Option<parse::NewTask> {
    let [task] = tasks else { return None };
    let leads =
        |word: &&Word| matches!(word.norm.as_str(), "no" | "sorry" | "oh" | "wait" | "actually" | "it's" | "that's");
    let lead = utterance.words.iter().take_while(leads).count();
    let title = exchanged_in(&task.title, &utterance.words[lead..])?;
    Some(parse::NewTask { title, ..task.clone() })
}

/// An hour alone, on a day that was named: one that could as well be in the evening is in the morning then, as on any such day.
fn on_the_day(date: jiff::civil::Date, due: dates::Due, now: &jiff::ZonedDateTime) -> dates::Due {
    let early = due.time.filter(|time| due.either_half && time.hour() >= 12 && date > now.date());
    let time = early.map_or(due.time, |time| Some(time.wrapping_sub(jiff::Span::new().hours(12))));
    dates::Due { date, time, ..due }
}

/// "Sorry, I meant Wednesday": what was offered, for another day, or in other words.
fn corrected_offer(scene: &Scene<'_>, tasks: &[parse::NewTask], words: &[Word]) -> Vec<parse::NewTask> {
    let due = dates::parse(&norms(words), scene.known().now);
    let corrected = |task: &parse::NewTask| match (due, task.due) {
        // A day alone keeps the hour, and an hour the day.
        (Some(due), Some(before)) => {
            let date = if due.day_said { due.date } else { before.date };
            parse::NewTask { due: Some(dates::Due { date, time: due.time.or(before.time), ..due }), ..task.clone() }
        }
        (Some(due), None) => parse::NewTask { due: Some(due), ..task.clone() },
        (None, _) => {
            let title = exchanged_in(&task.title, words).unwrap_or_else(|| corrected_title(&task.title, words));
            parse::NewTask { title, ..task.clone() }
        }
    };
    tasks.iter().map(corrected).collect()
}

/// What is said of "it", where a task has just been offered: of that one.
pub(crate) fn on_an_offer(scene: &Scene<'_>, utterance: &Utterance, intents: Vec<Intent>) -> Vec<Intent> {
    let [intent @ (Intent::SetDue(Target::It, Some(_)) | Intent::SetPriority(Target::It, _))] = intents.as_slice()
    else {
        return intents;
    };
    let Some(previous) = question_turn(scene).filter(|turn| turn.calls.is_empty() && turn.reply.contains('?')) else {
        return intents;
    };
    match asked_about(scene, previous).as_slice() {
        [Intent::Offer(tasks)] => answer_offer(tasks, scene, utterance, intent).unwrap_or(intents),
        _ => intents,
    }
}

/// "Buy stamps and call grandma": nothing but things to do, said to a task list as commands, are for the list, and nobody has to be
/// asked. What might be asked of us ("play some music"), and what points at something ("send it to her"), is only offered.
pub(crate) fn is_told_to_do(utterance: &Utterance, tasks: &[parse::NewTask], known: Known<'_>) -> bool {
    let titles = known.titles;
    let leads = |word: &&Word| {
        matches!(
            word.norm.as_str(),
            "please" | "and" | "also" | "then" | "ok" | "okay" | "so" | "well" | "first" | "oh"
        )
    };
    let lead = utterance.words.iter().take_while(leads).count();
    let words = norms(&utterance.words[lead..]);
    // "On Friday, take the bins out."
    let dated = dates::find_leading(&words, known.now).filter(|(length, _)| *length < words.len());
    let words = &words[dated.map_or(0, |(length, _)| length)..];
    let asks = end_in_question(&utterance.words);
    let title = |task: &parse::NewTask| task.title.to_lowercase();
    let begins = tasks.first().is_some_and(|task| title(task).split(' ').next() == words.first().copied());
    let is_work =
        |task: &parse::NewTask| lexicon::starts_work(&title(task).split(' ').collect::<Vec<_>>(), task.due.is_some());
    // "Set order the cake …" has the whole title of another task in it, and may be about that one.
    let known = |task: &parse::NewTask| {
        let lower = title(task);
        let words: Vec<&str> = lower.split(' ').collect();
        titles.mentioned(&words).is_some_and(|known| titles.is_said(known, &words))
    };
    begins && !asks && tasks.iter().all(is_work) && !tasks.iter().any(known)
}
