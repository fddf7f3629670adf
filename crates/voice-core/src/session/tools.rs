//! What do the tools do? One after the other, staged, kept or withdrawn with their turn.

use serde_json::{Value, json};

use crate::agents;
use crate::chat::{ChatItem, ToolCall, ToolOutput};
use crate::ids::ToolCallId;
use crate::output::{ClientEvent, EndReason, Observation, Output};
use crate::timeline::PauseCause;

use super::Session;
use super::reply::RunningTool;

impl Session {
    /// Runs the next tool; asks the model again when all have answered.
    pub(super) fn advance_answer(&mut self) {
        loop {
            let now_ms = self.now_ms;
            let Some(reply) = &mut self.reply else { return };
            if reply.running.is_some() {
                return;
            }
            let Some((call, after)) = reply.waiting_calls.pop_front() else { return };
            match call.name.as_str() {
                agents::TRANSFER_TOOL => self.transfer(&call),
                agents::END_CALL_TOOL => {
                    reply.end_call = Some(EndReason::Goodbye);
                    reply.draft.push(ok_output(&call, json!({"status": "ok"})));
                    self.observe(own_tool(&call, false));
                }
                _ => {
                    reply.running = Some(RunningTool { call: call.clone(), after, since_ms: now_ms });
                    self.push(Output::RunTool { call });
                }
            }
            self.ask_when_tools_are_done();
        }
    }

    fn transfer(&mut self, call: &ToolCall) {
        let Some(reply) = &mut self.reply else { return };
        let wanted = call.arguments.get("agent").and_then(Value::as_str).unwrap_or_default();
        let from = reply.agent;
        if !from.handoffs.contains(&wanted) {
            let reason = format!("{} can hand over to {} only", from.name, from.handoffs.join(", "));
            reply.draft.push(failed_output(call, &reason));
            self.observe(own_tool(call, true));
            return;
        }
        reply.agent = agents::find(wanted);
        reply.draft.push(ok_output(call, json!({"status": "ok", "agent": wanted})));
        reply.draft.push(ChatItem::Handoff { from: from.name.to_owned(), to: wanted.to_owned() });
        self.observe(own_tool(call, false));
    }

    pub(super) fn ask_when_tools_are_done(&mut self) {
        let Some(reply) = &self.reply else { return };
        let through = reply.request.is_none() && reply.running.is_none() && reply.waiting_calls.is_empty();
        if !through || reply.text_done {
            return;
        }
        match reply.agreed_words() {
            Some(words) => self.say_agreed_words(&words),
            None => {
                self.forget_early_words();
                self.request_llm();
            }
        }
    }

    pub(super) fn handle_tool_computed(&mut self, output: ToolOutput, mutates: bool) {
        let now_ms = self.now_ms;
        let running = self.reply.as_ref().and_then(|reply| reply.running.as_ref());
        let Some(since_ms) = running.filter(|running| running.call.id == output.id).map(|running| running.since_ms)
        else {
            // Of a reply that is gone, or too late.
            self.push(Output::DropTools { calls: vec![output.id] });
            return;
        };
        self.observe(Observation::ToolFinished {
            name: output.name.clone(),
            duration_ms: now_ms - since_ms,
            failed: output.is_error,
        });
        self.take_output(output, mutates);
    }

    fn take_output(&mut self, output: ToolOutput, mutates: bool) {
        let now_ms = self.now_ms;
        let Some(reply) = &mut self.reply else { return };
        let after = reply.running.take().map_or(reply.speech.next_index, |running| running.after);
        if let Some(timeline) = &mut reply.timeline {
            timeline.advance(now_ms, PauseCause::Tool);
        }
        if let Some(ahead) = reply.words_ahead.iter_mut().find(|ahead| ahead.call == output.id) {
            ahead.done = mutates && !output.is_error;
        }
        if mutates {
            reply.staged.push(output.id);
            reply.gate = Some(reply.gate.map_or(after, |gate| gate.min(after)));
        }
        reply.draft.push(ChatItem::ToolOutput(output));
        self.ask_when_tools_are_done();
    }

    /// The running tool took too long.
    pub(super) fn fail_running_tool(&mut self) {
        let running = self.reply.as_mut().and_then(|reply| reply.running.take());
        let Some(running) = running else { return };
        self.push(Output::DropTools { calls: vec![running.call.id] });
        let name = running.call.name.clone();
        self.observe(Observation::ToolFinished { name, duration_ms: self.now_ms - running.since_ms, failed: true });
        if let ChatItem::ToolOutput(output) = failed_output(&running.call, "it took too long") {
            self.take_output(output, false);
        }
    }

