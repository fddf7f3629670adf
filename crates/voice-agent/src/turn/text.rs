//! What the words say about the end of a turn: a dangling last word, or a whole command.
//!
//! The acoustic model alone called three of eight unfinished commands complete ("Add a task to review the"). Words tell
//! such cases apart for nothing; the two together make the score. English only, as the embedded speech to text is: words of
//! another language are [`TextHint::Plain`], where the acoustic score stands as it is.

/// What the end of a transcript says about the turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TextHint {
    /// More must come: it ends on an article, a conjunction, a filler, or is the mere beginning of a command.
    Unfinished,
    /// More may come: it ends on a preposition or an auxiliary, which sentences sometimes do ("what is this for").
    Doubtful,
    /// There are no words yet.
    Unknown,
    /// Neither this nor that.
    Plain,
    /// It begins like a command or a question, and ends like one.
    Command,
    /// It is a whole answer in itself ("yes please", "undo that").
    Whole,
}

/// No sentence ends on these.
const UNFINISHED_WORDS: &[&str] = &[
    "a", "an", "and", "because", "but", "called", "cause", "er", "erm", "every", "gonna", "he's", "hm", "hmm", "i",
    "i'd", "i'll", "i'm", "i've", "if", "into", "it's", "its", "let's", "my", "named", "nor", "of", "or", "our", "per",
    "she's", "than", "that's", "the", "their", "there's", "they're", "titled", "uh", "uhm", "um", "umm", "unless",
    "until", "wanna", "we'll", "we're", "what's", "whether", "which", "while", "whose", "you're", "your",
];

/// Sentences end on these now and then.
const DOUBTFUL_WORDS: &[&str] = &[
    "about", "after", "also", "am", "are", "as", "at", "be", "before", "between", "by", "can", "could", "during",
    "each", "for", "from", "had", "has", "have", "her", "his", "in", "is", "just", "like", "may", "might", "must",
    "next", "on", "shall", "should", "so", "some", "then", "through", "till", "to", "toward", "under", "was", "well",
    "were", "when", "where", "will", "with", "without", "would",
];

/// Endings of questions that need nothing more, though their last word alone would be doubtful.
const FINISHED_ENDINGS: &[&str] = &["do i have", "do we have", "have i", "is next", "what's next", "comes next"];

/// Endings of several words that call for more.
const UNFINISHED_ENDINGS: &[&str] = &[
    "i mean",
    "i want to",
    "i would like to",
    "i'd like to",
    "i need to",
    "you know",
    "let me see",
    "let me think",
    "let's see",
    "a task to",
    "task by",
    "task for",
    "task to",
    "remind me to",
    "due on",
    "due by",
    "the one with",
];

/// Whole transcripts that are only a command's beginning.
const BEGINNINGS: &[&str] = &[
    "add",
    "add a task",
    "add a new task",
    "add task",
    "create a task",
    "create a new task",
    "create",
    "new task",
    "make a task",
    "remind me",
    "mark",
    "delete",
    "remove",
    "move",
    "rename",
    "change",
    "set",
    "show",
    "show me",
    "tell me",
    "can you",
    "could you",
    "can you please",
    "what",
    "how",
    "when",
    "please",
    "ok so",
    "okay so",
    "and then",
];

/// Whole transcripts that are an answer in themselves.
const WHOLE: &[&str] = &[
    "yes",
    "yeah",
    "yep",
    "yup",
    "yes please",
    "sure",
    "okay",
    "ok",
    "right",
    "correct",
    "exactly",
    "go ahead",
    "do it",
    "no",
    "nope",
    "no thanks",
    "no thank you",
    "cancel",
    "cancel that",
    "never mind",
    "nevermind",
    "stop",
    "stop it",
    "stop recording",
    "undo",
    "undo that",
    "undo it",
    "repeat that",
    "say that again",
    "thanks",
    "thank you",
    "that's all",
    "that's it",
    "that is all",
    "goodbye",
    "good bye",
    "bye",
    "bye bye",
    "hello",
    "hi",
    "help",
    "list my tasks",
    "show my tasks",
    "what are my tasks",
];

/// First words of commands and questions to a task manager.
const COMMAND_VERBS: &[&str] = &[
    "add", "assign", "cancel", "change", "check", "clear", "close", "complete", "create", "delete", "do", "does",
    "did", "finish", "give", "how", "list", "make", "mark", "move", "postpone", "put", "read", "remind", "remove",
    "rename", "reopen", "schedule", "set", "show", "stop", "tell", "undo", "update", "what", "what's", "when", "which",
    "who",
];

/// Words before a command that do not count.
const POLITENESS: &[&str] =
    &["please", "ok", "okay", "so", "now", "then", "and", "um", "uh", "can", "could", "you", "hey", "hi"];

/// What the transcript's end says about the turn.
pub fn hint(transcript: &str) -> TextHint {
    let trimmed = transcript.trim();
    let words = words(trimmed);
    let Some(last) = words.last() else { return TextHint::Unknown };
    let text = words.join(" ");
    let is = |list: &[&str], text: &str| list.contains(&text);
    if is(WHOLE, &text) {
        return TextHint::Whole;
    }
    let ends_on = |endings: &[&str]| {
        let whole_words = |before: &str| before.is_empty() || before.ends_with(' ');
        endings.iter().any(|ending| text.strip_suffix(ending).is_some_and(whole_words))
    };
    let ends_open = ends_on(UNFINISHED_ENDINGS);
    // Dashes, commas and ellipses are how speech to text writes a voice that stays up.
    let voice_stays_up = trimmed.ends_with(['-', '–', '—', ',', '…']) || trimmed.ends_with("...");
    if voice_stays_up || ends_open || is(BEGINNINGS, &text) || is(UNFINISHED_WORDS, last) {
        return TextHint::Unfinished;
    }
    if is(DOUBTFUL_WORDS, last) && !ends_on(FINISHED_ENDINGS) {
        return TextHint::Doubtful;
    }
    let mut command = words.iter().skip_while(|word| is(POLITENESS, word));
    match command.next() {
        Some(verb) if is(COMMAND_VERBS, verb) && command.next().is_some() => TextHint::Command,
        _ => TextHint::Plain,
    }
}

