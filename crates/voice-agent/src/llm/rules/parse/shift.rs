//! Moves that start at the task's own date ("push the report back two days", "an hour later"), and what is told of moves
//! ("the meeting got moved to Wednesday", "it's cancelled").

use std::sync::LazyLock;

use super::super::dates;
use super::super::lexicon;
use super::super::normalise::{Utterance, Word, norms, tokenise};
use super::rule::{Match, Rule, first_match, rules};
use super::{Intent, Known, Target, target};

/// How far a due date moves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shift {
    Months(i64),
    Days(i64),
    Minutes(i64),
}

impl Shift {
    /// The tool's argument and its value.
    pub(crate) const fn argument(self) -> (&'static str, i64) {
        match self {
            Self::Months(months) => ("months", months),
            Self::Days(days) => ("days", days),
            Self::Minutes(minutes) => ("minutes", minutes),
        }
    }

    const fn times(self, sign: i64) -> Self {
        match self {
            Self::Months(months) => Self::Months(sign * months),
            Self::Days(days) => Self::Days(sign * days),
            Self::Minutes(minutes) => Self::Minutes(sign * minutes),
        }
    }
}

static RULES: LazyLock<Vec<Rule>> = LazyLock::new(|| {
    rules(&[
        (
            r"(?:push|move|put|postpone|delay|shift|bump|reschedule|set|defer|snooze|extend|make|bring|pull|change|start|do|have)(?: (?P<t>.+?))?(?: (?P<w>back|out|off|forward|forwards|ahead|up|on|further|later|earlier))?(?: by| for)? (?P<n>(?:another |one more )?(?:(?:half|an?|one|two|three|four|five|six|seven|eight|nine|ten|twelve|fifteen|twenty|thirty|forty|fifty|couple|few|of|more|[0-9]+) )*(?:minutes?|mins?|hours?|days?|weeks?|fortnights?|months?))(?P<x> (?:later|earlier|sooner|back|forward|forwards|further|ahead|out|more))?(?: than (?:that|it|planned|now|before|it is))?",
            |found| moved(found),
        ),
        (
            r"(?:(?P<t>.+?)(?: is| starts| begins| will be| happens| comes|'s| has to be| should be)? )??(?P<n>(?:another |one more )?(?:(?:half|an?|one|two|three|four|five|six|seven|eight|nine|ten|twelve|fifteen|twenty|thirty|forty|fifty|couple|few|of|more|[0-9]+) )*(?:minutes?|hours?|days?|weeks?))(?P<x> (?:later|earlier|sooner))(?: than (?:that|it|planned|now|before|it is))?(?: (?:today|tomorrow|tonight|this (?:morning|afternoon|evening|week)|on (?:monday|tuesday|wednesday|thursday|friday|saturday|sunday)))?",
            |found| moved(found),
        ),
        (
            r"(?:(?:can|could|may) )?(?:i|we)(?:'d like| need to| have to| must|'ve got to| need| want| would like|)(?: have)? (?P<t>.+?) (?P<n>(?:(?:half|an?|one|two|three|four|five|six|seven|ten|couple|few|of|[0-9]+) )*(?:minutes?|hours?|days?|weeks?))(?P<x> (?:later|earlier|sooner))",
            |found| moved(found),
        ),
        (
            r"(?:give me|gimme|(?:i|we) need|(?:i|we) want|i'll need|take|add) (?P<n>(?:another |one more )?(?:(?:an?|one|two|three|four|five|six|seven|ten|couple|few|of|more|extra|[0-9]+) )*(?:minutes?|hours?|days?|weeks?))(?: more| longer)?(?: (?:for|on|to|with) (?P<t>.+))?",
            |found| {
                let longer =
                    ["more", "another", "longer", "extra"].iter().any(|word| found.utterance_text().contains(word));
                let by = amount(&found.text("n").replace(" extra", "")).filter(|_| longer)?;
                let named = if found.words("t").is_empty() { Target::It } else { known_target(found)? };
                Some(Intent::Shift(named, by))
            },
        ),
        // "I couldn't reach Tom, try again on Wednesday."
        (
            r"(?:i'll |we'll |let's |i will |i'll have to |have to |must )?(?:try|try it|try him|try her|try them|ring|call|do it) again (?P<d>.+)",
            |found| it_is_due(found),
        ),
        // "Leave the school for next week."
        (r"(?:leave|keep) (?P<t>.+?) (?:for|until|till|to) (?P<d>.+)", |found| told(found)),
        // "Push that to the day after."
        (
            r"(?:push|move|postpone|put|shift|bump)(?: (?P<t>.+?))?(?: back| off)? (?:to|until|till) the (?P<n>day|week) after(?: that)?",
            |found| {
                let by = amount(&format!("one {}", found.text("n")))?;
                let named = if found.words("t").is_empty() { Target::It } else { known_target(found)? };
                Some(Intent::Shift(named, by))
            },
        ),
        // "They extended it by two days."
        (
            r"(?:they|he|she|we|i|(?:my|the|our) [a-z]+)(?:'ve|'s| have| has)?(?: just| now)? (?:extended|postponed|delayed|pushed|moved|shifted|put|set)(?: (?:it|that|this|the deadline|the date|things))?(?: (?P<w>back|out|off|forward|up|on))?(?: by| for)? (?P<n>(?:another )?(?:(?:half|an?|one|two|three|four|five|six|seven|ten|couple|few|of|[0-9]+) )*(?:minutes?|hours?|days?|weeks?|months?))(?P<x> (?:later|earlier|back|forward|further))?",
            |found| {
                let extends =
                    ["extended", "postponed", "delayed"].iter().any(|verb| found.utterance_text().contains(verb));
                match moved(found) {
                    Some(Intent::Shift(_, by)) => Some(Intent::Shift(Target::It, by)),
                    None if extends => amount(found.text("n")).map(|by| Intent::Shift(Target::It, by)),
                    _ => None,
                }
            },
        ),
        // "He asked for an hour later."
        (
            r"(?:he|she|they|it|that|we|i)(?:'s| has| have|'ve|'d| would)? (?:asked for|asked if|asked|wants?|wanted|needs?|needed|said|suggested|prefers?|preferred|likes?|made)(?: it| us| me)?(?: to be| for| at| to come| to start| to meet| to do it| to go| to make it| to have it| to see us| to see me)? (?P<n>(?:(?:half|an?|one|two|three|four|couple|few|of|[0-9]+) )*(?:minutes?|hours?|days?|weeks?))(?P<x> (?:later|earlier|sooner))",
            |found| moved(found),
        ),
        (
            r"(?P<t>.+?)(?:'s| has| have| is| was| got| gets| will be)? (?:been |being |got |now )*(?:moved|pushed|postponed|put|delayed|shifted|brought)(?: (?P<w>back|out|off|forward|forwards|up))?(?: by)? (?P<n>(?:another )?(?:(?:half|an?|one|two|three|four|five|six|seven|ten|couple|few|of|[0-9]+) )*(?:minutes?|hours?|days?|weeks?|months?))(?P<x> (?:later|earlier|back|forward))?",
            |found| moved(found),
        ),
        (
            r"(?P<t>.+?)(?:'s| has| have| is| was| got| gets| will be)? (?:been |being |got |now )*(?:moved|pushed|postponed|rescheduled|delayed|shifted|bumped|switched|put off|changed|brought forward|moved up|pushed back)(?: back| out| forward| up)?(?: to| until| till| by| for)? (?P<d>.+)",
            |found| told(found),
        ),
        (
            r"(?P<t>.+?)(?:'s| is| are| was| has been| got| have been) (?:been |now |all |just )*(?:cancelled|canceled|called off|off|not happening|no longer needed|not needed)(?: now| any ?more| after all)?",
            |found| {
                let target = known_target(found)?;
                // What was to be cancelled is done.
                let done = matches!(&target, Target::Title(title) if title.to_lowercase().starts_with("cancel "));
                Some(if done { Intent::Complete(vec![target]) } else { Intent::Delete(vec![target]) })
            },
        ),
        (
            r"(?P<t>.+?) (?:needs to|has to|must|should|is to|have to|need to) (?:go out|be out|be sent|be done|be finished|be ready|be in|happen|get done|be submitted|be there|be handed in)(?: by| on| before)? (?P<d>.+)",
            |found| told(found),
        ),
        (
            r"(?P<t>.+?) (?:needs? to|has to|have to|must|should|ought to|can|could|may|will) be (?P<v>[a-z]+)(?: (?P<p>up|off|out|down|in|away|back))?(?: (?P<d>(?:by|on|at|before|until|in|tomorrow|today|tonight|this|next|monday|tuesday|wednesday|thursday|friday|saturday|sunday).*))?",
            |found| needed(found),
        ),
        (
            r"(?P<t>.+?) (?:wants?|needs?|could do with|requires?|still wants?|still needs?) (?P<v>[a-z]+ing)(?: (?P<p>up|off|out|down|in|away|back|over))?(?: (?P<d>.+))?",
            |found| needed(found),
        ),
        (r"(?P<t>.+?)(?: is|'s| starts| begins) (?:now )?at (?P<d>.+?)(?: now| instead)?", |found| at_hour(found)),
        (
            r"(?P<t>.+?)(?: is|'s| are| was| has been| have been)? (?:now )?(?:coming|happening|taking place|starting|arriving|scheduled|planned|comes|starts|begins|happens|takes place|arrives|only works|works)(?: over| round| by)?(?: now)? (?P<d>.+?)(?: now| instead)?",
            |found| told(found),
        ),
        // "The auditors can only come on Friday."
        (
            r"(?P<t>.+?) (?:can|could|will|would) (?:now )?only (?:come|do|make|make it|meet|manage|come over|happen|be done|be there|see (?:me|us)|fit (?:me|us) in)(?: it)? (?P<d>.+)",
            |found| told(found),
        ),
        (r"(?P<t>.+?) (?P<d>(?:at|on|to) .+?) instead", |found| told(found)),
        // "They've moved it to the fourth, same time."
        (
            r"(?:they|he|she|we|it)(?:'ve|'s| have| has| had)?(?: been| just| now)* (?:moved|pushed|changed|shifted|rescheduled|postponed|put|switched)(?: it| that| this| me| us| my appointment| the appointment| our appointment| things)?(?: back| forward| up| out| over)? (?:to|until|till|for) (?P<d>.+?)(?: (?:at the )?same time)?",
            |found| it_is_due(found),
        ),
        // "He's coming on Monday the thirtieth instead."
        (
            r"(?:he|she|they)(?:'s| is|'re| are|'ll| will| can)? (?:now |be |only |rather )*(?:coming|arriving|comes|arrives|come|here|there|in|free)(?: by| over| round| around)? (?P<d>.+?)(?: (?:at )?the same time)?(?: now| instead)?",
            |found| it_is_due(found),
        ),
        // "Sunday is better."
        (
            r"(?P<d>.+?) (?:is|would be|works|suits me|suits us) (?:much |a lot |way |even )?(?:better|best|easier)(?: for me| for us| actually| after all| then)?",
            |found| {
                let due = dates::parse(&norms(found.words("d")), found.known.now).filter(|due| due.day_said)?;
                Some(Intent::SetDue(Target::It, Some(due)))
            },
        ),
        // "The others tomorrow".
        (
            r"(?P<t>the others|the other ones|all the others|all the other ones)(?: are| can be| should be)?(?: due| done)?(?: by| on| for| to)? (?P<d>.+)",
            |found| {
                let due = dates::parse(&norms(found.words("d")), found.known.now)?;
                Some(Intent::SetDue(Target::Picked(vec![super::Pick::Others]), Some(due)))
            },
        ),
        (
            r"(?:skip|scrap|drop|forget|ditch|cancel) (?P<t>.+?)(?: this time| today| tonight| this week| tomorrow| after all)?",
            |found| {
                known_target(found)
                    .filter(|target| matches!(target, Target::Title(_)))
                    .map(|target| Intent::Delete(vec![target]))
            },
        ),
    ])
});

