//! A session's line: the task that owns the connection.
//!
//! It connects at once and again after a loss, sends what the session gives it at the pace that the server takes, and turns
//! results into events. It never keeps the session waiting: commands come through [`Inbox`], and what does not fit fails.

use std::collections::VecDeque;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until, timeout};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use voice_core::ids::UtteranceId;
use voice_core::provider::{ProviderErrorKind, ProviderFailure};

use super::DeepgramConfig;
use super::dial::Dial;
use super::inbox::{Command, Inbox};
use super::outbox::{Full, Outbox, Outgoing, Pace};
use super::retry::Retry;
use super::socket::{Connection, Step};
use super::utterance::{Finished, Hearing};
use super::wire::{self, ServerMessage};
use crate::audio::format::AudioFormat;
use crate::stt::{LineEvent, SttLine};

/// After so much silence of the server's it is asked whether it is there, in milliseconds: of a connection that a router has
/// forgotten nothing else tells before an utterance is lost in it.
const PING_AFTER_MS: u64 = 30_000;
/// Then it has so long to answer, in milliseconds.
const PONG_WITHIN_MS: u64 = 10_000;

/// Nothing is waited for longer.
const FAR: Duration = Duration::from_secs(30 * 86_400);

/// The session's end of it. Dropping it closes the line in order.
pub(super) struct Line(Arc<Inbox>);

impl SttLine for Line {
    fn begin(&mut self, utterance: UtteranceId) {
        self.0.put(Command::Begin(utterance));
    }

    fn audio(&mut self, audio: Bytes) {
        self.0.put(Command::Audio(audio));
    }

    fn finish(&mut self, revision: u32, silence_ms: u64) {
        self.0.put(Command::Finish(revision, silence_ms));
    }

    fn forget(&mut self, utterance: UtteranceId) {
        self.0.put(Command::Forget(utterance));
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        self.0.close();
    }
}

/// Opens a line.
pub(super) fn open<D: Dial>(
    dial: D,
    config: Arc<DeepgramConfig>,
    format: AudioFormat,
    events: mpsc::Sender<LineEvent>,
) -> Line {
    let capacity = config.buffer_ms.saturating_mul(format.bytes_per_ms() as u64);
    let inbox = Arc::new(Inbox::new(capacity.try_into().unwrap_or(usize::MAX)));
    let task = Task {
        dial: Arc::new(dial),
        inbox: Arc::clone(&inbox),
        events,
        untold: VecDeque::new(),
        hearing: Hearing::new(config.finalize_wait_ms),
        outbox: outbox(&config, format),
        unbilled: 0,
        retry: Retry::new(config.reconnect_min_ms, config.reconnect_max_ms),
        began: Instant::now(),
        format,
        config,
    };
    tokio::spawn(task.run());
    Line(inbox)
}

fn outbox(config: &DeepgramConfig, format: AudioFormat) -> Outbox {
    let pace = Pace { percent: config.pace_percent, burst_ms: config.burst_ms };
    Outbox::new(format, pace, config.buffer_ms)
}

/// The session has dropped its end.
struct Closed;

/// Why a connection is over.
enum Over {
    /// The session has dropped its end.
    Closed,
    /// It failed.
    Lost(ProviderFailure),
    /// It is of no use any more, which the session knows already.
    Useless,
}

impl From<Closed> for Over {
    fn from(_: Closed) -> Self {
        Self::Closed
    }
}

impl From<ProviderFailure> for Over {
    fn from(failure: ProviderFailure) -> Self {
        Self::Lost(failure)
    }
}

impl From<ProviderErrorKind> for Over {
    fn from(kind: ProviderErrorKind) -> Self {
        Self::Lost(kind.into())
    }
}

struct Task<D> {
    dial: Arc<D>,
    config: Arc<DeepgramConfig>,
    format: AudioFormat,
    inbox: Arc<Inbox>,
    events: mpsc::Sender<LineEvent>,
    /// What is to be told next. It holds what one command or message makes: a handful.
    untold: VecDeque<LineEvent>,
    hearing: Hearing,
    outbox: Outbox,
    /// Bytes of audio that were sent and not told as used.
    unbilled: u64,
    retry: Retry,
    began: Instant,
}

