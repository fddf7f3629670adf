//! The language model and the tools' computation: what they answer, how slowly, and how they fail.

use std::collections::{BTreeMap, VecDeque};

use serde_json::{Map, Value, json};
use voice_core::Input;
use voice_core::agents::{END_CALL_TOOL, REVIEW_AGENT, SAY_ARGUMENT, TASK_AGENT, TRANSFER_TOOL};
use voice_core::chat::{ChatContext, ChatItem, ToolCall, ToolOutput};
use voice_core::ids::{LlmRequestId, ReplyId};

use crate::gate::PROMISE;
use crate::queue::Event;
use crate::seen::Seen;
use crate::stray::any_failure;
use crate::world::{Checked, World};

#[derive(Debug, Clone)]
enum Step {
    Text(String),
    Calling,
    WordsAhead(String),
    Call(&'static str, Value),
    Done,
    Fail,
    /// The same again, for as long as anybody listens.
    Again(Box<Step>, u64),
}

#[derive(Debug)]
struct Script {
    reply: ReplyId,
    steps: VecDeque<(u64, Step)>,
    cancelled: bool,
    chars: u64,
}

/// The requests that are being answered.
#[derive(Debug, Default)]
pub(crate) struct Llm {
    scripts: BTreeMap<u64, Script>,
}

impl World {
    /// The model is asked.
    pub(crate) fn request_llm(&mut self, request: LlmRequestId, reply: ReplyId, agent: &str, chat: &ChatContext) {
        let steps = self.write_script(request, agent, chat);
        let delay_ms = steps.front().map(|(delay_ms, _)| *delay_ms);
        self.llm.scripts.insert(request.0, Script { reply, steps, cancelled: false, chars: 0 });
        if let Some(delay_ms) = delay_ms {
            self.later(delay_ms, Event::Llm { request: request.0 });
        }
    }

    pub(crate) fn cancel_llm(&mut self, request: LlmRequestId) {
        let late = self.dice.chance(self.profile.faults.llm_late);
        let Some(script) = self.llm.scripts.get_mut(&request.0) else { return };
        let (reply, chars) = (script.reply, script.chars);
        if late {
            script.cancelled = true;
            self.saw(Seen::LlmLate);
        } else {
            self.llm.scripts.remove(&request.0);
        }
        self.use_llm(reply, chars, true);
    }

    /// The next step of a request's script.
    pub(crate) fn llm_goes_on(&mut self, request: u64) -> Checked {
        let Some(script) = self.llm.scripts.get_mut(&request) else { return Ok(()) };
        let Some((_, step)) = script.steps.pop_front() else { return Ok(()) };
        let step = match step {
            Step::Again(step, every_ms) => {
                script.steps.push_front((every_ms, Step::Again(step.clone(), every_ms)));
                *step
            }
            step => step,
        };
        if let Some((delay_ms, _)) = script.steps.front()
            && !((script.cancelled || self.profile.chaos) && script.chars > 3_000)
        {
            let delay_ms = *delay_ms;
            self.queue.put(self.now_ms + delay_ms, Some(self.life), Event::Llm { request });
        }
        let (id, reply) = (LlmRequestId(request), script.reply);
        script.chars += 10;
        let chars = script.chars;
        match step {
            Step::Text(text) => {
                // A word of its own each time: two chunks of the same words could not be told apart.
                let text = text.replace('#', &format!("q{request}w{chars}"));
                self.feed(Input::LlmText { request: id, text })
            }
            Step::Calling => self.feed(Input::LlmCalling { request: id }),
            Step::WordsAhead(words) => self.feed(Input::LlmWordsAhead { request: id, words }),
            Step::Call(name, arguments) => {
                let arguments = arguments.as_object().cloned().unwrap_or_else(Map::new);
                self.feed(Input::LlmToolCall { request: id, name: name.to_owned(), arguments })
            }
            Step::Done => {
                self.use_llm(reply, chars, false);
                self.feed(Input::LlmDone { request: id })
            }
            Step::Fail => {
                let failure = any_failure(&mut self.dice);
                self.feed(Input::LlmFailed { request: id, failure })
            }
            Step::Again(..) => Ok(()),
        }
    }

