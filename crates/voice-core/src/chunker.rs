//! The seventh step of the corridor: cuts the model's stream into pieces that can be spoken.

/// From this length on (in characters) the first piece of a reply may end at a comma: it can be heard sooner.
const FIRST_CLAUSE_MIN_CHARS: usize = 28;
/// From this length on it may when the rest of the sentence is not there yet: it is heard while the model goes on.
const EARLY_CLAUSE_MIN_CHARS: usize = 5;
/// A piece that has no better end is cut at the last space before this length, in characters.
const MAX_CHARS: usize = 220;
/// Words whose full stop ends no sentence.
const ABBREVIATIONS: [&str; 12] = ["mr", "mrs", "ms", "dr", "prof", "st", "no", "vs", "etc", "e.g", "i.e", "approx"];

/// Takes text as it streams, and yields what can be spoken.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Chunker {
    buffer: String,
    yielded: bool,
}

impl Chunker {
    /// Takes a delta; yields the pieces that are complete now.
    pub fn push(&mut self, delta: &str) -> Vec<String> {
        self.buffer.push_str(delta);
        let mut pieces = Vec::new();
        while let Some(end) = self.next_cut() {
            let rest = self.buffer.split_off(end);
            let piece = std::mem::replace(&mut self.buffer, rest);
            self.keep(&piece, &mut pieces);
        }
        pieces
    }

    /// The stream is over: yields what is left.
    pub fn flush(&mut self) -> Option<String> {
        let mut pieces = Vec::new();
        let rest = std::mem::take(&mut self.buffer);
        self.keep(&rest, &mut pieces);
        pieces.pop()
    }

    /// Forgets what was not yielded.
    pub fn clear(&mut self) {
        self.buffer.clear();
    }

    fn keep(&mut self, piece: &str, pieces: &mut Vec<String>) {
        // A piece without a letter or a digit cannot be spoken; what is left of a closing quote is one.
        if piece.chars().any(char::is_alphanumeric) {
            self.yielded = true;
            pieces.push(piece.split_whitespace().collect::<Vec<_>>().join(" "));
        }
    }

    /// The byte at which the next piece ends, if it is certain.
    fn next_cut(&self) -> Option<usize> {
        let mut chars = 0;
        let (mut last_space, mut early) = (None, None);
        for (at, c) in self.buffer.char_indices() {
            chars += 1;
            let end = at + c.len_utf8();
            if c == '\n' {
                return Some(end);
            }
            if c.is_whitespace() {
                last_space = Some(end);
            }
            if matches!(c, '.' | '!' | '?' | '…')
                && let Some(cut) = self.sentence_end(at, end)
            {
                return Some(cut);
            }
            let clause = matches!(c, ',' | ';' | ':' | '—') && !self.yielded && self.space_follows(end);
            if clause && chars >= FIRST_CLAUSE_MIN_CHARS {
                return Some(end);
            }
            if clause && early.is_none() && chars >= EARLY_CLAUSE_MIN_CHARS {
                early = Some(end);
            }
            if chars >= MAX_CHARS {
                return Some(last_space.unwrap_or(end));
            }
        }
        // What is complete already is spoken as a whole, and sounds better.
        early.filter(|_| !self.buffer.trim_end().ends_with(['.', '!', '?', '…']))
    }

    /// Whether the mark at `at..end` ends a sentence; if so, where the piece ends (after closing quotes).
    fn sentence_end(&self, at: usize, end: usize) -> Option<usize> {
        let after = &self.buffer[end..];
        let closing: usize = after
            .chars()
            .take_while(|c| matches!(c, '"' | '\'' | '”' | '’' | ')' | '.' | '!' | '?'))
            .map(char::len_utf8)
            .sum();
        let end = end + closing;
        if !self.space_follows(end) {
            return None;
        }
        let word = self.buffer[..at].rsplit(char::is_whitespace).next().unwrap_or_default();
        let word = word.trim_start_matches(['"', '\'', '(', '“', '‘']).to_lowercase();
        let is_abbreviation = self.buffer[at..].starts_with('.')
            && (ABBREVIATIONS.contains(&word.as_str())
                || (word.chars().count() == 1 && word.chars().all(char::is_alphabetic) && word != "i"));
        (!is_abbreviation).then_some(end)
    }

