//! Several commands, or several tasks, in one breath.

use super::super::lexicon;
use super::super::normalise::{Utterance, Word, norms, title};
use super::{Intent, Known, MAX_COMMANDS, Missing, NewTask, Target, aside, parse_one};

fn starts_any(words: &[&str], phrases: &[&[&str]]) -> bool {
    phrases.iter().any(|phrase| words.starts_with(phrase))
}

/// What opens a command that cannot be the second half of a title.
const OPENERS: &str = "add|remind me|mark|flag it|flag that|cross|tick|check off|undo|what's|what is|what do|what are|what have|\
    what else|which|when|tell me|give me|read out|read my|read the|show|list|finish|make them|make this|\
    make everything|make all|review|show me|how many|list my|read me|i've done|i've finished|i finished|\
    i also need to|i need to|i have to|make it|make that|rename|set|move|delete|remove|complete|reopen|put|\
    don't let me forget|goodbye|bye|change|postpone|push|reschedule|that's all|cancel|got anything|\
    anything else|get rid of|clear everything|clear the list|clear my list|clear the whole list|\
    clear my whole list|clear all|wipe everything|wipe the list|wipe my list|schedule";

/// Whether these words open a command that cannot be the second half of a title.
fn opens_command(words: &[&str]) -> bool {
    OPENERS.split('|').any(|opener| {
        let mut said = words.iter();
        opener.split(' ').all(|word| said.next() == Some(&word))
    })
}

/// The positions after which a clause may begin: (end of the clause before, start of the next).
pub(super) fn seams(words: &[Word]) -> Vec<(usize, usize)> {
    let mut seams = Vec::new();
    let mut at = 1;
    while at < words.len() {
        if words[at].quoted || words[at - 1].quoted && !words[at - 1].trail.contains(['"', '”']) {
            at += 1;
            continue;
        }
        let mut start = at;
        while start < words.len() && joins(words, start) {
            start += 1;
        }
        if (start > at || words[at - 1].pauses()) && start < words.len() {
            seams.push((at, start));
        }
        at = start.max(at) + 1;
    }
    seams
}

/// Whether a word only joins what stands behind it to what stands before. "By then" and "right now" are days.
fn joins(words: &[Word], at: usize) -> bool {
    let before = words[at - 1].norm.as_str();
    let dated = matches!(before, "for" | "by" | "until" | "till" | "before" | "since" | "right" | "from");
    match words[at].norm.as_str() {
        "and" | "also" | "plus" | "please" | "oh" | "afterwards" => true,
        "then" => !dated,
        "now" => !dated && words[at - 1].ends_sentence(),
        _ => false,
    }
}

/// Whether a word only joins, wherever it stands.
fn only_joins(word: &Word) -> bool {
    matches!(word.norm.as_str(), "and" | "also" | "plus" | "please" | "oh" | "then")
}

/// What begins a command of its own even behind a title.
const STRONG: &[&[&str]] = &[
    &["add"],
    &["i'd", "like", "to", "add"],
    &["remind"],
    &["mark"],
    &["flag", "it"],
    &["flag", "that"],
    &["undo"],
    &["what's"],
    &["show"],
    &["i've"],
    &["i"],
    &["i'll"],
    &["make", "it"],
    &["make", "that"],
    &["how"],
];

