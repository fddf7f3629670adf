//! People's rights: everything about somebody in one archive, and nothing of somebody any more, with a certificate.

mod archive;
mod certificate;
mod desk;
mod elsewhere;
mod erase;
mod export;
mod files;
mod order;
pub mod secret;

pub use archive::Archive;
pub use certificate::{Certificate, CertificateError, Statement};
pub use desk::{Desk, PrivacyError};
pub use export::{Collection, Export, Missing};
