//! The one integration test binary: the real server on ports of its own, over real sockets.

mod api;
mod bad_input;
mod fake;
mod operations;
mod server;
mod socket;
mod voice;
