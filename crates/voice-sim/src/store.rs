//! The model store: one saved state, tasks changed exactly once, and every way in which it fails.

use std::collections::{BTreeMap, BTreeSet};

use voice_core::Input;
use voice_core::chat::ChatItem;
use voice_core::ids::{CommitId, ToolCallId};
use voice_core::input::CommitError;
use voice_core::snapshot::Snapshot;

use crate::kills::KillPoint;
use crate::queue::Event;
use crate::seen::Seen;
use crate::world::{Checked, World, violated};

#[derive(Debug)]
enum Fate {
    Applied,
    /// Applied; the answer comes so much later, in milliseconds, or never.
    AnswerLost(Option<u64>),
    Refused(CommitError),
    Hung,
    /// Nothing is known of it at first; made again so many milliseconds later, it is this.
    Again(u64, Box<Fate>),
}

#[derive(Debug)]
struct Pending {
    tools: Vec<(ToolCallId, String)>,
    snapshot: Box<Snapshot>,
    fate: Fate,
}

/// What is kept, and what is on its way there.
#[derive(Debug)]
pub(crate) struct Store {
    /// The last committed state.
    pub(crate) saved: Snapshot,
    /// Computed, in the memory of the process.
    staged: BTreeMap<ToolCallId, String>,
    pending: BTreeMap<u64, Pending>,
    applied: BTreeSet<ToolCallId>,
    /// How often each task was changed.
    changes: BTreeMap<String, u32>,
    unknown_titles: BTreeSet<String>,
    /// No text is cut, so that two titles are never the same by accident.
    titles_are_whole: bool,
    /// Another owner has the session.
    fenced: bool,
    /// This process has saved something.
    pub(crate) saved_something: bool,
    /// The old owner noticed.
    taken_over: bool,
    /// The old owner left, and this is what it had still to say.
    pub(crate) handed_over: Option<String>,
}

impl Store {
    pub(crate) fn new(saved: Snapshot, titles_are_whole: bool) -> Self {
        Self {
            saved,
            staged: BTreeMap::new(),
            pending: BTreeMap::new(),
            applied: BTreeSet::new(),
            changes: BTreeMap::new(),
            unknown_titles: BTreeSet::new(),
            titles_are_whole,
            fenced: false,
            saved_something: false,
            taken_over: false,
            handed_over: None,
        }
    }

    /// Keeps what a tool would change in the process's memory.
    pub(crate) fn stage(&mut self, call: ToolCallId, title: &str) {
        self.staged.insert(call, title.to_owned());
    }

    pub(crate) fn drop_tools(&mut self, calls: &[ToolCallId]) {
        self.staged.retain(|call, _| !calls.contains(call));
    }

    /// Whether a commit is under way.
    pub(crate) fn is_busy(&self) -> bool {
        !self.pending.is_empty()
    }

    /// What of a turn is here, or on its way here, in this moment.
    pub(crate) fn kill_point(&self) -> Option<KillPoint> {
        if self.pending.values().any(|pending| !pending.tools.is_empty()) {
            return Some(KillPoint::ChangeUnderWay);
        }
        if !self.pending.is_empty() {
            return Some(KillPoint::CommitUnderWay);
        }
        (!self.staged.is_empty()).then_some(KillPoint::Computed)
    }

    /// The process that owned the session is gone: what it had staged too.
    pub(crate) fn owner_died(&mut self) {
        self.staged.clear();
        self.pending.clear();
        self.fenced = false;
        self.saved_something = false;
    }

    /// The session has ended because another owner has it.
    pub(crate) fn was_taken_over(&mut self) {
        self.taken_over = true;
    }

    /// Whether the session goes on with another owner. Says so once.
    pub(crate) fn take_over_done(&mut self) -> bool {
        std::mem::take(&mut self.taken_over)
    }

    fn apply(&mut self, pending: Pending, chaos: bool) -> Checked {
        let known = matches!(pending.fate, Fate::Applied);
        for (call, title) in pending.tools {
            if !self.applied.insert(call) {
                return violated("a tool takes effect once", format!("call {call} was committed twice"));
            }
            if !known {
                self.unknown_titles.insert(title.clone());
            }
            let times = self.changes.entry(title.clone()).or_default();
            *times += 1;
            if *times > 1
                && title.len() > 4
                && title.starts_with("item")
                && self.titles_are_whole
                && !self.unknown_titles.contains(&title)
            {
                return violated("a wish takes effect once", format!("{title:?} was changed {times} times"));
            }
        }
        self.saved = *pending.snapshot;
        self.saved_something = true;
        if chaos { Ok(()) } else { self.agrees_with_history() }
    }

