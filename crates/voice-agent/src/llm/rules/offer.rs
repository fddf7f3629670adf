//! Answers to "shall I add that to your list?": yes, no, a day for it, or other words.

use super::act::Scene;
use super::context::{self, corrected_title};
use super::dates;
use super::normalise::{Utterance, Word, norms};
use super::parse::{self, Intent, Missing, Target};

/// The commands that an answer to an offer stands for.
pub(crate) fn answer_offer(
    tasks: &[parse::NewTask],
    scene: &Scene<'_>,
    utterance: &Utterance,
    intent: &Intent,
) -> Option<Vec<Intent>> {
    let with_due = |due: dates::Due| {
        let fill = |task: &parse::NewTask| parse::NewTask { due: Some(due), ..task.clone() };
        vec![Intent::Add(tasks.iter().map(fill).collect())]
    };
    match intent {
        Intent::Yes | Intent::AddThat(None) => Some(vec![Intent::Add(tasks.to_vec())]),
        Intent::Incomplete(Missing::Title, inner) if matches!(**inner, Intent::Add(_)) => {
            Some(vec![Intent::Add(tasks.to_vec())])
        }
        Intent::No | Intent::Cancel => Some(vec![Intent::Enough]),
        Intent::Date(due) | Intent::AddThat(Some(due)) | Intent::SetDue(Target::It | Target::Them, Some(due)) => Some(with_due(*due)),
        Intent::SetPriority(Target::It | Target::Them, priority) => {
            let fill = |task: &parse::NewTask| parse::NewTask { priority: Some(*priority), ..task.clone() };
            Some(vec![Intent::Add(tasks.iter().map(fill).collect())])
        }
        Intent::Correct(words) => Some(vec![Intent::Offer(corrected_offer(scene, tasks, words))]),
        // "And dish soap": who goes on has agreed to what came before.
        Intent::Unknown | Intent::Offer(_) | Intent::Add(_) | Intent::Talk(parse::Talk::OffTopic)
            if matches!(utterance.words[0].norm.as_str(), "and" | "also" | "plus") && tasks.len() == 1 =>
        {
            let more = context::one_more(scene, &tasks[0].title, &utterance.words)?;
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
        (None, _) => parse::NewTask { title: corrected_title(&task.title, words), ..task.clone() },
    };
    tasks.iter().map(corrected).collect()
}