    /// These tools were not kept: the model hears that they failed, and what it said of them is never heard.
    pub(super) fn unstage(&mut self, calls: &[ToolCallId], reason: &str) {
        let Some(reply) = &mut self.reply else { return };
        reply.staged.retain(|id| !calls.contains(id));
        reply.changed = reply.kept;
        fail_outputs(&mut reply.draft, calls, reason);
        if self.withdraw_from_gate(reason) {
            self.ask_when_tools_are_done();
        }
    }

    /// What was said after a change that is not kept is never heard, and what runs after it is of no use. Says whether
    /// there was such a change.
    pub(super) fn withdraw_from_gate(&mut self, reason: &str) -> bool {
        let Some(reply) = &mut self.reply else { return false };
        let Some(gate) = reply.gate.take() else { return false };
        if let Some(request) = reply.request.take() {
            self.cancel_request(&request);
        }
        self.withdraw_running_tool(reason);
        self.drop_chunks(gate);
        if let Some(reply) = &mut self.reply {
            reply.chunker.clear();
            reply.text_done = false;
            reply.words_ahead.clear();
            reply.end_call = None;
            reply.draft.retain(|item| !matches!(item, ChatItem::Assistant { .. }));
        }
        true
    }

    /// What runs now was to build on tools that are not kept.
    pub(super) fn withdraw_running_tool(&mut self, reason: &str) {
        let Some(reply) = &mut self.reply else { return };
        let Some(running) = reply.running.take() else { return };
        reply.draft.push(failed_output(&running.call, reason));
        self.push(Output::DropTools { calls: vec![running.call.id] });
    }

    /// Tells about the tools of a confirmed reply that are computed, and kept if they change something.
    pub(super) fn report_tools(&mut self) {
        let Some(reply) = self.reply.as_ref().filter(|reply| reply.confirmed) else { return };
        let fresh: Vec<(ToolCall, ToolOutput)> = tool_pairs(&reply.draft)
            .filter(|(call, _)| !reply.staged.contains(&call.id) && !reply.reported.contains(&call.id))
            .map(|(call, output)| (call.clone(), output.clone()))
            .collect();
        for (call, output) in fresh {
            if let Some(reply) = &mut self.reply {
                reply.reported.push(call.id);
            }
            self.report_tool(call, output);
        }
    }

    pub(super) fn report_tool(&mut self, call: ToolCall, output: ToolOutput) {
        if call.name == agents::TRANSFER_TOOL && !output.is_error {
            let from =
                self.reply.as_ref().map_or(self.agent.name, |reply| handed_over_by(&reply.draft, call.id)).to_owned();
            let to = call.arguments.get("agent").and_then(Value::as_str).unwrap_or_default().to_owned();
            self.observe(Observation::Handoff { from, to });
        }
        self.client(ClientEvent::ToolCall { name: call.name, arguments: call.arguments, result: output.result });
    }
}

/// One of the session's own tools ran: at once, and counted like all others.
fn own_tool(call: &ToolCall, failed: bool) -> Observation {
    Observation::ToolFinished { name: call.name.clone(), duration_ms: 0, failed }
}

/// The calls that were answered, with their answers.
pub(super) fn tool_pairs(items: &[ChatItem]) -> impl Iterator<Item = (&ToolCall, &ToolOutput)> {
    items.iter().filter_map(move |item| {
        let ChatItem::ToolCall(call) = item else { return None };
        let output = items.iter().find_map(|item| match item {
            ChatItem::ToolOutput(output) if output.id == call.id => Some(output),
            _ => None,
        })?;
        Some((call, output))
    })
}

/// Who handed the call over with this tool call: the hand-off stands behind its output.
fn handed_over_by(items: &[ChatItem], call: ToolCallId) -> &str {
    let at = items.iter().position(|item| matches!(item, ChatItem::ToolOutput(output) if output.id == call));
    match at.and_then(|at| items.get(at + 1)) {
        Some(ChatItem::Handoff { from, .. }) => from,
        _ => agents::TASK_AGENT,
    }
}

fn ok_output(call: &ToolCall, result: Value) -> ChatItem {
    ChatItem::ToolOutput(ToolOutput { id: call.id, name: call.name.clone(), result, is_error: false })
}

pub(super) fn failed_output(call: &ToolCall, reason: &str) -> ChatItem {
    let result = json!({"status": "failed", "reason": reason});
    ChatItem::ToolOutput(ToolOutput { id: call.id, name: call.name.clone(), result, is_error: true })
}

/// Overwrites what these calls answered: they failed after all.
pub(super) fn fail_outputs(items: &mut [ChatItem], calls: &[ToolCallId], reason: &str) {
    for item in items {
        if let ChatItem::ToolOutput(output) = item
            && calls.contains(&output.id)
        {
            output.result = json!({"status": "failed", "reason": reason});
            output.is_error = true;
        }
    }
}