pub(super) fn parse(utterance: &Utterance, known: Known<'_>) -> Option<Intent> {
    // "Make that one an hour later."
    let pointed = utterance.words.get(1..3).is_some_and(|two| {
        matches!(norms(two).as_slice(), ["that" | "this", "one"])
            && matches!(utterance.words[0].norm.as_str(), "make" | "move" | "push" | "put")
    });
    first_match(&RULES, utterance, known).or_else(|| {
        let mut words = utterance.words.clone();
        pointed.then(|| words.remove(2))?;
        first_match(&RULES, &Utterance::new(words), known)
    })
}

/// "Do that one on Thursday", which asks for no list of that day.
pub(super) fn done_then(utterance: &Utterance, known: Known<'_>) -> Option<Intent> {
    let norm = norms(&utterance.words);
    let ["do", "it" | "that" | "this", rest @ ..] = norm.as_slice() else { return None };
    let rest = rest.strip_prefix(&["one"]).unwrap_or(rest);
    dates::parse(rest, known.now).map(|due| Intent::SetDue(Target::It, Some(due)))
}

/// "Remind me to take vitamins at one instead of twelve": another date for a task on the list.
pub(super) fn instead_of(utterance: &Utterance, known: Known<'_>) -> Option<Intent> {
    let norm = norms(&utterance.words);
    let at =
        norm.windows(2).position(|pair| matches!(pair, ["instead", "of"] | ["rather", "than"] | ["and", "not"]))?;
    let dated =
        |words: &[&str]| dates::parse(words, known.now).or_else(|| dates::parse(&[&["at"], words].concat(), known.now));
    dated(&norm[at + 2..]).filter(|_| at + 2 < norm.len())?;
    let front = match &norm[..at] {
        ["remind", "me", "to" | "of" | "about", rest @ ..] => rest,
        ["please", "remind", "me", "to" | "of" | "about", rest @ ..] => rest,
        ["i'm" | "i'll" | "we're" | "we'll", rest @ ..] => rest,
        front => front,
    };
    let (start, due) = dates::find_trailing(front, known.now).filter(|(start, _)| *start > 0)?;
    let named = known.titles.named(&front[..start])?;
    known.titles.is_said(named, &front[..start]).then(|| Intent::SetDue(Target::Title(named.to_owned()), Some(due)))
}

