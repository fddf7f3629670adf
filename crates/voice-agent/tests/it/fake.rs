//! A session's task that says what it is told to, so that the server around it can be tested by itself.

use std::sync::Arc;

use bytes::Bytes;
use tokio::sync::{mpsc, oneshot, watch};
use tokio_util::sync::CancellationToken;
use voice_agent::driver::api::{
    Command, Outbound, Ready, SessionHandle, SessionInfo, TextAnswer, TextReply, ToolCallReport,
};
use voice_agent::driver::feed::Feed;
use voice_agent::sessions::{SpawnSession, Start};
use voice_agent::store::{ConversationItem, Role, SessionDoc, Store};
use voice_core::ClientEvent;
use voice_core::config::GREETING;
use voice_core::ids::{ConnectionId, ReplyId, SpeechId, TurnId, UtteranceId};
use voice_core::input::HangUp;
use voice_core::output::{AgentState, EndReason, Outcome};
use voice_core::timeline::Stages;

/// What a typed message makes the fake do, beyond echoing it.
pub(crate) const SHOUT: &str = "shout";
/// Makes the fake say more at once than any queue holds.
pub(crate) const BURST: &str = "burst";
/// Makes the task vanish, as a panic would.
pub(crate) const CRASH: &str = "crash";
/// Makes the fake give the answers that it kept to itself.
pub(crate) const GO_ON: &str = "go on";
/// Makes the fake keep its answer to itself.
pub(crate) const WAIT: &str = "wait";
/// Makes the fake answer nothing.
pub(crate) const SILENCE: &str = "silence";

/// Starts fake sessions with command queues of this length, which vanish when `killed` is cancelled.
pub(crate) fn spawner(store: Arc<dyn Store>, queue: usize, killed: CancellationToken) -> SpawnSession {
    Arc::new(move |start: Start| {
        let (commands, inbox) = mpsc::channel(queue);
        let info = SessionInfo {
            state: AgentState::Listening,
            connected: false,
            visited: false,
            agent: start.doc.current_agent.clone(),
            turns: 0,
            last_latency_ms: None,
            cost_usd: 0.0,
            cost_step: voice_core::ceiling::CostStep::Full,
            ended: None,
        };
        let (news, info) = watch::channel(info);
        let (doc, fence, resumed) = (start.doc, start.fence, start.resumed);
        let feed = Arc::new(Feed::default());
        let heard = Arc::clone(&feed);
        let fake =
            Fake { doc, fence, resumed, leg: None, news, feed, heard_speech: false, greeted: false, kept: Vec::new() };
        tokio::spawn(killed.clone().run_until_cancelled_owned(fake.run(inbox, Arc::clone(&store))));
        SessionHandle::new(commands, info).with_feed(heard)
    })
}

struct Fake {
    doc: SessionDoc,
    fence: u64,
    resumed: bool,
    leg: Option<(ConnectionId, mpsc::Sender<Outbound>)>,
    news: watch::Sender<SessionInfo>,
    feed: Arc<Feed>,
    heard_speech: bool,
    greeted: bool,
    kept: Vec<oneshot::Sender<TextReply>>,
}

