//! What a caller heard and read since something was said.

use serde_json::Value;
use tokio::time::Instant;

/// What came of one thing that was said.
#[derive(Debug, Clone, Default)]
pub struct Heard {
    /// The answer's audio, 24 kHz, as a loudspeaker plays it, without pauses between frames.
    pub pcm: Vec<i16>,
    /// What was understood: an utterance's number, its words, and whether they are final.
    pub utterances: Vec<(Option<u64>, String, bool)>,
    /// What stood on the screen: a reply's number, and its words.
    pub captions: Vec<(Option<u64>, String)>,
    /// The `tool_call` events.
    pub tools: Vec<Value>,
    /// The server's `turn` event.
    pub turn: Option<Value>,
    /// Milliseconds from the last frame with speech in it to the first frame of the answer.
    pub felt_ms: Option<u64>,
    /// The longest silence inside the answer, in ms, because its audio came too late.
    pub gap_ms: u64,
    /// When the last frame with speech in it was sent.
    pub said: Option<Instant>,
    /// The server's words when it asked the caller to type.
    pub fell_back: Option<String>,
    /// Whether the caller's recording is agreed to, as the server has said last.
    pub recording: Option<bool>,
    /// Every event's type, in order, for who looks for what went wrong.
    pub events: Vec<String>,
}

impl Heard {
    /// Takes an event of the server.
    pub(crate) fn event(&mut self, event: &Value) {
        let kind = event["type"].as_str().unwrap_or_default();
        let text = |field: &str| event[field].as_str().unwrap_or_default();
        self.events.push(kind.to_owned());
        match kind {
            "transcript" => self.understood(event["utterance_id"].as_u64(), text("text"), event["final"] == true),
            "agent_text" => self.read(event["reply_id"].as_u64(), text("text")),
            "tool_call" => self.tools.push(event.clone()),
            "recording" => self.recording = event["enabled"].as_bool(),
            "turn" if self.said.is_some() => self.turn = Some(event.clone()),
            "fallback_to_text" => self.fell_back = Some(text("message").to_owned()),
            _ => {}
        }
    }

    /// A later text of the same utterance replaces it.
    fn understood(&mut self, utterance: Option<u64>, text: &str, is_final: bool) {
        match self.utterances.last_mut().filter(|(last, ..)| *last == utterance) {
            Some((_, last, last_is_final)) => (*last, *last_is_final) = (text.to_owned(), is_final),
            None => self.utterances.push((utterance, text.to_owned(), is_final)),
        }
    }

    /// A new reply begins a new caption.
    fn read(&mut self, reply: Option<u64>, text: &str) {
        match self.captions.last_mut().filter(|(last, _)| *last == reply) {
            Some((_, caption)) => {
                if !caption.is_empty() && !caption.ends_with(char::is_whitespace) {
                    caption.push(' ');
                }
                caption.push_str(text.trim_start());
            }
            None => self.captions.push((reply, text.trim_start().to_owned())),
        }
    }

    /// All words that stood on the screen.
    pub fn caption(&self) -> String {
        self.captions.iter().map(|(_, caption)| caption.trim()).collect::<Vec<_>>().join(" ")
    }

    /// The last reply's words.
    pub fn reply(&self) -> &str {
        self.captions.last().map_or("", |(_, caption)| caption)
    }

    /// What was understood at last, if anything was.
    pub fn transcript(&self) -> &str {
        self.utterances.iter().rev().find(|(_, _, is_final)| *is_final).map_or("", |(_, text, _)| text)
    }

    /// The names of the tools that ran, in order.
    pub fn tool_names(&self) -> Vec<String> {
        self.tools.iter().filter_map(|tool| Some(tool["name"].as_str()?.to_owned())).collect()
    }

    /// Milliseconds of the answer's audio.
    pub fn heard_ms(&self) -> u64 {
        (self.pcm.len() / 24) as u64
    }

    /// Milliseconds of the answer's audio that are no silence.
    pub fn loud_ms(&self) -> u64 {
        crate::loud_ms(&self.pcm, 24_000)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn captions_and_transcripts_are_put_together() {
        let mut heard = Heard::default();
        for (id, text, is_final) in [(1, "ad", false), (1, "add a task", true), (2, "please", false)] {
            heard.event(&json!({"type": "transcript", "utterance_id": id, "text": text, "final": is_final}));
        }
        let texts: Vec<&str> = heard.utterances.iter().map(|(_, text, _)| text.as_str()).collect();
        assert_eq!((texts, heard.transcript()), (vec!["add a task", "please"], "add a task"));
        for (id, text) in [(1, "One moment."), (2, "Added."), (2, "Anything else?")] {
            heard.event(&json!({"type": "agent_text", "reply_id": id, "text": text}));
        }
        assert_eq!(
            (heard.reply(), heard.caption().as_str()),
            ("Added. Anything else?", "One moment. Added. Anything else?")
        );
        heard.event(&json!({"type": "turn", "turn": 1}));
        assert!(heard.turn.is_none(), "nothing was said yet");
        assert_eq!(heard.events.len(), 7);
    }
}
