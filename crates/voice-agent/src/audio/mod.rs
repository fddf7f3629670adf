//! The second step of the corridor: frames, buffers, resampling.

pub mod format;
pub mod frame;
pub mod mulaw;
pub mod resample;
pub mod ring;
