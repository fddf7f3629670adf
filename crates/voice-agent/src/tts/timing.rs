//! Which words of a text the words are that a provider says it spoke.
//!
//! Providers name words as they read them: without punctuation, in other letters, `3:30` as `three thirty`, `I'm` in two
//! pieces, several words in one. They are matched in order by their letters and digits. What does not match was read
//! otherwise than it is written: it ends where the provider's words before the next match end.

use icu_normalizer::DecomposingNormalizerBorrowed;
use voice_core::input::WordTiming;
use voice_core::playout::LEAST_MS_PER_CHAR;

/// So many words may be read otherwise than they are written before the next match.
const LOOK_AHEAD: usize = 8;
/// A piece of a word that is shorter than this says nothing of where it stands.
const LEAST_PIECE: usize = 4;
/// No chunk sounds longer than this, whatever a provider says.
const MAX_MS: u64 = 600_000;

/// A word of the text.
#[derive(Debug, Clone)]
struct Word {
    /// Its letters and digits, without case and accents.
    letters: Vec<char>,
    /// The byte after it, and after marks that stand alone behind it.
    byte_end: usize,
}

/// A place in the text: a word, and how many of its letters come before.
type Place = (usize, usize);

/// A text, and how far a provider has come in it.
#[derive(Debug, Clone)]
pub struct WordMatch {
    words: Vec<Word>,
    /// What comes next.
    next: Place,
    /// Where the last word ended that the provider named.
    said_ms: u64,
    ended: Vec<WordTiming>,
}

impl WordMatch {
    /// A text of which nothing was said yet.
    pub fn new(text: &str) -> Self {
        let mut words: Vec<Word> = Vec::new();
        let mut start = 0;
        for piece in text.split_inclusive(char::is_whitespace) {
            let byte_end = start + piece.trim_end().len();
            start += piece.len();
            let letters = letters(piece);
            if !letters.is_empty() {
                words.push(Word { letters, byte_end });
            } else if let Some(word) = words.last_mut().filter(|_| byte_end > start - piece.len()) {
                word.byte_end = byte_end;
            }
        }
        Self { words, next: (0, 0), said_ms: 0, ended: Vec::new() }
    }

    /// The provider named a word, and until when it sounds, in milliseconds from the start of the text's audio. Says
    /// whether more words of the text have ended.
    pub fn hear(&mut self, named: &str, end_ms: u64) -> bool {
        let before = self.ended.len();
        let end_ms = end_ms.clamp(self.said_ms, MAX_MS.max(self.said_ms));
        if let Some((from, to)) = self.find(&letters(named)) {
            let last_ms = self.ended.last().map_or(0, |word| word.end_ms);
            self.end_words(from.0, last_ms, self.said_ms);
            self.end_words(to.0, self.said_ms, end_ms);
            self.next = to;
        }
        self.said_ms = end_ms;
        self.ended.len() > before
    }

    /// Where words have ended so far, from the text's first word on.
    pub fn words(&self) -> &[WordTiming] {
        &self.ended
    }

    /// The audio is complete: whatever is left ends with it, unless the provider named nothing of it and made no audio in
    /// which it could be spoken: then the list ends before it. Empty when no word was recognised.
    pub fn finish(mut self, audio_ms: u64) -> Vec<WordTiming> {
        if self.ended.is_empty() {
            return Vec::new();
        }
        if !self.leaves_out_the_rest(audio_ms) {
            self.end_words(self.words.len(), self.said_ms.min(audio_ms), audio_ms);
        }
        for word in &mut self.ended {
            word.end_ms = word.end_ms.min(audio_ms);
        }
        self.ended
    }

    fn leaves_out_the_rest(&self, audio_ms: u64) -> bool {
        let last_ms = self.ended.last().map_or(0, |word| word.end_ms);
        let rest = self.words.get(self.ended.len()..).unwrap_or_default();
        let letters: usize = rest.iter().map(|word| word.letters.len()).sum();
        let least_ms = letters as u64 * LEAST_MS_PER_CHAR;
        // Times that run ahead of the audio say nothing of how much there is behind them.
        self.said_ms == last_ms && audio_ms.checked_sub(last_ms).is_some_and(|left_ms| left_ms < least_ms)
    }

