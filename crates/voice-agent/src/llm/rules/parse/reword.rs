//! A word of a title for another, said with the title: "change blue to green in buy a blue shirt".

use super::super::dates;
use super::super::lexicon;
use super::super::normalise::{Utterance, Word, capitalised, norms, title};
use super::super::titles;
use super::{Intent, Known, Target, courtesy};

/// The new title that the words give a task on the list; None if they are no such command.
pub(super) fn parse(utterance: &Utterance, known: Known<'_>) -> Option<Intent> {
    let words = &utterance.words;
    let norm = norms(words);
    let renamed = should_be(words, known)
        .or_else(|| not_that_word(words, known))
        .or_else(|| one_not_the_other(words, known))
        .or_else(|| changed_to(utterance, known))
        .or_else(|| behind_its_preposition(words, known));
    if renamed.is_some() {
        return renamed;
    }
    if !matches!(norm.first(), Some(&"change" | &"replace" | &"swap" | &"correct")) {
        return None;
    }
    let within = norm.iter().rposition(|word| matches!(*word, "in" | "from")).filter(|at| at + 1 < norm.len())?;
    let link = norm[..within].iter().position(|word| matches!(*word, "to" | "with" | "for" | "by" | "into"))?;
    let (old, new) = (norm.get(1..link)?, words.get(link + 1..within)?);
    let title = known.titles.named(&norm[within + 1..])?;
    let of_title: Vec<&str> = title.split(' ').collect();
    let same = |part: &[&str]| part.iter().zip(old).all(|(word, old)| word.to_lowercase() == *old);
    let at = of_title.windows(old.len().max(1)).position(same).filter(|_| !old.is_empty() && !new.is_empty())?;
    let new: Vec<&str> = new.iter().map(|word| word.raw.as_str()).collect();
    Some(exchanged(title, at..at + old.len(), &new))
}

/// The title with these words of it exchanged for others.
fn exchanged(title: &str, words: std::ops::Range<usize>, new: &[&str]) -> Intent {
    let of_title: Vec<&str> = title.split(' ').collect();
    let whole = [&of_title[..words.start], new, &of_title[words.end..]].concat().join(" ");
    Intent::Rename(Target::Title(title.to_owned()), capitalised(&whole))
}

/// "Email Sam should be email Sam and Tina": the whole title, and what it should be.
fn should_be(words: &[Word], known: Known<'_>) -> Option<Intent> {
    let norm = norms(words);
    let at = norm.windows(2).position(|pair| matches!(pair, ["should" | "must", "be" | "say" | "read"]))?;
    let new = words.get(at + 2..).filter(|new| new.len() > 1)?;
    let title = known.titles.same(&norm[..at])?;
    let other = dates::parse(&norms(new), known.now).is_some() || super::find_priority(&norms(new)).is_some();
    (!other && !matches!(norm[at + 2], "done" | "due" | "finished" | "on" | "in" | "at" | "called" | "named"))
        .then(|| Intent::Rename(Target::Title(title.to_owned()), self::title(new)))
}

/// "Lunch is with Maria, not Marie": the last word before the "not" for the one behind it, in the title that the rest names.
fn not_that_word(words: &[Word], known: Known<'_>) -> Option<Intent> {
    let [named @ .., new, not, old] = words else { return None };
    if not.norm != "not" || !new.pauses() || named.is_empty() {
        return None;
    }
    let links = |word: &&str| {
        !matches!(
            *word,
            "is" | "it's"
                | "are"
                | "with"
                | "to"
                | "for"
                | "the"
                | "my"
                | "was"
                | "should"
                | "be"
                | "no"
                | "sorry"
                | "actually"
        )
    };
    let name: Vec<&str> = norms(named).into_iter().filter(links).collect();
    // Letter for letter: "sixteen" is not sixty; and what is there already is not put in again.
    let title = known.titles.named(&name).filter(|title| titles::has_words(&name, title))?;
    let there = title.split(' ').any(|word| word.to_lowercase() == new.norm);
    let at = title.split(' ').position(|word| word.to_lowercase() == old.norm).filter(|_| !there)?;
    Some(exchanged(title, at..at + 1, &[new.raw.as_str()]))
}

