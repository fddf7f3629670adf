//! Embedded models: the ONNX Runtime, the models' folder, and the pool that runs them.

pub mod pool;
pub mod runtime;

use std::time::Duration;

use voice_core::provider::ProviderErrorKind;

use pool::{Done, PoolError};
use runtime::ModelError;

impl From<PoolError> for ProviderErrorKind {
    fn from(_: PoolError) -> Self {
        // Full, closing, or being rebuilt: there is nobody to do it now.
        Self::Unavailable
    }
}

/// What a model made of a job, and how long the job had waited.
#[derive(Debug)]
pub struct RunOutcome<R> {
    /// The result.
    pub value: R,
    /// The time in the queue.
    pub waited: Duration,
}

/// A pool's answer in the words of a provider. A model's own failure is logged here, where it is handled.
///
/// # Errors
/// `unavailable` when the pool could not run the job, `protocol` when the model failed.
pub fn outcome<R>(
    answer: Result<Done<Result<R, ModelError>>, PoolError>,
    model: &'static str,
) -> Result<RunOutcome<R>, ProviderErrorKind> {
    let Done { value, waited, .. } = answer?;
    match value {
        Ok(value) => Ok(RunOutcome { value, waited }),
        Err(error) => {
            tracing::error!(model, %error, "the model failed");
            Err(ProviderErrorKind::Protocol)
        }
    }
}
