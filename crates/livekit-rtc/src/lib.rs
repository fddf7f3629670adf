//! A LiveKit participant and agent worker.

pub mod address;
pub mod audio;
mod data;
pub mod dispatch;
pub mod engine;
pub mod error;
pub mod framing;
mod ids;
mod link;
mod participant;
mod peer;
mod proto;
pub mod room;
mod sdp;
mod stream;
pub mod token;
pub mod video;
pub mod worker;

pub use address::Address;
pub use data::{DataMessage, DataPacket, MAX_DATA_BYTES};
pub use engine::{Event, PublishOptions, Transport};
pub use ids::*;
pub use participant::*;
pub use room::{AudioSource, AudioStream, Events, Room, RoomOptions, TextWriter};
pub use stream::*;
