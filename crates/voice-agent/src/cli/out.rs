//! What a command prints. A closed pipe is an error like any other here, and no panic.

use std::io::{Write as _, stderr, stdout};

/// A line on standard output.
///
/// # Errors
/// When it cannot be written, as when the reader of a pipe is gone.
pub(super) fn line(text: &str) -> anyhow::Result<()> {
    let mut out = stdout().lock();
    writeln!(out, "{text}")?;
    out.flush()?;
    Ok(())
}

/// A line on standard error.
pub(super) fn error(text: &str) {
    // If nobody reads it, there is nobody to tell.
    let _nobody_reads = writeln!(stderr().lock(), "{text}");
}
