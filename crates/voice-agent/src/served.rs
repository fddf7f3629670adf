//! Whether a provider serves the model that is configured: providers retire models.

/// What a provider says of a model.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Served {
    /// It serves it.
    Yes,
    /// It does not, or no longer.
    No,
    /// It has no way to be asked.
    Unknown,
}
