//! Key terms: words that may well be spoken, for Nova-3.

/// Most tokens of all terms together, as documented; above it the upgrade is refused.
const MAX_TOKENS: usize = 500;
/// Most words of a term: the beginning of a title is how it is called.
const MAX_WORDS: usize = 6;
/// Most bytes of a term.
const MAX_BYTES: usize = 60;

/// The terms as they are sent: cut to what may be spoken of them, each once, the first ones that fit.
///
/// A title holds whatever a person typed: punctuation would be taken literally (`milk:2` is no weight), and a whole
/// sentence helps nobody.
pub(super) fn key_terms(titles: &[String]) -> Vec<String> {
    let mut terms: Vec<String> = Vec::new();
    let mut left = MAX_TOKENS;
    for title in titles {
        let term = spoken(title);
        let tokens = tokens(&term);
        if tokens > left {
            break;
        }
        if !term.is_empty() && !terms.iter().any(|known| known.to_lowercase() == term.to_lowercase()) {
            left -= tokens;
            terms.push(term);
        }
    }
    terms
}

/// The first words of a title, without what is not spoken.
fn spoken(title: &str) -> String {
    let mut term = String::new();
    let is_spoken = |c: char| c.is_alphanumeric() || matches!(c, '\'' | '’' | '-' | '&');
    let words = title.split(|c| !is_spoken(c)).filter(|word| word.contains(char::is_alphanumeric));
    for word in words.take(MAX_WORDS) {
        if term.len() + 1 + word.len() > MAX_BYTES {
            break;
        }
        if !term.is_empty() {
            term.push(' ');
        }
        term.push_str(word);
    }
    term
}

/// At most so many tokens. How the service counts is not documented: of the usual tokenisers none needs one for less than
/// two bytes of ordinary words, and none more than one for each byte of others.
fn tokens(term: &str) -> usize {
    if term.is_ascii() { term.len().div_ceil(2) } else { term.len() }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn terms(titles: &[&str]) -> Vec<String> {
        key_terms(&titles.iter().map(|&title| title.to_owned()).collect::<Vec<_>>())
    }

    #[test]
    fn a_title_is_cut_to_what_is_spoken_of_it() {
        assert_eq!(terms(&["Buy milk"]), ["Buy milk"]);
        assert_eq!(terms(&["  milk:0.15 \u{1f95b}\n& honey! "]), ["milk 0 15 honey"]);
        assert_eq!(terms(&["Don't forget Anne-Marie’s M&Ms"]), ["Don't forget Anne-Marie’s M&Ms"]);
        assert_eq!(terms(&["one two three four five six seven eight"]), ["one two three four five six"]);
        assert_eq!(terms(&["Zürich 東京"]), ["Zürich 東京"]);
    }

    #[test]
    fn what_cannot_be_spoken_is_left_out_and_nothing_comes_twice() {
        assert_eq!(terms(&["", " ", "\u{1f600}", "--- ' ---", "Milk", "milk", "MILK!"]), ["Milk"]);
        assert_eq!(terms(&[&"x".repeat(500)]), Vec::<String>::new());
    }

    #[test]
    fn all_together_stay_under_the_limit() {
        let many: Vec<String> = (0..1_000).map(|n| format!("the long title number {n}")).collect();
        let terms = key_terms(&many);
        assert!(terms.len() > 30, "{}", terms.len());
        assert!(terms.iter().map(|term| tokens(term)).sum::<usize>() <= MAX_TOKENS);
        assert_eq!(terms[0], "the long title number 0");
    }

    proptest! {
        #[test]
        fn any_title_makes_a_short_term_or_none(titles in prop::collection::vec(".{0,200}", 0..20)) {
            let terms = key_terms(&titles);
            for term in &terms {
                prop_assert!(term.len() <= MAX_BYTES && !term.is_empty());
                prop_assert!(term.trim() == term && !term.chars().any(char::is_control));
            }
            prop_assert!(terms.iter().map(|term| tokens(term)).sum::<usize>() <= MAX_TOKENS);
        }
    }
}
