//! Questions about a day or an hour: "what does Wednesday look like?", "what's at six?".

use super::super::dates;
use super::super::normalise::{Utterance, norms};
use super::list::filter;
use super::{Intent, Known};

/// "What's at six?", "do I have anything tomorrow at noon?"
pub(super) fn of_an_hour(utterance: &Utterance, known: Known<'_>) -> Option<Intent> {
    const ASKING: [&[&str]; 13] = [
        &["what's"],
        &["what", "is"],
        &["what", "do", "i", "have"],
        &["what", "have", "i", "got"],
        &["what", "have", "i"],
        &["do", "i", "have", "anything"],
        &["do", "i", "have", "something"],
        &["have", "i", "got", "anything"],
        &["is", "there", "anything"],
        &["is", "there", "something"],
        &["anything"],
        &["got", "anything"],
        &["what", "was"],
    ];
    let words = norms(&utterance.words);
    let asked = ASKING.iter().filter(|asked| words.starts_with(asked)).map(|asked| asked.len()).max()?;
    let more = words[asked..]
        .iter()
        .take_while(|word| matches!(**word, "on" | "due" | "planned" | "scheduled" | "happening" | "again"));
    let more = if words.get(asked) == Some(&"on") && words.get(asked + 1) != Some(&"at") { 0 } else { more.count() };
    let rest = words.get(asked + more..)?;
    let due = dates::parse(rest, known.now).filter(|due| due.time.is_some())?;
    let clocked = rest.contains(&"at")
        || rest.iter().any(|word| word.contains(':') || word.ends_with("pm") || word.ends_with("am"));
    clocked.then_some(Intent::At(due))
}

/// "What does Wednesday look like?", "tell me what's on for next week", "show me Friday": a question in which nothing but a day is
/// named.
pub(super) fn of_a_day(utterance: &Utterance, known: Known<'_>) -> Option<Intent> {
    const ASKING: &str =
        "what what's whats how how's show tell give read list see check do does is are am anything any which";
    const EMPTY: &str = "what what's whats how how's show tell give read list see check do does is are am anything any which i i've me         my we us our there have got get going on for to of the a look looks looking like plan plans planned schedule scheduled         happening coming up this that's in at by so and tasks things task thing stuff list agenda need about else still be         been free busy with please out off already yet too early late";
    let words = norms(&utterance.words);
    let listed = |list: &str, word: &str| list.split_ascii_whitespace().any(|entry| entry == word);
    if !listed(ASKING, words.first()?) || words.len() > 14 {
        return None;
    }
    let span = |at: usize| {
        let named =
            dates::find_leading(&words[at..], known.now).filter(|(_, due)| due.day_said).map(|(length, _)| length);
        let range = matches!(words[at..], ["next" | "this", "week" | "weekend" | "month", ..]).then_some(2);
        named.max(range)
    };
    let mut dated = false;
    let mut at = 0;
    while at < words.len() {
        // A preposition belongs to its day.
        match (listed(EMPTY, words[at]), span(at)) {
            (false, Some(length)) => (dated, at) = (true, at + length),
            (true, _) => at += 1,
            (false, None) => return None,
        }
    }
    dated.then(|| Intent::List(filter(&utterance.text, known)))
}

/// "… about the garden", "… with John".
pub(super) fn about(text: &str, known: Known<'_>) -> Option<String> {
    let (_, what) = text
        .split_once(" about ")
        .or_else(|| text.split_once(" mention "))
        .or_else(|| text.split_once(" related to "))?;
    let what = what.trim_start_matches("the ").trim_start_matches("my ").trim_start_matches("word ");
    let dated = dates::parse(&what.split(' ').collect::<Vec<_>>(), known.now).is_some();
    (!what.is_empty() && !dated && !matches!(what, "tasks" | "list" | "today" | "tomorrow")).then(|| what.to_owned())
}
