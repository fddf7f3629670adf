//! Self-repairs: what a speaker takes back in the same breath.

use jiff::ZonedDateTime;

use super::super::{dates, lexicon};
use super::{Word, norms, tokenise};

/// Phrases by which a speaker takes back what was just said, longest first.
const REPAIRS: [&[&str]; 15] = [
    &["no", "wait", "sorry"],
    &["no", "sorry", "i", "mean"],
    &["no", "i", "mean"],
    &["sorry", "i", "mean"],
    &["i", "mean"],
    &["no", "wait"],
    &["know", "wait"],
    &["wait", "no"],
    &["oh", "wait"],
    &["oh", "no"],
    &["scratch", "that"],
    &["strike", "that"],
    &["no", "sorry"],
    &["sorry", "no"],
    &["or", "rather"],
];

fn find_repair(words: &[Word]) -> Option<(usize, usize)> {
    (0..words.len()).rev().find_map(|at| {
        if words[at].quoted {
            return None;
        }
        let repair = REPAIRS.iter().find(|phrase| {
            words.len() >= at + phrase.len()
                && phrase.iter().zip(&words[at..]).all(|(expected, word)| word.norm == *expected)
                // "Strike that off" is a command.
                && !words.get(at + phrase.len()).is_some_and(|next| phrase.contains(&"that") && matches!(next.norm.as_str(), "off" | "out" | "from"))
        });
        if let Some(phrase) = repair {
            return Some((at, phrase.len()));
        }
        // "for Thursday, no, Friday": a "no" between pauses. "sorry" and "actually" likewise.
        // An "actually" at the end takes nothing back: "Sunday, actually".
        let last = at + 1 == words.len();
        let hinge = at > 0
            && (matches!(words[at].norm.as_str(), "no" | "sorry" | "wait") || words[at].norm == "actually" && !last);
        // "…, no move it to Friday": nobody hears the second pause.
        let goes_on = || {
            let rest = norms(words.get(at + 1..).unwrap_or_default());
            words[at].norm == "no" && rest.len() > 1 && lexicon::starts_command(&rest)
        };
        // "Call the no text the plumber": nothing ends in an article.
        let breaks_off = || {
            let rest = norms(words.get(at + 1..).unwrap_or_default());
            let before = words[at - 1].norm.as_str();
            words[at].norm == "no"
                && matches!(before, "the" | "my" | "a" | "an" | "to" | "with" | "for")
                && rest.len() > 1
                && lexicon::starts_action(&rest)
        };
        // "Add, wait, add buy candles": the first attempt is given up.
        let anew = || {
            let rest = norms(words.get(at + 1..).unwrap_or_default());
            words[at].norm == "wait" && words[at].pauses() && lexicon::starts_command(&rest)
        };
        let takes_back = hinge && anew() || hinge && (words[at - 1].pauses() && (words[at].pauses() || goes_on()) || breaks_off());
        takes_back.then_some((at, 1))
    })
}

/// Carries out self-repairs: "add buy milk, no wait, buy bread" is "add buy bread".
pub(super) fn repair(mut words: Vec<Word>, now: &ZonedDateTime) -> Vec<Word> {
    if words.len() > 3 && given_up(&words) {
        // "Delete the … forget it" is about what was begun; "the neighbour does that, forget it" about what was done.
        let begun = lexicon::starts_command(&norms(&words)) || words.last().is_some_and(|last| last.norm == "mind");
        return tokenise(if begun { "cancel" } else { "forget it" });
    }
    for _ in 0..4 {
        let Some((at, length)) = find_repair(&words) else { break };
        // "No wait, yeah, add …".
        let assents = |word: &&Word| matches!(word.norm.as_str(), "yeah" | "yes" | "okay" | "ok") && word.pauses();
        let skip = words[at + length..].iter().take_while(assents).count();
        let after: Vec<Word> = words[at + length + skip..].to_vec();
        let mut before: Vec<Word> = words[..at].to_vec();
        // "… tomorrow. Sorry, I mean …": the longer phrase begins before this one.
        while length <= 2
            && before.len() > 1
            && before.last().is_some_and(|last| matches!(last.norm.as_str(), "sorry" | "no" | "oh") && last.pauses())
        {
            before.pop();
        }
        // "Hang on, no, keep it": nothing was said that is taken back.
        let idle = |word: &Word| {
            matches!(
                word.norm.as_str(),
                "hang"
                    | "hold"
                    | "on"
                    | "wait"
                    | "oh"
                    | "hmm"
                    | "well"
                    | "actually"
                    | "sorry"
                    | "okay"
                    | "ok"
                    | "a"
                    | "second"
                    | "sec"
                    | "no"
            )
        };
        if !before.is_empty() && before.iter().all(idle) && length == 1 && words[at].norm == "no" {
            words = words[at..].to_vec();
            break;
        }
        if before.is_empty() {
            // "no, I meant Friday" corrects the turn before, and is not ours; "no wait, …" just starts again.
            if length == 1
                || after.is_empty()
                || words[0].norm == "no" && words.get(1).is_some_and(|word| word.norm == "i")
            {
                break;
            }
            words = after;
        } else if after.is_empty() {
            // "add buy milk, no wait": something was taken back, and nothing put in its place.
            if norms(&words[at..]) == ["i", "mean"] || norms(&words[at..]) == ["sorry"] && before.len() > 2 {
                // "Tomorrow, I mean" takes nothing back.
                words = before;
                break;
            }
            // A yes that is taken back is none.
            let answer = matches!(before[0].norm.as_str(), "no" | "wait");
            words = if answer { before } else { tokenise("cancel") };
            break;
        } else {
            words = splice(before, after, now);
        }
    }
    words
}

