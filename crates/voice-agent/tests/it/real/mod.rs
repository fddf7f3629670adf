//! The built binary, over real sockets, with its own voice.

mod browser;
mod commands;
mod contract;
mod dialogue;
mod erasure;
mod failover;
mod interruption;
mod kill;
mod livekit;
mod metrics;
mod network;
mod phone;
mod process;
mod recording;
mod redis;
mod region;
mod screen;
mod sentinel;
mod stop;
mod storage;
mod talk_over;
mod telephone;
mod texts;
mod trouble;