    fn space_follows(&self, end: usize) -> bool {
        self.buffer[end..].chars().next().is_some_and(char::is_whitespace)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn chunks(deltas: &[&str]) -> Vec<String> {
        let mut chunker = Chunker::default();
        let mut all: Vec<String> = deltas.iter().flat_map(|delta| chunker.push(delta)).collect();
        all.extend(chunker.flush());
        all
    }

    #[test]
    fn a_sentence_is_spoken_as_soon_as_the_next_begins() {
        let mut chunker = Chunker::default();
        assert!(chunker.push("You have three").is_empty());
        assert!(chunker.push(" tasks.").is_empty());
        assert_eq!(chunker.push(" The"), ["You have three tasks."]);
        assert_eq!(chunker.push(" first is milk."), Vec::<String>::new());
        assert_eq!(chunker.flush().as_deref(), Some("The first is milk."));
        assert_eq!(chunker.flush(), None);
    }

    #[test]
    fn numbers_abbreviations_and_quotes_do_not_end_a_sentence_too_early() {
        assert_eq!(
            chunks(&["It is due at 3.30 with Dr. Smith. Shall I go on?"]),
            ["It is due at 3.30 with Dr. Smith.", "Shall I go on?"]
        );
        assert_eq!(
            chunks(&["I've added \"Call Bob.\" Anything else?"]),
            ["I've added \"Call Bob.\"", "Anything else?"]
        );
    }

    #[test]
    fn the_first_clause_is_spoken_early_when_it_is_long_enough() {
        let text = "I've added review the proposal to your list, and it is due on Friday, as you said. Done.";
        assert_eq!(
            chunks(&[text]),
            ["I've added review the proposal to your list,", "and it is due on Friday, as you said.", "Done."]
        );
        assert_eq!(chunks(&["Well, that is done. Good."]), ["Well, that is done.", "Good."]);
    }

    #[test]
    fn a_short_first_clause_is_spoken_while_the_model_goes_on() {
        let mut chunker = Chunker::default();
        assert!(chunker.push("Okay,").is_empty());
        assert_eq!(chunker.push(" I've"), ["Okay,"]);
        assert!(chunker.push(" added milk, and bread").is_empty(), "only the first");
        assert_eq!(chunker.flush().as_deref(), Some("I've added milk, and bread"));
        assert_eq!(chunks(&["Oh, it", " is done."]), ["Oh, it is done."], "too short to be worth a breath");
        assert_eq!(chunks(&["Okay, it is done."]), ["Okay, it is done."], "all of it is there");
    }

    #[test]
    fn what_cannot_be_spoken_is_left_out() {
        assert_eq!(chunks(&["\n\n...  ", "", "\n"]), Vec::<String>::new());
    }

    proptest! {
        #[test]
        fn no_word_is_lost_or_added_however_the_stream_is_cut(text in "[a-zA-Z0-9 ,.!?\n'’…é]{0,400}", cut in 1usize..9) {
            let chars: Vec<char> = text.chars().collect();
            let deltas: Vec<String> = chars.chunks(cut).map(|part| part.iter().collect()).collect();
            let deltas: Vec<&str> = deltas.iter().map(String::as_str).collect();
            let letters = |s: &str| s.chars().filter(|c| c.is_alphanumeric()).collect::<String>();
            prop_assert_eq!(letters(&chunks(&deltas).concat()), letters(&text));
        }

        #[test]
        fn no_piece_is_longer_than_the_limit(text in "[a-z ,.]{0,2000}") {
            for piece in chunks(&[&text]) {
                prop_assert!(piece.chars().count() <= MAX_CHARS, "{}", piece);
            }
        }
    }
}
