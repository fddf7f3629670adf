//! The world around one session: the loop, and what everything shares.

use voice_core::cost::NanoUsd;
use voice_core::log::{Digest, Entry, Header, LOG_VERSION, RestoredFrom};
use voice_core::session::Restored;
use voice_core::snapshot::Snapshot;
use voice_core::{Input, Output, Session};

use crate::caller::Caller;
use crate::check::Check;
use crate::device::Device;
use crate::dice::Dice;
use crate::ears::Ears;
use crate::kills::{KillPoint, Killing, Kills};
use crate::llm::Llm;
use crate::page_link::PageLink;
use crate::profile::Profile;
use crate::queue::{Event, Queue};
use crate::rungs::Rungs;
use crate::seen::{Seen, Sights};
use crate::store::Store;
use crate::tts::Tts;

/// More inputs than this make a seed a livelock.
const MAX_INPUTS: u64 = 20_000;
/// Chaos is over after so many inputs: with its clock anywhere, a session need not end.
const MAX_CHAOS: u64 = 3_000;
/// More inputs than this at the same virtual millisecond are a livelock.
const MAX_INPUTS_AT_ONCE: u32 = 1_500;
/// More wishes than this from one input are a flood.
const MAX_OUTPUTS: u32 = 900;

/// A broken invariant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Violation {
    /// The name of the check.
    pub check: &'static str,
    /// What was expected, and what was.
    pub text: String,
}

pub(crate) type Checked = Result<(), Violation>;

/// Fails the seed.
pub(crate) fn violated<T>(check: &'static str, text: impl Into<String>) -> Result<T, Violation> {
    Err(Violation { check, text: text.into() })
}

/// What was logged of one life of the session.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Life {
    /// How it began.
    pub header: Header,
    /// What it was told.
    pub entries: Vec<Entry>,
}

/// One seed's world.
#[derive(Debug)]
pub(crate) struct World {
    pub(crate) profile: Profile,
    pub(crate) dice: Dice,
    pub(crate) now_ms: u64,
    pub(crate) queue: Queue,
    pub(crate) life: u32,
    /// World time at which the session's own time began, in milliseconds.
    pub(crate) base_ms: u64,
    pub(crate) session: Option<Session>,
    pub(crate) caller: Caller,
    pub(crate) ears: Ears,
    pub(crate) llm: Llm,
    pub(crate) store: Store,
    pub(crate) tts: Tts,
    pub(crate) rungs: Rungs,
    pub(crate) device: Device,
    pub(crate) check: Check,
    pub(crate) sights: Sights,
    pub(crate) kills: Kills,
    /// What kills in the midst of turns, if something does.
    pub(crate) aim: Option<Dice>,
    pub(crate) inputs: u64,
    at_once: u32,
    /// What is kept for a replay; none when this seed is not replayed.
    pub(crate) log: Option<Vec<Life>>,
    digest: Digest,
    /// Whether to print what happens.
    trace: bool,
    /// Lines of the trace.
    pub(crate) lines: Vec<String>,
}

impl World {
    pub(crate) fn new(seed: u64, killing: Killing, logged: bool, trace: bool) -> Self {
        let mut dice = Dice::new(seed);
        let mut profile = Profile::roll(&mut dice);
        // With dice of its own: a seed's call stays the one that it was.
        profile.ask_for_consent(&mut Dice::new(!seed));
        let session = Session::new(profile.config.clone());
        let saved = session.snapshot();
        let mut world = Self {
            caller: Caller::new(profile.acts),
            ears: Ears::default(),
            llm: Llm::default(),
            store: Store::new(saved, profile.config.max_text_chars > 1_000),
            tts: Tts::default(),
            rungs: Rungs::new(&profile.config),
            device: Device::new(PageLink::roll(profile.faults.device_mute, &mut dice)),
            check: Check::default(),
            profile,
            dice,
            now_ms: 0,
            queue: Queue::default(),
            life: 0,
            base_ms: 0,
            session: Some(session),
            sights: Sights::default(),
            kills: Kills::default(),
            aim: killing.dice(seed),
            inputs: 0,
            at_once: 0,
            log: logged.then(Vec::new),
            digest: Digest::default(),
            trace,
            lines: Vec::new(),
        };
        world.begin_log(None);
        world.plan();
        world
    }

    /// When the process dies, and when the session is moved.
    fn plan(&mut self) {
        let span_ms = 2_000 + self.profile.acts * self.profile.gap_ms;
        for (rate, event) in [(self.profile.faults.kill, Event::Crash), (self.profile.faults.moved, Event::Move)] {
            if rate > 0 {
                for _ in 0..self.dice.between(1, 3) {
                    let at_ms = self.dice.below(span_ms);
                    self.queue.put(at_ms, None, event.clone());
                }
            }
        }
        if self.profile.config.ceilings.day > NanoUsd(0) {
            let most = self.profile.config.ceilings.day.0 * 3 / 2;
            for _ in 0..self.dice.between(1, 6) {
                let (at_ms, spent) = (self.dice.below(span_ms), NanoUsd(self.dice.below(most)));
                self.queue.put(at_ms, None, Event::Give(Input::DaySpend { spent }));
            }
        }
        self.queue.put(0, None, Event::Act);
    }

