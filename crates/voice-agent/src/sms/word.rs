//! The words that are about the messages themselves, and never the agent's.

/// What such a word asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Word {
    /// No more messages.
    Stop,
    /// Messages again.
    Start,
    /// Messages again, for whoever had said [`Word::Stop`]; an answer to the agent's question for everybody else.
    Yes,
    /// What this number is.
    Help,
}

/// The word that a message consists of, or that Twilio found in it (`OptOutType`, which says that Twilio has answered).
pub fn word(body: &str, opt_out_type: &str) -> Option<Word> {
    match opt_out_type.trim().to_ascii_uppercase().as_str() {
        "STOP" => return Some(Word::Stop),
        "START" => return Some(Word::Start),
        "HELP" => return Some(Word::Help),
        _ => {}
    }
    let only = body.trim().trim_end_matches(['.', '!', '?']).trim_end();
    match only.to_ascii_uppercase().as_str() {
        "STOP" | "STOPALL" | "UNSUBSCRIBE" | "CANCEL" | "END" | "QUIT" => Some(Word::Stop),
        "START" | "UNSTOP" => Some(Word::Start),
        "YES" => Some(Word::Yes),
        "HELP" | "INFO" => Some(Word::Help),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_is_one_only_when_it_is_all_of_the_message() {
        for (body, expected) in [
            ("STOP", Some(Word::Stop)),
            (" stop!\n", Some(Word::Stop)),
            ("StopAll", Some(Word::Stop)),
            ("unsubscribe", Some(Word::Stop)),
            ("Cancel.", Some(Word::Stop)),
            ("end", Some(Word::Stop)),
            ("quit", Some(Word::Stop)),
            ("start", Some(Word::Start)),
            ("UNSTOP", Some(Word::Start)),
            ("Yes", Some(Word::Yes)),
            ("help?", Some(Word::Help)),
            ("info", Some(Word::Help)),
            ("stop recording", None),
            ("cancel the first one", None),
            ("yes please", None),
            ("add help mom move", None),
            ("", None),
            ("!", None),
        ] {
            assert_eq!(word(body, ""), expected, "{body:?}");
        }
    }

    #[test]
    fn what_twilio_found_counts() {
        assert_eq!(word("arrêt", "STOP"), Some(Word::Stop));
        assert_eq!(word("yes", "START"), Some(Word::Start));
        assert_eq!(word("aide", "help"), Some(Word::Help));
        assert_eq!(word("add milk", "NEW"), None);
    }
}
