//! The call without wires.