/// "It's Mr. Barker, not Mr. Baker", "not Mill Street, it's Hill Street", "make that brownies instead of cookies": words for others of
/// the one title that has them.
fn one_not_the_other(words: &[Word], known: Known<'_>) -> Option<Intent> {
    const LEADS: &str = "no sorry oh wait oops actually wrong please well and but make that it it's is was that's change to the name's name \
        spelled spelt should be i meant said mean";
    const LINKS: &str = "it's it is but rather they're that's no i meant said";
    let is = |list: &str, word: &Word| list.split_ascii_whitespace().any(|known| known == word.norm);
    let lead = words.iter().take_while(|word| is(LEADS, word)).count();
    let rest = &words[lead..];
    // "The coat is red, not blue" is said of a coat.
    let corrects = words[..lead].iter().any(|word| word.norm != "the");
    let (new, old) = match rest.iter().position(|word| word.norm == "not" || word.norm == "instead")? {
        0 if rest[0].norm == "not" => {
            let pause = rest.iter().position(Word::pauses).filter(|at| (1..=3).contains(at))?;
            let behind = &rest[pause + 1..];
            (&behind[behind.iter().take_while(|word| is(LINKS, word)).count()..], &rest[1..=pause])
        }
        at if rest[at].norm == "instead" && rest.get(at + 1)?.norm == "of" && (corrects || at == 1) => {
            (&rest[..at], &rest[at + 2..])
        }
        at if rest[at].norm == "not" && corrects => (&rest[..at], &rest[at + 1..]),
        _ => return None,
    };
    exchanged_where_it_is(old, new, known)
}

/// The words exchanged for others, in the only title that has them.
fn exchanged_where_it_is(old: &[Word], new: &[Word], known: Known<'_>) -> Option<Intent> {
    if !(1..=5).contains(&old.len()) || !(1..=5).contains(&new.len()) {
        return None;
    }
    let sentences = new.split_last().is_some_and(|(_, rest)| rest.iter().any(Word::ends_sentence));
    if sentences || new.iter().any(|word| word.norm == "i") {
        return None;
    }
    // "Mr. Barker, not Mr. Baker": what both have stays.
    let same = |pair: &(&Word, &Word)| pair.0.norm == pair.1.norm;
    let most = old.len().min(new.len()) - 1;
    let head = old.iter().zip(new).take(most).take_while(same).count();
    let tail = old[head..].iter().rev().zip(new[head..].iter().rev()).take(most - head).take_while(same).count();
    let old = &old[head..old.len() - tail];
    let new = &new[head..new.len() - tail];
    let plain = |word: &str| word.trim_matches(|letter: char| !letter.is_alphanumeric()).to_lowercase();
    let place = |title: &str| {
        let of_title: Vec<String> = title.split(' ').map(plain).collect();
        of_title.windows(old.len()).position(|part| part.iter().zip(old).all(|(word, old)| *word == old.norm))
    };
    let all: Vec<&str> = norms(old);
    let mut found = known.titles.touched(&all).into_iter().filter_map(|title| Some((title, place(title)?)));
    let (title, at) = found.next().filter(|_| found.next().is_none())?;
    // "Sixteen chairs, not sixty": the chairs are there.
    let follows = |word: &Word| title.split(' ').skip(at + old.len()).any(|known| plain(known) == word.norm);
    let kept = new.iter().rev().take_while(|word| follows(word)).count();
    // "Pay Lee back, not Leah": so is the verb.
    let before: Vec<String> = title.split(' ').take(at).map(plain).collect();
    let said = |count: &usize| before.iter().rev().take(*count).rev().zip(new).all(|(known, word)| *known == word.norm);
    let lead = (1..=before.len().min(new.len() - kept)).rev().find(said).unwrap_or(0);
    let new: Vec<&str> = new[lead..new.len() - kept].iter().map(|word| word.raw.as_str()).collect();
    // "Delete bread, not milk" is a command, and no name.
    let lower: Vec<String> = new.iter().map(|word| word.to_lowercase()).collect();
    let lower: Vec<&str> = lower.iter().map(String::as_str).collect();
    let commands = at > 0 && new.len() > 1 && (lexicon::starts_verb(&lower) || lexicon::starts_command(&lower));
    (!new.is_empty() && !commands).then(|| exchanged(title, at..at + old.len(), &new))
}

