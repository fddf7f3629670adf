//! The second step of the corridor: frames, buffers, resampling.

pub mod frame;
pub mod resample;
pub mod ring;
