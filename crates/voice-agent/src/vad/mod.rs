//! The third step of the corridor: voice activity detection.
//!
//! [`Silero`] is the network (weights shared by every session), [`Detector`] is one session's ear: it takes audio as it comes and
//! yields the edges of speech. Both are plain functions of the samples, fast enough (tens of microseconds for 32 ms of
//! audio) for a session's own task: there is no queue in which one caller's speech could wait behind another's.

mod detector;
mod onnx;
mod silero;

pub use detector::{Detector, VadConfig, VadEvent};
pub use silero::{Silero, SileroState, WINDOW_SAMPLES};
