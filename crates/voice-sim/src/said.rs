//! What callers say about the recording, and what it means: known from the script, never from the core's own tables.

use voice_core::phrases::normalise;

/// Asks for the recording to stop, in words of its own.
pub(crate) const STOPS: [&str; 12] = [
    "please stop recording",
    "stop recording",
    "stop the call recording",
    "turn off call recording please",
    "i don't want this call recorded",
    "i need you to stop recording",
    "you must stop recording now",
    "please make it stop recording",
    "is it possible to stop recording",
    "is there a way to stop recording",
    "do you mind not recording this",
    "stop recording or i'll hang up",
];
/// A plain yes.
pub(crate) const YES: [&str; 5] = ["yes please", "yes", "i agree", "you may record this call", "sure thanks"];
/// Sounds like a yes, and is none.
pub(crate) const NO_YES: [&str; 10] = [
    "i do have a question first",
    "you can tell me what's on my list",
    "it may rain tomorrow",
    "yeah nah",
    "okay i'd prefer you didn't",
    "sure why would you record me",
    "okay what is this",
    "yes i wouldn't like that",
    "go ahead and tell me my tasks",
    "yes who is this",
];
/// What of these is a yes when nothing more was understood: the line went away, or the pause behind it was taken for the end.
const BEGUN: [&str; 9] =
    ["sure", "okay", "yeah", "go ahead", "you can", "you may", "you may record", "you may record this", "it may"];
/// What a caller of the script says behind a yes, in the same turn, when the yes stays one.
const REQUESTS: [&str; 4] = ["add ", "please add ", "list my tasks", "uh huh"];

/// Whether this asks for the recording to stop: as one of its sentences.
pub(crate) fn asks_to_stop(text: &str) -> bool {
    text.split(['.', '!', '?']).any(|sentence| STOPS.contains(&normalise(sentence).as_str()))
}

/// What may stand before a yes: the end of "no, please" or "no thanks" of which the beginning was another utterance.
const COURTESIES: [&str; 2] = ["please ", "thanks "];

/// Whether this agrees plainly, and at most goes on with a request.
pub(crate) fn agrees(text: &str) -> bool {
    let words = normalise(text);
    let mut rest = words.as_str();
    while let Some(more) = COURTESIES.iter().find_map(|courtesy| rest.strip_prefix(courtesy)) {
        rest = more;
    }
    let mut agreed = false;
    while let Some(more) = YES.iter().find_map(|yes| rest.strip_prefix(yes)) {
        agreed = true;
        rest = more.trim_start();
        if rest.is_empty() || REQUESTS.iter().any(|request| rest.starts_with(request)) {
            return true;
        }
    }
    agreed && rest.is_empty() || BEGUN.contains(&words.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_yes_is_told_from_what_sounds_like_one() {
        assert!(YES.iter().all(|text| agrees(text)) && agrees("Yes please, add item3") && agrees("yes yes please"));
        assert!(agrees("please sure thanks") && !agrees("please") && !agrees("please yeah nah"));
        assert!(!NO_YES.iter().any(|text| agrees(text)) && !agrees("yesterday") && !agrees(""));
        assert!(STOPS.iter().all(|text| asks_to_stop(text)) && asks_to_stop("Add item1. Stop recording."));
        assert!(!asks_to_stop("add stop recording"));
    }
}