    /// Ends the words up to this one: the time is shared out by their letters.
    fn end_words(&mut self, to: usize, from_ms: u64, to_ms: u64) {
        let words = &self.words[self.ended.len().min(to)..to];
        let all: usize = words.iter().map(|word| word.letters.len()).sum();
        let mut letters = 0;
        for word in words {
            letters += word.letters.len();
            let share_ms = to_ms.saturating_sub(from_ms) * letters as u64 / all.max(1) as u64;
            self.ended.push(WordTiming { byte_end: word.byte_end, end_ms: from_ms + share_ms });
        }
    }

    /// Where a named word stands: here, or soon after.
    fn find(&self, named: &[char]) -> Option<(Place, Place)> {
        if named.is_empty() {
            return None;
        }
        let here = self.fit(self.next, named).map(|to| (self.next, to));
        let ahead = || {
            let first = self.next.0 + 1;
            (first..first + LOOK_AHEAD).find_map(|word| {
                let to = self.fit((word, 0), named)?;
                (to.1 == 0 || named.len() >= LEAST_PIECE).then_some(((word, 0), to))
            })
        };
        here.or_else(ahead)
    }

    /// The place after the named letters, if they stand at this place; they may be a piece of a word, or several words.
    fn fit(&self, (mut word, mut before): Place, named: &[char]) -> Option<Place> {
        let mut named = named;
        loop {
            let left = &self.words.get(word)?.letters[before..];
            if named.len() < left.len() {
                return left.starts_with(named).then_some((word, before + named.len()));
            }
            named = named.strip_prefix(left)?;
            (word, before) = (word + 1, 0);
            if named.is_empty() {
                return Some((word, before));
            }
        }
    }
}

