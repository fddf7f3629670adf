//! What can go wrong in the store.

/// Why the store did not do what it was asked. Nothing was changed then, with the exception of `Timeout` and `Unknown`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// It cannot be reached, is overloaded or shut down; trying again later may help.
    #[error("the store is unavailable: {0}")]
    Unavailable(String),
    /// No answer in time: whether it was done is unknown. Commit the same again; it happens once.
    #[error("the store did not answer within {0} ms")]
    Timeout(u64),
    /// The connection broke before the answer came: whether it was done is unknown. Commit the same again; it happens once.
    #[error("the store's answer was lost: {0}")]
    Unknown(String),
    /// No space is left, on the disk or in memory.
    #[error("the store is full: {0}")]
    Full(String),
    /// What is kept cannot be understood.
    #[error("the store's data is damaged: {0}")]
    Corrupt(String),
    /// The session has a newer owner.
    #[error("session {0} has a newer owner")]
    Fenced(String),
    /// There is no such session, or it expired.
    #[error("there is no session {0}")]
    NotFound(String),
    /// A session with this id is there already.
    #[error("there is already a session {0}")]
    Exists(String),
    /// The session is over.
    #[error("session {0} has ended")]
    Ended(String),
    /// It is more than may be kept.
    #[error("{what} has {size} bytes; at most {limit} may be kept")]
    TooLarge {
        /// What is too large.
        what: &'static str,
        /// Its size in bytes.
        size: usize,
        /// The most, in bytes.
        limit: usize,
    },
    /// The changes do not fit the tasks as they are.
    #[error("the change does not fit: {0}")]
    Refused(#[from] crate::tasks::ApplyError),
    /// Another server uses the data.
    #[error("{0}")]
    Locked(String),
    /// The data was written by a newer version, or is not ours.
    #[error("{0}")]
    Incompatible(String),
}