/// "Change Priya to Anita. I mixed them up": a word of the one title that has it.
fn changed_to(utterance: &Utterance, known: Known<'_>) -> Option<Intent> {
    let plain = courtesy::without_courtesies(utterance);
    let corrects = |word: &&Word| matches!(word.norm.as_str(), "actually" | "no" | "oh" | "sorry" | "wait" | "and");
    let words = &plain.words[plain.words.iter().take_while(corrects).count()..];
    let verb = words.first().is_some_and(|word| matches!(word.norm.as_str(), "change" | "swap" | "replace"));
    let link = words.iter().position(|word| matches!(word.norm.as_str(), "to" | "for" | "with")).filter(|_| verb)?;
    let old = words.get(1..link)?;
    let rest = words.get(link + 1..)?;
    let end = rest.iter().position(Word::pauses).map_or(rest.len(), |at| at + 1);
    let new = &rest[..end];
    let dated = dates::parse(&norms(new), known.now)
        .or_else(|| dates::parse(&[&["at"], norms(new).as_slice()].concat(), known.now));
    let whole = known.titles.named(&norms(old)).is_some_and(|title| known.titles.is_said(title, &norms(old)));
    const STATES: &str = "done finished completed open a an the next later earlier";
    let state = |word: &Word| STATES.split(' ').any(|state| state == word.norm);
    let other = new.first().is_some_and(state) || super::find_priority(&norms(new)).is_some();
    if whole || dated.is_some() || other {
        return None;
    }
    exchanged_where_it_is(old, new, known)
}

/// "The cake is for Tom", "the hotel is in Lisbon, not in Porto": what stands behind that preposition in the title that has the thing.
fn behind_its_preposition(words: &[Word], known: Known<'_>) -> Option<Intent> {
    const LEADS: &str = "no sorry oh wait oops actually";
    let lead = words.iter().take_while(|word| LEADS.split(' ').any(|known| known == word.norm)).count();
    let [article, thing, is, preposition, rest @ ..] = &words[lead..] else { return None };
    let said =
        matches!(article.norm.as_str(), "the" | "my") && matches!(is.norm.as_str(), "is" | "was" | "are" | "were");
    if !said || !matches!(preposition.norm.as_str(), "for" | "with" | "in" | "to" | "from") || rest.is_empty() {
        return None;
    }
    let end = rest.iter().position(Word::pauses).map_or(rest.len(), |at| at + 1);
    let denied = norms(&rest[end..]);
    let new = &rest[..end];
    let dated = dates::parse(&norms(&words[lead + 3..][..=end]), known.now).is_some();
    if dated || new.len() > 3 || !denied.is_empty() && denied[0] != "not" {
        return None;
    }
    let [title] = known.titles.touched(&[thing.norm.as_str()])[..] else { return None };
    let of_title: Vec<&str> = title.split(' ').collect();
    let at = of_title.iter().position(|word| *word == preposition.norm).filter(|at| at + 1 < of_title.len())?;
    let corrects =
        lead > 0 || denied.last().is_some_and(|old| of_title[at + 1..].iter().any(|word| word.to_lowercase() == *old));
    let new: Vec<&str> = new.iter().map(|word| word.raw.as_str()).collect();
    corrects.then(|| exchanged(title, at + 1..of_title.len(), &new))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::llm::rules::normalise::tokenise;
    use crate::llm::rules::titles::Titles;

    #[test]
    fn only_a_word_of_the_title_is_exchanged() {
        let now: jiff::ZonedDateTime = "2026-11-23T10:00[America/New_York]".parse().unwrap();
        let titles = Titles::new(&["Buy a blue shirt".to_owned()]);
        let said = |text: &str| parse(&Utterance::new(tokenise(text)), Known { now: &now, titles: &titles });
        let renamed = Intent::Rename(Target::Title("Buy a blue shirt".into()), "Buy a green shirt".into());
        assert_eq!(said("change blue to green in buy a blue shirt"), Some(renamed));
        let renamed = Intent::Rename(Target::Title("Buy a blue shirt".into()), "Buy a red shirt".into());
        assert_eq!(said("the shirt is red, not blue"), Some(renamed));
        assert_eq!(said("the coat is red, not blue"), None);
        for text in ["change red to green in the shirt", "change the shirt to trousers", "swap places in the queue"] {
            assert_eq!(said(text), None, "{text}");
        }
    }
}
