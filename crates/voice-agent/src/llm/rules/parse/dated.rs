//! A date in front of a command, or alone.

use super::super::dates;
use super::super::normalise::{Utterance, norms};
use super::{Intent, Known, NewTask, Target, courtesy, find_priority, parse_exact, split};

/// "Tomorrow I need to …": a date in front of a command.
pub(super) fn parse(utterance: &Utterance, known: Known<'_>) -> Option<Intent> {
    let words = norms(&utterance.words);
    if let Some(due) = dates::parse(&words, known.now) {
        return Some(Intent::Date(due));
    }
    // "Normal priority, please."
    if words.contains(&"priority")
        && words.len() <= 4
        && let Some(priority) = find_priority(&words)
    {
        return Some(Intent::SetPriority(Target::It, priority));
    }
    // "Every Monday remind me to …": what repeats belongs to the title.
    if let ["every" | "each", _, _, ..] = words.as_slice() {
        let mut turned = utterance.words[2..].to_vec();
        turned.extend_from_slice(&utterance.words[..2]);
        let intent = parse_exact(&courtesy::without_courtesies(&Utterance::new(turned)), known);
        return matches!(intent, Intent::Add(_) | Intent::Offer(_)).then_some(intent);
    }
    // "Oh and the second of January, collect the manure".
    let lead = words.iter().take_while(|word| matches!(**word, "oh" | "and" | "also" | "then" | "plus")).count();
    let (length, due) = dates::find_leading(&words[lead..], known.now)?;
    let length = lead + length;
    let rest = utterance.starting_at(length);
    let fill = |mut tasks: Vec<NewTask>| {
        for task in &mut tasks {
            task.due = task.due.or(Some(due));
        }
        split::share_day_among(&mut tasks, &mut due.day_said.then_some(due.date));
        tasks
    };
    match parse_exact(&courtesy::without_courtesies(&rest), known) {
        Intent::Add(tasks) => Some(Intent::Add(fill(tasks))),
        Intent::Offer(tasks) => Some(Intent::Offer(fill(tasks))),
        _ if dates::find_leading(&norms(&rest.words), known.now).is_some() => None,
        // "Tomorrow at eleven I have a meeting": as with the date behind it.
        _ => {
            let turned = rest.words.iter().chain(&utterance.words[lead..length]).cloned().collect();
            let intent = parse_exact(&courtesy::without_courtesies(&Utterance::new(turned)), known);
            matches!(intent, Intent::Add(_) | Intent::Offer(_) | Intent::SetDue(..)).then_some(intent)
        }
    }
}
