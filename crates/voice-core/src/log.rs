//! The log of a session's inputs: enough to run the session again, bit for bit, somewhere else.
//!
//! JSON lines. The first is a [`Header`]; each [`Entry`] after it is one input, its time, and a digest of everything that
//! the session had wished for up to then, so that a replay that differs says where.

use serde::{Deserialize, Serialize};

use crate::config::CoreConfig;
use crate::input::Input;
use crate::output::Output;
use crate::session::{Restored, Session};
use crate::snapshot::{RestoreError, Snapshot};

/// The version of the log's form.
pub const LOG_VERSION: u32 = 5;

/// How a logged session began.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Header {
    /// [`LOG_VERSION`] of the process that wrote it.
    pub version: u32,
    /// The session's settings.
    pub config: CoreConfig,
    /// What it was restored from, if it was, and whether on purpose.
    pub restored: Option<RestoredFrom>,
}

/// What a session was restored from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RestoredFrom {
    /// The saved state.
    pub snapshot: Snapshot,
    /// Whether it was moved on purpose.
    pub moved: bool,
}

/// One input.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Entry {
    /// Milliseconds since the session's start.
    pub at_ms: u64,
    /// What happened.
    pub input: Input,
    /// [`Digest`] of all outputs up to and including those that this input caused.
    pub digest: u64,
}

impl Header {
    /// Begins the session that this header describes.
    ///
    /// # Errors
    /// [`RestoreError`] as [`Session::restore`].
    pub fn begin(self) -> Result<Session, RestoreError> {
        match self.restored {
            None => Ok(Session::new(self.config)),
            Some(RestoredFrom { snapshot, moved }) => {
                let how = if moved { Restored::Moved } else { Restored::Lost };
                Session::restore(self.config, snapshot, how)
            }
        }
    }
}

/// A running hash of outputs: FNV-1a over their JSON, 64 bits. It tells apart, it does not protect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Digest(u64);

impl Default for Digest {
    fn default() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }
}

impl Digest {
    /// Takes one more output.
    ///
    /// # Errors
    /// When the output cannot be written as JSON, which is a defect.
    pub fn add(&mut self, output: &Output) -> Result<(), serde_json::Error> {
        serde_json::to_writer(&mut *self, output)
    }

    /// The hash so far.
    pub const fn value(self) -> u64 {
        self.0
    }
}

impl std::io::Write for Digest {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        for byte in bytes {
            self.0 = (self.0 ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::ConnectionId;

    fn run(header: Header, inputs: &[(u64, Input)]) -> Vec<Entry> {
        let mut session = header.begin().unwrap();
        let mut digest = Digest::default();
        let mut log = Vec::new();
        for (at_ms, input) in inputs {
            session.handle_input(*at_ms, input.clone());
            while let Some(output) = session.poll_output() {
                digest.add(&output).unwrap();
            }
            log.push(Entry { at_ms: *at_ms, input: input.clone(), digest: digest.value() });
        }
        log
    }

    #[test]
    fn a_log_survives_json_and_replays_bit_for_bit() {
        let header = Header { version: LOG_VERSION, config: CoreConfig::default(), restored: None };
        let inputs = [
            (0, Input::Connected { connection: ConnectionId(1), voice: true }),
            (900, Input::StartOfSpeech { at_ms: 870 }),
            (2_000, Input::EndOfSpeech { last_speech_ms: 1_900 }),
            (5_000, Input::Tick),
        ];
        let log = run(header.clone(), &inputs);
        let json: Vec<String> = log.iter().map(|entry| serde_json::to_string(entry).unwrap()).collect();
        let read: Vec<Entry> = json.iter().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(read, log);
        assert_eq!(run(header, &inputs), log);
        assert!(log.windows(2).any(|pair| pair[0].digest != pair[1].digest));
    }
}
