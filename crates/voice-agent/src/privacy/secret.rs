//! Keys for what must be provable: derived from the vault's secret of the pseudonyms, each for one purpose. They are the same for as long
//! as the store is, whichever master key wraps it, and nobody needs to keep them.

use aws_lc_rs::hmac;
use aws_lc_rs::signature::Ed25519KeyPair;
use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

use crate::store::UserId;
use crate::vault::{Vault, VaultError};

/// 32 bytes that only this vault can make. No user's id begins with a zero byte, so that no pseudonym is a part of them.
async fn derive(vault: &Vault, purpose: &str) -> Result<Zeroizing<[u8; 32]>, VaultError> {
    let mut digest = Sha256::new();
    for part in ["first", "second"] {
        let name = UserId::new(format!("\0{purpose}\0{part}"));
        digest.update(vault.pseudonym(&name).await?.to_string());
    }
    Ok(Zeroizing::new(digest.finalize().into()))
}

/// What the lines of access logs are authenticated with.
///
/// # Errors
/// [`VaultError`].
pub async fn access_log_key(vault: &Vault) -> Result<hmac::Key, VaultError> {
    let bytes = derive(vault, "access log").await?;
    Ok(hmac::Key::new(hmac::HMAC_SHA256, &bytes[..]))
}

/// What certificates of erasure are signed with: whoever has the public key can check them, without any secret.
///
/// # Errors
/// [`VaultError`].
pub async fn certificate_key(vault: &Vault) -> Result<Ed25519KeyPair, VaultError> {
    let seed = derive(vault, "certificates of erasure").await?;
    // 32 bytes are a seed whatever they are.
    Ed25519KeyPair::from_seed_unchecked(&seed[..]).map_err(|_| VaultError::Full)
}
