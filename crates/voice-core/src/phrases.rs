//! The words that the session itself says, and the few that it recognises without any model.

mod answer;
mod recording;

pub use answer::{ConsentAnswer, consent_answer};
pub use recording::{asks_to_stop_recording, is_stop_recording, opts_out, stops_asked, without_stop_recording};

/// The greeting of a session that was lost and restored, as the contract has it.
pub const RESTORED_GREETING: &str = "I'm back. We were discussing your task list. Where were we?";
/// What a call by telephone begins with, as the contract has it.
pub const PHONE_CONSENT: &str = "This call may be recorded for quality and training purposes. Say 'stop recording' at any \
                                 time to disable recording.";
/// After "stop recording", as the contract has it.
pub const RECORDING_STOPPED: &str = "Recording has been stopped for this call. How can I help you?";
/// After "stop recording" when nothing was recorded, and nobody said that it may be.
pub const NOT_RECORDING: &str = "This call isn't being recorded. How can I help you?";
/// What asks for consent where a yes is needed before anything is recorded.
pub const CONSENT_QUESTION: &str = "May this call be recorded for quality and training purposes?";
/// How it is answered by voice.
pub const CONSENT_BY_VOICE: &str = "Please say yes or no.";
/// How it is answered by telephone.
pub const CONSENT_BY_PHONE: &str = "Please say yes or no, or press 1 for yes and 2 for no.";
/// After a yes.
pub const CONSENT_GIVEN: &str = "Thank you. Say 'stop recording' at any time to disable recording.";
/// After a no, or no answer.
pub const CONSENT_REFUSED: &str = "All right, this call is not recorded.";
/// After an objection that is to be remembered.
pub const RECORDING_OPTED_OUT: &str = "All right. You won't be recorded from now on. How can I help you?";
/// When voice failed in a browser, as the contract has it.
pub const TEXT_FALLBACK: &str = "Voice is temporarily unavailable. You can type your request below.";
/// When the language model failed twice and nothing was done.
pub const APOLOGY: &str = "I'm sorry, something went wrong on my side. Please say that again.";
/// When the language model failed after something was done.
pub const APOLOGY_AFTER_CHANGE: &str = "That's done. I'm sorry, I can't say more just now.";
/// When the language model broke off in mid-reply.
pub const APOLOGY_CUT: &str = "I'm sorry, I lost my thread there.";
/// When an answer takes too long to be made, and nothing was done.
pub const TOO_SLOW: &str = "I'm sorry, this is taking too long, so I've stopped. Please try again.";
/// When an answer takes too long to be made, after something was done.
pub const TOO_SLOW_AFTER_CHANGE: &str =
    "I'm sorry, this is taking too long, so I've stopped. What was done so far is saved.";
/// When speech was heard but the STT failed.
pub const NOT_HEARD: &str = "I'm sorry, I couldn't hear that. Could you say it again?";
/// When the STT failed, and what was understood may end in mid-word.
pub const NOT_ALL_HEARD: &str = "I'm sorry, I didn't catch the end of that. Could you say it again?";
/// When the store did not say whether it has a change.
pub const NOT_SURE_SAVED: &str = "I'm not sure that was saved. I'll keep trying.";
/// When the store is away, and has a change as soon as it is back.
pub const SAVED_LATER: &str = "I can't reach your task list right now. I'll save that as soon as it's back.";
/// When a change that was promised, or in doubt, turns out not to be made.
pub const NOT_SAVED_AFTER_ALL: &str = "I'm sorry, your last change wasn't saved after all. Please tell me again.";
/// When the longest duration is reached.
pub const TOO_LONG: &str = "We've reached the longest time for one call. Your tasks are saved. Goodbye.";

/// When what a call may cost is spent.
pub const CEILING: &str = "I have to end our call here. Your tasks are saved. Goodbye.";

/// What the keys of a telephone do.
pub const KEYS: &str = "Press 1 for yes and 2 for no, the pound key to hear something again, or the star key to stop \
                        recording. You can also just say what you need.";

/// What begins a question that yes or no does not answer.
const QUESTION_WORDS: [&str; 9] = ["what", "which", "when", "where", "who", "whose", "whom", "why", "how"];

/// What people say to show that they listen, without wanting the word.
const BACKCHANNELS: [&str; 14] =
    ["uh huh", "uhhuh", "mm hmm", "mmhmm", "mhm", "mm", "hmm", "hm", "ah", "oh", "uh", "um", "er", "right"];

/// Lower case, words only, single spaces.
pub fn normalise(text: &str) -> String {
    let mut words = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\'' | '’' => words.push('\''),
            c if c.is_alphanumeric() => words.extend(c.to_lowercase()),
            _ => {
                if !words.ends_with(' ') && !words.is_empty() {
                    words.push(' ');
                }
            }
        }
    }
    words.trim_end().to_owned()
}

/// Whether a sentence asks for yes or no.
pub fn asks_yes_or_no(sentence: &str) -> bool {
    let words = normalise(sentence);
    let mut first = words.split(' ').take(2);
    sentence.trim_end().ends_with('?') && !first.any(|word| QUESTION_WORDS.contains(&word))
}

/// Whether this is only a sign of listening: "uh-huh".
pub fn is_backchannel(text: &str) -> bool {
    BACKCHANNELS.contains(&normalise(text).as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_backchannel_is_no_answer() {
        assert!(is_backchannel("Uh-huh."));
        assert!(is_backchannel("Mm-hmm"));
        assert!(!is_backchannel("yes"));
        assert!(!is_backchannel("No, Friday."));
    }

    #[test]
    fn yes_or_no_answers_some_questions_only() {
        for question in ["Shall I delete both?", "Anything else?", "Did you mean milk?"] {
            assert!(asks_yes_or_no(question), "{question}");
        }
        for other in ["Where were we?", "How can I help you?", "For which day?", "And when?", "Delete it.", "?!", ""] {
            assert!(!asks_yes_or_no(other), "{other}");
        }
    }
}
