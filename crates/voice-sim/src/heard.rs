//! History is what was heard: the messages that are saved, against what the playout played and the page showed.

use voice_core::ids::ReplyId;
use voice_core::snapshot::{Message, Role, Snapshot};

use crate::line::{Line, State, matches};
use crate::seen::Seen;
use crate::world::{Checked, World, violated};

/// How many of the last messages every commit is checked for; the older ones were checked before, and are again at the end.
const RECENT: usize = 12;

impl World {
    /// A state that is to be saved.
    pub(crate) fn check_saved(&mut self, snapshot: &Snapshot) -> Checked {
        self.check_limits(snapshot)?;
        self.check_cost(&snapshot.cost)?;
        if self.profile.chaos {
            return Ok(());
        }
        self.check_history(snapshot, RECENT)
    }

    /// Every message of the agent's is what was heard of one reply, in their order; every reply that was heard is there.
    pub(crate) fn check_history(&mut self, snapshot: &Snapshot, last: usize) -> Checked {
        let mut before = self.device.lines.len();
        let mut checked: Vec<usize> = Vec::new();
        let agents = snapshot.history.iter().rev().filter(|message| message.role == Role::Assistant);
        let messages: Vec<&Message> = agents.take(last).collect();
        for message in &messages {
            let Some(at) = self.find_reply(message, before) else {
                let text = format!("{:?} was not heard like that", message.content);
                return violated("history is what was heard", text);
            };
            checked.push(at);
            before = at;
        }
        // Once history is full, what is missing may have been dropped for its age.
        if snapshot.history.len() >= self.profile.config.max_history {
            return Ok(());
        }
        // Words that were said twice fit two replies: another way to read the history may miss nothing.
        if self.missing(&checked).is_some() {
            let mut other = Vec::new();
            if self.assign(&messages, self.device.lines.len(), &mut other) {
                checked = other;
            }
        }
        self.check_nothing_is_missing(&checked)
    }

    /// Finds each message (newest first) a reply, so that no reply that must be there is missing.
    fn assign(&self, messages: &[&Message], before: usize, chosen: &mut Vec<usize>) -> bool {
        let Some((message, older)) = messages.split_first() else { return self.missing(chosen).is_none() };
        let mut end = before;
        while let Some(at) = self.find_reply(message, end) {
            chosen.push(at);
            if self.assign(older, at, chosen) {
                return true;
            }
            chosen.pop();
            end = at;
        }
        false
    }

    /// What was heard lately and is in no message.
    fn missing(&self, checked: &[usize]) -> Option<&Line> {
        let found: Vec<ReplyId> = checked.iter().map(|&at| self.device.lines[at].reply).collect();
        let lately = self.device.lines.iter().rev().take(RECENT / 2);
        let mut open = lately.filter(|line| !line.settled && line.state != State::Dead);
        open.find(|line| line.must() && !found.contains(&line.reply))
    }

    /// The reply that this message is of: its first line's place, before `before`.
    fn find_reply(&self, message: &Message, before: usize) -> Option<usize> {
        let mut end = before;
        while end > 0 {
            let (start, lines) = self.reply_before(end);
            if matches(&lines, &message.content) && !message.content.is_empty() {
                return Some(start);
            }
            end = start;
        }
        None
    }

    /// The lines of the reply whose last line stands before `end`, and where its first stands.
    fn reply_before(&self, end: usize) -> (usize, Vec<&Line>) {
        let lines = &self.device.lines;
        let last = &lines[end - 1];
        let same = |line: &Line| line.reply == last.reply && line.life == last.life;
        let mut start = end - 1;
        while start > 0 && same(&lines[start - 1]) {
            start -= 1;
        }
        (start, lines[start..end].iter().collect())
    }

    fn check_nothing_is_missing(&mut self, checked: &[usize]) -> Checked {
        if let Some(line) = self.missing(checked) {
            let must = line.chunks.iter().filter(|chunk| chunk.must);
            let words: Vec<&str> = must.flat_map(|chunk| &chunk.words).map(String::as_str).collect();
            let text = format!("speech {}: {:?} was heard, and is in no message", line.id, words.join(" "));
            return violated("what was heard is in history", text);
        }
        let found: Vec<ReplyId> = checked.iter().map(|&at| self.device.lines[at].reply).collect();
        for line in self.device.lines.iter_mut().rev().take(RECENT / 2) {
            if !line.settled && line.state != State::Dead {
                line.settled = found.contains(&line.reply) && line.state != State::Live;
            }
        }
        Ok(())
    }

    fn check_limits(&mut self, snapshot: &Snapshot) -> Checked {
        let config = &self.profile.config;
        if snapshot.counters.turn as usize > config.max_history {
            self.sights.add(Seen::Trimmed);
        }
        // The turn in the making is not counted: what the caller said, and what was heard so far.
        let most = config.max_history + 2;
        if snapshot.history.len() > most {
            let text = format!("{} messages, at most {most} are to be kept", snapshot.history.len());
            return violated("history is within its limit", text);
        }
        let per_turn = 3 * (config.max_tool_calls as usize + config.max_llm_requests as usize);
        let most = (most + 1) * per_turn;
        if snapshot.asides.len() > most {
            return violated(
                "history is within its limit",
                format!("{} tool calls and outputs", snapshot.asides.len()),
            );
        }
        let name = snapshot.current_agent.as_str();
        if voice_core::agents::find(name).name != name {
            return violated("the agent is a known one", name);
        }
        Ok(())
    }
}
