//! The one integration test binary: the real server on ports of its own, over real sockets.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test fails where it finds something else")]

mod access_log;
mod admin;
mod api;
mod bad_input;
mod command;
mod compliance;
mod erasure;
mod export;
mod fake;
mod operations;
mod privacy;
mod real;
mod redis_server;
mod rights;
mod server;
mod socket;
mod twilio;
mod validate;
mod voice;
