//! Tests against the real livekit-server, which `scripts/livekit.sh` builds and names in `LIVEKIT_SERVER`. Without it they
//! do nothing, and say so: `make test-livekit` runs them.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test fails where it finds something else")]
#![expect(clippy::print_stdout, reason = "what was measured")]

mod data;
mod leave;
mod media;
mod network;
mod picture;
mod proxy;
mod python;
mod reconnect;
mod server;
mod sound;
mod worker;
