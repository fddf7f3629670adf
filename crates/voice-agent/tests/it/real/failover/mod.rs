//! Failover on the built binary: every fault of the matrix, a spoken call each, against servers that play the paid providers.

mod lane;
mod matrix;
mod offline;
mod rest;
mod retired;
mod savings;
