//! Where a text falls into sentences, and a long sentence into clauses.

use std::ops::Range;

use super::g2p::Phone;
use super::normalize::Normalizer;

/// The most phonemes the voice says in one breath (the model's training limit is about 510).
const MAX_PHONES: usize = 400;

fn is_closer(c: char) -> bool {
    "\"”’)]".contains(c)
}

/// The byte ranges of a text's sentences: lines, cut after `.`, `!`, `?` and `…` where a new sentence can begin.
/// Closing quotes and brackets after the mark belong to no sentence: they are not heard.
pub(super) fn sentences(text: &str, normalizer: &Normalizer) -> Vec<Range<usize>> {
    let mut out = Vec::new();
    let mut start = 0;
    for line in text.split('\n') {
        let lead = line.len() - line.trim_start().len();
        line_sentences(line.trim(), start + lead, normalizer, &mut out);
        start += line.len() + 1;
    }
    out.retain(|range| !text[range.clone()].trim().is_empty());
    out
}

fn line_sentences(line: &str, offset: usize, normalizer: &Normalizer, out: &mut Vec<Range<usize>>) {
    let mut cut = 0;
    let mut before = ' ';
    for (at, c) in line.char_indices() {
        let after_mark = matches!(before, '.' | '!' | '?' | '…');
        before = c;
        if !after_mark || at < cut {
            continue;
        }
        let rest = line[at..].trim_start_matches(is_closer);
        let next = rest.trim_start();
        let Some(first) = next.chars().next().filter(|_| next.len() < rest.len()) else { continue };
        if ends_sentence(&line[cut..at], first, normalizer) {
            out.push(offset + cut..offset + at);
            cut = line.len() - next.len();
        }
    }
    out.push(offset + cut..offset + line.len());
}

/// False for a stop after a title, an initial ("Dr. Smith", "J. K. Rowling"), "e.g." or an abbreviation before a number
/// ("Nov. 3"), and before a lowercase word.
fn ends_sentence(sentence: &str, next: char, normalizer: &Normalizer) -> bool {
    if next.is_lowercase() {
        return false;
    }
    let Some(body) = sentence.strip_suffix('.') else { return true };
    let word = body.rsplit(' ').next().unwrap_or(body);
    let first_word = word.len() == body.len();
    let word = word.trim_start_matches(['(', '"', '“', '\'', '‘']);
    let mut characters = word.chars();
    let initial = characters.next().is_some_and(char::is_uppercase) && characters.next().is_none();
    let example = matches!(word, "e.g" | "i.e" | "E.g" | "I.e");
    // "No. 7" names a number inside a sentence; at the start it answers one.
    let numbered = next.is_numeric() && !first_word && normalizer.abbreviates(word);
    !(normalizer.is_title(word) || initial || example || numbered)
}

/// Cuts a sentence's phonemes into pieces the model can say: after clause marks, else between words.
pub(super) fn breaths(phones: &[Phone]) -> Vec<&[Phone]> {
    let mut out = Vec::new();
    let mut rest = phones;
    while rest.len() > MAX_PHONES {
        let window = &rest[..MAX_PHONES];
        let clause =
            |pair: &[Phone]| matches!(pair, [mark, space] if ",;:—".contains(mark.symbol) && space.symbol == ' ');
        let at_clause = window.windows(2).rposition(clause).map(|index| index + 1);
        let at_word = || window.iter().rposition(|phone| phone.symbol == ' ');
        let cut = at_clause.or_else(at_word).filter(|cut| *cut > 0).unwrap_or(MAX_PHONES);
        out.push(&rest[..cut]);
        rest = &rest[cut..];
        let blank = rest.iter().take_while(|phone| phone.symbol == ' ').count();
        rest = &rest[blank..];
    }
    out.push(rest);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn phones(text: &str) -> Vec<Phone> {
        text.chars().map(|symbol| Phone { symbol, end: 0 }).collect()
    }

    #[test]
    fn a_long_sentence_is_cut_at_its_last_clause_that_fits() {
        let long = phones(&format!("{}, {}", "a".repeat(300), "b".repeat(300)));
        let lengths: Vec<usize> = breaths(&long).iter().map(|part| part.len()).collect();
        assert_eq!(lengths, [301, 300]);
        let words = phones(&"ab ".repeat(200));
        let parts = breaths(&words);
        assert!(parts.iter().all(|part| part.len() <= MAX_PHONES), "{parts:?}");
        let unbroken = phones(&"a".repeat(900));
        assert_eq!(breaths(&unbroken).len(), 3);
    }
}
