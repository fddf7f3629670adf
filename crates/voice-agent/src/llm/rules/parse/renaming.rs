//! A new name for a task: which words are the old one, and which the new.

use super::super::normalise::{norms, title};
use super::change::{complete, incomplete};
use super::rule::Match;
use super::{Intent, Missing, target};

pub(super) fn rename(found: &Match<'_>) -> Option<Intent> {
    match norms(found.words("n")).as_slice() {
        ["done" | "finished" | "complete" | "completed"] => return complete(found),
        // "Change the dentist to a later slot": to when?
        ["a" | "an", "later" | "earlier", ..] => {
            return Some(incomplete(Missing::Date, Intent::SetDue(target(found.words("t"))?, None)));
        }
        _ => {}
    }
    let new = title(found.words("n"));
    (!new.is_empty()).then(|| target(found.words("t")).map(|old| Intent::Rename(old, new))).flatten()
}

/// "Change call the vet to take Bella to the vet": of the words that may part the old title from the new one, the one behind all of
/// a title that is on the list.
pub(super) fn rename_whole(found: &Match<'_>) -> Option<Intent> {
    let all = found.all_words();
    let first = found.words("t").first()?;
    let start = all.iter().position(|word| std::ptr::eq(word, first))?;
    let titles = found.known.titles;
    let parts = |at: &usize| {
        let old = norms(&all[start..*at]);
        matches!(all[*at].norm.as_str(), "to" | "into" | "as")
            && (titles.named(&old).is_some_and(|title| titles.is_said(title, &old))
                || matches!(old.as_slice(), ["it" | "that"]))
    };
    let at = (start + 1..all.len().saturating_sub(1)).find(parts)?;
    Some(Intent::Rename(target(&all[start..at])?, title(&all[at + 1..])))
}