/// The probability (0 to 1) that the turn is complete, from its sound (0 to 1) and its words.
///
/// Words move the acoustic score, and never decide alone, but for whole answers: `Unfinished` leaves a quarter of it,
/// `Doubtful` a bit more than half; a `Command` starts at 0.3, a `Whole` answer at 0.8. Without any words the score is kept from
/// its ends, since the acoustic model must not be trusted alone. A score that is no number counts as 0.5.
pub fn combine(acoustic: f32, transcript: &str) -> f32 {
    let acoustic = if acoustic.is_nan() { 0.5 } else { acoustic.clamp(0.0, 1.0) };
    match hint(transcript) {
        TextHint::Unfinished => 0.25 * acoustic,
        TextHint::Doubtful => 0.55 * acoustic,
        TextHint::Unknown => acoustic.clamp(0.15, 0.85),
        TextHint::Plain => acoustic,
        TextHint::Command => 0.3 + 0.7 * acoustic,
        TextHint::Whole => 0.8 + 0.2 * acoustic,
    }
}

/// The words, small and without punctuation but for apostrophes inside.
fn words(text: &str) -> Vec<String> {
    text.split(|char: char| !(char.is_alphanumeric() || char == '\'' || char == '’'))
        .map(|word| word.replace('’', "'").trim_matches('\'').to_lowercase())
        .filter(|word| !word.is_empty())
        .collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn dangling_words_are_unfinished_whatever_the_punctuation() {
        for text in [
            "Add a task to review the",
            "Add a task to review the.",
            "Move it from Monday and",
            "I want to, um...",
            "Delete my",
            "Add a task to",
            "Remind me to.",
            "Mark it because I’m",
            "Call the dentist,",
            "Call the dentist —",
            "Add a task",
            "Can you",
        ] {
            assert_eq!(hint(text), TextHint::Unfinished, "{text}");
        }
    }

    #[test]
    fn prepositions_are_doubtful() {
        for text in [
            "Add a task to review the proposal by",
            "I have",
            "What is this for?",
            "Put it in",
            "Which one is",
            "Move it to",
        ] {
            assert_eq!(hint(text), TextHint::Doubtful, "{text}");
        }
    }

    #[test]
    fn commands_and_questions_are_commands() {
        for text in [
            "Add a task to review the proposal by Friday.",
            "Um, can you delete the second task?",
            "What are my tasks for today",
            "Please mark it as done",
            "Okay, move it to Monday.",
            "Delete the second one, please.",
            "Delete this",
            "How many tasks do I have?",
            "What is next?",
        ] {
            assert_eq!(hint(text), TextHint::Command, "{text}");
        }
    }

    #[test]
    fn answers_are_whole() {
        for text in ["Yes, please.", "no", "Undo that!", "Stop recording.", "That’s all", "Thank you."] {
            assert_eq!(hint(text), TextHint::Whole, "{text}");
        }
    }

    #[test]
    fn other_words_are_plain_and_none_are_unknown() {
        for text in ["The proposal on Friday", "Nächsten Dienstag", "I think the second one"] {
            assert_eq!(hint(text), TextHint::Plain, "{text}");
        }
        for text in ["", "   ", "...", "?!"] {
            assert_eq!(hint(text), TextHint::Unknown, "{text}");
        }
    }

    #[test]
    fn a_dangling_word_outvotes_a_sure_voice() {
        assert!(combine(0.95, "Add a task to review the") < 0.3);
        assert!(combine(0.95, "Add a task to review the proposal by") < 0.6);
    }

    #[test]
    fn a_whole_answer_outvotes_a_doubting_voice_and_a_command_helps_it() {
        assert!(combine(0.05, "Undo that.") > 0.8);
        let doubting = combine(0.1, "Add a task to review the proposal by Friday");
        assert!((0.3..0.5).contains(&doubting), "{doubting}");
    }

    #[test]
    fn the_voice_is_never_trusted_alone() {
        assert_eq!(combine(1.0, ""), 0.85);
        assert_eq!(combine(0.0, ""), 0.15);
        assert_eq!(combine(f32::NAN, "the proposal"), 0.5);
    }

    #[test]
    fn the_lists_are_what_the_words_of_a_transcript_can_equal() {
        for list in [
            UNFINISHED_WORDS,
            DOUBTFUL_WORDS,
            FINISHED_ENDINGS,
            UNFINISHED_ENDINGS,
            BEGINNINGS,
            WHOLE,
            COMMAND_VERBS,
            POLITENESS,
        ] {
            for entry in list {
                assert_eq!(words(entry).join(" "), *entry);
            }
        }
    }

    proptest! {
        #[test]
        fn a_surer_voice_never_lowers_the_score(a in 0.0f32..1.0, b in 0.0f32..1.0, text in ".{0,40}") {
            let (low, high) = (combine(a.min(b), &text), combine(a.max(b), &text));
            prop_assert!(low <= high);
            prop_assert!((0.0..=1.0).contains(&low) && (0.0..=1.0).contains(&high));
        }
    }
}