/// "Gym at six instead", "the report on Friday instead": another date for a task on the list, or for what was spoken of.
pub(super) fn instead(utterance: &Utterance, known: Known<'_>) -> Option<Intent> {
    let norm = norms(&utterance.words);
    let norm = norm.strip_suffix(&["please"]).unwrap_or(&norm).strip_suffix(&["instead"])?;
    // "I'm getting the 10:12 instead".
    if let ["i'm" | "i'll" | "we're" | "we'll", verb, rest @ ..] = norm
        && matches!(*verb, "getting" | "taking" | "catching" | "get" | "take" | "catch" | "on")
    {
        let rest = rest.strip_prefix(&["the"]).unwrap_or(rest);
        let due = dates::parse(rest, known.now).or_else(|| dates::parse(&[&["at"], rest].concat(), known.now))?;
        return Some(Intent::SetDue(Target::It, Some(due)));
    }
    let norm = match norm {
        ["how" | "what", "about", rest @ ..]
        | ["let's", "say" | "do", rest @ ..]
        | ["maybe" | "rather" | "better", rest @ ..]
            if !rest.is_empty() =>
        {
            rest
        }
        norm => norm,
    };
    let (start, due) = (0..norm.len()).find_map(|start| {
        let hour = matches!(norm[start], "to" | "for").then(|| [&["at"], &norm[start + 1..]].concat());
        let linked = start == 0 || matches!(norm[start], "at" | "on" | "to" | "for" | "by" | "tomorrow" | "next");
        let due = dates::parse(&norm[start..], known.now).or_else(|| dates::parse(&hour?, known.now))?;
        linked.then_some((start, due))
    })?;
    if start == 0 {
        return Some(Intent::Date(due));
    }
    Some(Intent::SetDue(Target::Title(known.titles.meant(&norm[..start])?), Some(due)))
}