/// The commands that the words hold, if they are two or more and each is understood; else nothing.
pub(super) fn commands(utterance: &Utterance, known: Known<'_>) -> Vec<Intent> {
    let words = &utterance.words;
    let mut clauses: Vec<(usize, usize)> = Vec::new();
    let mut shared: Vec<(usize, Word)> = Vec::new();
    let mut from = 0;
    for (end, start) in seams(words) {
        // "And please add …": what only joins is no command of its own, whatever it sounds like.
        if start <= from || end <= from || (from..end).all(|at| only_joins(&words[at])) {
            continue;
        }
        let rest = norms(&words[start..]);
        let rest = behind_a_day(&rest, known);
        let told = tells(&words[start..], known);
        let elided = !told && elided(&words[from..end], &words[start..], known);
        if !told && !elided && !opens_command(rest) {
            continue;
        }
        let after_sentence = words[end - 1].ends_sentence();
        let verb = shared.iter().find(|(at, _)| *at == from).map(|(_, verb)| verb.clone());
        let clause: Vec<Word> = verb.into_iter().chain(words[from..end].iter().cloned()).collect();
        let before = parse_one(&Utterance::new(clause), known);
        if !before.is_command() {
            continue;
        }
        // "add a task to call Bob and delete old backups" is two titles: only "add", "mark … as done" and the like are
        // commands in the middle of a sentence that adds.
        let adding = matches!(before, Intent::Add(_)) && !after_sentence;
        let strong = starts_any(rest, STRONG);
        if adding && !strong && !stands_alone(&before, &words[start..], known) {
            continue;
        }
        clauses.push((from, end));
        from = start;
        if elided {
            // Its verb is the first of the clause before, or of the one whose verb that shares.
            let verb = shared.last().filter(|(at, _)| Some(*at) == clauses.last().map(|clause| clause.0));
            let verb = verb.map_or_else(|| words[clauses[clauses.len() - 1].0].clone(), |(_, verb)| verb.clone());
            shared.push((start, verb));
        }
    }
    if clauses.is_empty() {
        return Vec::new();
    }
    clauses.push((from, words.len()));
    if clauses.len() > MAX_COMMANDS {
        return Vec::new();
    }
    let clause = |(start, end): &(usize, usize)| {
        let verb = shared.iter().find(|(at, _)| at == start).map(|(_, verb)| verb.clone());
        Utterance::new(verb.into_iter().chain(words[*start..*end].iter().cloned()).collect())
    };
    let mut intents: Vec<Intent> = clauses.iter().map(|words| parse_one(&clause(words), known)).collect();
    let tag = |intent: &Intent| intent.is_command();
    intents.dedup();
    share_day(&mut intents);
    share_change(&mut intents);
    if intents.iter().all(tag) { super::chain(intents) } else { Vec::new() }
}

/// "… and on Thursday I have to see the bank": without the day in front, if a sentence of its own follows.
fn behind_a_day<'w>(words: &'w [&'w str], known: Known<'_>) -> &'w [&'w str] {
    let day = super::super::dates::find_leading(words, known.now).filter(|(_, due)| due.day_said);
    let rest = day.and_then(|(length, _)| words.get(length..)).unwrap_or(words);
    if starts_any(
        rest,
        &[&["i", "have", "to"], &["i", "need", "to"], &["i", "must"], &["we", "have", "to"], &["remind"]],
    ) {
        rest
    } else {
        words
    }
}

/// "Move A and B to Monday": what is said of the second is meant of the first.
fn share_change(intents: &mut [Intent]) {
    for at in (1..intents.len()).rev() {
        let (before, rest) = intents.split_at_mut(at);
        let Some(first @ Intent::Incomplete(..)) = before.last_mut() else { continue };
        let filled = match (&*first, rest.first()) {
            (Intent::Incomplete(Missing::Date, inner), Some(Intent::SetDue(_, due @ Some(_)))) => match &**inner {
                Intent::SetDue(target, None) => Intent::SetDue(target.clone(), *due),
                _ => continue,
            },
            _ => continue,
        };
        *first = filled;
    }
}

/// Whether the words tell of a task: "… and I watered the plants", "… and I'll visit Nadia on Friday".
fn tells(words: &[Word], known: Known<'_>) -> bool {
    match norms(words).as_slice() {
        ["i" | "i've", verb, ..] => known.present_of(verb).is_some(),
        ["i'll" | "we'll", ..] => matches!(parse_one(&Utterance::new(words.to_vec()), known), Intent::SetDue(..)),
        ["make" | "give" | "bump" | "bring", ..] => changes_known(words, known),
        _ => false,
    }
}

