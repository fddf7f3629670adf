//! The caller's tasks: the values, and the changes that can be made to them.
