//! When each word of the text has been heard.

use super::{WordTiming, samples_to_ms};

/// The end of every word between white space. `marks` are the text offset and the sample after each sound, in order;
/// `length` is the speech's length in samples.
pub(super) fn words(text: &str, marks: &[(u32, usize)], length: usize) -> Vec<WordTiming> {
    let mut marks = marks.iter().peekable();
    let mut heard = 0;
    let mut out = Vec::new();
    let mut start = 0;
    for chunk in text.split_inclusive(char::is_whitespace) {
        let word = chunk.trim_end();
        let byte_end = start + word.len();
        start += chunk.len();
        if word.is_empty() {
            continue;
        }
        let limit = u32::try_from(byte_end).unwrap_or(u32::MAX);
        while let Some((_, sample)) = marks.next_if(|(end, _)| *end <= limit) {
            heard = heard.max((*sample).min(length));
        }
        out.push(WordTiming { byte_end, end_ms: samples_to_ms(heard) });
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_word_has_an_end_and_silent_words_take_the_one_before() {
        let text = " one, - two  3:30 ";
        let marks = [(4, 2400), (5, 2400), (11, 4800), (13, 7200), (17, 9600)];
        let ends: Vec<(usize, u64)> =
            words(text, &marks, 9000).iter().map(|word| (word.byte_end, word.end_ms)).collect();
        assert_eq!(ends, [(5, 100), (7, 100), (11, 200), (17, 375)]);
        assert!(words("", &[], 0).is_empty());
    }
}
