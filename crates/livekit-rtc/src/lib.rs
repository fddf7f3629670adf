//! A LiveKit participant and agent worker in pure Rust, on [str0m](https://docs.rs/str0m).
//!
//! - **[`Room`]**: join a room; publish and hear audio; send and receive texts (chat, captions), data and attributes; take
//!   pictures of a shared screen. It survives a lost signalling socket, a restarted server and blocked UDP.
//! - **[`Worker`](worker::Worker)**: be dispatched to rooms, with load, draining and reconnects.
//! - **[`Engine`](engine::Engine)** and **[`Machine`](worker::Machine)**: both without sockets and clock, for another
//!   runtime, a simulator, or a test of seconds that takes microseconds.
//! - **[`token`]**, **[`dispatch`]**, **[`moderation`]**: access tokens; sending agents to rooms, and participants out of
//!   them.
//!
//! # A participant
//!
//! ```no_run
//! use livekit_rtc::{Address, Event, PublishOptions, Room, RoomOptions, TextOptions, TrackKind};
//!
//! # async fn run(token: String) -> Result<(), Box<dyn std::error::Error>> {
//! let address = Address::parse("wss://rooms.example")?;
//! let (room, mut events) = Room::connect(address, token, RoomOptions::default()).await?;
//! let voice = room.publish_audio(PublishOptions::default()).await?;
//! room.send_text(TextOptions::topic("lk.chat"), "Hello!").await?;
//!
//! while let Some(event) = events.next().await {
//!     match event {
//!         Event::TrackSubscribed { identity, track } if track.kind == TrackKind::Audio => {
//!             let mut heard = room.listen(&track.sid).await?;
//!             tokio::spawn(async move {
//!                 while let Some(frame) = heard.next().await {
//!                     // 20 ms of what they say, without a hole.
//!                 }
//!             });
//!         }
//!         Event::Text(text) => println!("{}: {}", text.from, text.text),
//!         Event::Closed(reason) => println!("{reason}"),
//!         _ => {}
//!     }
//! }
//! # Ok(())
//! # }
//! ```
//!
//! # A worker
//!
//! ```no_run
//! use livekit_rtc::token::ApiKey;
//! use livekit_rtc::worker::{Agent, Worker, WorkerEvent, WorkerOptions};
//! use livekit_rtc::{Address, Room, RoomOptions};
//!
//! # async fn run(key: ApiKey) -> Result<(), Box<dyn std::error::Error>> {
//! let address = Address::parse("wss://rooms.example")?;
//! let (worker, mut events) = Worker::start(address.clone(), key, WorkerOptions::default());
//! while let Some(event) = events.next().await {
//!     match event {
//!         WorkerEvent::Offered(job) => worker.accept(&job.id, Agent::default()).await?,
//!         WorkerEvent::Assigned(assignment) => {
//!             let (worker, address) = (worker.clone(), address.clone());
//!             tokio::spawn(async move {
//!                 let joined = Room::connect(address, assignment.token, RoomOptions::default()).await;
//!                 // … talk, until everybody has left …
//!                 let result = joined.map(|_| ()).map_err(|error| error.to_string());
//!                 worker.finish(&assignment.job.id, result).await
//!             });
//!         }
//!         _ => {}
//!     }
//! }
//! # Ok(())
//! # }
//! ```
//!
//! # What it is not
//!
//! No video is sent or decoded: a [picture](Room::take_picture) is a key frame in a WebP file. No TURN, no end-to-end
//! encryption, no RED, no server API beyond these. Behind a firewall that lets only TLS out, it does not connect.
//!
//! # Limits
//!
//! Every queue is bounded and every wait has a deadline; each says what happens then. Errors and logs hold no tokens and
//! nothing that anybody said or wrote.

pub mod address;
pub mod audio;
mod data;
pub mod dispatch;
pub mod engine;
pub mod error;
pub mod framing;
mod ids;
mod link;
pub mod moderation;
mod participant;
mod peer;
mod proto;
mod request;
pub mod room;
mod sdp;
mod stream;
pub mod token;
pub mod video;
pub mod worker;

// TLS picks its cryptography by the features of this crate, of which this chooses one.
use rustls as _;

pub use address::Address;
pub use audio::{AudioFrame, SampleRate};
pub use data::{DataMessage, DataPacket, MAX_DATA_BYTES};
pub use engine::{Event, PublishOptions, Transport};
pub use ids::{Identity, JobId, ParticipantSid, StreamId, TrackCid, TrackSid};
pub use participant::{ConnectionQuality, Participant, ParticipantKind, Speaker, Track, TrackKind, TrackSource};
pub use room::{AudioSource, AudioStream, Events, Room, RoomOptions, TextWriter};
pub use stream::{ByteMessage, TextMessage, TextOptions};
pub use video::Picture;
