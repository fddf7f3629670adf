//! What somebody needs who answers for people's rights: the store, the keys, the folders, and the sessions that are going on.

use std::path::PathBuf;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::{CertificateError, secret};
use crate::access_log::{self, AccessLogError, Findings, Seal};
use crate::app::Shared;
use crate::config::Config;
use crate::recording::{Recorder, RecordingError};
use crate::store::{Clock, Store, StoreError};
use crate::vault::{Vault, VaultError};

/// Why something of somebody could not be had, or erased.
#[derive(Debug, thiserror::Error)]
pub enum PrivacyError {
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A key cannot be had.
    #[error(transparent)]
    Vault(#[from] VaultError),
    /// The access log failed.
    #[error(transparent)]
    AccessLog(#[from] AccessLogError),
    /// A file or folder cannot be read, written or deleted.
    #[error("{}: {error}", path.display())]
    Io {
        /// Which.
        path: PathBuf,
        /// The system's word.
        error: std::io::Error,
    },
    /// A defect of ours.
    #[error("what was found could not be written down: {0}")]
    Json(#[from] serde_json::Error),
    /// A recording cannot be read or deleted.
    #[error(transparent)]
    Recording(#[from] RecordingError),
    /// As the certificate's.
    #[error(transparent)]
    Certificate(#[from] CertificateError),
    /// A task of ours panicked.
    #[error("a task did not end: {0}")]
    Task(#[from] tokio::task::JoinError),
}

/// The desk of whoever answers for people's rights.
#[derive(Clone)]
pub struct Desk {
    pub(super) config: Config,
    pub(super) store: Arc<dyn Store>,
    pub(super) vault: Arc<Vault>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) recorder: Arc<Recorder>,
    /// The server that this is in; none for a command of its own.
    pub(super) app: Option<Shared>,
}

impl std::fmt::Debug for Desk {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Desk").field("in_server", &self.app.is_some()).finish_non_exhaustive()
    }
}

impl Desk {
    /// The desk of a running server; none where it has no keys.
    pub fn of(app: &Shared) -> Option<Self> {
        Some(Self {
            config: app.config.clone(),
            store: Arc::clone(&app.store),
            vault: app.vault.clone()?,
            recorder: app.recorder.clone()?,
            clock: Arc::clone(&app.clock),
            app: Some(Arc::clone(app)),
        })
    }

    /// A desk without a server: nobody is talking.
    pub fn alone(
        config: Config,
        store: Arc<dyn Store>,
        vault: Arc<Vault>,
        recorder: Arc<Recorder>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        Self { config, store, vault, clock, recorder, app: None }
    }

    /// Whether several instances share the store: each has a disk and a memory of its own.
    pub(super) fn is_shared(&self) -> bool {
        self.config.secrets.redis_url.is_some()
    }

    /// Verifies the access logs on this disk.
    ///
    /// # Errors
    /// [`PrivacyError`].
    pub async fn audit(&self) -> Result<Findings, PrivacyError> {
        let folder = &self.config.data_dir;
        Ok(access_log::audit(folder, &self.vault, self.store.as_ref(), self.is_shared()).await?)
    }

    /// What is to be written down of a break in this log, if there is one that nobody has written down.
    ///
    /// # Errors
    /// [`PrivacyError`].
    pub async fn seal(&self, log: &str, reason: &str) -> Result<Option<Seal>, PrivacyError> {
        let (folder, store) = (&self.config.data_dir, self.store.as_ref());
        Ok(Seal::for_break(folder, &self.vault, store, self.is_shared(), (log, reason)).await?)
    }

    /// The public key with which this server's certificates can be verified, in base64.
    ///
    /// # Errors
    /// [`PrivacyError::Vault`].
    pub async fn public_key(&self) -> Result<String, PrivacyError> {
        use aws_lc_rs::signature::KeyPair as _;
        let key = secret::certificate_key(&self.vault).await?;
        Ok(STANDARD.encode(key.public_key().as_ref()))
    }
}
