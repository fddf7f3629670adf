//! The eighth step of the corridor: text to speech.

pub mod hibari;
