//! The first step of the corridor: how a caller is connected.
