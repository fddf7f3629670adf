//! Data packets: reliable or not, to everybody or to some.

use crate::ids::Identity;

/// Bytes that a data packet may have: LiveKit's limit, below what every browser takes.
pub const MAX_DATA_BYTES: usize = 15_000;

/// A data packet that a participant or the server sent.
#[derive(Clone, PartialEq, Eq)]
pub struct DataMessage {
    /// From whom; empty if from the server.
    pub from: Identity,
    /// What it is; may be empty.
    pub topic: String,
    /// The content.
    pub payload: Vec<u8>,
}

// What people send stays out of logs.
impl std::fmt::Debug for DataMessage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "DataMessage({:?}, {} bytes)", self.topic, self.payload.len())
    }
}

/// A data packet to send.
#[derive(Clone, PartialEq, Eq)]
pub struct DataPacket {
    /// What it is; may be empty.
    pub topic: String,
    /// The content, up to [`MAX_DATA_BYTES`].
    pub payload: Vec<u8>,
    /// Sent again until it arrives, and in order; otherwise once, and perhaps in vain.
    pub reliable: bool,
    /// To whom; everybody, if empty.
    pub to: Vec<Identity>,
}

impl std::fmt::Debug for DataPacket {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "DataPacket({:?}, {} bytes)", self.topic, self.payload.len())
    }
}
