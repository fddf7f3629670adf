//! The words by which a request to stop the recording is told from everything else.

/// Verbs that end something: "stop recording", "turn the recording off".
pub(super) const STOPS: &[&str] = &[
    "stop",
    "quit",
    "end",
    "pause",
    "halt",
    "cease",
    "finish",
    "cancel",
    "disable",
    "deactivate",
    "suspend",
    "discontinue",
    "kill",
    "cut",
    "switch",
    "turn",
    "shut",
    "drop",
    "abort",
    "terminate",
    "stopped",
    "stopping",
    "ending",
    "pausing",
    "halting",
    "disabling",
    "turning",
    "switching",
    "shutting",
    "cancelling",
    "canceling",
];
/// Words that forbid, or withdraw a leave: "don't record", "I no longer agree to being recorded".
pub(super) const FORBIDS: &[&str] = &[
    "don't",
    "dont",
    "not",
    "no",
    "never",
    "without",
    "stop",
    "quit",
    "withdraw",
    "revoke",
    "refuse",
    "object",
    "rather",
    "cannot",
    "can't",
    "shouldn't",
    "mustn't",
    "won't",
    "wouldn't",
    "didn't",
    "isn't",
    "nobody",
    "off",
    "against",
];
/// What is recorded, also as a recogniser mishears it.
pub(super) const RECORDS: &[&str] =
    &["record", "recording", "recorded", "records", "recordings", "recoding", "recorder", "recordin", "rerecording"];
/// What is taped: of a call, said with "me", "us" or "this".
pub(super) const TAPES: &[&str] = &["taping", "tape"];

/// What introduces a title, so that what follows is none of our business: "remind me to stop recording podcasts".
pub(super) const INTRODUCES: &[&str] = &[
    "add", "remind", "reminder", "task", "todo", "note", "create", "rename", "call", "put", "move", "delete",
    "complete", "mark", "remember", "forget", "need", "have", "must", "finished", "schedule", "make",
];
/// How a question begins that asks about a recording, and does not ask for anything.
pub(super) const QUESTIONS: &[&str] = &[
    "what", "what's", "when", "who", "why", "how", "are", "is", "isn't", "do", "did", "does", "which", "where", "was",
];
/// What a question asks that is a request put politely: "is it possible to stop recording?", "do you mind not recording this?".
pub(super) const POSSIBLE: &[&str] = &[
    "possible", "able", "way", "ways", "mind", "option", "chance", "okay", "ok", "alright", "fine", "allowed", "right",
    "choice",
];
/// What makes a noun of the next word: "the call".
pub(super) const DETERMINERS: &[&str] =
    &["the", "this", "that", "my", "our", "your", "a", "any", "all", "of", "phone", "whole", "entire"];
/// What may follow "recording" besides courtesies, and names nothing else than this call: "stop recording everything I say".
pub(super) const AFTER: &[&str] = &[
    "stop",
    "stops",
    "end",
    "ends",
    "not",
    "stopped",
    "turned",
    "phone",
    "everything",
    "anything",
    "what",
    "say",
    "saying",
    "said",
    "already",
    "should",
    "must",
    "needs",
    "has",
    "need",
    "without",
    "permission",
    "straight",
    "again",
    "with",
    "either",
    "anyway",
    "then",
    "altogether",
    "completely",
    "entirely",
];
/// What is said while looking for the word; it parts nothing.
pub(super) const HESITATIONS: &[&str] = &["uh", "um", "er", "erm", "uhm", "hm", "hmm", "mm", "eh", "ah", "umm", "uhh"];
/// Verbs that take a leave back: "I withdraw my consent".
pub(super) const WITHDRAWS: &[&str] =
    &["withdraw", "withdrawing", "withdrawn", "revoke", "revoking", "retract", "rescind", "cancel"];
/// What the leave is called.
pub(super) const LEAVES: &[&str] = &["consent", "permission"];
/// Verbs that do away with what was recorded: "delete the recording".
pub(super) const ERASES: &[&str] = &["delete", "remove", "forget", "erase", "discard", "scrap", "destroy", "wipe"];
/// Verbs that keep what was heard: "stop saving my voice".
pub(super) const KEEPS: &[&str] = &["saving", "save", "storing", "store", "keeping", "keep", "capturing", "capture"];
/// What of a caller is kept.
pub(super) const KEPT: &[&str] = &["voice", "audio", "call", "conversation", "words"];
/// What forbids, and is not only a verb that ends something.
pub(super) const NEGATIONS: &[&str] = &["don't", "dont", "not", "never", "nobody", "without"];
/// What makes it last beyond this call.
pub(super) const LASTING: &[&str] = &["again", "ever", "never", "future", "always", "forever", "permanently"];
/// Short ways to forbid, also alone: "are you recording this? Please don't".
pub(super) const DONTS: &[&str] = &["don't", "dont", "not", "stop"];

/// Words that may stand around a request to stop, and between its two words.
pub(super) const COURTESIES: &[&str] = &[
    "please",
    "can",
    "could",
    "would",
    "will",
    "you",
    "now",
    "hey",
    "ok",
    "okay",
    "i",
    "i'd",
    "i'm",
    "want",
    "wanna",
    "to",
    "just",
    "no",
    "wait",
    "oh",
    "uh",
    "um",
    "thanks",
    "like",
    "thank",
    "sorry",
    "actually",
    "yes",
    "yeah",
    "this",
    "the",
    "that",
    "my",
    "our",
    "me",
    "us",
    "call",
    "conversation",
    "session",
    "audio",
    "voice",
    "it",
    "all",
    "any",
    "anymore",
    "longer",
    "more",
    "off",
    "be",
    "being",
    "of",
    "agree",
    "consent",
    "from",
    "on",
    "right",
    "away",
    "immediately",
    "here",
    "and",
    "so",
    "well",
    "at",
    "once",
    "do",
    "am",
    "we",
    "have",
    "kindly",
    "if",
    "for",
    "stop",
];
