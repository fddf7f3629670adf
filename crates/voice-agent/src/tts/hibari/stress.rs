//! Phonemes and their stress marks.

/// The primary stress mark, put before its vowel.
pub(super) const PRIMARY: char = 'ˈ';
/// The secondary stress mark.
pub(super) const SECONDARY: char = 'ˌ';

/// Whether the phoneme is a vowel or a diphthong.
pub(super) fn is_vowel(c: char) -> bool {
    "AIOQWYaiuæɑɒɔəɛɜɪʊʌᵻ".contains(c)
}

/// Whether the phoneme is a consonant.
pub(super) fn is_consonant(c: char) -> bool {
    "bdfhjklmnpstvwzðŋɡɹɾʃʒʤʧθ".contains(c)
}

/// How long a word is said, roughly: diphthongs and affricates count twice.
pub(super) fn weight(phonemes: &str) -> usize {
    phonemes.chars().map(|c| if "AIOQWYʤʧ".contains(c) { 2 } else { 1 }).sum()
}

/// Raises or lowers the stress of a word.
///
/// The levels are the trained ones: −2 takes all marks away; −1, and −½ or 0 for a word with primary stress, lower it
/// to secondary; 0, ½ and 1 give a word without any mark a secondary one; 1 and 2 raise a secondary mark to primary; 2
/// gives a word without any mark a primary one. `None` leaves the word.
pub(super) fn apply(phonemes: &str, level: Option<f32>) -> String {
    let Some(level) = level else { return phonemes.to_owned() };
    let (primary, secondary) = (phonemes.contains(PRIMARY), phonemes.contains(SECONDARY));
    let marked = primary || secondary;
    let secondary_mark = [0.0, 0.5, 1.0].contains(&level);
    if level < -1.0 {
        phonemes.replace([PRIMARY, SECONDARY], "")
    } else if level <= -1.0 || ([0.0, -0.5].contains(&level) && primary) {
        phonemes.replace(SECONDARY, "").replace(PRIMARY, &SECONDARY.to_string())
    } else if secondary_mark && !marked {
        mark_first_vowel(phonemes, SECONDARY)
    } else if level >= 1.0 && !primary && secondary {
        phonemes.replace(SECONDARY, &PRIMARY.to_string())
    } else if level > 1.0 && !marked {
        mark_first_vowel(phonemes, PRIMARY)
    } else {
        phonemes.to_owned()
    }
}

fn mark_first_vowel(phonemes: &str, mark: char) -> String {
    match phonemes.find(is_vowel) {
        Some(at) => format!("{}{mark}{}", &phonemes[..at], &phonemes[at..]),
        None => phonemes.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stress_moves_by_level() {
        assert_eq!(apply("hˈæpi", None), "hˈæpi");
        assert_eq!(apply("hˈæpˌi", Some(-2.0)), "hæpi");
        assert_eq!(apply("hˈæpˌi", Some(-0.5)), "hˌæpi");
        assert_eq!(apply("ðæt", Some(0.5)), "ðˌæt");
        assert_eq!(apply("ðæt", Some(2.0)), "ðˈæt");
        assert_eq!(apply("ðˌæt", Some(2.0)), "ðˈæt");
        assert_eq!(apply("hm", Some(2.0)), "hm");
        assert_eq!(apply("hˈæpi", Some(2.0)), "hˈæpi");
    }
}