/// A text's letters and digits, without case, accents and compatibility forms.
fn letters(text: &str) -> Vec<char> {
    let plain = DecomposingNormalizerBorrowed::new_nfkd().normalize(text);
    plain.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// What has ended when the provider has said this, as the text up to there.
    fn ends<'t>(text: &'t str, named: &[(&str, u64)]) -> Vec<(&'t str, u64)> {
        let mut words = WordMatch::new(text);
        for (word, end_ms) in named {
            words.hear(word, *end_ms);
        }
        words.words().iter().map(|word| (&text[..word.byte_end], word.end_ms)).collect()
    }

    #[test]
    fn words_are_found_without_their_punctuation_and_case() {
        let heard = ends("Hello, Bob! Are you — there?", &[("hello", 350), ("BOB!", 700), ("are", 800), ("you", 900)]);
        assert_eq!(
            heard,
            [("Hello,", 350), ("Hello, Bob!", 700), ("Hello, Bob! Are", 800), ("Hello, Bob! Are you —", 900)]
        );
    }

    #[test]
    fn apostrophes_of_any_kind_and_pieces_of_words_are_one_word() {
        let heard =
            ends("I'm sure it isn’t Anna's", &[("I", 100), ("'m", 200), ("sure", 400), ("it", 500), ("isn't", 700)]);
        let words: Vec<_> = heard.iter().map(|(text, end_ms)| (text.rsplit(' ').next().unwrap(), *end_ms)).collect();
        assert_eq!(words, [("I'm", 200), ("sure", 400), ("it", 500), ("isn’t", 700)]);
        assert_eq!(ends("don't", &[("do", 90), ("n't", 200)]), [("don't", 200)]);
    }

    #[test]
    fn a_word_has_not_ended_before_its_last_piece() {
        let mut words = WordMatch::new("well-known fact");
        assert!(!words.hear("well", 300));
        assert!(words.words().is_empty());
        assert!(words.hear("known", 600));
        assert_eq!(words.words(), [WordTiming { byte_end: 10, end_ms: 600 }]);
    }

    #[test]
    fn what_is_read_otherwise_ends_before_the_next_match() {
        let named = [("at", 100), ("three", 400), ("thirty", 700), ("with", 800), ("Doctor", 1_200), ("Smith.", 1_500)];
        let heard = ends("At 3:30 with Dr. Smith.", &named);
        assert_eq!(
            heard,
            [
                ("At", 100),
                ("At 3:30", 700),
                ("At 3:30 with", 800),
                ("At 3:30 with Dr.", 1_200),
                ("At 3:30 with Dr. Smith.", 1_500)
            ]
        );
    }

    #[test]
    fn several_in_a_row_share_the_time() {
        let named = [("call", 200), ("five", 400), ("five", 600), ("five", 800), ("now", 1_000)];
        assert_eq!(
            ends("call 5 55 now", &named),
            [("call", 200), ("call 5", 400), ("call 5 55", 800), ("call 5 55 now", 1_000)]
        );
    }

    #[test]
    fn one_name_for_several_words_is_shared_out() {
        assert_eq!(ends("ice cream now", &[("ice cream", 800)]), [("ice", 300), ("ice cream", 800)]);
        assert_eq!(ends("New York", &[("newyork", 700)]), [("New", 300), ("New York", 700)]);
    }

    #[test]
    fn a_short_piece_is_not_taken_for_a_word_further_on() {
        // "to" of "two" must not be found in "tomorrow".
        let heard = ends("at 2 tomorrow", &[("at", 100), ("to", 300)]);
        assert_eq!(heard, [("at", 100)]);
        assert_eq!(ends("no 1 saint", &[("number", 100), ("one", 200)]), []);
    }

    #[test]
    fn accents_and_widths_do_not_matter() {
        assert_eq!(ends("Café №５ née", &[("cafe", 100), ("no5", 200), ("née", 300)]).len(), 3);
    }

    #[test]
    fn what_was_neither_named_nor_could_be_spoken_is_not_said_to_have_been() {
        let mut words = WordMatch::new("I heard: milk.");
        words.hear("I", 270);
        let ends = |audio_ms| words.clone().finish(audio_ms).iter().map(|word| word.byte_end).collect::<Vec<_>>();
        assert_eq!((ends(330), ends(600)), (vec![1], vec![1, 8, 14]));
    }

    #[test]
    fn at_the_end_what_is_left_ends_with_the_audio() {
        let mut words = WordMatch::new("It costs $5.");
        words.hear("It", 200);
        words.hear("costs", 500);
        words.hear("five", 800);
        words.hear("dollars", 1_200);
        let ends: Vec<u64> = words.clone().finish(1_400).iter().map(|word| word.end_ms).collect();
        assert_eq!(ends, [200, 500, 1_400]);
        // A provider whose times run ahead of its audio.
        let ends: Vec<u64> = words.finish(450).iter().map(|word| word.end_ms).collect();
        assert_eq!(ends, [200, 450, 450]);
    }

    #[test]
    fn nothing_recognised_is_nothing_said() {
        let mut words = WordMatch::new("2 + 2 = 4");
        for (word, end_ms) in [("two", 1), ("plus", 2), ("two", 3)] {
            assert!(!words.hear(word, end_ms));
        }
        assert!(words.finish(1_000).is_empty());
        assert!(WordMatch::new(" … ").finish(100).is_empty());
    }

    #[test]
    fn times_never_go_back_nor_beyond_reason() {
        let heard = ends("one two three", &[("one", 500), ("two", 100), ("three", u64::MAX)]);
        assert_eq!(heard.iter().map(|word| word.1).collect::<Vec<_>>(), [500, 500, MAX_MS]);
    }

    proptest! {
        #[test]
        fn a_provider_that_reads_as_it_is_written_times_every_word(text in "[a-zA-Z0-9é',.]{1,9}( [a-zA-Z0-9é',.]{1,9}){0,12}") {
            let spoken: Vec<&str> = text.split(' ').filter(|word| !letters(word).is_empty()).collect();
            let mut words = WordMatch::new(&text);
            for (at, word) in spoken.iter().enumerate() {
                words.hear(word, 100 * (at as u64 + 1));
                prop_assert_eq!(words.words().len(), at + 1);
                prop_assert_eq!(words.words()[at].end_ms, 100 * (at as u64 + 1));
                prop_assert!(text[..words.words()[at].byte_end].contains(word));
            }
        }

        #[test]
        fn whatever_is_named_the_ends_are_of_the_text_and_in_order(
            text in ".{0,60}", named in prop::collection::vec((".{0,8}", any::<u64>()), 0..20), audio_ms in 0u64..900_000,
        ) {
            let mut words = WordMatch::new(&text);
            for (word, end_ms) in &named {
                words.hear(word, *end_ms);
            }
            let ends = words.finish(audio_ms);
            prop_assert!(ends.iter().all(|word| text.is_char_boundary(word.byte_end) && word.end_ms <= audio_ms));
            prop_assert!(ends.is_sorted_by_key(|word| word.byte_end));
            prop_assert!(ends.is_sorted_by_key(|word| word.end_ms));
        }
    }
}