/// The task that the words name, if it is one that is known or pointed at.
fn known_target(found: &Match<'_>) -> Option<Target> {
    let words = found.words("t");
    let norm: Vec<&str> = norms(words).into_iter().map(|word| word.trim_end_matches("'s")).collect();
    // "it's cancelled" is one word with its verb.
    match norm.as_slice() {
        ["it" | "that" | "this"] => return Some(Target::It),
        [] => return None,
        _ => {}
    }
    let whole = found.known.titles.named(&norms(found.all_words())).is_some();
    match target(words)? {
        Target::Title(_) => {
            let named = found.known.titles.meant(&norm).filter(|_| !whole)?;
            Some(Target::Title(named.to_owned()))
        }
        other => Some(other),
    }
}

fn told(found: &Match<'_>) -> Option<Intent> {
    let words = norms(found.words("d"));
    // "Moved from four to five."
    let from_to = || {
        let to = words.iter().rposition(|word| *word == "to").filter(|_| words.first() == Some(&"from"))?;
        let then = &words[to + 1..];
        dates::parse(then, found.known.now).or_else(|| dates::parse(&[&["at"], then].concat(), found.known.now))
    };
    let due = from_to().or_else(|| dates::parse(&words, found.known.now))?;
    Some(Intent::SetDue(known_target(found)?, Some(due)))
}

