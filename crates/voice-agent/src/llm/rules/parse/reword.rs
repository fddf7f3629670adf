//! A word of a title for another, said with the title: "change blue to green in buy a blue shirt".

use super::super::dates;
use super::super::normalise::{Utterance, Word, capitalised, norms, title};
use super::{Intent, Known, Target};

/// The new title that the words give a task on the list; None if they are no such command.
pub(super) fn parse(utterance: &Utterance, known: Known<'_>) -> Option<Intent> {
    let words = &utterance.words;
    let norm = norms(words);
    let renamed = should_be(words, known)
        .or_else(|| not_that_word(words, known))
        .or_else(|| this_for_that(words, known))
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
    let Some(title) = known.titles.named(&name) else {
        return words_not_that_one(&words[..words.len() - 2], old, known);
    };
    let at = title.split(' ').position(|word| word.to_lowercase() == old.norm)?;
    Some(exchanged(title, at..at + 1, &[new.raw.as_str()]))
}

/// "It's oat milk, not milk": the words for the one, in the only title that has it.
fn words_not_that_one(new: &[Word], old: &Word, known: Known<'_>) -> Option<Intent> {
    const LEADS: &str = "no sorry oh wait oops actually it's it is was should be that's that i meant said mean";
    let lead = new.iter().take_while(|word| LEADS.split(' ').any(|known| known == word.norm)).count();
    let new = new.get(lead..).filter(|new| lead > 0 && (1..=3).contains(&new.len()))?;
    exchanged_where_it_is(old, &new.iter().map(|word| word.raw.as_str()).collect::<Vec<_>>(), known)
}

/// The word exchanged for others, in the only title that has it.
fn exchanged_where_it_is(old: &Word, new: &[&str], known: Known<'_>) -> Option<Intent> {
    let has = |title: &&str| title.split(' ').any(|word| word.to_lowercase() == old.norm);
    let touched = known.titles.touched(&[old.norm.as_str()]);
    let mut found = touched.into_iter().filter(has);
    let title = found.next().filter(|_| found.next().is_none())?;
    let at = title.split(' ').position(|word| word.to_lowercase() == old.norm)?;
    Some(exchanged(title, at..at + 1, new))
}

/// "Make that brownies instead of cookies", "sorry, not lemons, limes": one word for another of the one title that has it.
fn this_for_that(words: &[Word], known: Known<'_>) -> Option<Intent> {
    const LEADS: &str = "no sorry oh wait oops actually please make that it it's change to the i meant said";
    let lead = words.iter().take_while(|word| LEADS.split(' ').any(|known| known == word.norm)).count();
    let (new, old) = match &words[lead..] {
        [new, instead, of, old] if instead.norm == "instead" && of.norm == "of" => (new, old),
        [not, old, new] if not.norm == "not" && old.pauses() => (new, old),
        _ => return None,
    };
    exchanged_where_it_is(old, &[new.raw.as_str()], known)
}

/// "The cake is for Tom", "the hotel is in Lisbon, not in Porto": what stands behind that preposition in the title that has the thing.
fn behind_its_preposition(words: &[Word], known: Known<'_>) -> Option<Intent> {
    const LEADS: &str = "no sorry oh wait oops actually";
    let lead = words.iter().take_while(|word| LEADS.split(' ').any(|known| known == word.norm)).count();
    let [article, thing, is, preposition, rest @ ..] = &words[lead..] else { return None };
    let said = matches!(article.norm.as_str(), "the" | "my") && matches!(is.norm.as_str(), "is" | "was");
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
