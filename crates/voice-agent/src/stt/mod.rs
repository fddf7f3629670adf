//! The fourth step of the corridor: speech to text.
