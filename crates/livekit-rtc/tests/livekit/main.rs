//! Tests against the real livekit-server, which `scripts/livekit.sh` builds and names in `LIVEKIT_SERVER`. Without it they
//! do nothing, and say so: `make test-livekit` runs them.

mod data;
mod leave;
mod media;
mod picture;
mod proxy;
mod python;
mod reconnect;
mod server;
mod sound;
mod worker;
