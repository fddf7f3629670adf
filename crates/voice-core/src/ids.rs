//! The ids that tie everything that arrives late to what it belonged to.
//!
//! A cancelled reply can never be heard because every delta carries the id of the reply it came from, and an id
//! is used once in the life of a session: the counters are part of the snapshot.

use std::fmt;

use serde::{Deserialize, Serialize};

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident($inner:ty);)*) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub $inner);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}", self.0)
            }
        }
    )*};
}

ids! {
    /// One exchange: what the caller said and what the agent answered. Counts from 1; 0 is the greeting.
    TurnId(u32);
    /// One cancellable answer of the language model, over all its tool rounds.
    ReplyId(u64);
    /// One request to the language model: a reply makes one, and one more after each round of tools.
    LlmRequestId(u64);
    /// One stretch of agent speech: the unit of playout, of `clear` and of the heard-ledger.
    SpeechId(u64);
    /// One stretch of caller speech between two pauses, as the VAD and the STT see it.
    UtteranceId(u64);
    /// One call of a tool, unique in the session; `session + turn + call` is the exactly-once key.
    ToolCallId(u64);
    /// One transport leg of the session.
    ConnectionId(u64);
    /// One attempt to save the session.
    CommitId(u64);
    /// A provider's place in its stage's chain: 0 is the preferred one.
    RungId(u8);
}
