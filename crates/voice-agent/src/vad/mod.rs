//! The third step of the corridor: voice activity detection.
