//! Two tasks that get each other's dates.

use super::super::normalise::norms;
use super::change::each_known;
use super::rule::Match;
use super::{Intent, Target, target};

/// "Swap A and B", "swap the dates of A and B", "swap them".
pub(super) fn swapped(found: &Match<'_>) -> Option<Intent> {
    let words = found.words("t");
    let dates_of = norms(words).windows(2).position(|pair| matches!(pair, ["dates" | "days" | "times", "of" | "for"]));
    let words = dates_of.map_or(words, |at| &words[at + 2..]);
    if let Some(parts) = each_known(words, found.known).filter(|parts| parts.len() == 2) {
        return Some(Intent::Swap(parts.into_iter().filter_map(target).collect()));
    }
    let with = words.iter().position(|word| word.norm == "with").filter(|at| *at > 0);
    let pair = with.map(|at| [&words[..at], &words[at + 1..]]);
    if let Some(pair) = pair.filter(|pair| pair.iter().all(|words| found.known.titles.named(&norms(words)).is_some())) {
        return Some(Intent::Swap(pair.into_iter().filter_map(target).collect()));
    }
    let both = matches!(
        norms(words).as_slice(),
        ["the" | "their" | "those" | "these", "dates" | "days" | "times"]
            | ["the" | "their" | "those" | "these", "two", ..]
            | ["both", ..]
    );
    let words = if both {
        return Some(Intent::Swap(vec![Target::Them]));
    } else {
        words
    };
    matches!(target(words)?, Target::Them).then(|| Intent::Swap(vec![Target::Them]))
}