/// Whether the clause alone changes a task that is on the list: "… and make the tax form high priority".
fn changes_known(words: &[Word], known: Known<'_>) -> bool {
    let end = seams(words).first().map_or(words.len(), |(end, _)| *end);
    let intent = parse_one(&Utterance::new(words[..end].to_vec()), known);
    matches!(intent, Intent::SetPriority(..) | Intent::SetDue(..) | Intent::Shift(..))
        && super::names_known(&intent, known)
}

/// "At 7 tomorrow … and at 9": an hour alone is on the day that was named before it.
fn share_day(intents: &mut [Intent]) {
    let mut day = None;
    for intent in intents {
        let Intent::Add(tasks) = intent else { continue };
        share_day_among(tasks, &mut day);
    }
}

/// The same among tasks of one list. An hour that could as well be in the evening is then in the morning, as on any day that is
/// named.
pub(super) fn share_day_among(tasks: &mut [NewTask], day: &mut Option<jiff::civil::Date>) {
    for due in tasks.iter_mut().filter_map(|task| task.due.as_mut()) {
        match (*day, due.time) {
            // "In the morning" behind "tonight" is the next that comes; an hour is of the day that was named.
            (Some(date), Some(_)) if !due.day_said && due.date > date => *day = Some(due.date),
            (Some(date), Some(time)) if !due.day_said => {
                due.date = date;
                if due.either_half && time.hour() >= 12 {
                    due.time = jiff::civil::Time::new(time.hour() - 12, time.minute(), 0, 0).ok();
                }
            }
            _ if due.day_said => *day = Some(due.date),
            _ => {}
        }
    }
}

/// Sentences that each tell or command something: "The cat is fed. The dog is not."
pub(super) fn sentences(utterance: &Utterance, known: Known<'_>) -> Option<Vec<Intent>> {
    let words = &utterance.words;
    let parts: Vec<&[Word]> =
        words.split_inclusive(|word| !word.quoted && word.trail.contains(['.', '!', ';'])).collect();
    if !(2..=MAX_COMMANDS).contains(&parts.len()) {
        return None;
    }
    let mut intents = Vec::with_capacity(parts.len());
    for part in parts {
        let norm = norms(part);
        // "… The dog is not": what the sentence before has said of the cat.
        let denied = match (norm.as_slice(), intents.last()) {
            ([.., "is" | "are", "not"] | [.., "isn't" | "aren't"], Some(Intent::Complete(_))) => {
                let end = norm.iter().position(|word| matches!(*word, "is" | "are" | "isn't" | "aren't"))?;
                super::target(&part[..end]).map(Intent::Reopen)
            }
            _ => None,
        };
        let intent = denied.unwrap_or_else(|| parse_one(&Utterance::new(part.to_vec()), known));
        let fits = intent.is_command() && !matches!(intent, Intent::Add(_) | Intent::Incomplete(..) | Intent::Goodbye);
        intents.push(fits.then_some(intent)?);
    }
    // "That was wrong. Undo it" takes one thing back.
    intents.dedup_by(|a, b| a == b && *a == Intent::Undo);
    Some(super::chain(intents))
}

