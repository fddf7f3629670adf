//! What happened in a session lately, for whoever operates the instance: kept in memory, read by [`crate::http`].
//!
//! It holds the words of the conversation, as the session itself does; [`Happening::describe`] is the only way to read them,
//! and it hides them unless it is told not to.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;
use serde_json::{Map, Value, json};
use tokio::sync::broadcast;
use voice_core::output::{AgentState, ClientEvent, EndReason, Observation, Outcome};

/// Happenings that are kept of a session; the oldest go first.
const KEPT: usize = 400;
/// Happenings that a watcher may be behind; whoever is further behind is told that some are missing.
const BEHIND: usize = 256;

/// Something that happened.
#[derive(Debug, Clone)]
pub struct Happening {
    /// Counts from 1 in each session and process.
    pub number: u64,
    /// When.
    pub at: Timestamp,
    what: What,
}

#[derive(Debug, Clone)]
enum What {
    Client(ClientEvent),
    Operation(Observation),
    Connected(bool),
    Ended(Outcome, EndReason),
}

/// What a session's row in the operators' table says beyond the session's own figures.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Glance {
    /// Since when the agent is in its state.
    pub state_since: Timestamp,
    /// Since when nobody is connected; none while somebody is.
    pub alone_since: Option<Timestamp>,
    /// The last thing that went wrong.
    pub trouble: Option<Trouble>,
    /// How many things went wrong.
    pub troubles: u64,
}

/// Something that went wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trouble {
    /// A word for programs: `slow`, `provider_failed`, …
    pub kind: &'static str,
    /// Which stage, how: bounded words, never what somebody said.
    pub detail: String,
    /// When.
    pub at: Timestamp,
}

#[derive(Debug)]
struct Kept {
    last: VecDeque<Arc<Happening>>,
    number: u64,
    state: AgentState,
    glance: Glance,
}

/// What happened in one session, and what happens.
#[derive(Debug)]
pub struct Feed {
    kept: Mutex<Kept>,
    news: broadcast::Sender<Arc<Happening>>,
}

impl Default for Feed {
    fn default() -> Self {
        let now = Timestamp::now();
        let glance = Glance { state_since: now, alone_since: Some(now), trouble: None, troubles: 0 };
        let kept = Kept { last: VecDeque::new(), number: 0, state: AgentState::Listening, glance };
        Self { kept: Mutex::new(kept), news: broadcast::channel(BEHIND).0 }
    }
}

