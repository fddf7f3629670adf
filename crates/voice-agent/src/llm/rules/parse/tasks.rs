//! New tasks from words: titles without the dates and priorities that were said with them.

use super::super::dates;
use super::super::lexicon;
use super::super::normalise::{Word, norms, title};
use super::priority::{leading_priority, trailing_priority};
use super::{Known, NewTask, joined_titles};

/// Most tasks from one sentence.
const MAX_TASKS: usize = 12;

/// The tasks that these words describe, each with its date and priority taken out of its title.
pub(crate) fn new_tasks(words: &[Word], several: bool, known: Known<'_>) -> Vec<NewTask> {
    let parts = joined_titles(words, several, known);
    let parts = if parts.len() > MAX_TASKS { vec![words] } else { parts };
    let parts: Vec<_> = parts.iter().map(|part| without_both(part, parts.len(), known)).collect();
    let mut tasks: Vec<NewTask> = Vec::with_capacity(parts.len());
    let mut verb: &[Word] = &[];
    for part in &parts {
        let norm = norms(part);
        if lexicon::starts_verb(&norm) {
            let phrasal = matches!(norm.get(1), Some(&("up" | "off" | "out" | "in" | "back")));
            verb = &part[..(1 + usize::from(phrasal)).min(part.len())];
        } else if !verb.is_empty()
            && super::join::shares_verb(&[norms(verb), vec!["it", "today"]].concat(), &norm, known)
        {
            let whole: Vec<Word> = verb.iter().chain(part.iter()).cloned().collect();
            tasks.extend(new_task(&whole, known));
            continue;
        }
        tasks.extend(new_task(part, known));
    }
    // "… and on Saturday pick it up": a day in front is of that part alone.
    let own_day =
        parts.last().is_some_and(|part| parts.len() > 1 && dates::find_leading(&norms(part), known.now).is_some());
    super::split::share_day_among(&mut tasks, &mut None);
    // "buy milk and call John tomorrow" means both.
    if let [first @ .., last] = tasks.as_mut_slice()
        && !own_day
        && first.iter().all(|task| task.due.is_none())
    {
        for task in first {
            task.due = last.due;
        }
    }
    tasks
}

/// "… and buy cough syrup, both tomorrow": without the word that says that the day is for all of them.
fn without_both<'w>(part: &'w [Word], count: usize, known: Known<'_>) -> std::borrow::Cow<'w, [Word]> {
    let at =
        part.iter().position(|word| matches!(word.norm.as_str(), "both" | "all")).filter(|at| *at > 0 && count > 1);
    match at {
        Some(at) if part[at - 1].pauses() && dates::parse(&norms(&part[at + 1..]), known.now).is_some() => {
            [&part[..at], &part[at + 1..]].concat().into()
        }
        _ => part.into(),
    }
}

/// "Dust the bookshelf, then, for Thursday", "low priority, though": without what a pause divides from the rest.
fn without_fillers(words: &[Word]) -> &[Word] {
    let mut words = words;
    while let [.., before, last] = words
        && before.pauses()
        && !last.quoted
        && matches!(last.norm.as_str(), "also" | "too" | "then" | "actually" | "please" | "though" | "anyway")
    {
        words = &words[..words.len() - 1];
    }
    words
}

/// "… the class. It must be before Friday": a sentence about it is none of its name.
fn one_sentence(words: &[Word]) -> &[Word] {
    let about = |at: &usize| {
        words[*at].ends_sentence()
            && !words[*at].quoted
            && matches!(words[at + 1].norm.as_str(), "it" | "it's" | "that's" | "they" | "they're" | "can" | "could")
    };
    (0..words.len().saturating_sub(1)).find(about).map_or(words, |at| &words[..=at])
}