/// "The cake needs to be picked up on Saturday": a date for "pick up the cake", or something to do.
fn needed(found: &Match<'_>) -> Option<Intent> {
    let things = found.words("t");
    let end = things
        .iter()
        .rposition(|word| !matches!(word.norm.as_str(), "still" | "also" | "really"))
        .map_or(0, |at| at + 1);
    let things = &things[..end];
    if things.iter().rev().skip(1).any(Word::pauses) || things.len() > 7 {
        return None;
    }
    let base = found.known.present_of(found.text("v")).or_else(|| lexicon::verb_of_ing(found.text("v")))?;
    let verb = [base.as_str(), found.text("p")].join(" ");
    let mut norm: Vec<&str> = verb.split_whitespace().collect();
    norm.extend(norms(things));
    let named = found.known.titles.meant(&norm).map(Target::Title);
    let named = named.or_else(|| known_target(found));
    let due = dates::parse(&norms(found.words("d")), found.known.now);
    match (named, due) {
        (Some(named), Some(due)) => Some(Intent::SetDue(named, Some(due))),
        (None, due) if due.is_some() || found.text("d").is_empty() => {
            // What began the sentence stands within the title.
            let article = |word: &Word| matches!(word.norm.as_str(), "the" | "my" | "our" | "a" | "an");
            let spelt = |word: &'_ Word| if article(word) { word.norm.clone() } else { word.raw.clone() };
            let said: Vec<String> = things.iter().map(spelt).collect();
            let words = tokenise(&format!("{} {} {}", verb.trim(), said.join(" "), found.text("d")));
            Some(Intent::Offer(super::new_tasks(&words, false, found.known)))
        }
        _ => None,
    }
}

/// A date, and nothing that names a task: for the one that was spoken of.
pub(super) fn it_is_due(found: &Match<'_>) -> Option<Intent> {
    let due = dates::parse(&norms(found.words("d")), found.known.now)?;
    Some(Intent::SetDue(Target::It, Some(due)))
}

/// "Lunch is at one now".
fn at_hour(found: &Match<'_>) -> Option<Intent> {
    let mut words = vec!["at"];
    words.extend(norms(found.words("d")));
    let due = dates::parse(&words, found.known.now)?;
    Some(Intent::SetDue(known_target(found)?, Some(due)))
}

/// "They finish an hour earlier": somebody, and what they do, say nothing of which task it is.
fn is_somebody(words: &[Word]) -> bool {
    matches!(
        norms(words).as_slice(),
        ["they" | "it" | "he" | "she" | "we" | "that" | "this"]
            | ["they" | "it" | "he" | "she" | "we" | "that" | "this", _]
    )
}