impl Fake {
    async fn run(mut self, mut inbox: mpsc::Receiver<Command>, store: Arc<dyn Store>) {
        while let Some(command) = inbox.recv().await {
            match command {
                Command::Attach { connection, outbound, .. } => self.attach(connection, outbound),
                Command::Detach { connection } => {
                    if self.leg.as_ref().is_some_and(|(leg, _)| *leg == connection) {
                        self.leg = None;
                    }
                }
                Command::Audio { frame, .. } => self.hear(&frame),
                Command::Text { text, .. } if text == CRASH => return,
                Command::Text { text, answer: Some(answer), .. } if text == SILENCE => drop(answer),
                Command::Text { text, answer: Some(answer), .. } if text == WAIT => self.kept.push(answer),
                Command::Text { text, answer: Some(answer), .. } if text == GO_ON => {
                    for kept in self.kept.drain(..).chain([answer]) {
                        let _caller_may_be_gone = kept.send(Ok(echo(&text)));
                    }
                }
                Command::Text { text, answer, .. } => {
                    self.doc.conversation_history.push(ConversationItem { role: Role::User, content: text.clone() });
                    for _ in 0..if text == BURST { 100_000 } else { 0 } {
                        self.say(Outbound::Audio(Bytes::from_static(&[7; 960])));
                    }
                    if text == SHOUT {
                        // Far more than any buffer on the way holds.
                        while self.leg.is_some() {
                            self.say(Outbound::Audio(Bytes::from(vec![7; 960 * 50])));
                            tokio::task::yield_now().await;
                        }
                    }
                    self.say(Outbound::Event(ClientEvent::UserText { text: text.clone() }));
                    if let Some(answer) = answer {
                        let _caller_may_be_gone = answer.send(Ok(echo(&text)));
                    }
                }
                Command::TasksChanged { tasks } => self.say(Outbound::Tasks(tasks)),
                Command::FirstWords { answer } => {
                    let words = if self.greeted { "" } else { GREETING };
                    let _caller_may_be_gone = answer.send(words.to_owned());
                }
                Command::Describe { answer } => {
                    let _caller_may_be_gone = answer.send(Box::new(self.doc.clone()));
                }
                Command::Mute { muted, .. } => {
                    let state = if muted { AgentState::Listening } else { AgentState::Thinking };
                    self.say(Outbound::Event(ClientEvent::State { state }));
                }
                Command::HangUp { by } => {
                    store.end_session(self.doc.session_id.clone(), Some(self.fence)).await.unwrap();
                    let reason = if by == HangUp::Caller { EndReason::HungUp } else { EndReason::Operator };
                    let outcome = Outcome::Completed;
                    self.say(Outbound::Event(ClientEvent::Ended { outcome, reason }));
                    self.say(Outbound::Close { code: 1000, reason: "ended" });
                    self.feed.ended(outcome, reason);
                    self.news.send_modify(|info| info.ended = Some((outcome, reason)));
                    return;
                }
                Command::Consent { recording } => {
                    self.say(Outbound::Event(ClientEvent::Recording { enabled: recording }));
                }
                Command::TakenOver => return,
                Command::Playout { .. }
                | Command::RoundTrip { .. }
                | Command::Key { .. }
                | Command::Sharing { .. }
                | Command::Picture { .. }
                | Command::StoreIsBack => {}
            }
        }
    }

    /// One frame back for each that came; and a whole turn when speech was followed by silence.
    fn hear(&mut self, frame: &[i16; 320]) {
        self.say(Outbound::Audio(Bytes::from_static(&[7; 960])));
        let loud = frame.iter().any(|sample| *sample != 0);
        if self.heard_speech && !loud {
            let (speech, reply, utterance_id) = (SpeechId(1), ReplyId(1), UtteranceId(1));
            let text = "Added.".to_owned();
            let transcript = ClientEvent::Transcript { utterance_id, text: "add a task".to_owned(), r#final: true };
            self.say(Outbound::Event(transcript));
            self.say(Outbound::Event(ClientEvent::AgentText { reply_id: reply, speech_id: speech, text }));
            self.say(Outbound::SpeechStarted { speech, reply });
            self.say(Outbound::Audio(Bytes::from_static(&[7; 960 * 5])));
            self.say(Outbound::SpeechFinished { speech, duration_ms: 95 });
            let stages = Stages { stt: 200, llm: 100, ..Stages::default() };
            let (turn, cost_usd) = (TurnId(1), 0.0);
            let turn = ClientEvent::Turn { turn, latency_ms: Some(300), stages, cause: None, cost_usd };
            self.say(Outbound::Event(turn));
        }
        self.heard_speech = loud;
    }

    fn attach(&mut self, connection: ConnectionId, outbound: mpsc::Sender<Outbound>) {
        self.greeted = true;
        self.say(Outbound::Close { code: 4001, reason: "replaced" });
        self.leg = Some((connection, outbound));
        self.say(Outbound::Ready(Ready {
            session_id: self.doc.session_id.as_str().to_owned(),
            resumed: self.resumed,
            channel: self.doc.channel.as_str().to_owned(),
            agent: self.doc.current_agent.clone(),
            recording: false,
            records: false,
            screens: false,
            muted: false,
        }));
        self.news.send_modify(|info| (info.connected, info.visited) = (true, true));
    }

    /// As the driver does it: a leg whose queue is full is let go of.
    fn say(&mut self, outbound: Outbound) {
        if let Outbound::Event(event) = &outbound {
            self.feed.client(event);
        }
        if let Some((_, leg)) = &self.leg
            && leg.try_send(outbound).is_err()
        {
            self.leg = None;
        }
    }
}

fn echo(text: &str) -> TextAnswer {
    TextAnswer {
        reply: format!("You said: {text}"),
        agent: "TaskAgent".to_owned(),
        tool_calls: vec![ToolCallReport {
            name: "list_tasks".to_owned(),
            arguments: serde_json::Map::new(),
            result: serde_json::json!({"status": "ok"}),
        }],
        cost_usd: 0.0,
    }
}