    /// History says that a tool worked if, and only if, the store has its change.
    fn agrees_with_history(&self) -> Checked {
        let outputs = self.saved.asides.iter().rev().take(24).filter_map(|aside| match &aside.item {
            ChatItem::ToolOutput(output) if matches!(output.name.as_str(), "add_task" | "complete_task") => {
                Some(output)
            }
            _ => None,
        });
        for output in outputs {
            let has = self.applied.contains(&output.id);
            if !output.is_error && !has {
                let text = format!("history says that call {} worked, the store does not have it", output.id);
                return violated("history agrees with the store", text);
            }
            // Of what the session could not know it does not say that it failed.
            let unsure = matches!(output.result["status"].as_str(), Some("unknown" | "pending"));
            if output.is_error && has && !unsure {
                let text = format!("history says that call {} failed, the store has it", output.id);
                return violated("history agrees with the store", text);
            }
        }
        Ok(())
    }
}

impl World {
    /// The session wants to be saved.
    pub(crate) fn commit(&mut self, commit: CommitId, tools: &[ToolCallId], snapshot: Box<Snapshot>) -> Checked {
        self.check_saved(&snapshot)?;
        let mut changes = Vec::new();
        for call in tools {
            match self.store.staged.remove(call) {
                Some(title) => changes.push((*call, title)),
                None if self.profile.chaos => {}
                None => {
                    let text = format!("commit {commit} holds call {call}, which is not computed or was dropped");
                    return violated("only computed tools are committed", text);
                }
            }
        }
        // A commit that was still being made is not made over a newer one.
        self.store.pending.clear();
        let fate = self.roll_fate(!tools.is_empty());
        let delay_ms = self.delay(1, 60);
        self.store.pending.insert(commit.0, Pending { tools: changes, snapshot, fate });
        self.later(delay_ms, Event::Store { commit: commit.0 });
        Ok(())
    }

    fn roll_fate(&mut self, tools: bool) -> Fate {
        let faults = self.profile.faults;
        if self.dice.chance(faults.store_fenced) {
            self.store.fenced = true;
        }
        if self.store.fenced {
            return Fate::Refused(CommitError::Fenced);
        }
        if self.dice.chance(faults.store_down) {
            self.saw(Seen::StoreDown);
            return Fate::Refused(CommitError::Unavailable);
        }
        if tools && self.dice.chance(faults.store_conflict) {
            self.saw(Seen::Conflict);
            return Fate::Refused(CommitError::Conflict);
        }
        if self.dice.chance(faults.store_hang) {
            self.saw(Seen::StoreHung);
            let again_ms = self.dice.between(100, 9_000);
            return match self.dice.below(4) {
                0 => Fate::Hung,
                1 => Fate::Again(again_ms, Box::new(Fate::Refused(CommitError::Unavailable))),
                2 if tools => Fate::Again(again_ms, Box::new(Fate::Refused(CommitError::Conflict))),
                _ => Fate::Again(again_ms, Box::new(Fate::Applied)),
            };
        }
        if self.dice.chance(faults.store_lost_ack) {
            self.saw(Seen::LostAck);
            let late_ms = self.dice.between(300, 6_000);
            return Fate::AnswerLost(self.dice.chance(500).then_some(late_ms));
        }
        Fate::Applied
    }

    /// The store comes to this commit.
    pub(crate) fn store_has(&mut self, commit: u64) -> Checked {
        let Some(pending) = self.store.pending.remove(&commit) else { return Ok(()) };
        let commit = CommitId(commit);
        if !pending.tools.is_empty() && matches!(pending.fate, Fate::Applied) {
            self.saw(Seen::ToolChange);
        }
        match pending.fate {
            Fate::Applied => {
                self.store.apply(pending, self.profile.chaos)?;
                self.feed(Input::Committed { commit })
            }
            Fate::AnswerLost(late_ms) => {
                self.store.apply(pending, self.profile.chaos)?;
                if let Some(late_ms) = late_ms {
                    self.later(late_ms, Event::Give(Input::Committed { commit }));
                }
                Ok(())
            }
            Fate::Refused(error) => self.feed(Input::CommitFailed { commit, error }),
            Fate::Hung => Ok(()),
            Fate::Again(again_ms, fate) => {
                self.store.pending.insert(commit.0, Pending { fate: *fate, ..pending });
                self.later(again_ms, Event::Store { commit: commit.0 });
                match self.dice.below(10) {
                    0..=3 => self.feed(Input::CommitFailed { commit, error: CommitError::Unknown }),
                    4..=6 => self.feed(Input::CommitFailed { commit, error: CommitError::Postponed }),
                    _ => Ok(()),
                }
            }
        }
    }

    /// The process dies while commits are under way: some are applied, their answers lost.
    pub(crate) fn commits_at_death(&mut self) -> Checked {
        for (_, mut pending) in std::mem::take(&mut self.store.pending) {
            let applied = matches!(pending.fate, Fate::Applied | Fate::AnswerLost(_));
            if applied && self.dice.chance(500) {
                pending.fate = Fate::AnswerLost(None);
                self.store.apply(pending, self.profile.chaos)?;
            }
        }
        Ok(())
    }
}
