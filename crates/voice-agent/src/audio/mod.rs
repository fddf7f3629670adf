//! The second step of the corridor: frames, buffers, resampling.