impl Feed {
    /// Something that the caller's side is told.
    pub fn client(&self, event: &ClientEvent) {
        let is_news = match event {
            ClientEvent::State { state } => {
                let mut kept = self.lock();
                if kept.state != *state {
                    kept.state = *state;
                    kept.glance.state_since = Timestamp::now();
                }
                false
            }
            // The end is told by the session's task, which knows of every end.
            ClientEvent::UserSpeaking { .. } | ClientEvent::HandOver | ClientEvent::Ended { .. } => false,
            ClientEvent::Transcript { r#final, .. } => *r#final,
            _ => true,
        };
        if is_news {
            self.add(What::Client(event.clone()));
        }
    }

    /// Something that operations are told. What the caller's side is told as well is not kept twice.
    pub fn operation(&self, observation: &Observation) {
        let is_news = match observation {
            Observation::EndOfTurn { reopened, .. } => *reopened,
            Observation::Interrupted { .. }
            | Observation::FalseInterruption { .. }
            | Observation::SpeculationDiscarded { .. }
            | Observation::ToolFinished { .. }
            | Observation::SttFinished { .. }
            | Observation::LlmStarted { .. }
            | Observation::TtsStarted { .. }
            | Observation::ProviderFailed { .. }
            | Observation::FailedOver { .. }
            | Observation::DeadlineMissed { .. }
            | Observation::Handoff { .. }
            | Observation::CostStepTaken { .. }
            | Observation::CommitFailed { .. } => true,
            _ => false,
        };
        if is_news {
            self.add(What::Operation(observation.clone()));
        }
    }

    /// The caller's connection came or went.
    pub fn connected(&self, connected: bool) {
        {
            let mut kept = self.lock();
            kept.glance.alone_since = (!connected).then(Timestamp::now);
        }
        self.add(What::Connected(connected));
    }

    /// The session is over.
    pub fn ended(&self, outcome: Outcome, reason: EndReason) {
        self.add(What::Ended(outcome, reason));
    }

    /// What happened lately, oldest first, and what happens from now on. Nothing is missing between the two.
    pub fn watch(&self) -> (Vec<Arc<Happening>>, broadcast::Receiver<Arc<Happening>>) {
        let kept = self.lock();
        (kept.last.iter().cloned().collect(), self.news.subscribe())
    }

    /// How it goes, at a glance.
    pub fn glance(&self) -> Glance {
        self.lock().glance.clone()
    }

    fn add(&self, what: What) {
        let mut kept = self.lock();
        kept.number += 1;
        let happening = Arc::new(Happening { number: kept.number, at: Timestamp::now(), what });
        if let Some(trouble) = happening.trouble() {
            kept.glance.trouble = Some(trouble);
            kept.glance.troubles += 1;
        }
        if kept.last.len() == KEPT {
            kept.last.pop_front();
        }
        kept.last.push_back(Arc::clone(&happening));
        // Nobody may be watching. Sent under the lock, so that `watch` neither misses one nor has one twice.
        let _nobody = self.news.send(happening);
    }

    fn lock(&self) -> MutexGuard<'_, Kept> {
        // Every change is whole before a panic could come.
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Happening {
    /// What went wrong, if that is what happened.
    fn trouble(&self) -> Option<Trouble> {
        let (kind, detail) = match &self.what {
            // Over the budget, as the caller felt it.
            What::Client(ClientEvent::Turn { cause: Some(cause), .. }) => ("slow", cause.as_str().to_owned()),
            What::Client(ClientEvent::FallbackToText { .. }) => ("fell_back_to_text", String::new()),
            What::Operation(Observation::ProviderFailed { stage, kind, .. }) => {
                ("provider_failed", format!("{} {}", stage.as_str(), kind.as_str()))
            }
            What::Operation(Observation::DeadlineMissed { state }) => ("deadline_missed", (*state).to_owned()),
            What::Operation(Observation::CommitFailed { .. }) => ("commit_failed", String::new()),
            What::Operation(Observation::ToolFinished { name, failed: true, .. }) => ("tool_failed", name.clone()),
            What::Ended(Outcome::Error, _) => ("failed", String::new()),
            _ => return None,
        };
        Some(Trouble { kind, detail, at: self.at })
    }

    /// The happening as JSON. Without `words`, what anybody said, and what tools were given and gave, is hidden; only how
    /// much it was is told.
    pub fn describe(&self, words: bool) -> Value {
        let mut fields = match &self.what {
            What::Client(event) => object(serde_json::to_value(event).unwrap_or_default()),
            What::Operation(observation) => operation(observation),
            What::Connected(true) => object(json!({"type": "connected"})),
            What::Connected(false) => object(json!({"type": "disconnected"})),
            What::Ended(outcome, reason) => object(json!({"type": "ended", "outcome": outcome, "reason": reason})),
        };
        if !words {
            hide(&mut fields);
        }
        fields.insert("number".to_owned(), self.number.into());
        fields.insert("at".to_owned(), json!(self.at));
        if self.trouble().is_some() {
            fields.insert("trouble".to_owned(), true.into());
        }
        Value::Object(fields)
    }
}

/// An observation has its name in `event`; here it is `type`, as in the caller's events.
fn operation(observation: &Observation) -> Map<String, Value> {
    let mut fields = object(serde_json::to_value(observation).unwrap_or_default());
    if let Some(name) = fields.remove("event") {
        fields.insert("type".to_owned(), name);
    }
    fields
}

fn object(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(fields) => fields,
        _ => Map::new(),
    }
}

/// Fields that never hold what somebody said. Every other text, list and object is hidden: a field that is new and
/// forgotten here shows too little, never too much.
const OPEN: [&str; 17] = [
    "ceiling", "type", "agent", "name", "stages", "cause", "outcome", "reason", "code", "stage", "kind", "state",
    "from", "to", "failed", "enabled", "final",
];

fn hide(fields: &mut Map<String, Value>) {
    let mut hidden = 0;
    for (name, value) in fields.iter_mut() {
        if OPEN.contains(&name.as_str()) || value.is_number() || value.is_null() || value.is_boolean() {
            continue;
        }
        if let Value::String(text) = value {
            hidden += text.split_whitespace().count();
        }
        *value = Value::Null;
    }
    fields.insert("hidden_words".to_owned(), hidden.into());
}

#[cfg(test)]
mod tests {
    use voice_core::ids::RungId;
    use voice_core::ids::{ReplyId, SpeechId, TurnId, UtteranceId};
    use voice_core::provider::{ProviderErrorKind, Stage};
    use voice_core::timeline::{PauseCause, Stages};

