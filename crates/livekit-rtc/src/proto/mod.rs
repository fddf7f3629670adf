//! What of LiveKit's protocol this crate speaks: a subset of the messages of `livekit/protocol` (Apache-2.0,
//! <https://github.com/livekit/protocol>), with its names and tags.
//!
//! Written out, so that building needs neither `protoc` nor the hundred thousand lines that are generated for the whole.
//! Fields and messages that are not here are skipped when they arrive, as protobuf wants it. Enumerations are read as
//! numbers: a value that a newer server adds is not an error.

pub(crate) mod agent;
pub(crate) mod data;
pub(crate) mod model;
pub(crate) mod signal;

pub(crate) use agent::*;
pub(crate) use data::*;
pub(crate) use model::*;
pub(crate) use signal::*;