    fn write_script(&mut self, request: LlmRequestId, agent: &str, chat: &ChatContext) -> VecDeque<(u64, Step)> {
        let faults = self.profile.faults;
        let mut steps = VecDeque::new();
        let first_ms = self.delay(5, 900);
        if self.dice.chance(faults.llm_tools) {
            let every_ms = self.dice.between(1, 300);
            if self.dice.chance(300) {
                let call = Step::Call("list_tasks", json!({}));
                steps.push_back((first_ms, Step::Again(Box::new(call), every_ms)));
            } else {
                steps.push_back((first_ms, Step::Call("list_tasks", json!({}))));
                steps.push_back((0, Step::Done));
            }
            return steps;
        }
        if self.dice.chance(faults.llm_dribble) {
            let text = self.dice.pick(&["#", " ", "\n", "#. ", "...", "# ", "# # # #. "]).to_owned();
            let every_ms = self.dice.between(20, 2_900);
            steps.push_back((first_ms, Step::Again(Box::new(Step::Text(text)), every_ms)));
            return steps;
        }
        if self.dice.chance(faults.llm_hang) {
            steps.push_back((first_ms + 60_000, Step::Text("Too late.".to_owned())));
        }
        self.answer(request, agent, chat, first_ms, &mut steps);
        if self.dice.chance(faults.llm_hang) {
            let at = self.dice.below(steps.len() as u64 + 1) as usize;
            if let Some((delay_ms, _)) = steps.get_mut(at) {
                *delay_ms += self.dice.between(2_000, 20_000);
            }
        }
        if self.dice.chance(faults.llm_fail) {
            let at = self.dice.below(steps.len() as u64) as usize;
            steps.truncate(at);
            steps.push_back((self.dice.between(1, 200), Step::Fail));
        }
        if self.dice.chance(faults.llm_late) {
            steps.push_back((self.dice.between(0, 100), Step::Text("Late words.".to_owned())));
            steps.push_back((0, Step::Done));
        }
        steps
    }

    /// A well-behaved answer: tools first, for what is not done yet, then words.
    fn answer(
        &mut self,
        request: LlmRequestId,
        agent: &str,
        chat: &ChatContext,
        first_ms: u64,
        steps: &mut VecDeque<(u64, Step)>,
    ) {
        let mut calls = wanted_calls(agent, chat);
        if calls.len() > 1 && self.dice.chance(400) {
            calls.truncate(1);
        }
        let goodbye = calls.iter().any(|(name, _)| *name == END_CALL_TOOL);
        let mut delay_ms = first_ms;
        if calls.is_empty() || (goodbye && self.dice.chance(700)) || self.dice.chance(150) {
            let sentences = self.dice.between(1, 4);
            for delta in self.words(request, sentences) {
                steps.push_back((delay_ms, Step::Text(delta)));
                delay_ms = self.delay(1, 60);
            }
        }
        let says = self.dice.chance(400);
        for (name, mut arguments) in calls {
            let promise = (says && name == "add_task" && self.dice.chance(900)).then(|| self.promise(request));
            if self.dice.chance(500) {
                steps.push_back((delay_ms, Step::Calling));
                delay_ms = self.delay(1, 150);
            }
            if let Some(words) = promise {
                if self.dice.chance(500) {
                    // Some are not those of the call after all.
                    let early = if self.dice.chance(100) { self.promise(request) } else { words.clone() };
                    steps.push_back((delay_ms, Step::WordsAhead(early)));
                    delay_ms = self.delay(1, 400);
                }
                arguments[SAY_ARGUMENT] = Value::from(words);
            }
            steps.push_back((delay_ms, Step::Call(name, arguments)));
            delay_ms = self.delay(1, 40);
            if self.dice.chance(60) {
                for delta in self.words(request, 1) {
                    steps.push_back((delay_ms, Step::Text(delta)));
                }
            }
        }
        steps.push_back((delay_ms, Step::Done));
    }

