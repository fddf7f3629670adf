//! What the transport legs tell a session, and what they are told.

use std::sync::Arc;

use tokio::sync::mpsc;
use voice_core::Input;
use voice_core::ids::ConnectionId;

use super::api::{Command, Outbound, Ready};
use super::channel::caller_format;
use super::ears::Ears;
use super::{Driver, Leg, TIDY_EVERY_MS, doc};

impl Driver {
    pub(super) fn take_command(&mut self, command: Command) {
        match command {
            Command::Attach { connection, voice, outbound, room } => {
                self.room = room;
                self.attach(connection, voice, outbound);
            }
            Command::Detach { connection } => self.detach(connection),
            Command::Audio { connection, frame, mulaw } => self.take_frame(connection, &frame[..], mulaw.as_deref()),
            Command::Playout { connection, speech, played_ms, reported } => {
                if self.is_current(connection) {
                    self.pending.push_back(Input::PlayoutPosition { speech, played_ms, reported });
                }
            }
            Command::RoundTrip { connection, round_trip_ms } => {
                if self.is_current(connection) {
                    self.pending.push_back(Input::RoundTrip { connection, round_trip_ms });
                }
            }
            Command::Mute { connection, muted } => {
                if self.is_current(connection) {
                    self.muted = muted;
                    if muted {
                        self.pending.extend(self.ears.fall_silent());
                    }
                }
            }
            Command::Sharing { connection, is_shared } => self.take_sharing(connection, is_shared),
            Command::Picture { connection, look, piece, is_last } => {
                self.take_piece(connection, look, &piece, is_last);
            }
            Command::Key { connection, key } => {
                if self.is_current(connection) {
                    self.pending.push_back(Input::Key { key });
                }
            }
            Command::Text { text, answer, sid } => {
                self.visited = true;
                let message = answer.map(|answer| self.answers.expect(answer, sid));
                self.pending.push_back(Input::Text { text, message });
            }
            Command::Consent { recording } => self.pending.push_back(Input::Consent { recording }),
            Command::TasksChanged { tasks } => {
                self.staging.set_titles(&tasks);
                self.send(Outbound::Tasks(tasks));
            }
            Command::HangUp { by } => self.pending.push_back(Input::HangUp { by }),
            Command::TakenOver => self.pending.push_back(Input::TakenOver),
            Command::StoreIsBack => {
                self.pending.push_back(Input::StoreIsBack);
                // What others changed meanwhile was not told.
                self.load_tasks();
            }
            Command::FirstWords { answer } => {
                // Whoever asked may have gone.
                let _gone = answer.send(self.session.first_words_due().unwrap_or_default().to_owned());
            }
            Command::Describe { answer } => {
                let mut doc = self.doc.clone();
                doc::write(&mut doc, &self.session.snapshot(), self.room.as_deref(), self.doc.last_activity);
                doc::write_texts(&mut doc, self.answers.kept());
                // Whoever asked may have gone.
                let _gone = answer.send(Box::new(doc));
            }
        }
    }

    fn attach(&mut self, connection: ConnectionId, voice: bool, outbound: mpsc::Sender<Outbound>) {
        // Another page shows another screen, or the same once more.
        if let Some(before) = self.leg.as_ref().map(|leg| leg.connection) {
            self.take_sharing(before, false);
        }
        self.close_leg(4001, "replaced");
        self.leg = Some(Leg { connection, outbound });
        self.visited = true;
        self.feed.connected(true);
        // First of all: a leg that is gone already is then lost again in the right order.
        self.pending.push_back(Input::Connected { connection, voice });
        self.muted = false;
        if voice {
            self.open_lines();
        }
        self.ears = Ears::new(Arc::clone(&self.deps.providers.vad), self.deps.vad, caller_format(&self.doc));
        let resumed = self.resumed || self.session.turns() > 0;
        self.send(Outbound::Ready(Ready {
            session_id: self.doc.session_id.as_str().to_owned(),
            resumed,
            channel: self.labels.channel.to_owned(),
            agent: self.session.current_agent().to_owned(),
            recording: self.session.recording_permit().is_some(),
            records: self.deps.recorder.is_some(),
            screens: self.deps.look_within.is_some(),
            muted: self.muted,
        }));
        // What is not read yet is no empty list.
        if self.staging.is_known() {
            self.send(Outbound::Tasks(self.staging.tasks()));
        }
    }

    fn detach(&mut self, connection: ConnectionId) {
        if self.is_current(connection) {
            self.take_sharing(connection, false);
            self.leg = None;
            self.close_lines();
            self.feed.connected(false);
            self.pending.push_back(Input::Disconnected { connection });
        }
    }

    pub(super) fn is_current(&self, connection: ConnectionId) -> bool {
        self.leg.as_ref().is_some_and(|leg| leg.connection == connection)
    }

    fn take_frame(&mut self, connection: ConnectionId, frame: &[i16], raw: Option<&[u8]>) {
        if !self.is_current(connection) {
            self.frames_dropped.old_connection += 1;
            return;
        }
        if self.muted {
            self.frames_dropped.muted += 1;
            return;
        }
        let now_ms = self.now_ms();
        self.tape_caller(now_ms, frame);
        self.pending.extend(self.ears.hear(now_ms, frame, raw));
        if now_ms >= self.tidied_ms + TIDY_EVERY_MS {
            self.tidied_ms = now_ms;
            self.ears.tidy();
        }
    }

    pub(super) fn send_all(&mut self, out: Vec<Outbound>) {
        for one in out {
            self.send(one);
        }
    }

    /// What a leg cannot take at once makes it a leg that is too slow: it is dropped, and may come back.
    pub(super) fn send(&mut self, outbound: Outbound) {
        let Some(leg) = &self.leg else { return };
        if leg.outbound.try_send(outbound).is_err() {
            let connection = leg.connection;
            tracing::info!(
                session = self.labels.session_id,
                connection = connection.0,
                "the reader is too slow, or gone"
            );
            self.detach(connection);
        }
    }

    pub(super) fn close_leg(&mut self, code: u16, reason: &'static str) {
        if let Some(leg) = self.leg.take() {
            // A leg that is gone or full needs no farewell: its channel closes with this sender.
            let _gone = leg.outbound.try_send(Outbound::Close { code, reason });
        }
    }
}