/// Without what is only told beside it: "…, her birthday's on Sunday".
fn without_remark(words: &[Word]) -> &[Word] {
    let tells = |word: &Word| {
        !word.quoted
            && matches!(
                word.norm.as_str(),
                "she"
                    | "he"
                    | "they"
                    | "he's"
                    | "she's"
                    | "they're"
                    | "her"
                    | "his"
                    | "their"
                    | "because"
                    | "cause"
                    | "cos"
                    | "i'm"
                    | "i've"
                    | "we're"
                    | "you're"
                    | "there's"
                    | "since"
                    | "i"
                    | "we"
            )
    };
    let verb = |word: &Word| {
        word.norm.ends_with("'s")
            || matches!(
                word.norm.as_str(),
                "is" | "are"
                    | "was"
                    | "has"
                    | "have"
                    | "had"
                    | "will"
                    | "keeps"
                    | "i'm"
                    | "he's"
                    | "she's"
                    | "they're"
                    | "we're"
                    | "i've"
                    | "because"
                    | "cause"
                    | "cos"
                    | "since"
                    | "said"
                    | "says"
                    | "asked"
                    | "needs"
                    | "wants"
                    | "loves"
                    | "hates"
                    | "likes"
            )
    };
    let at = (1..words.len().saturating_sub(1)).find(|at| {
        words[at - 1].pauses() && !words[at - 1].quoted && tells(&words[*at]) && words[*at..].iter().take(4).any(verb)
    });
    let at = at.filter(|at| *at > 1).or_else(|| reason(words));
    at.map_or(words, |at| &words[..at])
}

/// Without what only says that there is no hurry.
fn without_leisure(words: &[Word]) -> &[Word] {
    const LEISURE: [&[&str]; 21] = [
        &["no", "date", "yet"],
        &["no", "due", "date", "yet"],
        &["no", "due", "date"],
        &["no", "deadline"],
        &["without", "a", "date"],
        &["without", "a", "due", "date"],
        &["without", "a", "deadline"],
        &["no", "particular", "date"],
        &["right", "after", "that"],
        &["straight", "after", "that"],
        &["at", "some", "point"],
        &["at", "some", "stage"],
        &["some", "time"],
        &["sometime"],
        &["sometime", "soon"],
        &["eventually"],
        &["sooner", "or", "later"],
        &["one", "of", "these", "days"],
        &["when", "i", "get", "a", "chance"],
        &["when", "i", "have", "time"],
        &["when", "i", "find", "time"],
    ];
    let norm = norms(words);
    let ends = LEISURE.iter().filter(|phrase| norm.len() > phrase.len() + 1 && norm.ends_with(phrase));
    let length = ends.map(|phrase| phrase.len()).max().unwrap_or(0);
    &words[..words.len() - length]
}

/// Where it is said why: "… because we're out", "… so I don't forget".
fn reason(words: &[Word]) -> Option<usize> {
    let subject = |word: &str| {
        matches!(
            word,
            "i" | "we"
                | "it"
                | "he"
                | "she"
                | "they"
                | "i'm"
                | "we're"
                | "it's"
                | "he's"
                | "she's"
                | "they're"
                | "there's"
                | "my"
                | "the"
                | "our"
                | "i've"
                | "we've"
        )
    };
    (2..words.len().saturating_sub(1)).find(|at| {
        let next = words[at + 1].norm.as_str();
        let after = words.get(at + 2).map_or("", |word| word.norm.as_str());
        !words[*at].quoted
            && match words[*at].norm.as_str() {
                "because" | "cos" | "cuz" => true,
                "cause" => subject(next),
                "so" => {
                    matches!(next, "i" | "we" | "that" | "it's" | "he" | "she" | "they")
                        && !after.is_empty()
                        && words[at - 1].norm != "or"
                }
                "before" => matches!((next, after), ("i", "forget") | ("it's", "too")),
                _ => false,
            }
    })
}