fn moved(found: &Match<'_>) -> Option<Intent> {
    let amount = amount(found.text("n"))?;
    let way = [found.text("w"), found.text("x").trim()];
    // "Push the report back two days": without such a word, "in two days" is meant, or a length.
    let verb = found.utterance_text().split(' ').next().unwrap_or_default();
    let by = found.utterance_text().contains(" by ")
        || found.text("n").starts_with("another")
        || found.text("n").starts_with("one more");
    let told = [" postponed", " delayed", " pushed"].iter().any(|verb| found.utterance_text().contains(verb));
    let postpones = told
        || matches!(verb, "postpone" | "delay" | "push" | "defer" | "snooze" | "extend")
            && !found.text("t").ends_with(" in");
    let directed = way.iter().any(|word| !word.is_empty());
    if !directed && !by && !postpones {
        return None;
    }
    let earlier = way.iter().any(|word| matches!(*word, "earlier" | "sooner"))
        || matches!(verb, "bring" | "pull") && !way.contains(&"back")
        || found.utterance_text().contains("brought forward")
        || matches!(verb, "move" | "bring" | "pull")
            && way.iter().any(|word| matches!(*word, "forward" | "forwards" | "up"));
    let sign = if earlier { -1 } else { 1 };
    let pointed = found.words("t").is_empty() || is_somebody(found.words("t"));
    let named = if pointed { Target::It } else { known_target(found)? };
    Some(Intent::Shift(named, amount.times(sign)))
}

/// "Two days", "another week", "half an hour".
pub(crate) fn amount(text: &str) -> Option<Shift> {
    // "An hour", "a couple of hours", "another hour".
    let words: Vec<&str> = text.split(' ').filter(|word| !matches!(*word, "another" | "more" | "by")).collect();
    if words == ["half", "an", "hour"] {
        return Some(Shift::Minutes(30));
    }
    let (unit, count) = words.split_last()?;
    let number = match count {
        [] => 1,
        _ => dates::count(count).filter(|(length, _)| *length == count.len())?.1,
    };
    let days = |of: i64| number.checked_mul(of).filter(|days| *days <= 3660).map(Shift::Days);
    match unit.trim_end_matches('s') {
        "minute" | "min" => Some(Shift::Minutes(number)),
        "hour" => Some(Shift::Minutes(number * 60)),
        "day" => days(1),
        "week" => days(7),
        "fortnight" => days(14),
        "month" => Some(Shift::Months(number)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use jiff::ZonedDateTime;

    use super::*;
    use crate::llm::rules::normalise::tokenise;
    use crate::llm::rules::titles::Titles;

    fn shift(said: &str) -> Option<Intent> {
        let now: ZonedDateTime = "2026-11-23T10:00[America/New_York]".parse().unwrap();
        let titles = Titles::new(&["Write the report".to_owned(), "Team lunch".to_owned()]);
        parse(&Utterance::new(tokenise(said)), Known { now: &now, titles: &titles })
    }

    #[test]
    fn moves_go_both_ways() {
        for (said, by) in [
            ("push it back two days", Shift::Days(2)),
            ("delay it by a day", Shift::Days(1)),
            ("bring it forward by a week", Shift::Days(-7)),
            ("make it half an hour later", Shift::Minutes(30)),
            ("move it up an hour", Shift::Minutes(-60)),
            ("an hour earlier", Shift::Minutes(-60)),
            ("postpone it another month", Shift::Months(1)),
        ] {
            assert_eq!(shift(said), Some(Intent::Shift(Target::It, by)), "{said}");
        }
        let named = Target::Title("Team lunch".into());
        assert_eq!(shift("the team lunch two hours later"), Some(Intent::Shift(named, Shift::Minutes(120))));
    }

    #[test]
    fn what_names_no_task_moves_nothing() {
        for said in
            ["move to Berlin in two years", "walk the dog an hour later", "set it for two days", "do it two times"]
        {
            assert_eq!(shift(said), None, "{said}");
        }
    }
}
