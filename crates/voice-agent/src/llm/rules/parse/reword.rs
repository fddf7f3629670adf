//! A word of a title for another, said with the title: "change blue to green in buy a blue shirt".

use super::super::normalise::{Utterance, Word, capitalised, norms};
use super::{Intent, Known, Target};

/// The new title that the words give a task on the list; None if they are no such command.
pub(super) fn parse(utterance: &Utterance, known: Known<'_>) -> Option<Intent> {
    let words = &utterance.words;
    let norm = norms(words);
    if let Some(renamed) = not_that_word(words, known) {
        return Some(renamed);
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
    let title = known.titles.named(&name)?;
    let at = title.split(' ').position(|word| word.to_lowercase() == old.norm)?;
    Some(exchanged(title, at..at + 1, &[new.raw.as_str()]))
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
