//! Embedded models: the ONNX Runtime, the models' folder, and the pool that runs them.

pub mod pool;
pub mod runtime;
