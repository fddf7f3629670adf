//! Two sentences of which the second says what is to be done with what the first has told: "… on Wednesday at four, please write that
//! down", "the Christmas cards aren't that urgent. Set them back to normal".

use super::super::dates;
use super::super::normalise::{Utterance, Word, norms, title};
use super::{Intent, Known, Missing, NewTask, Target, before, courtesy, find_priority, parse_one};

/// What both come to; None if they are no such pair.
pub(super) fn parse(utterance: &Utterance, known: Known<'_>) -> Option<Vec<Intent>> {
    let words = &utterance.words;
    let pause = (0..words.len().saturating_sub(1)).find(|at| words[*at].pauses() && !words[*at].quoted)?;
    let last = (0..words.len() - 1).rev().find(|at| words[*at].pauses())?;
    let sentence = (0..words.len() - 1).rev().find(|at| words[*at].ends_sentence() && !words[*at].quoted);
    let at = |from: usize| Utterance::new(words[from + 1..].to_vec());
    let upto = |end: usize| Utterance::new(words[..=end].to_vec());
    let mut pauses = (0..words.len() - 1).rev().filter(|at| words[*at].pauses());
    pauses
        .find_map(|pause| noted(&upto(pause), &at(pause), known))
        .or_else(|| put_off(&upto(last), &at(last), known))
        .or_else(|| changed(&upto(last), &at(last), known))
        .or_else(|| named_before(&upto(pause), &at(pause), known))
        .or_else(|| taken_back(&upto(last), &at(last), known))
        .or_else(|| reason_before(&upto(pause), &at(pause), known))
        .or_else(|| qualified(&upto(last), &at(last), known))
        .or_else(|| written_wrong(&upto(pause), &at(pause), known))
        .or_else(|| resolved(&upto(pause), &at(pause), known))
        .or_else(|| regretted(&upto(last), &at(last), known))
        .or_else(|| before::parse(&upto(last), &at(last), known))
        .or_else(|| before::only_told(&upto(sentence?), &at(sentence?), known))
        .map(|intent| vec![intent])
        .or_else(|| farewell(&upto(last), &at(last), known))
}

/// "Sophie's lesson is on Wednesday at four, please write that down."
fn noted(first: &Utterance, second: &Utterance, known: Known<'_>) -> Option<Intent> {
    let plain = courtesy::without_courtesies(second);
    let said = norms(&plain.words);
    let rest = behind_noting(&said)?;
    let first = &courtesy::without_courtesies(first);
    let due = dates::parse(rest, known.now);
    let priority = find_priority(rest).filter(|_| due.is_none());
    if due.is_none() && priority.is_none() && !rest.is_empty() {
        return None;
    }
    match parse_one(first, known) {
        Intent::Add(mut tasks) | Intent::Offer(mut tasks) => {
            for task in &mut tasks {
                task.due = due.or(task.due);
                task.priority = priority.or(task.priority);
            }
            Some(Intent::Add(tasks))
        }
        Intent::Unknown => thing_on_a_day(first, due, known),
        // Of a task that is not on the list.
        Intent::SetDue(Target::Title(title), _) if !is_known(&title, known) => thing_on_a_day(first, due, known),
        _ => None,
    }
}

fn is_known(title: &str, known: Known<'_>) -> bool {
    let lower = title.to_lowercase();
    !known.titles.touched(&lower.split(' ').collect::<Vec<_>>()).is_empty()
}

