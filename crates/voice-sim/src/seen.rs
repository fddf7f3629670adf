//! What a seed got to see: a simulator that goes blind finds nothing, so every kind of event is counted.

macro_rules! seen {
    ($($name:ident = $words:literal,)*) => {
        /// A kind of event.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum Seen {
            $(#[doc = $words] $name,)*
        }

        impl Seen {
            /// Every kind, with its name.
            pub const ALL: &'static [(Self, &'static str)] = &[$((Self::$name, $words),)*];
        }
    };
}

seen! {
    EndOfTurn = "end of turn by voice",
    TypedTurn = "end of turn by typing",
    Interruption = "interruption",
    FalseInterruption = "false interruption",
    HushVain = "hush that nothing came of",
    HushSpeech = "hush that speech followed",
    HushCut = "hush cut short",
    HushLongest = "hush that waited for a position in vain",
    Backchannel = "sign of listening over the agent",
    Reopened = "turn gone on with after its end",
    Speculation = "reply begun before the end of turn",
    Guessed = "reply begun before the end of speech",
    FirstHeard = "first report of an answer that is heard",
    Discarded = "reply thrown away unheard",
    NotHeard = "agent asks again after deaf STT",
    StopRecording = "recording stopped by voice",
    ConsentWithdrawn = "consent withdrawn by a button",
    Announced = "announcement heard",
    Agreed = "recording agreed to",
    Declined = "recording refused",
    Unanswered = "question about recording left unanswered",
    Stopped = "recording stopped",
    OptedOut = "recording refused for good",
    Recorded = "frames recorded with a permit",
    TextFallback = "fallback to text",
    TtsRetry = "synthesis tried again",
    Apology = "apology",
    LlmRetry = "model asked again after a failure",
    LlmLate = "model's words after its cancellation",
    ToolRan = "tool computed",
    ToolFailed = "tool failed or too late",
    ToolChange = "change committed",
    GatedWords = "words held back until a commit",
    EarlyWords = "words of a call spoken before it was whole",
    TooManyCalls = "too many tool calls or requests",
    Conflict = "commit in conflict",
    StoreDown = "commit refused",
    LostAck = "commit applied, its answer lost",
    StoreHung = "commit without an answer",
    NotSure = "caller told that nobody knows whether it was saved",
    SavedLater = "caller told that it is saved when the store is back",
    DoubtSettled = "unknown outcome known at last",
    Fenced = "session taken over",
    Restored = "restored after a kill",
    RestoredMidReply = "killed in mid-reply",
    Moved = "moved on purpose",
    MovedMidSpeech = "moved in mid-speech, the rest said elsewhere",
    Handoff = "hand-off between agents",
    LegLost = "leg lost",
    LegReplaced = "leg replaced",
    LegBack = "leg back in time",
    CaptionAgain = "caption told again to a new leg",
    TakenBack = "caption taken back",
    TextLeg = "leg without voice",
    NoLeg = "typed message answered without a leg",
    Burst = "burst of typed messages",
    TooManyMessages = "typed message refused",
    Muted = "microphone muted",
    PlayoutStalled = "playout taken as heard",
    SttDeadline = "STT deadline",
    LlmDeadline = "model deadline",
    AnswerDeadline = "answer given up because it took too long",
    TooSlow = "caller told that it takes too long",
    ToolDeadline = "tool deadline",
    TtsDeadline = "synthesis deadline",
    CommitDeadline = "commit deadline",
    LongSpeech = "caller who speaks for too long",
    Trimmed = "history trimmed",
    EndGoodbye = "ended by goodbye",
    EndHungUp = "ended by hanging up",
    EndOperator = "ended by an operator",
    EndIdle = "ended by silence",
    EndTooLong = "ended by length",
    EndCeiling = "ended by the ceiling on its cost",
    EndVoiceFailed = "ended because nobody could speak",
    EndLost = "ended by a lost caller",
    CostBrief = "shorter answers near the ceiling",
    CostCheap = "cheapest providers near the ceiling",
    CostText = "text at the ceiling",
    CostClose = "goodbye at the ceiling",
    Wasted = "money wasted on a discarded reply",
    Stray = "event of an unknown id",
    Hedged = "rival asked beside a silent provider",
    SttFailover = "another recogniser",
    LlmFailover = "another model",
    TtsFailover = "another voice",
    LineFailed = "line to a streaming recogniser broken",
    RungRests = "provider put to rest",
    RungReturns = "provider back after a probe",
    WentOn = "answer gone on with by another model",
    Chaos = "chaos",
    Replayed = "run twice and replayed from its log",
    SnapshotChecked = "snapshot restored and compared",
}

/// The kinds that one seed saw.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Sights(u128);

impl Sights {
    /// Notes that it was seen.
    pub const fn add(&mut self, seen: Seen) {
        self.0 |= 1 << seen as u32;
    }

    /// Whether it was seen.
    pub const fn has(self, seen: Seen) -> bool {
        self.0 & (1 << seen as u32) != 0
    }
}

const _: () = assert!(Seen::ALL.len() <= 128);