/// What is understood of a sentence that is not understood as a whole: its commands are carried out, and what is none of them is
/// said to be lost. None if there is no command in it.
pub(super) fn partly(utterance: &Utterance, known: Known<'_>) -> Option<Vec<Intent>> {
    let parts = pieces(&utterance.words, known);
    if !(2..=MAX_COMMANDS).contains(&parts.len()) {
        return None;
    }
    if let Some(offer) = aside::offered_beside(&parts, known) {
        return Some(vec![offer]);
    }
    let mut intents = Vec::with_capacity(parts.len());
    let mut added = false;
    for (at, part) in parts.into_iter().enumerate() {
        let adds = |word: &Word| {
            matches!(
                word.norm.as_str(),
                "add" | "remind" | "put" | "note" | "jot" | "pencil" | "need" | "must" | "have" | "gotta"
            )
        };
        let lead = part.iter().take(4).any(adds);
        match parse_one(&Utterance::new(part.to_vec()), known) {
            // Between commands, what could be done is to be added, unless it is about what is on the list.
            Intent::Offer(tasks) => {
                let is_new = |task: &NewTask| {
                    let lower = task.title.to_lowercase();
                    known.titles.touched(&lower.split(' ').collect::<Vec<_>>()).is_empty()
                };
                let all_new = tasks.iter().all(is_new);
                intents.push(if all_new { Intent::Add(tasks) } else { Intent::Missed(title(part)) });
            }
            Intent::Unknown if super::remark::is_remark(part, known) => {}
            Intent::Unknown if intents.is_empty() && super::remark::is_reason(part, known) => {}
            Intent::Incomplete(..) | Intent::Goodbye | Intent::Unknown | Intent::Date(_) => {
                intents.push(Intent::Missed(title(part)));
            }
            intent if intent.is_command() => {
                added |= lead && matches!(intent, Intent::Add(_));
                intents.push(intent);
            }
            // What was last done may be asked for.
            asked @ (Intent::Last | Intent::Repeat) if at > 0 && intents.is_empty() => intents.push(asked),
            // Courtesies and the like need no answer beside a command.
            _ => {}
        }
    }
    once_each(&mut intents);
    let commanded = |intent: &Intent| intent.is_command() && !matches!(intent, Intent::Add(_));
    let added = added || utterance.words.iter().any(|word| matches!(word.norm.as_str(), "add" | "remind"));
    if matches!(intents.as_slice(), [Intent::Last | Intent::Repeat]) {
        return Some(intents);
    }
    (intents.iter().any(commanded) || added)
        .then(|| super::chain(intents))
        .filter(|all| all.iter().any(Intent::is_command))
}

/// The clauses of the words. A sentence that commands something as it stands is one: "Got to be quick. Add renew my licence, tomorrow."
fn pieces<'w>(words: &'w [Word], known: Known<'_>) -> Vec<&'w [Word]> {
    let sentences: Vec<&[Word]> = words.split_inclusive(|word| !word.quoted && word.ends_sentence()).collect();
    let mut pieces: Vec<&[Word]> = Vec::new();
    for sentence in &sentences {
        let adds =
            || matches!(parse_one(&Utterance::new(sentence.to_vec()), known), Intent::Add(tasks) if tasks.len() == 1);
        if sentences.len() > 1 && adds() && commands(&Utterance::new(sentence.to_vec()), known).is_empty() {
            pieces.push(sentence);
            continue;
        }
        let mut from = 0;
        for (end, start) in seams(sentence) {
            let opens = || opens_command(&norms(&sentence[start..]));
            if start > from && end > from && (sentence[end - 1].pauses() || opens()) {
                pieces.push(&sentence[from..end]);
                from = start;
            }
        }
        pieces.push(&sentence[from..]);
    }
    pieces
}

/// "We're out of litter. Add buy litter": what is told and asked for is added once.
fn once_each(intents: &mut Vec<Intent>) {
    let titles = |intent: &Intent| match intent {
        Intent::Add(tasks) => tasks.iter().map(|task| task.title.to_lowercase()).collect(),
        _ => Vec::new(),
    };
    let again = |at: usize| {
        let told = titles(&intents[at]);
        let later: Vec<String> = intents[at + 1..].iter().flat_map(titles).collect();
        !told.is_empty() && told.iter().all(|title| later.contains(title))
    };
    let drop: Vec<bool> = (0..intents.len()).map(again).collect();
    let mut at = drop.into_iter();
    intents.retain(|_| !at.next().unwrap_or_default());
}