/// What follows on "stick that on my list", "would you make a note of it", "keep that for me"; None if that is not what is said.
pub(super) fn behind_noting<'a, 'b>(said: &'a [&'b str]) -> Option<&'a [&'b str]> {
    const ASKING: &str =
        "please can could would will you just and so then now go ahead if quick quickly better best let's";
    const NOTING: &str = "note jot write add remember record save log pencil";
    // These say so only with a place: "put that down", "keep it for me".
    const PLACING: &str = "put stick pop get chuck keep hold make mark take bung throw";
    const PLACE: &str = "down in on onto list there me note reminder";
    const BETWEEN: &str = "to my the of a for also too up";
    let is = |list: &str, word: &str| list.split_ascii_whitespace().any(|entry| entry == word);
    let start = said.iter().position(|word| !is(ASKING, word))?;
    let verb = said[start];
    let pointed = |word: &str| matches!(word, "that" | "it" | "this" | "those" | "them" | "both");
    let heard = |word: &&&str| pointed(word) || [ASKING, PLACE, BETWEEN].iter().any(|list| is(list, word));
    let length = said[start + 1..].iter().take_while(heard).count();
    let (between, rest) = said[start + 1..].split_at(length);
    let points = between.iter().any(|word| pointed(word));
    let places = between.iter().any(|word| is(PLACE, word));
    // The preposition in front of a date is the date's: "add that for Friday".
    let of_date = between.iter().rev().take_while(|word| matches!(**word, "for" | "on" | "in")).count();
    let rest = if rest.is_empty() { rest } else { &said[said.len() - rest.len() - of_date..] };
    (points && (is(NOTING, verb) || is(PLACING, verb) && places)).then_some(rest)
}

/// "Sophie's lesson is on Wednesday": the thing, and its day.
pub(super) fn thing_on_a_day(first: &Utterance, due: Option<dates::Due>, known: Known<'_>) -> Option<Intent> {
    let said = norms(&first.words);
    let (start, day) = dates::find_trailing(&said, known.now)?;
    let linking = |word: &str| matches!(word, "is" | "are" | "will" | "be" | "it's");
    // "We're having dinner at the Millers' on Saturday".
    let having = match said.as_slice() {
        ["we're" | "i'm", "having" | "going" | "meeting" | "seeing", ..] => 2,
        ["we" | "i", "have", ..] | ["we've" | "i've", "got", ..] => 2,
        ["there's", ..] => 1,
        _ => 0,
    };
    let having = having + usize::from(said.get(having) == Some(&"to"));
    let from = having + usize::from(matches!(said.get(having), Some(&"the" | &"a" | &"an")));
    let end = said[..start].iter().rposition(|word| !linking(word))? + 1;
    let mut thing = first.words.get(from..end).filter(|thing| !thing.is_empty())?.to_vec();
    let last = thing.last_mut()?;
    // "The concert's on Saturday", "the chimney sweep comes on Wednesday".
    let is_short = last.norm.ends_with("'s") && end == start;
    if is_short {
        last.norm.truncate(last.norm.len() - 2);
        last.raw = last.raw.trim_end_matches("'s").trim_end_matches("’s").to_owned();
    }
    Some(Intent::Add(vec![NewTask { title: title(&thing), due: due.or(Some(day)), priority: None }]))
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
    // "Sorry, the boots are for Sam. Can you fix that?"
    if asks && let renamed @ Intent::Rename(..) = parse_one(first, known) {
        return Some(renamed);
    }
    let said = norms(&first.words);
    let (start, due) = dates::find_trailing(&said, known.now).filter(|_| asks)?;
    let named = known.titles.mentioned(&said[..start]);
    let target = named.map_or(Target::It, |title| Target::Title(title.to_owned()));
    (start > 0).then_some(Intent::SetDue(target, Some(due)))
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
    // "The estate agent is for tomorrow, high priority" says two things of it.
    if matches!(parse_one(first, known), Intent::SetDue(_, Some(_))) {
        return None;
    }
    parse_one(second, known).of_what_is_pointed_at(Target::Title(title.to_owned()))
}

/// "Add pick up the cake. It has to be there by noon on Saturday": what is to be added, and what is told of it.
fn qualified(first: &Utterance, second: &Utterance, known: Known<'_>) -> Option<Intent> {
    let points = matches!(
        second.words.first()?.norm.as_str(),
        "it" | "it's" | "that" | "that's" | "they" | "they're" | "he" | "he's" | "she" | "she's"
    );
    if !points || !first.words.last()?.ends_sentence() {
        return None;
    }
    let Intent::Add(mut tasks) = parse_one(first, known) else { return None };
    let [task] = tasks.as_mut_slice() else { return None };
    match parse_one(second, known) {
        Intent::SetDue(Target::It | Target::Them, due @ Some(_)) => task.due = due,
        Intent::SetPriority(Target::It | Target::Them, priority) => task.priority = Some(priority),
        _ => return None,
    }
    Some(Intent::Add(tasks))
}