/// An open connection, and when what happened on it. Times are milliseconds since the line began.
struct Open<S> {
    connection: Connection<S>,
    opened_ms: u64,
    /// What was offered last, and when.
    offered: Offered,
    offered_ms: u64,
    /// When the server was last heard of.
    alive_ms: u64,
    /// When it was asked whether it is there, if it has not answered.
    pinged_ms: Option<u64>,
}

enum Offered {
    Audio(usize),
    Finalize(u64),
    Other,
}

impl<D: Dial> Task<D> {
    async fn run(mut self) {
        while let Ok(socket) = self.connect().await {
            match self.serve(socket).await {
                Over::Closed => break,
                Over::Lost(_) | Over::Useless => {}
            }
        }
        self.say_last();
    }

    /// The session may still want to know what was used; it does not wait for it, and may be gone.
    fn say_last(&mut self) {
        self.bill();
        while let Some(Ok(())) = self.untold.pop_front().map(|event| self.events.try_send(event)) {}
    }

    fn now_ms(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    fn at(&self, at_ms: u64) -> Instant {
        // Longer than a session lasts, and shorter than a clock can tell.
        self.began + Duration::from_millis(at_ms).min(FAR)
    }

    /// Tries until there is a connection.
    async fn connect(&mut self) -> Result<WebSocketStream<D::Stream>, Closed> {
        loop {
            self.wait_for_turn().await?;
            match self.dial().await? {
                Ok(socket) => return Ok(socket),
                Err(failure) => self.fail(failure, 0),
            }
        }
    }

    /// Waits until an attempt is due, or an utterance is reason for one.
    async fn wait_for_turn(&mut self) -> Result<(), Closed> {
        loop {
            self.tell().await?;
            let due_ms = self.retry.due_ms();
            if self.hearing.is_under_way() {
                match self.retry.hurry(self.now_ms()) {
                    Ok(()) => return Ok(()),
                    Err(failure) => {
                        self.give_up(failure);
                        continue;
                    }
                }
            }
            if self.now_ms() >= due_ms {
                return Ok(());
            }
            let inbox = Arc::clone(&self.inbox);
            tokio::select! {
                biased;
                command = inbox.next() => self.take_offline(command.ok_or(Closed)?),
                () = sleep_until(self.at(due_ms)) => return Ok(()),
            }
        }
    }

    /// One attempt; audio is kept meanwhile.
    async fn dial(&mut self) -> Result<Result<WebSocketStream<D::Stream>, ProviderFailure>, Closed> {
        let (dial, inbox) = (Arc::clone(&self.dial), Arc::clone(&self.inbox));
        let mut dialling = pin!(timeout(Duration::from_millis(self.config.connect_timeout_ms), dial.dial()));
        loop {
            self.tell().await?;
            tokio::select! {
                biased;
                dialled = &mut dialling => {
                    return Ok(dialled.unwrap_or_else(|_late| Err(ProviderErrorKind::Timeout.into())));
                }
                command = inbox.next() => self.take_offline(command.ok_or(Closed)?),
            }
        }
    }

    fn take_offline(&mut self, command: Command) {
        if let Err(Over::Lost(failure)) = self.take(command) {
            self.give_up(failure);
        }
    }

    /// Serves a connection until it is over.
    async fn serve(&mut self, socket: WebSocketStream<D::Stream>) -> Over {
        let now_ms = self.now_ms();
        let mut open = Open {
            connection: Connection::new(socket),
            opened_ms: now_ms,
            offered: Offered::Other,
            offered_ms: now_ms,
            alive_ms: now_ms,
            pinged_ms: None,
        };
        let over = loop {
            if let Err(over) = self.turn(&mut open).await {
                break over;
            }
        };
        match &over {
            Over::Closed => {
                self.say_last();
                self.close(open).await;
            }
            Over::Lost(failure) => self.fail(*failure, self.now_ms() - open.opened_ms),
            Over::Useless => self.start_over(),
        }
        over
    }

    /// One thing that happens on a connection.
    async fn turn(&mut self, open: &mut Open<D::Stream>) -> Result<(), Over> {
        self.tell().await?;
        self.offer(open);
        let (inbox, wake) = (Arc::clone(&self.inbox), self.at(self.wake_ms(open)));
        // What has come counts before what is late: this task may have been late itself.
        tokio::select! {
            biased;
            command = inbox.next() => self.take(command.ok_or(Closed)?),
            step = open.connection.step() => self.step(open, step),
            () = sleep_until(wake) => self.time_out(open),
        }
    }

    /// Looks at what has come too late.
    fn time_out(&mut self, open: &Open<D::Stream>) -> Result<(), Over> {
        let now_ms = self.now_ms();
        self.untold.extend(self.hearing.poll(now_ms));
        if !open.connection.is_free() && now_ms >= self.stalled_ms(open) {
            return Err(ProviderErrorKind::Stalled.into());
        }
        if open.pinged_ms.is_some_and(|pinged_ms| now_ms >= pinged_ms + PONG_WITHIN_MS) {
            return Err(ProviderErrorKind::Disconnected.into());
        }
        Ok(())
    }

    /// When something is due even if nothing happens.
    fn wake_ms(&self, open: &Open<D::Stream>) -> u64 {
        let pong_ms = open.pinged_ms.map(|pinged_ms| pinged_ms + PONG_WITHIN_MS);
        let answer_ms = self.hearing.due_ms().unwrap_or(u64::MAX).min(pong_ms.unwrap_or(u64::MAX));
        if !open.connection.is_free() {
            return answer_ms.min(self.stalled_ms(open));
        }
        let audio_ms = self.outbox.due_ms(self.now_ms()).unwrap_or(u64::MAX);
        let ping_ms = pong_ms.unwrap_or(open.alive_ms + PING_AFTER_MS);
        answer_ms.min(audio_ms).min(ping_ms).min(self.idle_ms(open))
    }

    /// When a message that does not leave is a failure.
    fn stalled_ms(&self, open: &Open<D::Stream>) -> u64 {
        open.offered_ms.saturating_add(self.config.write_timeout_ms)
    }

    /// When nothing has been sent for too long.
    fn idle_ms(&self, open: &Open<D::Stream>) -> u64 {
        open.offered_ms.saturating_add(self.config.keepalive_ms)
    }

    /// Offers the connection what leaves next, if anything does.
    fn offer(&mut self, open: &mut Open<D::Stream>) {
        if !open.connection.is_free() {
            return;
        }
        let now_ms = self.now_ms();
        let (offered, message) = match self.outbox.take(now_ms) {
            Some(Outgoing::Audio(audio)) => (Offered::Audio(audio.len()), Message::Binary(audio)),
            Some(Outgoing::Finalize(at_ms)) => (Offered::Finalize(at_ms), Message::text(wire::FINALIZE)),
            None if now_ms >= open.alive_ms + PING_AFTER_MS && open.pinged_ms.is_none() => {
                open.pinged_ms = Some(now_ms);
                (Offered::Other, Message::Ping(Bytes::new()))
            }
            None if now_ms >= self.idle_ms(open) => match self.open_with_silence() {
                Some(silence) => (Offered::Audio(silence.len()), Message::Binary(silence)),
                None => (Offered::Other, Message::text(wire::KEEP_ALIVE)),
            },
            None => return,
        };
        open.connection.offer(message);
        open.offered = offered;
        open.offered_ms = now_ms;
    }

    /// A moment of silence, if the connection had no audio yet: its first has to come within 10 s of opening, and keep-alives
    /// alone do not keep it open. It counts in the times of what follows, and on the bill.
    fn open_with_silence(&mut self) -> Option<Bytes> {
        if self.outbox.given_ms() > 0 {
            return None;
        }
        // An empty outbox has room.
        self.outbox.push_silence().ok()?;
        self.hearing.given(self.outbox.given_ms());
        match self.outbox.take(self.now_ms()) {
            Some(Outgoing::Audio(silence)) => Some(silence),
            _ => None,
        }
    }

    fn step(&mut self, open: &mut Open<D::Stream>, step: Step) -> Result<(), Over> {
        let now_ms = self.now_ms();
        match step {
            Step::Left => match open.offered {
                Offered::Audio(bytes) => self.unbilled += bytes as u64,
                Offered::Finalize(at_ms) => {
                    if self.hearing.finalize_left(at_ms, now_ms) {
                        self.bill();
                    }
                }
                Offered::Other => {}
            },
            Step::Said(text) => {
                (open.alive_ms, open.pinged_ms) = (now_ms, None);
                self.hear(&text)?;
            }
            Step::Alive => (open.alive_ms, open.pinged_ms) = (now_ms, None),
            Step::Over(failure) => return Err(failure.into()),
        }
        Ok(())
    }

    fn hear(&mut self, text: &str) -> Result<(), Over> {
        match wire::decode(text).map_err(ProviderFailure::from)? {
            ServerMessage::Results(results) => {
                let now_ms = self.now_ms();
                self.untold.extend(self.hearing.results(&results, now_ms));
                Ok(())
            }
            ServerMessage::Error(failure) => Err(failure.into()),
            ServerMessage::Metadata { .. } | ServerMessage::Other => Ok(()),
        }
    }

    fn take(&mut self, command: Command) -> Result<(), Over> {
        match command {
            Command::Begin(utterance) => {
                let result = self.forget();
                self.hearing.begin(utterance);
                result
            }
            Command::Audio(audio) => {
                if self.hearing.current().is_some() {
                    self.outbox.push(&audio).map_err(|Full| ProviderErrorKind::Unusable)?;
                    self.hearing.given(self.outbox.given_ms());
                }
                Ok(())
            }
            Command::Finish(revision, silence_ms) => {
                self.finish(revision, silence_ms);
                Ok(())
            }
            Command::Forget(utterance) if self.hearing.current() == Some(utterance) => self.forget(),
            Command::Forget(_) => Ok(()),
            Command::Overflow => Err(ProviderErrorKind::Unusable.into()),
        }
    }

    fn finish(&mut self, revision: u32, silence_ms: u64) {
        match self.hearing.finish(revision, silence_ms, self.now_ms()) {
            Finished::Final(event) => {
                self.bill();
                self.untold.push_back(event);
            }
            Finished::Ask => self.outbox.ask(),
            Finished::Wait => {}
        }
    }

    /// Nobody waits for the utterance any more.
    fn forget(&mut self) -> Result<(), Over> {
        let is_overdue = self.hearing.is_overdue(self.now_ms());
        self.bill();
        self.outbox.drop_audio();
        if self.hearing.forget(self.outbox.given_ms()) {
            self.outbox.ask();
        }
        // It never answered: the next utterance had better not depend on it.
        if is_overdue { Err(Over::Useless) } else { Ok(()) }
    }

    /// What was sent since this was last done goes on the bill of the utterance under way.
    fn bill(&mut self) {
        let bytes_per_ms = self.format.bytes_per_ms() as u64;
        let audio_ms = self.unbilled / bytes_per_ms;
        if let Some(utterance) = self.hearing.current()
            && audio_ms > 0
        {
            self.unbilled %= bytes_per_ms;
            self.untold.push_back(LineEvent::Used { utterance, audio_ms });
        }
    }

    /// The connection is lost, or there is none.
    fn fail(&mut self, failure: ProviderFailure, lived_ms: u64) {
        // Without dice it is only less spread.
        let dice = getrandom::u64().unwrap_or_default();
        self.retry.failed(failure, lived_ms, self.now_ms(), dice);
        self.bill();
        let utterance = self.hearing.lost();
        self.outbox = outbox(&self.config, self.format);
        self.untold.push_back(LineEvent::Failed { utterance, failure });
    }

    /// The utterance fails while there is no connection.
    fn give_up(&mut self, failure: ProviderFailure) {
        self.outbox = outbox(&self.config, self.format);
        if let Some(utterance) = self.hearing.lost() {
            self.untold.push_back(LineEvent::Failed { utterance: Some(utterance), failure });
        }
    }

    /// The connection is given up for another one, which the utterance that has just begun, if one has, can have.
    fn start_over(&mut self) {
        self.outbox = outbox(&self.config, self.format);
        if let Some(utterance) = self.hearing.lost() {
            self.hearing.begin(utterance);
        }
    }

    /// Tells the session what is to be told; waits as long as it takes, for nothing is lost, but not for one that is gone.
    async fn tell(&mut self) -> Result<(), Closed> {
        while let Some(event) = self.untold.pop_front() {
            tokio::select! {
                sent = self.events.send(event) => sent.map_err(|_gone| Closed)?,
                () = self.inbox.closed() => return Err(Closed),
            }
        }
        Ok(())
    }

    async fn close(&mut self, open: Open<D::Stream>) {
        let sent_ms = self.outbox.given_ms();
        let processed_ms = open.connection.close(Duration::from_millis(self.config.close_wait_ms)).await;
        tracing::debug!(sent_ms, processed_ms, "closed the connection to deepgram");
    }
}
