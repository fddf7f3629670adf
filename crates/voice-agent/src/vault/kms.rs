//! Who wraps users' keys: the master key here, or a service that keeps its own.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use futures_util::future::BoxFuture;

use super::VaultError;
use super::key::{Key, KeyId, WRAPPED_BYTES};

/// What a key service's method gives back.
pub type KmsFuture<'a, T> = BoxFuture<'a, Result<T, VaultError>>;

/// Wraps keys by a master key. What it gives back is text, names its master key, and is bound to the key's name.
pub trait Kms: Send + Sync + 'static {
    /// Wraps the key of this name by the present master key.
    fn wrap<'a>(&'a self, name: &'a str, key: &'a Key) -> KmsFuture<'a, String>;

    /// The key that was wrapped under this name, by the present master key or an earlier one.
    fn unwrap<'a>(&'a self, name: &'a str, wrapped: &'a str) -> KmsFuture<'a, Key>;

    /// Whether it is wrapped by the present master key.
    fn is_current(&self, wrapped: &str) -> bool;
}

/// The form of a wrapped key; a later form has another number.
const FORM: &str = "1";

/// Master keys in this process's memory: the present one, and earlier ones for what they wrapped.
#[derive(Debug, Clone)]
pub struct LocalKms {
    present: Key,
    old: Vec<Key>,
}

impl LocalKms {
    /// Wraps by `present`, and unwraps what any of them wrapped.
    pub const fn new(present: Key, old: Vec<Key>) -> Self {
        Self { present, old }
    }

    fn wrap_now(&self, name: &str, key: &Key) -> Result<String, VaultError> {
        let wrapped = self.present.wrap(key, &about(name))?;
        Ok(format!("{FORM}.{}.{}", self.present.id(), STANDARD.encode(wrapped)))
    }

    fn unwrap_now(&self, name: &str, wrapped: &str) -> Result<Key, VaultError> {
        let damaged = || VaultError::Damaged(name.to_owned());
        let (id, body) = split(wrapped).ok_or_else(damaged)?;
        let master = std::iter::once(&self.present).chain(&self.old).find(|master| master.id() == id);
        let master = master.ok_or(VaultError::UnknownMaster(id))?;
        master.unwrap(&body, &about(name)).ok_or_else(damaged)
    }
}

impl Kms for LocalKms {
    fn wrap<'a>(&'a self, name: &'a str, key: &'a Key) -> KmsFuture<'a, String> {
        Box::pin(std::future::ready(self.wrap_now(name, key)))
    }

    fn unwrap<'a>(&'a self, name: &'a str, wrapped: &'a str) -> KmsFuture<'a, Key> {
        Box::pin(std::future::ready(self.unwrap_now(name, wrapped)))
    }

    fn is_current(&self, wrapped: &str) -> bool {
        split(wrapped).is_some_and(|(id, _)| id == self.present.id())
    }
}

fn about(name: &str) -> Vec<u8> {
    format!("voice-agent wrapped key\0{name}").into_bytes()
}

/// Which master key wrapped it, and the rest.
fn split(wrapped: &str) -> Option<(KeyId, [u8; WRAPPED_BYTES])> {
    let (form, rest) = wrapped.split_once('.')?;
    let (id, body) = rest.split_once('.')?;
    let id = u64::from_str_radix(id, 16).ok().filter(|_| id.len() == 16)?;
    let body = STANDARD.decode(body).ok()?.try_into().ok()?;
    (form == FORM).then_some((KeyId(id.to_be_bytes()), body))
}

/// Nobody who could wrap or unwrap a key: with it sealed files can be listed and deleted, and none be made or opened.
#[derive(Debug, Clone, Copy)]
pub struct NoKms;

impl NoKms {
    fn refuse<T>() -> Result<T, VaultError> {
        Err(VaultError::Kms("there is no master key here (RECORDING_MASTER_KEY)".to_owned()))
    }
}

impl Kms for NoKms {
    fn wrap<'a>(&'a self, _name: &'a str, _key: &'a Key) -> KmsFuture<'a, String> {
        Box::pin(std::future::ready(Self::refuse()))
    }

    fn unwrap<'a>(&'a self, _name: &'a str, _wrapped: &'a str) -> KmsFuture<'a, Key> {
        Box::pin(std::future::ready(Self::refuse()))
    }

    fn is_current(&self, _wrapped: &str) -> bool {
        false
    }
}
