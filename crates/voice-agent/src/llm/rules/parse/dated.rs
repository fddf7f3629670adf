//! A date in front of a command, or alone.

use super::super::dates;
use super::super::lexicon;
use super::super::normalise::{Utterance, Word, end_in_question, norms};
use super::add::{build, marked};
use super::rule::Match;
use super::{Intent, Known, NewTask, Target, counts_tasks, courtesy, find_priority, parse_exact, split, target};

/// What the words point at, or name of what is on the list, if they are no thing to do in themselves.
pub(super) fn on_the_list(words: &[Word], known: Known<'_>) -> Option<Target> {
    let norm = norms(words);
    target(words).filter(|target| match target {
        Target::Title(_) => known.titles.headed(&norm).is_some() && !lexicon::starts_verb(&norm),
        Target::Picked(_) => counts_tasks(&norm),
        _ => true,
    })
}

/// "Put call the vet down for Thursday"; what is on the list already is moved ("put the first one down for Saturday").
pub(super) fn put_down(found: &Match<'_>) -> Option<Intent> {
    let due = dates::parse(&norms(found.words("rest")), found.known.now)?;
    if let Some(listed) = on_the_list(found.words("t"), found.known) {
        return Some(Intent::SetDue(listed, Some(due)));
    }
    let words: Vec<Word> = found.words("t").iter().chain(found.words("rest")).cloned().collect();
    Some(build(&words, false, None, found.known))
}

/// "Put lunch with Maria on Wednesday at noon": a thing with a day; "put the bins out on Friday" is something to do.
pub(super) fn put_on(found: &Match<'_>) -> Option<Intent> {
    let words = found.words("t");
    let (start, due) = dates::find_trailing(&norms(words), found.known.now).filter(|(start, _)| *start > 0)?;
    // "Put the de-icer on Wednesday", which is on the list.
    if let Some(listed) = on_the_list(&words[..start], found.known) {
        return Some(Intent::SetDue(listed, Some(due)));
    }
    let linked = matches!(words[start].norm.as_str(), "on" | "for" | "at" | "tomorrow" | "next");
    let particle = matches!(
        words[start - 1].norm.as_str(),
        "out" | "away" | "up" | "down" | "back" | "in" | "off" | "on" | "together" | "aside" | "over"
    );
    let placed = words[..start].iter().any(|word| {
        matches!(word.norm.as_str(), "in" | "into" | "on" | "under" | "onto" | "up" | "out" | "away" | "the" | "my")
    });
    (linked && !particle && !placed).then(|| marked(found)).flatten()
}

/// "Put in physio on the second at four", "put in a call with Marek for Wednesday": something for the diary; "put in the new window
/// on Friday" is something to do.
pub(super) fn put_in(found: &Match<'_>) -> Option<Intent> {
    const EVENTS: &str = "appointment booking breakfast call catch-up check-up checkup class coffee dinner drink drinks \
        haircut interview lesson lunch meeting rehearsal reminder session viewing visit";
    let words = found.words("t");
    let norm = norms(words);
    let (start, due) = dates::find_trailing(&norm, found.known.now)?;
    let thing = norm.strip_prefix(&["a"]).or_else(|| norm.strip_prefix(&["an"])).unwrap_or(&norm);
    let event = thing.first().is_some_and(|word| EVENTS.split_ascii_whitespace().any(|event| event == *word));
    let bare = thing.len() == norm.len() && !matches!(norm[0], "the" | "my" | "our" | "some" | "new" | "two");
    let lead = norm.len() - thing.len();
    (start > lead && (event || bare && due.time.is_some())).then(|| build(&words[lead..], false, None, found.known))
}

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
    let asks = end_in_question(&utterance.words);
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
