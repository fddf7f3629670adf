//! The line against servers that follow Deepgram's description: most of them in memory, in paused time.

mod line;
mod loss;
mod network;
mod server;
