//! A date in front of a command, or alone.

use super::super::dates;
use super::super::normalise::{Utterance, norms};
use super::add::build;
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

/// "Cinema with Jess Saturday 7pm": a thing with a day, of which nothing else is said.
pub(crate) fn dated_thing(utterance: &Utterance, known: Known<'_>) -> Option<Intent> {
    const TELLING: &str = "i i'm i've i'll i'd we we're we've you he she they it it's that that's this there there's is isn't are was \
        were be been has have had do don't does did didn't will won't would can can't could should must might if when what what's \
        which who how why where not no yes me so because says said think guess they've they're they'll he's she's we've you're us him \
        her them given gave again try instead until till";
    let asked_for = utterance.words.iter().any(|word| word.norm == "please");
    let utterance = &courtesy::without_courtesies(utterance);
    let words = norms(&utterance.words);
    let (start, due) =
        dates::find_trailing(&words, known.now).filter(|(start, due)| (1..=6).contains(start) && due.day_said)?;
    // "Sam has football on Saturday" may be one's own affair; "she has" is somebody else's.
    let has = matches!(words.as_slice(), [who, "has", _, ..] | [_, who, "has", _, ..] if !TELLING.split_ascii_whitespace().any(|telling| telling == *who) || *who == "my");
    // "My sister comes on Sunday" tells; "lunch with my aunt" names.
    let owned = words.first() == Some(&"my") && !has;
    let telling = |word: &&str| {
        owned || !(has && *word == "has") && TELLING.split_ascii_whitespace().any(|telling| telling == *word)
    };
    let asks = utterance.words.last().is_some_and(|last| last.trail.contains('?'));
    let named = !known.titles.touched(&words[..start]).is_empty();
    if asks || named || due.date < known.now.date() || words[..start].iter().any(telling) {
        return None;
    }
    match build(&utterance.words, false, None, known) {
        Intent::Add(tasks) if tasks.len() == 1 && asked_for && !matches!(words[0], "both" | "all") => {
            Some(Intent::Add(tasks))
        }
        Intent::Add(tasks) if tasks.len() == 1 => Some(Intent::Offer(tasks)),
        _ => None,
    }
}
