//! The virtual clock: what is to happen, in the order of its time.

use std::cmp::Ordering;
use std::collections::BinaryHeap;

use voice_core::Input;
use voice_core::ids::{RungId, SpeechId};

/// Something that is to happen.
#[derive(Debug, Clone)]
pub(crate) enum Event {
    /// The caller does the next thing.
    Act,
    /// The VAD notices speech that began at this world time, in milliseconds, on this leg.
    SpeechOn { began_ms: u64, leg: u64 },
    /// The VAD hears on this leg what may become speech.
    Doubt { leg: u64 },
    /// The VAD notices silence since this world time, in milliseconds, on this leg.
    SpeechOff { last_ms: u64, leg: u64 },
    /// The caller has said a word.
    Word { word: String, leg: u64 },
    /// The session is told something.
    Give(Input),
    /// The script of this request goes on.
    Llm { request: u64 },
    /// The script of this chunk goes on.
    Tts { speech: u64, chunk: u32, rung: RungId },
    /// Providers whose rest is over are probed.
    Probe,
    /// The store has this commit.
    Store { commit: u64 },
    /// The playout may have got somewhere.
    Device,
    /// A position report arrives, of this leg.
    Position { speech: SpeechId, played_ms: u64, leg: u64 },
    /// The caller comes back.
    Back,
    /// The process is killed.
    Crash,
    /// The process is told to stop, and the session to move.
    Move,
    /// A new process takes up the session.
    Restart,
}

#[derive(Debug)]
struct Entry {
    at_ms: u64,
    order: u64,
    life: Option<u32>,
    event: Event,
}

impl PartialEq for Entry {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Entry {}

impl PartialOrd for Entry {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Entry {
    fn cmp(&self, other: &Self) -> Ordering {
        // The heap yields the greatest: the earliest is to be that.
        (other.at_ms, other.order).cmp(&(self.at_ms, self.order))
    }
}

/// The events to come.
#[derive(Debug, Default)]
pub(crate) struct Queue {
    heap: BinaryHeap<Entry>,
    order: u64,
}

impl Queue {
    /// Puts an event at this world time, in milliseconds. With a life it is forgotten when that life is over.
    pub(crate) fn put(&mut self, at_ms: u64, life: Option<u32>, event: Event) {
        self.order += 1;
        self.heap.push(Entry { at_ms, order: self.order, life, event });
    }

    /// When the next event is, in milliseconds of world time.
    pub(crate) fn next_ms(&self) -> Option<u64> {
        self.heap.peek().map(|entry| entry.at_ms)
    }

    /// Takes the next event, with the life that it belongs to.
    pub(crate) fn take(&mut self) -> Option<(Option<u32>, Event)> {
        self.heap.pop().map(|entry| (entry.life, entry.event))
    }
}
