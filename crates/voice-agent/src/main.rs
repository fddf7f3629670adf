//! The `voice-agent` command.

use std::process::ExitCode;

/// glibc keeps what ended sessions held; this one gives it back within some ten seconds (docs/performance.md).
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> ExitCode {
    voice_agent::cli::run(std::env::args_os())
}