    use super::*;

    const SECRET: &str = "my secret words";

    fn secrets() -> Vec<ClientEvent> {
        let secret = || SECRET.to_owned();
        let (reply_id, speech_id) = (ReplyId(1), SpeechId(1));
        let arguments = object(json!({"title": SECRET}));
        vec![
            ClientEvent::Transcript { utterance_id: UtteranceId(1), text: secret(), r#final: true },
            ClientEvent::UserText { text: secret() },
            ClientEvent::AgentText { reply_id, speech_id, text: secret() },
            ClientEvent::Heard { reply_id, heard: secret(), unheard: secret() },
            ClientEvent::ToolCall { name: "add_task".to_owned(), arguments, result: json!([SECRET]) },
        ]
    }

    #[test]
    fn words_are_hidden_until_they_are_asked_for() {
        let feed = Feed::default();
        for event in secrets() {
            feed.client(&event);
        }
        let (past, _) = feed.watch();
        assert_eq!(past.len(), 5);
        for happening in past {
            let hidden = happening.describe(false);
            assert!(!hidden.to_string().contains("secret"), "{hidden}");
            assert!(happening.describe(true).to_string().contains(SECRET));
        }
        assert_eq!(feed.watch().0[0].describe(false)["hidden_words"], 3);
    }

    #[test]
    fn trouble_is_seen_at_a_glance_and_half_a_sentence_is_no_news() {
        let feed = Feed::default();
        feed.client(&ClientEvent::State { state: AgentState::Thinking });
        feed.client(&ClientEvent::Transcript { utterance_id: UtteranceId(1), text: "add".to_owned(), r#final: false });
        assert_eq!((feed.watch().0.len(), feed.glance().trouble), (0, None));
        feed.operation(&Observation::ProviderFailed {
            stage: Stage::Stt,
            rung: RungId(0),
            kind: ProviderErrorKind::Timeout,
        });
        let trouble = feed.glance().trouble.unwrap();
        assert_eq!((trouble.kind, trouble.detail.as_str()), ("provider_failed", "stt timeout"));
        let stages = Stages { llm: 900, ..Stages::default() };
        let turn = |cause| ClientEvent::Turn { turn: TurnId(1), latency_ms: Some(700), stages, cause, cost_usd: 0.0 };
        feed.client(&turn(None));
        assert_eq!(feed.glance().troubles, 1);
        feed.client(&turn(Some(PauseCause::Llm)));
        let glance = feed.glance();
        assert_eq!((glance.troubles, glance.trouble.unwrap().detail.as_str()), (2, "llm"));
        let last = feed.watch().0.last().unwrap().describe(false);
        assert_eq!(
            (&last["stages"]["llm"], &last["cause"], &last["trouble"]),
            (&json!(900), &json!("llm"), &json!(true))
        );
    }

    #[test]
    fn the_oldest_go_and_watchers_miss_nothing() {
        let feed = Feed::default();
        feed.connected(true);
        let (past, mut news) = feed.watch();
        assert_eq!(past.len(), 1);
        feed.connected(false);
        assert_eq!(news.try_recv().unwrap().number, 2);
        assert!(feed.glance().alone_since.is_some());
        for _ in 0..2 * KEPT {
            feed.connected(true);
        }
        let (past, _) = feed.watch();
        assert_eq!((past.len(), past.last().unwrap().number), (KEPT, 2 + 2 * KEPT as u64));
        assert!(feed.glance().alone_since.is_none());
    }
}
