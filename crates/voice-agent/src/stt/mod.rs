//! The fourth step of the corridor: speech to text.

pub mod moonshine;
pub mod segmenter;