    /// Runs the call to its end.
    pub(crate) fn run(&mut self) -> Checked {
        if self.profile.chaos {
            self.saw(Seen::Chaos);
        }
        loop {
            let timer_ms = self.session.as_ref().and_then(Session::poll_timeout).map(|due_ms| due_ms + self.base_ms);
            let event_ms = self.queue.next_ms();
            match (timer_ms, event_ms) {
                (Some(due_ms), event_ms) if event_ms.is_none_or(|at_ms| due_ms < at_ms) => {
                    self.advance(due_ms.max(self.now_ms))?;
                    self.feed(Input::Tick)?;
                }
                (_, Some(at_ms)) => {
                    self.advance(at_ms.max(self.now_ms))?;
                    let Some((life, event)) = self.queue.take() else { continue };
                    if life.is_none_or(|life| life == self.life) {
                        self.happen(event)?;
                    }
                }
                _ => break,
            }
            self.device_begins();
            self.aim()?;
            if self.profile.chaos && self.inputs > MAX_CHAOS {
                return Ok(());
            }
            if self.inputs > MAX_INPUTS {
                return violated("every session ends", format!("{MAX_INPUTS} inputs, and still going"));
            }
            if self.session.as_ref().is_some_and(Session::is_ended) && !self.go_on_after_end()? {
                break;
            }
        }
        match &self.session {
            Some(session) if session.is_ended() => self.check_at_end(),
            _ => violated("every session ends", "nothing is to happen any more, and there was no End"),
        }
    }

    /// Time passes: what can be heard is heard.
    fn advance(&mut self, to_ms: u64) -> Checked {
        if to_ms > self.now_ms {
            self.at_once = 0;
        }
        self.wait(to_ms - self.now_ms)?;
        self.now_ms = to_ms;
        self.device_plays()?;
        self.check_waiting()
    }

    fn happen(&mut self, event: Event) -> Checked {
        match event {
            Event::Act => self.act(),
            Event::Doubt { leg } => self.doubt(leg),
            Event::SpeechOn { began_ms, leg } => self.speech_on(began_ms, leg),
            Event::SpeechOff { last_ms, leg } => self.speech_off(last_ms, leg),
            Event::Word { word, leg } => {
                self.hear_word(word, leg);
                Ok(())
            }
            Event::Give(input) => self.feed(input),
            Event::Llm { request } => self.llm_goes_on(request),
            Event::Tts { speech, chunk, rung } => self.tts_goes_on(speech, chunk, rung),
            Event::Probe => self.probe(),
            Event::Store { commit } => self.store_has(commit),
            Event::Device => self.device_wakes(),
            Event::Position { speech, played_ms, leg } => self.position_arrives(speech, played_ms, leg),
            Event::Back => self.come_back(),
            Event::Crash => self.crash(),
            Event::Move => self.move_on_purpose(),
            Event::Restart => self.restart(Restored::Lost),
        }
    }

    /// Puts an event of this life so many milliseconds ahead.
    pub(crate) fn later(&mut self, delay_ms: u64, event: Event) {
        self.queue.put(self.now_ms + delay_ms, Some(self.life), event);
    }

    /// A provider's delay, in milliseconds: this seed's providers are quick or slow.
    pub(crate) fn delay(&mut self, low_ms: u64, high_ms: u64) -> u64 {
        self.dice.between(low_ms, high_ms) * self.profile.pace_permille / 1_000
    }

    pub(crate) fn saw(&mut self, seen: Seen) {
        self.sights.add(seen);
    }

    /// Tells the session what happened, and carries out what it wishes.
    pub(crate) fn feed(&mut self, input: Input) -> Checked {
        let at_ms = self.now_ms - self.base_ms;
        self.feed_at(at_ms, input)
    }

    /// As [`Self::feed`], at any time of the session's own clock, in milliseconds.
    pub(crate) fn feed_at(&mut self, at_ms: u64, input: Input) -> Checked {
        let Some(mut session) = self.session.take() else { return Ok(()) };
        self.inputs += 1;
        self.at_once += 1;
        if self.at_once > MAX_INPUTS_AT_ONCE {
            return violated("no livelock", format!("{MAX_INPUTS_AT_ONCE} inputs at {} ms", self.now_ms));
        }
        if self.trace {
            self.lines.push(format!("{:>7} < {input:?}", self.now_ms));
        }
        let was_ended = session.is_ended();
        self.before_input(&input);
        let logged = self.log.is_some().then(|| input.clone());
        session.handle_input(at_ms, input);
        let mut outputs = Vec::new();
        while let Some(output) = session.poll_output() {
            outputs.push(output);
            if outputs.len() > MAX_OUTPUTS as usize {
                return violated("outputs are finite", format!("more than {MAX_OUTPUTS} wishes from one input"));
            }
        }
        if was_ended && !outputs.is_empty() {
            return violated("nothing after End", format!("{outputs:?}"));
        }
        self.keep_log(at_ms, logged, &outputs)?;
        let result = self.after_input(&session, at_ms, &outputs);
        self.session = Some(session);
        for output in &outputs {
            if self.trace {
                self.lines.push(format!("{:>7} > {}", self.now_ms, brief(output)));
            }
        }
        result?;
        for output in outputs {
            self.carry_out(output)?;
        }
        self.after_outputs()
    }

