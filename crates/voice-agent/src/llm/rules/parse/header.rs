//! Titles behind a colon: "new task: delete old backups" adds, whatever the title says.

use super::super::dates;
use super::super::lexicon;
use super::super::normalise::{Utterance, Word, norms};
use super::priority::find_priority;
use super::{Intent, Known, Missing, Priority, courtesy, new_tasks, parse, parse_one, small};

/// The tasks behind a heading that says that there are tasks, and what the sentences behind them say.
pub(super) fn parse_headed(utterance: &Utterance, known: Known<'_>) -> Option<Vec<Intent>> {
    let words = &utterance.words;
    let at = words.iter().position(|word| word.trail.contains(':')).or_else(|| counted_off(words, known))?;
    if at + 1 >= words.len() || words[..=at].iter().any(|word| word.quoted) {
        return None;
    }
    // "Thanks, that's great, one more: get stamps".
    let skip = small::courtesies_before(words, at);
    let head = &words[skip..=at];
    // "Priority: high" is said of what was spoken of.
    if matches!(norms(head).as_slice(), ["priority"]) {
        return None;
    }
    // "Add a task for Friday: send the slides".
    let polite = head.iter().rev().take_while(|word| matches!(word.norm.as_str(), "please" | "quickly")).count();
    let head = &head[..head.len() - polite];
    let dated = dates::find_trailing(&norms(head), known.now).filter(|(start, _)| *start > 0);
    let head = Utterance::new(head[..dated.map_or(head.len(), |(start, _)| start)].to_vec());
    let (priority, several) = heading(&head, known)?;
    let rest = &words[at + 1..];
    // "One last thing: the train should be booked by tomorrow", which is on the list.
    let adds = |word: &Word| {
        listed("add list task tasks todo to-do reminder note remember remind write jot take new", &word.norm)
    };
    if !head.words.iter().any(adds) {
        // One reading only: where each heading read all that follows twice, a text of many headings would never end.
        let said = parse_one(&Utterance::new(rest.to_vec()), known);
        if super::changes_a_task(&said) && super::names_known(&said, known) {
            return Some(vec![said]);
        }
    }
    let several = several || rest.iter().any(Word::ends_line);
    // A list may be written in sentences; one title ends with its sentence.
    let end = rest
        .iter()
        .position(|word| word.ends_sentence() && !word.trail.contains(':'))
        .map_or(rest.len(), |end| end + 1);
    let end = if several { rest.len() } else { end };
    let mut tasks = new_tasks(&rest[..end], several, known);
    if tasks.is_empty() {
        return None;
    }
    for task in &mut tasks {
        task.priority = task.priority.or(priority);
        task.due = task.due.or(dated.map(|(_, due)| due));
    }
    let mut intents = vec![Intent::Add(tasks)];
    if end < rest.len() {
        let more = parse(&Utterance::new(rest[end..].to_vec()), known);
        match more.as_slice() {
            // "… Due Friday."
            [Intent::Date(due)] => intents.push(Intent::SetDue(super::Target::It, Some(*due))),
            all if all.iter().all(Intent::is_command) => intents.extend(more),
            _ => return None,
        }
    }
    Some(super::chain(intents))
}

/// "Three tasks for tomorrow. Wash the sheets, …": where a sentence ends that only counts.
fn counted_off(words: &[Word], known: Known<'_>) -> Option<usize> {
    let at = words.iter().position(Word::ends_sentence).filter(|at| *at < 6)?;
    let norm = norms(&words[..=at]);
    // "New task. Mark the essays."
    if matches!(
        norm.as_slice(),
        ["new" | "another" | "next", "task" | "one" | "reminder"] | ["a", "new", "task"] | ["one", "more"]
    ) {
        return Some(at);
    }
    let end = dates::find_trailing(&norm, known.now).map_or(norm.len(), |(start, _)| start);
    let leads = |word: &&&str| {
        matches!(**word, "i" | "have" | "i've" | "got" | "there" | "are" | "here" | "okay" | "add" | "just" | "so")
    };
    let lead = norm[..end].iter().take_while(leads).count();
    let [number, what] = norm.get(lead..end)? else { return None };
    let counts = matches!(*number, "two" | "three" | "four" | "five");
    // "There are two tasks. Delete the first one" heads nothing.
    let rest = norms(&words[at + 1..]);
    let pointed = rest.first().is_some_and(|word| {
        "delete remove mark move make complete reopen rename change".split(' ').any(|verb| verb == *word)
    });
    let commands = lead > 0 && (pointed || lexicon::starts_command(&rest));
    (counts && !commands && matches!(*what, "tasks" | "things" | "reminders")).then_some(at)
}

/// Words of which a heading may consist.
const HEADING: &str = "todo to-do task reminder note new add list the my a to do following these also another remember memo more \
    shopping two three four five several things items on put for me tasks todos to-dos reminders one thing last next oh and \
    take write jot stick pop chuck down this that create make of right here's set pile end first both all are jobs errands chores needs quickly please today";
/// Those that announce several tasks.
const SEVERAL: &str =
    "these jobs errands chores tasks todos to-dos reminders things items following list two three four five several";

fn listed(list: &str, word: &str) -> bool {
    list.split_ascii_whitespace().any(|entry| entry == word)
}

/// What a heading says of the tasks below it; None if it is none.
fn heading(head: &Utterance, known: Known<'_>) -> Option<(Option<Priority>, bool)> {
    let plain = courtesy::without_courtesies(head);
    let words = norms(&plain.words);
    // "Abeg, add this one": whoever is spoken to, or whatever one calls out.
    let called =
        plain.words.first().is_some_and(|word| word.pauses() && words.len() > 1 && !listed(HEADING, &word.norm));
    let words = words[usize::from(called)..].to_vec();
    let several = words.iter().any(|word| listed(SEVERAL, word));
    // "I need to do three things".
    let counts = |word: &str| {
        matches!(word, "many" | "other" | "two" | "three" | "four" | "five" | "several" | "some" | "these" | "few")
    };
    let counted = words.windows(2).position(|pair| {
        matches!(pair[1], "things" | "tasks" | "errands" | "jobs" | "chores" | "calls" | "appointments")
            && counts(pair[0])
    });
    let ends = counted.is_some_and(|at| at + 2 == words.len() || matches!(words[at + 2], "to" | "for" | "on" | "left"));
    if ends
        && words.len() <= 12
        && words.iter().any(|word| matches!(*word, "need" | "have" | "must" | "should" | "are" | "got"))
    {
        return Some((None, true));
    }
    if words.len() <= 6 && words.iter().all(|word| listed(HEADING, word)) {
        return Some((None, several));
    }
    let bare: Vec<&str> = words
        .iter()
        .copied()
        .filter(|word| {
            !matches!(
                *word,
                "task"
                    | "new"
                    | "todo"
                    | "add"
                    | "create"
                    | "make"
                    | "a"
                    | "this"
                    | "that"
                    | "one"
                    | "one's"
                    | "next"
                    | "is"
                    | "it's"
            )
        })
        .collect();
    if bare.len() <= 3
        && let Some(priority) = find_priority(&bare)
    {
        return Some((Some(priority), false));
    }
    match parse_one(&plain, known) {
        Intent::Incomplete(Missing::Title, inner) if matches!(*inner, Intent::Add(_)) => Some((None, several)),
        _ => None,
    }
}