/// "Delete the … never mind": whatever was begun is not wanted.
fn given_up(words: &[Word]) -> bool {
    let [.., before, first, second] = words else { return false };
    let ends = |a: &str, b: &str| first.norm == a && second.norm == b && !first.quoted;
    let paused = before.pauses() || before.norm == "actually";
    let denied = matches!(before.norm.as_str(), "no" | "nah" | "nope");
    ends("never", "mind")
        || denied && (ends("leave", "it") || ends("leave", "that"))
        || paused && (ends("forget", "it") || ends("cancel", "that") || ends("forget", "that"))
}

fn splice(before: Vec<Word>, after: Vec<Word>, now: &ZonedDateTime) -> Vec<Word> {
    if lexicon::starts_command(&norms(&after)) {
        return after;
    }
    let after_norms = norms(&after);
    let stripped = usize::from(matches!(after_norms[0], "for" | "on" | "by" | "at"));
    if let Some(repaired) = another_hour(&before, &after, stripped, now) {
        return repaired;
    }
    if dates::parse(&after_norms[stripped..], now).is_some()
        && let Some((start, _)) = dates::find_trailing(&norms(&before), now)
    {
        // The preposition of the first attempt serves the second: "by Thursday, no, Friday".
        let keep =
            usize::from(stripped == 0 && matches!(before[start].norm.as_str(), "by" | "on" | "for" | "until" | "to"));
        return before[..start + keep].iter().cloned().chain(after).collect();
    }
    // "Remind me on Thursday, no wait, Friday, to sign the form": what is behind the day belongs to both.
    if let Some((length, _)) = dates::find_leading(&after_norms[stripped..], now)
        && after_norms.get(stripped + length) == Some(&"to")
        && let Some((start, _)) = dates::find_trailing(&norms(&before), now).filter(|(start, _)| *start > 0)
    {
        return before[..start].iter().cloned().chain(after).collect();
    }
    // "A meeting with Bob tomorrow. Sorry, I mean Rob": what is taken back stands in front of the day.
    if after.len() <= 2
        && !lexicon::starts_verb(&after_norms)
        && let Some((start, _)) = dates::find_trailing(&norms(&before), now).filter(|(start, _)| *start > after.len())
    {
        let day = before[start..].to_vec();
        let mut words = splice(before[..start].to_vec(), after, now);
        words.extend(day);
        return words;
    }
    // "I need to buy, no wait, order a cake": a verb stands for the verb before it.
    let before_norms = norms(&before);
    let introduced = |at: &usize| {
        matches!(before_norms[at - 1], "to" | "add" | "and" | "please" | "also")
            && lexicon::starts_verb(&before_norms[*at..])
    };
    let verb = || lexicon::starts_verb(&after_norms).then(|| (1..before.len()).rev().find(introduced)).flatten();
    let same = before.iter().rposition(|word| word.norm == after[0].norm && word.norm != "to").or_else(verb);
    // The second attempt restarts at a word of the first, or replaces as many words as it has.
    let cut = same.filter(|at| *at > 0).unwrap_or_else(|| before.len().saturating_sub(after.len()).max(1));
    before[..cut].iter().cloned().chain(after).collect()
}

/// "For noon tomorrow, no, for one": an hour takes the place of an hour, and the day stays.
fn another_hour(before: &[Word], after: &[Word], stripped: usize, now: &ZonedDateTime) -> Option<Vec<Word>> {
    dates::parse(&[&["at"], &norms(after)[stripped..]].concat(), now)
        .filter(|due| !due.day_said && due.time.is_some())?;
    let (start, _) = dates::find_trailing(&norms(before), now).filter(|(_, old)| old.day_said && old.time.is_some())?;
    let is_day =
        |words: &[Word]| dates::parse(&norms(words), now).is_some_and(|due| due.day_said && due.time.is_none());
    let day = (start..before.len()).find_map(|at| match (is_day(&before[at..]), is_day(&before[start..at])) {
        (true, _) => Some(&before[at..]),
        (_, true) => Some(&before[start..at]),
        _ => None,
    })?;
    let at = tokenise("at");
    Some([&before[..start], day, &at, &after[stripped..]].concat())
}