fn new_task(words: &[Word], known: Known<'_>) -> Option<NewTask> {
    let mut words = without_leisure(without_remark(words));
    let (mut due, mut priority) = (None, None);
    if let Some((length, found)) = leading_priority(&norms(words))
        && length < words.len()
    {
        priority = Some(found);
        words = &words[length..];
    }
    words = without_fillers(words);
    // Date and priority may follow each other in any order.
    for _ in 0..3 {
        let norm = norms(words);
        if due.is_none()
            && let Some((start, found)) = dates::find_trailing(&norm, known.now)
            && !words[start..].iter().any(|word| word.quoted)
            && !asks_of_then(&norm[..start])
        {
            due = Some(found);
            // "Later today".
            let later = start > 1 && words[start - 1].norm == "later" && norm[start] == "today";
            words = without_dangling(&words[..start - usize::from(later)]);
        } else if let Some((start, found)) = trailing_priority(words)
            && start > 0
        {
            priority = priority.or(Some(found));
            words = without_dangling(&words[..start]);
        } else {
            break;
        }
    }
    words = one_sentence(words);
    words = without_fillers(words);
    let norm = norms(words);
    if due.is_none()
        && let Some((length, found)) = dates::find_leading(&norm, known.now)
        && length < words.len()
        && !words[0].quoted
    {
        due = Some(found);
        words = &words[length..];
    }
    while words.len() > 1 && matches!(words[0].norm.as_str(), "to" | "that" | "called") && !words[0].quoted {
        words = &words[1..];
    }
    words = without_duty(words);
    let mut words = repetition_last(words);
    // "Call Bob tomorrow about the rent": what is spelt with a capital may be a name.
    if due.is_none()
        && let Some((start, end, found)) = dates::find_inner(&norms(&words), known.now)
        && !asks_of_then(&norms(&words[..start]))
        && (lexicon::starts_verb(&norms(&words)) || words[0].norm == "see")
        && !words[start..end].iter().any(|word| word.quoted)
    {
        due = Some(found);
        words.drain(start..end);
    }
    // What repeats is kept once, for the first time that it names.
    due = due.or_else(|| first_time(&norms(&words), known));
    let title = title(&words);
    // "Add the": the rest is still to come.
    let says =
        words.iter().any(|word| word.quoted || !matches!(word.norm.as_str(), "the" | "a" | "an" | "and" | "or" | "my"));
    (says && !title.is_empty()).then_some(NewTask { title, due, priority })
}

/// "Ask Tom whether he is free on Friday": the day is what is asked of, and not when to ask.
fn asks_of_then(before: &[&str]) -> bool {
    before.contains(&"whether") || matches!(before, ["ask" | "find" | "check", ..]) && before.contains(&"if")
}

/// "Call mom every Friday": the coming Friday.
fn first_time(words: &[&str], known: Known<'_>) -> Option<dates::Due> {
    let at = words.iter().position(|word| matches!(*word, "every" | "each"))?;
    let day = match *words.get(at + 1)? {
        "day" => vec!["today"],
        part @ ("morning" | "afternoon" | "evening") => {
            // The first one that is still to come.
            let today = dates::parse(&["this", part], known.now)
                .filter(|due| due.date == known.now.date() && due.time.is_some_and(|time| time > known.now.time()));
            if today.is_some() { vec!["this", part] } else { vec!["tomorrow", part] }
        }
        "night" => vec!["tonight"],
        day => vec!["on", day],
    };
    let ends = at + 2 == words.len() || at == 0;
    let due = dates::parse(&day, known.now).filter(|due| due.day_said)?;
    // "Every Friday at six" has its hour, too.
    let timed = || {
        let whole: Vec<&str> = day.iter().copied().chain(words[at + 2..].iter().copied()).collect();
        dates::parse(&whole, known.now)
    };
    if ends { Some(due) } else { timed() }
}

/// The words without "yesterday" at one end, if they name a day that is over.
pub(super) fn without_past(words: &[Word]) -> Option<&[Word]> {
    let past = |words: &[&str]| match words {
        ["yesterday", ..] => 1,
        [
            "last",
            "night" | "week" | "month" | "year" | "monday" | "tuesday" | "wednesday" | "thursday" | "friday"
            | "saturday" | "sunday" | "weekend",
            ..,
        ] => 2,
        _ => 0,
    };
    let norm = norms(words);
    let lead = past(&norm);
    if lead > 0 && norm.get(lead) == Some(&"to") {
        return words.get(lead + 1..).filter(|rest| !rest.is_empty());
    }
    let tail = (1..=2.min(words.len())).find(|length| past(&norm[words.len() - length..]) == *length)?;
    let end = words.len() - tail;
    let linked = matches!(norm.get(end.wrapping_sub(1)), Some(&"for" | &"by" | &"on"));
    // "Watch last week", "read the paper of yesterday" may be titles; a day for a thing to do is none.
    (linked || lexicon::starts_verb(&norm) && tail == 1 && end > 1 && norm[end - 1] != "from" && norm[end - 1] != "of")
        .then(|| &words[..end - usize::from(linked)])
        .filter(|rest| !rest.is_empty())
}

