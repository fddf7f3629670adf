//! Is what stands in front of "recording" part of a request, or the beginning of a title or of a question?

use super::words::{DETERMINERS, FORBIDS, INTRODUCES, LEAVES, NEGATIONS, POSSIBLE, QUESTIONS, STOPS};

/// Where a title begins, if one does: what follows is none of our business. The same words may belong to the request itself: "stop the call recording",
/// "you need to stop recording", "please make it stop recording".
pub(super) fn introduction(words: &[&str]) -> Option<usize> {
    (0..words.len()).find(|at| INTRODUCES.contains(&words[*at]) && !is_of_the_request(words, *at))
}

/// Whether the word at this place, which may introduce a title, does not.
fn is_of_the_request(words: &[&str], at: usize) -> bool {
    let (ahead, behind) = (&words[..at], &words[at + 1..]);
    let next = behind.first().copied().unwrap_or_default();
    let last = ahead.last().copied().unwrap_or_default();
    match words[at] {
        // "This call", "stop call recording"; "call Bob" is what is to be done.
        "call" => {
            DETERMINERS.contains(&last) || behind.is_empty() && (STOPS.contains(&last) || FORBIDS.contains(&last))
        }
        "need" | "must" | "have" | "make" => is_wanted(words[at], ahead, behind),
        // "Note that I don't want to be recorded".
        "note" | "remember" => matches!(next, "that" | "i" | "we") && has(behind, NEGATIONS),
        "put" => behind.starts_with(&["a", "stop"]) || behind.starts_with(&["an", "end"]),
        _ => false,
    }
}

/// Whether a need is one that this side is to meet: "I need you to stop", "you must not", "I'd like to have the recording stopped". What the caller
/// has to do is a task: "I have to stop recording at five".
fn is_wanted(verb: &str, ahead: &[&str], behind: &[&str]) -> bool {
    let next = behind.first().copied().unwrap_or_default();
    let stops = has(behind, STOPS) || has(behind, FORBIDS);
    if has(ahead, NEGATIONS) || ahead.last() == Some(&"no") {
        // "I don't need this recorded", and not "you don't need to stop"; "you don't have permission", and not "I don't have the recording".
        let be = behind.contains(&"be") || has(behind, LEAVES);
        return !stops && (verb == "need" || be || ahead.contains(&"you"));
    }
    // "How do I have to stop it?", "do I have a way to".
    let asks = matches!(ahead.first(), Some(&("what" | "how"))) || has(behind, POSSIBLE);
    let wishes = has(ahead, &["want", "like", "can", "could", "please", "would", "wish"]);
    ahead.contains(&"you")
        || matches!(next, "you" | "it")
        || matches!(next, "this" | "that") && stops
        || stops && asks
        || verb == "need" && DETERMINERS.contains(&next) && !ahead.contains(&"no")
        || verb == "have"
            && (matches!(next, "not" | "never") || wishes && (next.is_empty() || DETERMINERS.contains(&next)))
        || verb == "make" && next == "sure"
}

/// Whether these words, in front of "recording", only ask about it. "Do not record this" forbids, "do you record this?" asks; "is there a way to stop
/// recording?" and "do you mind not recording?" are requests put politely.
pub(super) fn only_asks(before: &[&str]) -> bool {
    let open = before.iter().position(|word| !matches!(*word, "and" | "but" | "then" | "so" | "ok" | "okay" | "hey"));
    let words = &before[open.unwrap_or(before.len())..];
    let Some((first, rest)) = words.split_first() else { return false };
    if !QUESTIONS.contains(first) {
        return false;
    }
    let stops = |words: &[&str]| words.iter().any(|word| is_stop(word) && *word != "stopped");
    let said = rest.iter().find(|word| !matches!(**word, "please" | "just" | "kindly")).copied().unwrap_or_default();
    let auxiliary = matches!(said, "do" | "can" | "could" | "would" | "should" | "must" | "does");
    let request = match *first {
        "do" if said == "not" || STOPS.contains(&said) => true,
        "why" => said == "don't",
        "how" => auxiliary && stops(rest),
        "what" if said == "if" => has(rest, NEGATIONS),
        "what" => auxiliary && rest.windows(2).any(|pair| pair[0] == "to" && is_stop(pair[1])),
        "is" | "isn't" | "are" | "do" | "does" => {
            rest.iter().position(|word| POSSIBLE.contains(word)).is_some_and(|at| stops(&rest[at + 1..]))
        }
        _ => false,
    };
    !request
}

/// "Turn on the recording", "switch the recording on".
pub(super) fn turns_on(before: &[&str], after: &[&str]) -> bool {
    let turns = |word: &&str| matches!(*word, "turn" | "switch" | "turning" | "switching");
    let on = before.windows(2).any(|pair| turns(&pair[0]) && pair[1] == "on") || after.first() == Some(&"on");
    on && before.iter().any(turns) && !before.iter().any(|word| is_stop(word) && !turns(word))
}

fn is_stop(word: &str) -> bool {
    STOPS.contains(&word) || NEGATIONS.contains(&word) || word == "off"
}

fn has(words: &[&str], wanted: &[&str]) -> bool {
    words.iter().any(|word| wanted.contains(word))
}
