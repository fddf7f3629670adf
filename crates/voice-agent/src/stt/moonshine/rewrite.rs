//! Words exchanged in a written text: marks and capitals stay where they are.

use super::confusion::Change;

/// The words with a change made.
pub(super) fn changed(words: &[String], change: &Change) -> Vec<String> {
    let said = change.said.split(' ').map(str::to_owned);
    words[..change.at].iter().cloned().chain(said).chain(words[change.at + change.length..].iter().cloned()).collect()
}

/// The written words with a change made: marks and capitals stay where they are.
pub(super) fn rewritten(written: &[String], change: &Change) -> Vec<String> {
    let (before, rest) = written.split_at(change.at);
    let (old, after) = rest.split_at(change.length);
    let mut said: Vec<String> = change.said.split(' ').map(str::to_owned).collect();
    if let [only] = said.as_mut_slice()
        && let [old] = old
    {
        *only = in_place_of(old, only);
    } else {
        if let (Some(first), Some(old)) = (said.first_mut(), old.first()) {
            let core = old.trim_matches(|c: char| !c.is_alphanumeric());
            *first = in_place_of(core, first);
        }
        if let (Some(last), Some(old)) = (said.last_mut(), old.last()) {
            last.push_str(
                old.trim_start_matches(|c: char| !c.is_alphanumeric()).trim_start_matches(char::is_alphanumeric),
            );
        }
    }
    before.iter().cloned().chain(said).chain(after.iter().cloned()).collect()
}

/// `new` with the marks around `old`, and with `old`'s capital or small first letter.
pub(super) fn in_place_of(old: &str, new: &str) -> String {
    let core = old.trim_matches(|c: char| !c.is_alphanumeric());
    let upper = core.chars().next().is_some_and(char::is_uppercase);
    let mut letters = new.chars();
    let first = letters.next().map(|first| match upper {
        true => first.to_uppercase().collect::<String>(),
        false => first.to_lowercase().collect(),
    });
    let word: String = first.into_iter().chain([letters.as_str().to_owned()]).collect();
    if core.is_empty() { word } else { old.replacen(core, &word, 1) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_and_capitals_stay_where_words_are_exchanged() {
        let written: Vec<String> = ["\"And", "you,", "then\""].map(str::to_owned).to_vec();
        let change = |said: &str, length| Change { at: 0, length, said: said.to_owned(), nats: 1.0 };
        assert_eq!(rewritten(&written, &change("undo", 2)).join(" "), "Undo, then\"");
        assert_eq!(rewritten(&written, &change("add a", 1)).join(" "), "Add a you, then\"");
    }
}