/// Without the "I must" of "note that I must send the invoice".
fn without_duty(words: &[Word]) -> &[Word] {
    match norms(words).as_slice() {
        ["i" | "we", "need" | "have" | "ought" | "got", "to", _, ..] => &words[3..],
        ["i" | "we", "promised" | "agreed" | "offered" | "meant" | "want" | "wanted", "to", _, ..] => &words[3..],
        ["i" | "we", "promised" | "said", "i'd" | "i'll" | "we'd" | "we'll", _, ..] => &words[3..],
        ["i" | "we", "must" | "should" | "shall", _, _, ..] => &words[2..],
        _ => words,
    }
}

/// What may stand between a title and its date, and belongs to the date.
const BEFORE_DATES: [&[&str]; 16] = [
    &["let's", "do", "it"],
    &["and", "that"],
    &["before", "that"],
    &["after", "that"],
    &["let's", "say"],
    &["say"],
    &["maybe"],
    &["probably"],
    &["ideally"],
    &["preferably"],
    &["no", "later", "than"],
    &["not", "later", "than"],
    &["first", "thing"],
    &["at", "the", "latest"],
    &["sometime"],
    &["latest"],
];

/// "every morning to stretch" is "stretch every morning".
fn repetition_last(words: &[Word]) -> Vec<Word> {
    let hinge = words.iter().take(4).position(|word| word.norm == "to");
    match hinge {
        Some(at) if words[0].norm == "every" && at > 0 && at + 1 < words.len() => {
            let mut said = words[at + 1..].to_vec();
            // "Every Monday to take the bins out.": what ended the sentence stands in its midst now.
            if let Some(last) = said.last_mut() {
                last.trail.clear();
            }
            said.extend_from_slice(&words[..at]);
            said
        }
        _ => words.to_vec(),
    }
}

/// Without "and it's", "which is" that a date or a priority left behind.
fn without_dangling(words: &[Word]) -> &[Word] {
    let mut words = words;
    let ends =
        |words: &[Word]| BEFORE_DATES.iter().find(|phrase| norms(words).ends_with(phrase)).map(|phrase| phrase.len());
    while let Some(length) = ends(words).filter(|length| *length < words.len()) {
        words = &words[..words.len() - length];
    }
    while let [rest @ .., last] = words
        && !last.quoted
        // "Send it" keeps its word; in "…, make it" and "… and it" it belongs to the date.
        && (last.norm != "it"
            || rest.last().is_some_and(|word| word.pauses() || matches!(word.norm.as_str(), "and" | "make" | "mark" | "with")))
        // "Lunch with Mark" keeps its guest.
        && (last.norm != "mark" || rest.last().is_some_and(|word| word.pauses() || word.norm == "and"))
        && matches!(
            last.norm.as_str(),
            "and"
                | "it's"
                | "is"
                | "which"
                | "that's"
                | "due"
                | "it"
                | "make"
                | "with"
                | "as"
                | "mark"
                | "be"
                | "should"
                | "deadline"
        )
        && !rest.is_empty()
    {
        words = rest;
    }
    words
}

/// The words in front of "as separate tasks".
pub(super) fn separately(words: &[Word]) -> Option<&[Word]> {
    const SEPARATELY: [&[&str]; 5] = [
        &["as", "separate", "tasks"],
        &["as", "two", "tasks"],
        &["as", "separate", "items"],
        &["as", "two", "separate", "tasks"],
        &["separately"],
    ];
    let norm = norms(words);
    let ends = SEPARATELY.iter().find(|phrase| norm.len() > phrase.len() && norm.ends_with(phrase))?;
    Some(&words[..words.len() - ends.len()])
}
