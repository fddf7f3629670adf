//! Text that remembers where it came from, so that every spoken word can be traced to the words it was written as.

use std::ops::Range;

use fancy_regex::Regex;

/// One match in a text.
pub(super) type Captures<'t> = fancy_regex::Captures<'t, str>;

/// The byte ranges of a pattern's matches. A pattern that gives up (the engine's backtracking limit, which no sentence
/// that anybody would say comes near) matches nothing more.
pub(super) fn matches(pattern: &Regex, text: &str) -> Vec<Range<usize>> {
    let mut out = Vec::new();
    for found in pattern.find_iter(text) {
        match found {
            Ok(found) => out.push(found.start()..found.end()),
            Err(error) => {
                tracing::debug!(%error, "a reading rule gave up on a text");
                break;
            }
        }
    }
    out
}

/// A text and, for each of its bytes, the offset in the source just after what that byte stands for.
#[derive(Debug, Clone)]
pub(super) struct Spanned {
    text: String,
    ends: Vec<u32>,
    start: u32,
}

impl Spanned {
    /// The source text from byte `start` on, unchanged. Sources are far below 4 GiB; a longer one saturates.
    pub(super) fn new(text: &str, start: usize) -> Self {
        let offset = |index: usize| u32::try_from(index).unwrap_or(u32::MAX);
        let ends = (start + 1..=start + text.len()).map(offset).collect();
        Self { text: text.to_owned(), ends, start: offset(start) }
    }

    /// The text as it stands.
    pub(super) fn as_str(&self) -> &str {
        &self.text
    }

    /// The source offset after the first `index` bytes of the text.
    pub(super) fn source_end(&self, index: usize) -> u32 {
        index.checked_sub(1).and_then(|last| self.ends.get(last)).copied().unwrap_or(self.start)
    }

    /// Replaces every match for which `replacement` answers `Some`; a match it declines stays.
    ///
    /// Replaced bytes are spread evenly over the source range they replace. A pattern that gives up (the engine's
    /// backtracking limit) leaves the rest as it is.
    pub(super) fn replace(
        &mut self,
        pattern: &Regex,
        mut replacement: impl FnMut(&Captures<'_>, &str) -> Option<String>,
    ) {
        let mut edits = Vec::new();
        for captures in pattern.captures_iter(self.text.as_str()) {
            let captures = match captures {
                Ok(captures) => captures,
                Err(error) => {
                    tracing::debug!(%error, "a reading rule gave up on a text");
                    break;
                }
            };
            let Some(whole) = captures.get(0) else { continue };
            if let Some(new) = replacement(&captures, &self.text)
                && new != whole.as_str()
            {
                edits.push((whole.start(), whole.end(), new));
            }
        }
        self.apply(&edits);
    }

    /// Replaces each byte range (ascending, not overlapping, at character boundaries) by a new text.
    pub(super) fn apply(&mut self, edits: &[(usize, usize, String)]) {
        if edits.is_empty() {
            return;
        }
        let mut text = String::with_capacity(self.text.len() + 32);
        let mut ends = Vec::with_capacity(self.ends.len() + 32);
        let mut done = 0;
        for (from, to, new) in edits {
            text.push_str(&self.text[done..*from]);
            ends.extend_from_slice(&self.ends[done..*from]);
            let (low, high) = (self.source_end(*from), self.source_end(*to));
            let length = u64::try_from(new.len()).unwrap_or(1).max(1);
            let span = u64::from(high.saturating_sub(low));
            ends.extend((1..=length).take(new.len()).map(|index| {
                let share = u32::try_from(span * index / length).unwrap_or(0);
                low + share
            }));
            text.push_str(new);
            done = *to;
        }
        text.push_str(&self.text[done..]);
        ends.extend_from_slice(&self.ends[done..]);
        self.text = text;
        self.ends = ends;
    }

    /// Makes every run of white space one space and takes it off both ends.
    pub(super) fn collapse_spaces(&mut self) {
        let mut edits = Vec::new();
        let mut run: Option<usize> = None;
        let length = self.text.len();
        for (index, c) in self.text.char_indices().chain([(length, 'x')]) {
            if c.is_whitespace() {
                run.get_or_insert(index);
            } else if let Some(from) = run.take() {
                let new = if from == 0 || index == length { "" } else { " " };
                if &self.text[from..index] != new {
                    edits.push((from, index, new.to_owned()));
                }
            }
        }
        self.apply(&edits);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_replacement_is_spread_over_what_it_replaced() {
        let mut text = Spanned::new("at 3:30 PM now", 10);
        let pattern = Regex::new(r"\d+:\d+ PM").expect("a pattern");
        text.replace(&pattern, |_, _| Some("three thirty P.M.".to_owned()));
        assert_eq!(text.as_str(), "at three thirty P.M. now");
        assert_eq!(text.source_end(0), 10);
        assert_eq!(text.source_end(2), 12);
        assert_eq!(text.source_end("at three thirty P.M.".len()), 20);
        let three = text.source_end("at three".len());
        assert!((13..17).contains(&three), "{three}");
        assert_eq!(text.source_end(text.as_str().len()), 24);
    }

    #[test]
    fn spaces_collapse_and_the_ends_are_bare() {
        let mut text = Spanned::new("  a \n\t b  ", 0);
        text.collapse_spaces();
        assert_eq!(text.as_str(), "a b");
        assert_eq!(text.source_end(1), 3);
        assert_eq!(text.source_end(3), 8);
    }
}
