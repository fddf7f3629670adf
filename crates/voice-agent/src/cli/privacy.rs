//! `voice-agent privacy`: a person's rights, from the command line.

use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use reqwest::Method;
use serde_json::json;

use super::reach::{Reach, ReachArgs};
use super::{Failure, out};
use crate::config::{Config, Loaded};
use crate::privacy::{Certificate, Missing};
use crate::store::UserId;

/// What `voice-agent privacy` can do.
#[derive(Debug, clap::Subcommand)]
pub(super) enum Verb {
    /// Everything about somebody, as one archive (tar, gzip).
    Export {
        /// Whom: a user's id, like phone:+15551234567.
        #[arg(long)]
        user: String,
        /// The file to write. It is not overwritten, and only its owner may read it.
        #[arg(long, value_name = "FILE")]
        to: PathBuf,
        #[command(flatten)]
        reach: ReachArgs,
    },
    /// Nothing of somebody any more. What is erased cannot be had again. Prints the certificate.
    Erase {
        /// Whom: a user's id, like phone:+15551234567.
        #[arg(long)]
        user: String,
        /// Also write the certificate to this file.
        #[arg(long, value_name = "FILE")]
        to: Option<PathBuf>,
        #[command(flatten)]
        reach: ReachArgs,
    },
    /// Whether a certificate of an erasure is genuine, and what it says.
    Verify {
        /// The certificate.
        file: PathBuf,
        /// The server's public key, in base64; without, the certificate is only compared with the key that it names.
        #[arg(long, value_name = "KEY")]
        public_key: Option<String>,
    },
}

pub(super) fn run(loaded: Loaded, verb: &Verb) -> Result<(), Failure> {
    let config = loaded.config;
    let work = async {
        match verb {
            Verb::Export { user, to, reach } => export(&config, user, to, reach).await,
            Verb::Erase { user, to, reach } => erase(&config, user, to.as_deref(), reach).await.map(|()| Vec::new()),
            Verb::Verify { file, public_key } => verify(file, public_key.as_deref()).map(|()| Vec::new()),
        }
    };
    let missing = super::recordings::block_on(work)?;
    missing.iter().for_each(|Missing { what, why }| out::error(&format!("missing: {what}: {why}")));
    if missing.is_empty() {
        return Ok(());
    }
    let what = "files or folders could not be read; the archive has the rest, and names them in missing.json";
    Err(Failure::Incomplete(format!("{} {what}", missing.len())))
}

/// Writes the archive. What is missing in it.
async fn export(config: &Config, user: &str, to: &Path, reach: &ReachArgs) -> anyhow::Result<Vec<Missing>> {
    // Before anything is collected: a file that is there is somebody's.
    let file = private(to)?;
    let exported = export_to(config, user, (to, file.try_clone()?), reach).await;
    if exported.is_err() {
        // A part of an archive is none.
        std::fs::remove_file(to).with_context(|| to.display().to_string())?;
    }
    let missing = exported?;
    file.sync_all().with_context(|| to.display().to_string())?;
    let told = out::line(&format!("{}: {} bytes", to.display(), file.metadata()?.len()));
    // Nobody reads that line any more: what is missing is said all the same.
    if missing.is_empty() { told.map(|()| missing) } else { Ok(missing) }
}

/// Fills the file `to`, which is open as `file`. What is missing in the archive.
async fn export_to(
    config: &Config,
    user: &str,
    (to, mut file): (&Path, std::fs::File),
    reach: &ReachArgs,
) -> anyhow::Result<Vec<Missing>> {
    match Reach::find(config, reach, &[("PRIVACY_TOKEN", &config.secrets.privacy_token)])? {
        Reach::Alone(alone) => {
            let user = UserId::new(user);
            alone.note("export", Some(&user)).await?;
            let collection = alone.desk.collect(&user).await?;
            Ok(alone.desk.export(collection, file).await?.missing)
        }
        Reach::Server(server) => {
            let body = json!({"user_id": user});
            let mut answer = server.call(Method::POST, "/api/admin/privacy/export", Some(&body)).await?;
            while let Some(piece) = answer.chunk().await.map_err(reqwest::Error::without_url)? {
                file.write_all(&piece)?;
            }
            // A server says it in the archive itself, once it has begun to send it.
            let written = std::io::BufReader::new(std::fs::File::open(to)?);
            Missing::of(written).context("what the server sent is no whole archive")
        }
    }
}

async fn erase(config: &Config, user: &str, to: Option<&Path>, reach: &ReachArgs) -> anyhow::Result<()> {
    let file = to.map(private).transpose()?;
    let certificate: Certificate =
        match Reach::find(config, reach, &[("PRIVACY_TOKEN", &config.secrets.privacy_token)])? {
            Reach::Alone(alone) => {
                let user = UserId::new(user);
                alone.note("erase", Some(&user)).await?;
                alone.desk.erase(&user).await?
            }
            Reach::Server(server) => {
                let body = json!({"user_id": user});
                let answer = server.call(Method::POST, "/api/admin/privacy/erase", Some(&body)).await?;
                serde_json::from_slice(&answer.bytes().await.map_err(reqwest::Error::without_url)?)?
            }
        };
    let text = serde_json::to_string_pretty(&certificate)?;
    if let Some(mut file) = file {
        file.write_all(text.as_bytes()).and_then(|()| file.sync_all())?;
    }
    out::line(&text)?;
    if !certificate.statement.left.is_empty() {
        bail!("something is left to do: {}", certificate.statement.left.join("; "));
    }
    Ok(())
}

fn verify(file: &Path, public_key: Option<&str>) -> anyhow::Result<()> {
    let json = std::fs::read_to_string(file).with_context(|| file.display().to_string())?;
    let certificate = Certificate::verify(&json, public_key).with_context(|| file.display().to_string())?;
    let statement = &certificate.statement;
    out::line(&format!("genuine: signed by {}", certificate.public_key))?;
    out::line(&format!("{} was erased at {}: {}", statement.subject, statement.done, json!(statement.erased)))?;
    out::line(if statement.key_destroyed { "the key was destroyed" } else { "there was no key" })?;
    statement.kept.iter().try_for_each(|kept| out::line(&format!("kept {kept}")))?;
    statement.left.iter().try_for_each(|left| out::line(&format!("left to do: {left}")))
}

/// A new file that only its owner may read.
fn private(path: &Path) -> anyhow::Result<std::fs::File> {
    let open = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
    open.with_context(|| path.display().to_string())
}
