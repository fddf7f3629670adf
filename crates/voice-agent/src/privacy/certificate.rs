//! The certificate of an erasure: what was erased where, signed, so that it can be shown later to whoever asks.

use std::collections::BTreeMap;

use aws_lc_rs::signature::{ED25519, Ed25519KeyPair, KeyPair as _, UnparsedPublicKey};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// The form of a certificate.
const FORM: &str = "voice-agent erasure 1";

/// What was erased of one person. It names nobody: the pseudonym can be made again by whoever has the person's id and this
/// server's keys, and by nobody else.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Statement {
    /// Which form it has.
    pub form: String,
    /// Which program erased.
    pub version: String,
    /// Who was erased, by pseudonym.
    pub subject: String,
    /// When it was asked for.
    pub begun: Timestamp,
    /// When it was done.
    pub done: Timestamp,
    /// How many of what were erased.
    pub erased: BTreeMap<String, u64>,
    /// Whether the person's key was destroyed, by this erasure or an earlier one, so that copies of what was sealed under it cannot be opened,
    /// wherever they are. False if this is the first erasure, and there was none.
    pub key_destroyed: bool,
    /// The store's own files hold nothing of it any more; those of its replicas are named under `left`.
    pub store_scrubbed: bool,
    /// What could not be done, and has to be done by hand or again.
    pub left: Vec<String>,
    /// What is kept because the person wants it to be, under the pseudonym alone.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub kept: Vec<String>,
}

impl Statement {
    /// An erasure that begins now.
    pub fn begin(subject: String, begun: Timestamp) -> Self {
        Self {
            form: FORM.to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            subject,
            begun,
            done: begun,
            erased: BTreeMap::new(),
            key_destroyed: false,
            store_scrubbed: false,
            left: Vec::new(),
            kept: Vec::new(),
        }
    }
}

/// A statement, and what proves who made it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Certificate {
    /// What was done.
    pub statement: Statement,
    /// The public key (Ed25519, base64) of the server that did it.
    pub public_key: String,
    /// The signature (Ed25519, base64) over the statement's JSON, without spaces and in the order in which it stands here.
    pub signature: String,
}

/// Why a certificate proves nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CertificateError {
    /// It is no certificate.
    #[error("is no certificate of an erasure: {0}")]
    Malformed(String),
    /// It was changed, or signed with another key than it says.
    #[error("does not have the signature of the key that it names")]
    Signature,
    /// Another server signed it.
    #[error("is signed by another key than this server's")]
    Stranger,
}

impl Certificate {
    /// Signs a statement.
    ///
    /// # Errors
    /// [`CertificateError::Malformed`] if it cannot be written as JSON, which is a defect.
    pub fn sign(statement: Statement, key: &Ed25519KeyPair) -> Result<Self, CertificateError> {
        let signature = key.sign(&signed(&statement)?);
        Ok(Self {
            statement,
            public_key: STANDARD.encode(key.public_key().as_ref()),
            signature: STANDARD.encode(signature.as_ref()),
        })
    }

    /// Reads one, and verifies it; with `ours`, also that it is this server's.
    ///
    /// # Errors
    /// [`CertificateError`].
    pub fn verify(json: &str, ours: Option<&str>) -> Result<Self, CertificateError> {
        let malformed = |why: &dyn std::fmt::Display| CertificateError::Malformed(why.to_string());
        let certificate: Self = serde_json::from_str(json).map_err(|error| malformed(&error))?;
        if certificate.statement.form != FORM {
            return Err(malformed(&format!("its form is {:?}", certificate.statement.form)));
        }
        let bytes = |text: &str| STANDARD.decode(text).map_err(|error| malformed(&error));
        let (key, signature) = (bytes(&certificate.public_key)?, bytes(&certificate.signature)?);
        UnparsedPublicKey::new(&ED25519, key)
            .verify(&signed(&certificate.statement)?, &signature)
            .map_err(|_| CertificateError::Signature)?;
        if ours.is_some_and(|ours| ours != certificate.public_key) {
            return Err(CertificateError::Stranger);
        }
        Ok(certificate)
    }
}

fn signed(statement: &Statement) -> Result<Vec<u8>, CertificateError> {
    serde_json::to_vec(statement).map_err(|error| CertificateError::Malformed(error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(seed: u8) -> Ed25519KeyPair {
        Ed25519KeyPair::from_seed_unchecked(&[seed; 32]).unwrap()
    }

    fn certificate() -> Certificate {
        let mut statement = Statement::begin("00ff".repeat(8), Timestamp::UNIX_EPOCH);
        statement.erased.insert("tasks".to_owned(), 3);
        statement.key_destroyed = true;
        Certificate::sign(statement, &key(1)).unwrap()
    }

    #[test]
    fn a_certificate_can_be_verified_with_and_without_the_server() {
        let certificate = certificate();
        let json = serde_json::to_string_pretty(&certificate).unwrap();
        assert_eq!(Certificate::verify(&json, None), Ok(certificate.clone()));
        assert_eq!(Certificate::verify(&json, Some(&certificate.public_key)), Ok(certificate));
        let other = STANDARD.encode(key(2).public_key().as_ref());
        assert_eq!(Certificate::verify(&json, Some(&other)), Err(CertificateError::Stranger));
    }

    #[test]
    fn whatever_is_changed_in_it_is_noticed() {
        let json = serde_json::to_string(&certificate()).unwrap();
        for (old, new) in
            [("\"tasks\":3", "\"tasks\":4"), ("\"key_destroyed\":true", "\"key_destroyed\":false"), ("1970", "1971")]
        {
            let changed = json.replacen(old, new, 1);
            assert_ne!(changed, json);
            assert_eq!(Certificate::verify(&changed, None), Err(CertificateError::Signature), "{old}");
        }
        let resigned = Certificate { public_key: STANDARD.encode(key(2).public_key().as_ref()), ..certificate() };
        let json = serde_json::to_string(&resigned).unwrap();
        assert_eq!(Certificate::verify(&json, None), Err(CertificateError::Signature));
        for odd in ["", "{}", "[]", "null"] {
            assert!(matches!(Certificate::verify(odd, None), Err(CertificateError::Malformed(_))), "{odd}");
        }
    }
}