/// "You've got write to Mr. Brown on there, but it should be write to Mr. Braun."
fn written_wrong(first: &Utterance, second: &Utterance, known: Known<'_>) -> Option<Intent> {
    const LEADS: [&[&str]; 8] = [
        &["you've", "got"],
        &["you", "have"],
        &["you've", "put"],
        &["you", "put"],
        &["you", "wrote"],
        &["it", "says"],
        &["there's"],
        &["you've", "written"],
    ];
    let told = norms(&first.words);
    let lead = LEADS.iter().find(|lead| told.starts_with(lead))?.len();
    let placed = |word: &&&str| !matches!(**word, "on" | "there" | "the" | "my" | "list" | "down" | "in");
    let end = told.iter().rposition(|word| placed(&word)).filter(|end| *end >= lead)? + 1;
    let title = known.titles.named(&told[lead..end])?;
    let said = norms(&second.words);
    let from = match said.as_slice() {
        ["but" | "and", "it" | "that", "should" | "must", "be" | "say" | "read", _, ..] => 4,
        ["it" | "that", "should" | "must", "be" | "say" | "read", _, ..] => 3,
        ["but", "it's" | "that's", _, ..] => 2,
        _ => return None,
    };
    let dated = dates::parse(&said[from..], known.now).is_some();
    let new = self::title(&second.words[from..]);
    (!dated).then(|| Intent::Rename(Target::Title(title.to_owned()), new))
}

/// "Oh no, that's Thanksgiving. Put it back the way it was."
fn regretted(first: &Utterance, second: &Utterance, known: Known<'_>) -> Option<Intent> {
    let undoes = parse_one(second, known) == Intent::Undo;
    let told = undoes.then(|| parse_one(first, known))?;
    (!told.is_command()).then_some(Intent::Undo)
}

/// "Let's tidy up. Delete all the finished tasks": the first only says what the second does.
fn resolved(first: &Utterance, second: &Utterance, known: Known<'_>) -> Option<Intent> {
    let leads = matches!(first.words.first()?.norm.as_str(), "let's" | "time") && first.words.len() <= 6;
    leads.then(|| parse_one(second, known)).filter(Intent::spans_all)
}

/// "We're out of eggs, so add eggs to the list": why, and what is asked for.
fn reason_before(first: &Utterance, second: &Utterance, known: Known<'_>) -> Option<Intent> {
    // "I'm travelling tomorrow, so move everything that's due tomorrow to Thursday."
    if second.words.first().is_some_and(|word| word.norm == "so") && first.words.len() <= 9 {
        let command = parse_one(&second.starting_at(1), known);
        let those = matches!(
            &command,
            Intent::SetDue(Target::Those(_), _)
                | Intent::SetPriority(Target::Those(_), _)
                | Intent::Shift(Target::Those(_), _)
        );
        if those || command.spans_all() || super::names_title(&command, known) {
            return Some(command);
        }
    }
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
    // "Rent is due on the first, so remind me to pay the rent": what is told is of no task on the list.
    let told = told || matches!(asked, "remind" | "add") && named_tells(first, known);
    if !so || !adds || !told || first.words.len() > 9 {
        return None;
    }
    match parse_one(&second.starting_at(1), known) {
        added @ Intent::Add(_) => Some(added),
        _ => None,
    }
}

/// Whether a sentence tells of something that is not on the list: "rent is due on the first".
fn named_tells(first: &Utterance, known: Known<'_>) -> bool {
    let words = norms(&first.words);
    let tells = words.iter().any(|word| matches!(*word, "is" | "are" | "has" | "needs") || word.ends_with("'s"));
    tells && known.titles.touched(&words).is_empty()
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
    let asks = first.words.iter().any(Word::asks);
    let command = || parse_one(first, known).is_command();
    (!asks && (idle || plans && !command())).then(|| vec![Intent::Goodbye])
}