    fn keep_log(&mut self, at_ms: u64, input: Option<Input>, outputs: &[Output]) -> Checked {
        let Some((log, input)) = self.log.as_mut().and_then(|lives| lives.last_mut()).zip(input) else { return Ok(()) };
        for output in outputs {
            if let Err(error) = self.digest.add(output) {
                return violated("outputs can be written", error.to_string());
            }
        }
        log.entries.push(Entry { at_ms, input, digest: self.digest.value() });
        Ok(())
    }

    fn begin_log(&mut self, restored: Option<(Snapshot, Restored)>) {
        self.digest = Digest::default();
        if let Some(lives) = &mut self.log {
            let restored = restored.map(|(snapshot, how)| RestoredFrom { snapshot, moved: how == Restored::Moved });
            let header = Header { version: LOG_VERSION, config: self.profile.config.clone(), restored };
            lives.push(Life { header, entries: Vec::new() });
        }
    }

    /// The process dies: what it had in memory is gone.
    pub(crate) fn crash(&mut self) -> Checked {
        let Some(session) = self.session.take() else { return Ok(()) };
        if session.is_ended() {
            self.session = Some(session);
            return Ok(());
        }
        if session.is_busy() {
            self.saw(Seen::RestoredMidReply);
        }
        self.kills.add(self.store.kill_point().unwrap_or(match session {
            _ if session.is_answering() => KillPoint::Answering,
            _ if session.is_busy() => KillPoint::Speaking,
            _ => KillPoint::Quiet,
        }));
        self.commits_at_death()?;
        self.leave_life();
        let away_ms = self.dice.between(100, 3_000);
        self.later(away_ms, Event::Restart);
        Ok(())
    }

    /// Nothing of this life's providers, playout and legs is left.
    fn leave_life(&mut self) {
        self.life += 1;
        let saved_something = self.store.saved_something;
        self.caller.leg_died();
        self.ears = Ears::default();
        self.llm = Llm::default();
        self.tts = Tts::default();
        self.rungs = Rungs::new(&self.profile.config);
        self.store.owner_died();
        self.device.power_off();
        self.check.life_over(saved_something);
    }

    /// A new process takes up what the store has.
    fn restart(&mut self, how: Restored) -> Checked {
        let saved = self.store.saved.clone();
        self.saw(if how == Restored::Moved { Seen::Moved } else { Seen::Restored });
        self.base_ms = self.now_ms;
        let restored = Session::restore(self.profile.config.clone(), saved.clone(), how);
        let session = match restored {
            Ok(session) => session,
            Err(error) => return violated("a saved session can be restored", error.to_string()),
        };
        if session.snapshot() != saved {
            let text = format!("saved {saved:?}, restored {:?}", session.snapshot());
            return violated("restore(snapshot(s)) is s", text);
        }
        self.check.life_begins(&session, &saved);
        self.begin_log(Some((saved, how)));
        self.session = Some(session);
        if self.trace {
            self.lines.push(format!("{:>7} = restored ({how:?})", self.now_ms));
        }
        let wait_ms = self.dice.between(0, 2_000);
        self.later(wait_ms, Event::Back);
        Ok(())
    }

    /// The process is told to stop: the session moves when it may.
    fn move_on_purpose(&mut self) -> Checked {
        let within_ms = self.dice.pick(&[0, 500, 3_000, 20_000]);
        self.feed(Input::HandOver { within_ms })
    }

    /// The session is over here. Says whether it goes on elsewhere.
    fn go_on_after_end(&mut self) -> Result<bool, Violation> {
        if let Some(say) = self.store.handed_over.take() {
            self.leave_life();
            self.restart(Restored::Moved)?;
            self.feed(Input::TookOver { say })?;
            return Ok(true);
        }
        if !self.store.take_over_done() {
            return Ok(false);
        }
        self.leave_life();
        self.restart(Restored::Lost)?;
        Ok(true)
    }
}

/// One line of the trace.
fn brief(output: &Output) -> String {
    let mut line = match output {
        Output::Commit { commit, turn, tools, snapshot } => {
            format!("Commit {commit} turn {turn} tools {tools:?} history {:?}", snapshot.history)
        }
        Output::RequestLlm { request, reply, rung, agent, chat, .. } => {
            format!("RequestLlm {request} of {rung} reply {reply} {agent}, last {:?}", chat.items.last())
        }
        output => format!("{output:?}"),
    };
    line.truncate(line.floor_char_boundary(600));
    line
}