    /// What is to be said once a call is carried out: it can be told from other words.
    fn promise(&mut self, request: LlmRequestId) -> String {
        let sentences = self.dice.between(1, 2);
        self.words(request, sentences).concat().trim().replace('w', PROMISE)
    }

    /// Sentences of words that occur nowhere else, cut anywhere.
    fn words(&mut self, request: LlmRequestId, sentences: u64) -> Vec<String> {
        let mut text = String::new();
        for _ in 0..sentences {
            let words = self.dice.between(1, 9);
            for at in 0..words {
                let unique = self.dice.below(1_000_000);
                text.push_str(&format!("q{request}w{unique}"));
                let comma = self.dice.chance(120);
                text.push_str(if at + 1 == words {
                    ". "
                } else if comma {
                    ", "
                } else {
                    " "
                });
            }
        }
        let mut deltas = Vec::new();
        let mut rest = text.as_str();
        while !rest.is_empty() {
            let (delta, after) = rest.split_at(self.dice.between(8, 60).min(rest.len() as u64) as usize);
            deltas.push(delta.to_owned());
            rest = after;
        }
        deltas
    }

    /// A tool is to be computed.
    pub(crate) fn run_tool(&mut self, call: ToolCall) {
        let faults = self.profile.faults;
        let title = call.arguments.get("title").and_then(Value::as_str).unwrap_or_default().to_owned();
        let mutating = matches!(call.name.as_str(), "add_task" | "complete_task");
        let known = mutating || call.name == "list_tasks";
        let is_error = !known || self.dice.chance(faults.tool_fail);
        let mut delay_ms = self.delay(0, 80);
        if self.dice.chance(faults.tool_hang) {
            if self.dice.chance(400) {
                return;
            }
            delay_ms += self.dice.between(400, 6_000);
        }
        let mutates = mutating && !is_error;
        if mutates {
            self.store.stage(call.id, &title);
        }
        let status = if is_error { "failed" } else { "ok" };
        let result = json!({"status": status, "title": title});
        let output = ToolOutput { id: call.id, name: call.name, result, is_error };
        self.later(delay_ms, Event::Give(Input::ToolComputed { output, mutates }));
    }
}

/// What the last thing the caller said still asks for.
fn wanted_calls(agent: &str, chat: &ChatContext) -> Vec<(&'static str, Value)> {
    let text = chat.last_user_text().unwrap_or_default();
    let done = chat.since_last_user();
    let answered = |name: &str, title: &str| {
        done.iter().any(|item| match item {
            ChatItem::ToolCall(call) => {
                call.name == name && call.arguments.get("title").and_then(Value::as_str).unwrap_or_default() == title
            }
            _ => false,
        })
    };
    let mut calls = Vec::new();
    let words: Vec<&str> = text.split_whitespace().map(|word| word.trim_end_matches(['.', ','])).collect();
    for (at, word) in words.iter().enumerate() {
        let title = words.get(at + 1).copied().unwrap_or_default();
        match *word {
            "add" if !answered("add_task", title) => calls.push(("add_task", json!({"title": title}))),
            "done" if !answered("complete_task", title) => calls.push(("complete_task", json!({"title": title}))),
            "list" if !answered("list_tasks", "") => calls.push(("list_tasks", json!({}))),
            "frob" if !answered("frobnicate", "") => calls.push(("frobnicate", json!({}))),
            "review" if !answered(TRANSFER_TOOL, "") => {
                let to = if agent == TASK_AGENT { REVIEW_AGENT } else { TASK_AGENT };
                calls.push((TRANSFER_TOOL, json!({"agent": to})));
            }
            "goodbye" if !answered(END_CALL_TOOL, "") => calls.push((END_CALL_TOOL, json!({}))),
            _ => {}
        }
    }
    calls
}
