//! What is said as text streams of the topic `lk.transcription`, as LiveKit's front ends read them: what the caller says is a new stream
//! with each change, under the same segment; what the agent says is one stream that grows, and of a reply that was cut short another one,
//! under the same segment, that says what was heard of it.

use std::collections::BTreeMap;

use livekit_rtc::{Room, TextOptions, TextWriter, TrackSid};
use tokio::sync::{mpsc, watch};
use voice_core::ids::{ReplyId, UtteranceId};
use voice_core::output::{AgentState, ClientEvent};

use super::AGENT_STATE;

const TOPIC: &str = "lk.transcription";
const SEGMENT: &str = "lk.segment_id";
const FINAL: &str = "lk.transcription_final";
const TRACK: &str = "lk.transcribed_track_id";

/// What is told to the room, by a task of its own: the room's answers are not waited for by the sound.
pub(super) enum Told {
    Caller(ClientEvent),
    Microphone(TrackSid),
    /// The agent's voice has another id.
    Voice(TrackSid),
    ReplyIsOver,
}

/// The captions of one room.
pub(super) struct Captions {
    room: Room,
    /// The agent's voice.
    voice: String,
    /// The caller's microphone, once it is heard.
    microphone: String,
    reply: Option<(ReplyId, TextWriter)>,
}

impl Captions {
    pub(super) const fn new(room: Room, voice: String) -> Self {
        Self { room, voice, microphone: String::new(), reply: None }
    }

    pub(super) fn speak(&mut self, voice: String) {
        self.voice = voice;
    }

    pub(super) fn hear(&mut self, microphone: String) {
        self.microphone = microphone;
    }

    /// What is understood of the caller; it replaces what was shown of the utterance. Captions are an extra: one that cannot be sent
    /// is left out.
    pub(super) async fn caller(&self, utterance: UtteranceId, text: &str, is_final: bool) {
        let options = TextOptions::topic(TOPIC)
            .attribute(SEGMENT, format!("utterance-{utterance}"))
            .attribute(FINAL, is_final.to_string())
            .attribute(TRACK, self.microphone.clone());
        note(self.room.send_text(options, text).await.map(|_| ()));
    }

    /// The agent's next words.
    pub(super) async fn agent(&mut self, reply: ReplyId, text: &str) {
        let goes_on = self.reply.as_ref().is_some_and(|(open, _)| *open == reply);
        if !goes_on {
            self.end_reply().await;
            let options = TextOptions::topic(TOPIC)
                .attribute(SEGMENT, format!("reply-{reply}"))
                .attribute(FINAL, "false")
                .attribute(TRACK, self.voice.clone());
            match self.room.open_text(options).await {
                Ok(writer) => self.reply = Some((reply, writer)),
                Err(error) => note(Err(error)),
            }
        }
        if let Some((_, writer)) = &self.reply {
            // Each piece is a sentence or more, without the space between them.
            let text = if goes_on { format!(" {text}") } else { text.to_owned() };
            note(writer.write(text).await);
        }
    }

    /// No more than this was heard of the reply, or nothing: it takes the place of what was shown of it.
    pub(super) async fn heard(&mut self, reply: ReplyId, text: &str) {
        self.end_reply().await;
        let options = TextOptions::topic(TOPIC)
            .attribute(SEGMENT, format!("reply-{reply}"))
            .attribute(FINAL, "true")
            .attribute(TRACK, self.voice.clone());
        note(self.room.send_text(options, text).await.map(|_| ()));
    }

    /// The reply is over: nothing more comes to it.
    pub(super) async fn end_reply(&mut self) {
        if let Some((_, writer)) = self.reply.take() {
            note(writer.close(BTreeMap::from([(FINAL.to_owned(), "true".to_owned())])).await);
        }
    }
}

/// Writes the captions, as long as there is a stay.
pub(super) async fn tell(mut captions: Captions, mut told: mpsc::Receiver<Told>) {
    while let Some(told) = told.recv().await {
        match told {
            Told::Microphone(sid) => captions.hear(sid.to_string()),
            Told::Voice(sid) => captions.speak(sid.to_string()),
            Told::ReplyIsOver => captions.end_reply().await,
            Told::Caller(ClientEvent::Transcript { utterance_id, text, r#final }) => {
                captions.caller(utterance_id, &text, r#final).await;
            }
            Told::Caller(ClientEvent::AgentText { reply_id, text, .. }) => captions.agent(reply_id, &text).await,
            Told::Caller(ClientEvent::Heard { reply_id, heard, .. }) => captions.heard(reply_id, &heard).await,
            Told::Caller(_) => {}
        }
    }
}

/// Shows what the agent is doing; of states that follow each other quickly the last.
pub(super) async fn show_state(room: Room, mut states: watch::Receiver<AgentState>) {
    loop {
        let state = match *states.borrow_and_update() {
            AgentState::Listening => "listening",
            AgentState::Thinking => "thinking",
            AgentState::Speaking => "speaking",
        };
        if let Err(error) = room.set_attributes(BTreeMap::from([(AGENT_STATE.to_owned(), state.to_owned())])).await {
            tracing::debug!(%error, "the agent's state was not shown");
        }
        if states.changed().await.is_err() {
            return;
        }
    }
}

fn note<E: std::fmt::Display>(sent: Result<(), E>) {
    if let Err(error) = sent {
        tracing::debug!(%error, "a caption was not sent");
    }
}
