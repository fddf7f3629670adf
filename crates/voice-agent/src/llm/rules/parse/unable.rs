//! What one cannot do on a day: that day is none for the task, and another is asked for.

use std::sync::LazyLock;

use super::super::dates;
use super::super::normalise::{Utterance, norms};
use super::change::incomplete;
use super::rule::{Rule, first_match, rules};
use super::{Intent, Known, Missing, Target, target};

static RULES: LazyLock<Vec<Rule>> = LazyLock::new(|| {
    rules(&[(
        r"(?:sorry |but |so |oh |and |actually |well )*(?:i|we)(?:'m| am| are|'re)?(?: really| probably| just| definitely)* (?:can't|cannot|can not|couldn't|won't|will not|(?:won't be|not|wasn't) able to|don't have (?:the )?time|have no time|won't have (?:the )?time)(?: to)?(?: even)?(?: (?:manage|make|do|get to|get around to|get round to|get|finish|handle|fit in|fit|be able to|for|work on))* (?P<t>.+)",
        |found| {
            let words = found.words("t");
            let norm = norms(words);
            let day = |at: usize| dates::find_leading(&norm[at..], found.known.now).filter(|(_, due)| due.day_said);
            let (start, length) = (1..norm.len()).find_map(|at| day(at).map(|(length, _)| (at, length)))?;
            // "Not until Friday", "not before noon": on that day then.
            let from = |word: &str| matches!(word, "until" | "till" | "before" | "by");
            let named = target(&words[..start]).filter(|_| !from(norm[start]) && !from(norm[start - 1]))?;
            let known = match &named {
                Target::Title(_) => found.known.titles.named(&norm[..start]).is_some(),
                Target::It => true,
                _ => false,
            };
            if !known {
                return None;
            }
            // "… today, let's say Saturday."
            let rest = &norm[start + length..];
            match dates::find_trailing(rest, found.known.now) {
                Some((_, due)) => Some(Intent::SetDue(named, Some(due))),
                None => rest.is_empty().then(|| incomplete(Missing::Date, Intent::SetDue(named, None))),
            }
        },
    )])
});

pub(super) fn parse(utterance: &Utterance, known: Known<'_>) -> Option<Intent> {
    first_match(&RULES, utterance, known)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::llm::rules::normalise::tokenise;
    use crate::llm::rules::titles::Titles;

    #[test]
    fn the_day_is_asked_for() {
        let now: jiff::ZonedDateTime = "2026-11-23T10:00[America/New_York]".parse().unwrap();
        let titles = Titles::new(&["Review the contract".to_owned()]);
        let said = |text: &str| parse(&Utterance::new(tokenise(text)), Known { now: &now, titles: &titles });
        for text in [
            "I can't do the contract tomorrow",
            "we won't get to the contract on Friday",
            "I don't have time for it today",
        ] {
            assert!(matches!(said(text), Some(Intent::Incomplete(Missing::Date, _))), "{text}");
        }
        for text in ["I can't do the contract until Friday", "I can't come to lunch today", "I can't do the contract"] {
            assert_eq!(said(text), None, "{text}");
        }
    }
}
