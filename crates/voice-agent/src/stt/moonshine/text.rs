//! The model's text made fit for captions and for the task language.

/// What the model writes, tidied: control characters and runs of spaces go, an exact repetition of the last words goes,
/// the first letter is upper case, stray marks at the start go. Punctuation stays, for numbers and questions need it.
pub(super) fn tidy(raw: &str) -> String {
    let words: Vec<&str> = raw.split(|c: char| c.is_whitespace() || c.is_control() || c == '\u{fffd}').collect();
    let words: Vec<&str> = words.into_iter().filter(|word| !word.is_empty()).collect();
    let kept = without_stutter(&words);
    let joined = kept.into_iter().map(modern).collect::<Vec<_>>().join(" ");
    let text = joined.trim_start_matches(|c: char| !c.is_alphanumeric() && !matches!(c, '$' | '"' | '\'' | '#' | '-'));
    if !text.chars().any(char::is_alphanumeric) {
        return String::new();
    }
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

/// The model learnt from old books too: "to-morrow" is written as everybody writes it.
fn modern(word: &str) -> String {
    const OLD: &[(&str, &str)] = &[
        ("o-day", "oday"),
        ("o-morrow", "omorrow"),
        ("o-night", "onight"),
        ("ood-bye", "oodbye"),
        ("ood-by", "oodbye"),
    ];
    let old = OLD.iter().find(|(old, _)| bare(word).get(1..) == Some(old));
    old.map_or_else(|| word.to_owned(), |(old, new)| word.replacen(old, new, 1))
}

/// Whether a text is nothing, or what this model writes for a cough, a click, typing or mere noise, often with high
/// confidence (0.97 for a cough as "You"), and what nobody tells a task list by itself. "Thank you" is not among them: it is
/// said.
pub(super) fn is_heard_in_noise(text: &str) -> bool {
    const FROM_NOISE: &[&str] = &[
        "",
        "you",
        "so",
        "the",
        "2",
        "thank",
        "thanks for",
        "thanks for watching",
        "thank you for watching",
        "thank you for listening",
    ];
    FROM_NOISE.contains(&bare_words(text).join(" ").as_str())
}

/// Lower-case words without punctuation, for comparing. An apostrophe inside a word stays ("don't").
pub(super) fn bare_words(text: &str) -> Vec<String> {
    text.split_whitespace().map(bare).filter(|word| !word.is_empty()).collect()
}

/// One word in lower case without the marks around it.
pub(super) fn bare(word: &str) -> String {
    word.trim_matches(|c: char| !c.is_alphanumeric()).to_lowercase().replace('\u{2019}', "'")
}

/// Drops what a decoder repeats: a group of two to eight words that follows itself, and a single word from its third time
/// on ("no, no" is something people say, "the the the" is not).
fn without_stutter<'w>(words: &[&'w str]) -> Vec<&'w str> {
    let mut kept: Vec<&str> = Vec::with_capacity(words.len());
    for &word in words {
        kept.push(word);
        for group in (2..=8).rev() {
            if kept.len() >= 2 * group
                && same(&kept[kept.len() - group..], &kept[kept.len() - 2 * group..kept.len() - group])
            {
                kept.truncate(kept.len() - group);
            }
        }
        if kept.len() >= 3 && kept[kept.len() - 3..].windows(2).all(|pair| same(&pair[..1], &pair[1..])) {
            kept.pop();
        }
    }
    kept
}

fn same(a: &[&str], b: &[&str]) -> bool {
    a.iter().zip(b).all(|(a, b)| bare(a) == bare(b))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spaces_marks_and_case_are_tidied() {
        assert_eq!(tidy("  ...add  buy milk\u{fffd} to my list. "), "Add buy milk to my list.");
        assert_eq!(tidy("$5 for milk?"), "$5 for milk?");
        assert_eq!(tidy("\u{e9}clair"), "\u{c9}clair");
    }

    #[test]
    fn old_spellings_are_modern() {
        assert_eq!(tidy("Call Anna to-morrow, good-bye."), "Call Anna tomorrow, goodbye.");
    }

    #[test]
    fn marks_alone_are_nothing() {
        for raw in ["", " . ", "...", "\u{fffd}!"] {
            assert_eq!(tidy(raw), "");
        }
    }

    #[test]
    fn repeated_words_are_dropped() {
        assert_eq!(tidy("Add milk, add milk. Add milk to it"), "Add milk, to it");
        assert_eq!(tidy("no no"), "No no");
        assert_eq!(tidy("the the the the list"), "The the list");
    }

    #[test]
    fn what_noise_is_written_as_is_known() {
        assert!(["", "You", "You.", "Thanks for watching!"].into_iter().all(is_heard_in_noise));
        assert!(!["Thank you.", "Yes", "No", "You did it"].into_iter().any(is_heard_in_noise));
    }

    #[test]
    fn bare_words_keep_inner_apostrophes() {
        assert_eq!(bare_words("Don\u{2019}t \u{2014} delete \"it\"!"), ["don't", "delete", "it"]);
    }
}
