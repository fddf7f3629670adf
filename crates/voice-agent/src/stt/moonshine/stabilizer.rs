//! Captions that do not flicker: which words of a partial transcript may be shown as settled.

use super::text::bare;

/// A partial transcript as a caption.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Caption {
    /// Words that stay as they are until the final transcript. Never shrinks and never changes during an utterance.
    pub stable: String,
    /// Words that the next partial may change. Empty, or follows `stable` after a space.
    pub volatile: String,
}

/// Settles the words of successive partial transcripts of one utterance. A word is stable once two partials in a row agree
/// on it and on all before it (case and punctuation aside), unless it is a partial's last word: that one may be cut off in
/// the middle ("mark" → "market").
#[derive(Debug, Clone, Default)]
pub struct PartialStabilizer {
    stable: Vec<String>,
    before: Vec<String>,
}

impl PartialStabilizer {
    /// A stabiliser for a new utterance.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes the newest partial transcript of the whole utterance so far; answers the caption to show.
    pub fn update(&mut self, partial: &str) -> Caption {
        let words: Vec<String> = partial.split_whitespace().map(str::to_owned).collect();
        let agreed = words.iter().zip(&self.before).take_while(|(new, old)| bare(new) == bare(old)).count();
        let complete = agreed.min(words.len().saturating_sub(1)).min(self.before.len().saturating_sub(1));
        // Settled words never change: a partial that differs from them adds nothing until two partials agree further on.
        if complete > self.stable.len() {
            self.stable.extend_from_slice(&words[self.stable.len()..complete]);
        }
        let volatile = words.get(self.stable.len()..).unwrap_or_default().join(" ");
        self.before = words;
        Caption { stable: self.stable.join(" "), volatile }
    }

    /// Forgets everything: a new utterance begins.
    pub fn reset(&mut self) {
        self.stable.clear();
        self.before.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn captions(partials: &[&str]) -> Vec<(String, String)> {
        let mut stabilizer = PartialStabilizer::new();
        partials.iter().map(|partial| stabilizer.update(partial)).map(|c| (c.stable, c.volatile)).collect()
    }

    fn pair(stable: &str, volatile: &str) -> (String, String) {
        (stable.to_owned(), volatile.to_owned())
    }

    #[test]
    fn words_settle_when_two_partials_agree() {
        let seen = captions(&["Add by", "Add buy mil", "Add buy milk to", "Add buy milk to my list."]);
        assert_eq!(
            seen,
            [
                pair("", "Add by"),
                pair("Add", "buy mil"),
                pair("Add buy", "milk to"),
                pair("Add buy milk", "to my list.")
            ]
        );
    }

    #[test]
    fn settled_words_neither_change_nor_shrink() {
        let seen = captions(&["Mark the milk done", "Mark the milk done now", "Park", "Park the milk done now please"]);
        assert_eq!(seen[1], pair("Mark the milk", "done now"));
        assert_eq!(seen[2], pair("Mark the milk", ""));
        assert_eq!(seen[3], pair("Mark the milk", "done now please"));
    }

    #[test]
    fn case_and_marks_do_not_count_as_disagreement() {
        let seen = captions(&["what are. my", "What are my tasks"]);
        assert_eq!(seen[1], pair("What are", "my tasks"));
    }

    #[test]
    fn an_empty_partial_shows_nothing_new_and_reset_forgets() {
        let mut stabilizer = PartialStabilizer::new();
        assert_eq!(stabilizer.update(""), Caption::default());
        stabilizer.update("one two three");
        stabilizer.update("one two three four");
        assert_eq!(stabilizer.update("").stable, "one two");
        stabilizer.reset();
        assert_eq!(stabilizer.update("new").volatile, "new");
    }
}