/// Whether the words need the verb of the clause before: "set A to high | and B to low", "move A to Friday and B to
/// Monday".
fn elided(before: &[Word], rest: &[Word], known: Known<'_>) -> bool {
    let Some(verb) = before.first() else { return false };
    if !matches!(
        verb.norm.as_str(),
        "set"
            | "move"
            | "switch"
            | "make"
            | "put"
            | "change"
            | "push"
            | "postpone"
            | "reschedule"
            | "rename"
            | "shift"
            | "mark"
    ) || opens_command(&norms(rest))
    {
        return false;
    }
    let alike = |words: &[Word]| match parse_one(&Utterance::new(words.to_vec()), known) {
        Intent::SetDue(Target::Title(_), Some(_)) => Some(1),
        Intent::SetPriority(Target::Title(_), _) => Some(2),
        Intent::Rename(Target::Title(_), _) => Some(3),
        _ => None,
    };
    let first = seams(rest).first().map_or(rest.len(), |(end, _)| *end);
    let after: Vec<Word> = std::iter::once(verb).chain(&rest[..first]).cloned().collect();
    let named = target_is_known(&rest[..first], known);
    // The words before may begin with a title, when their own verb is elided, too.
    named && alike(&after).is_some()
}

/// Whether the words begin with the name of an open task, up to its "to".
fn target_is_known(words: &[Word], known: Known<'_>) -> bool {
    let norm = norms(words);
    let named = |end: usize| known.titles.named(&norm[..end]).filter(|title| known.titles.is_said(title, &norm[..end]));
    match norm.iter().position(|word| *word == "to") {
        Some(end) => end > 0 && known.titles.named(&norm[..end]).is_some(),
        // "Paint the door low priority".
        None => (1..norm.len()).any(|end| named(end).is_some()),
    }
}

/// Whether the words behind a task that is added are a command of their own rather than the title of one more: they
/// ask for the list, or change what was just added, what is on the list, or everything.
fn stands_alone(before: &Intent, rest: &[Word], known: Known<'_>) -> bool {
    // The clause alone, and all that is left: "delete the milk | and add bread", "delete salt and pepper".
    let clause = seams(rest).into_iter().find(|(_, start)| opens_command(&norms(&rest[*start..])));
    let clause = clause.map_or(rest, |(end, _)| &rest[..end]);
    let intent = parse_one(&Utterance::new(clause.to_vec()), known);
    let verb = rest.first().map_or("", |word| word.norm.as_str());
    // "Start the book and finish it" is one thing to do.
    let pointing = !matches!(verb, "finish" | "close" | "cancel" | "check");
    let clear = |target: &Target| match target {
        Target::Title(title) => {
            let lower = title.to_lowercase();
            let words: Vec<&str> = lower.split(' ').collect();
            known.titles.named(&words).is_some() || commands_us(before, verb, &words)
        }
        Target::All(_) | Target::Those(_) => true,
        Target::It | Target::Them | Target::Picked(_) => pointing,
    };
    match &intent {
        Intent::List(_) | Intent::Count(_) | Intent::Undo | Intent::Review | Intent::Goodbye => true,
        Intent::DeleteScope(..) => true,
        Intent::Delete(targets) | Intent::Complete(targets) => targets.iter().all(clear),
        Intent::Reopen(target)
        | Intent::SetDue(target, _)
        | Intent::SetPriority(target, _)
        | Intent::Shift(target, _)
        | Intent::Rename(target, _) => clear(target),
        _ => false,
    }
}

/// Whether a verb is said to us although no such task is known: behind a thing ("add bread and delete butter") or in
/// front of a thing to do ("… and delete buy butter"). Behind a thing to do it is one more ("call Bob and delete old
/// backups").
fn commands_us(before: &Intent, verb: &str, object: &[&str]) -> bool {
    if !matches!(verb, "delete" | "remove" | "rename" | "reopen" | "complete") {
        return false;
    }
    let Intent::Add(tasks) = before else { return false };
    let action = tasks.iter().any(|task| {
        let lower = task.title.to_lowercase();
        lexicon::starts_verb(&lower.split(' ').collect::<Vec<_>>())
    });
    !action || lexicon::starts_action(object)
}
