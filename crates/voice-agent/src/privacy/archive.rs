//! One file with many in it: a tar archive (POSIX ustar), compressed with gzip, as every system can open it.

use std::io::{self, Read, Write};

use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;

/// The size of a block.
const BLOCK: usize = 512;
/// The longest name, and the longest of the folders before it.
const MAX_NAME: usize = 100;
const MAX_PREFIX: usize = 155;

/// An archive that is being written.
pub struct Archive<W: Write> {
    out: GzEncoder<W>,
    modified: u64,
    names: Vec<String>,
}

impl<W: Write> std::fmt::Debug for Archive<W> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Archive").field("names", &self.names.len()).finish_non_exhaustive()
    }
}

impl<W: Write> Archive<W> {
    /// An empty archive whose files were made at `modified` (seconds since 1970).
    pub fn new(out: W, modified: u64) -> Self {
        Self { out: GzEncoder::new(out, Compression::default()), modified, names: Vec::new() }
    }

    /// Adds a file.
    ///
    /// # Errors
    /// As the writer's; and for a name that an archive cannot have.
    pub fn add(&mut self, name: &str, content: &[u8]) -> io::Result<()> {
        let header = header(name, content.len(), self.modified)?;
        self.out.write_all(&header)?;
        self.out.write_all(content)?;
        let rest = content.len() % BLOCK;
        if rest > 0 {
            self.out.write_all(&[0; BLOCK][rest..])?;
        }
        self.names.push(name.to_owned());
        Ok(())
    }

    /// The names of the files so far.
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// Ends the archive.
    ///
    /// # Errors
    /// As the writer's.
    pub fn finish(mut self) -> io::Result<W> {
        self.out.write_all(&[0; 2 * BLOCK])?;
        self.out.finish()
    }
}

/// What an archive of ours has under this name; none if it has no such file. All of the archive is read, also behind it: one that
/// broke off or was changed is an error.
///
/// # Errors
/// As the reader's; `InvalidData` and `UnexpectedEof` for what is no whole archive.
pub(super) fn find(archive: impl Read, name: &str) -> io::Result<Option<Vec<u8>>> {
    let mut archive = GzDecoder::new(archive);
    let mut found = None;
    loop {
        let mut header = [0; BLOCK];
        archive.read_exact(&mut header)?;
        if header == [0; BLOCK] {
            break;
        }
        let (of, size) = described(&header)?;
        let mut content = (&mut archive).take(size.next_multiple_of(BLOCK as u64));
        if of == name {
            let mut bytes = Vec::new();
            content.read_to_end(&mut bytes)?;
            bytes.truncate(usize::try_from(size).unwrap_or(usize::MAX));
            found = Some(bytes);
        } else {
            io::copy(&mut content, &mut io::sink())?;
        }
    }
    // Only its end says whether all of it is as it was written.
    io::copy(&mut archive, &mut io::sink())?;
    Ok(found)
}

/// The name and the size in bytes of the file that this header is of.
fn described(header: &[u8; BLOCK]) -> io::Result<(String, u64)> {
    let text = |from: usize, to: usize| {
        let field = header[from..to].split(|byte| *byte == 0).next().unwrap_or_default();
        std::str::from_utf8(field).map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))
    };
    let odd = |error| io::Error::new(io::ErrorKind::InvalidData, error);
    let size = u64::from_str_radix(text(124, 136)?.trim(), 8).map_err(odd)?;
    let name = match text(345, 500)? {
        "" => text(0, 100)?.to_owned(),
        prefix => format!("{prefix}/{}", text(0, 100)?),
    };
    Ok((name, size))
}

/// A ustar header: IEEE Std 1003.1, pax, "ustar Interchange Format".
fn header(name: &str, size: usize, modified: u64) -> io::Result<[u8; BLOCK]> {
    let is_odd =
        name.is_empty() || name.starts_with('/') || name.split('/').any(|part| part == ".." || part.is_empty());
    let (prefix, end) = split(name).filter(|_| name.is_ascii() && !is_odd).ok_or_else(|| {
        io::Error::new(io::ErrorKind::InvalidInput, format!("{name:?} cannot be a file's name in an archive"))
    })?;
    let mut header = [0; BLOCK];
    let mut put = |at: usize, bytes: &[u8]| header[at..at + bytes.len()].copy_from_slice(bytes);
    put(0, end.as_bytes());
    put(345, prefix.as_bytes());
    put(100, b"0000600\0");
    put(108, b"0000000\0");
    put(116, b"0000000\0");
    put(124, format!("{size:011o}\0").as_bytes());
    put(136, format!("{modified:011o}\0").as_bytes());
    // While the sum is made, its own place counts as spaces.
    put(148, b"        ");
    put(156, b"0");
    put(257, b"ustar\0");
    put(263, b"00");
    let sum: u32 = header.iter().map(|byte| u32::from(*byte)).sum();
    header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    Ok(header)
}

/// The folders of a name, if it is too long without being parted from them; and the rest.
fn split(name: &str) -> Option<(&str, &str)> {
    if name.len() <= MAX_NAME {
        return Some(("", name));
    }
    let parts = name.match_indices('/').map(|(at, _)| (&name[..at], &name[at + 1..]));
    parts.into_iter().find(|(prefix, end)| prefix.len() <= MAX_PREFIX && end.len() <= MAX_NAME)
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;
    use std::process::Command;

    use super::*;

    #[test]
    fn every_systems_tar_opens_it() {
        let folder = tempfile::tempdir().unwrap();
        let mut archive = Archive::new(Vec::new(), 1_795_000_000);
        archive.add("about.json", b"{}").unwrap();
        archive.add("sessions/a.json", &[b'x'; 1_000]).unwrap();
        archive.add("empty", b"").unwrap();
        archive.add("block", &[b'y'; BLOCK]).unwrap();
        let long = format!("recordings/{}/{}.ogg", "s".repeat(64), "t".repeat(60));
        archive.add(&long, b"long").unwrap();
        let bytes = archive.finish().unwrap();
        let file = folder.path().join("a.tar.gz");
        std::fs::write(&file, bytes).unwrap();
        let status = Command::new("tar").arg("-xzf").arg(&file).arg("-C").arg(folder.path()).status().unwrap();
        assert!(status.success());
        let mut text = String::new();
        std::fs::File::open(folder.path().join("sessions/a.json")).unwrap().read_to_string(&mut text).unwrap();
        assert_eq!(text, "x".repeat(1_000));
        assert_eq!(std::fs::read(folder.path().join("block")).unwrap().len(), BLOCK);
        assert_eq!(std::fs::read(folder.path().join(long)).unwrap(), b"long");
        assert_eq!(std::fs::read(folder.path().join("empty")).unwrap().len(), 0);
    }

    #[test]
    fn a_file_is_found_in_a_whole_archive_and_in_no_other() {
        let mut archive = Archive::new(Vec::new(), 0);
        let long = format!("recordings/{}/{}.ogg", "s".repeat(64), "t".repeat(60));
        for (name, content) in [("about.json", &b"{}"[..]), ("block", &[b'y'; BLOCK]), (&long, b"long"), ("empty", b"")]
        {
            archive.add(name, content).unwrap();
        }
        let bytes = archive.finish().unwrap();
        let found = |name: &str| find(bytes.as_slice(), name).unwrap();
        assert_eq!(found("about.json").unwrap(), b"{}");
        assert_eq!(found("block").unwrap(), [b'y'; BLOCK]);
        assert_eq!((found(&long).unwrap(), found("empty").unwrap()), (b"long".to_vec(), Vec::new()));
        assert_eq!(found("missing.json"), None);
        for end in 0..bytes.len() {
            assert!(find(&bytes[..end], "about.json").is_err(), "{end} of {} bytes are no archive", bytes.len());
        }
        let mut changed = bytes.clone();
        let at = bytes.len() - 5;
        changed[at] ^= 1;
        assert!(find(changed.as_slice(), "about.json").is_err());
    }

    #[test]
    fn a_name_that_leads_elsewhere_is_refused() {
        let mut archive = Archive::new(Vec::new(), 0);
        for name in ["", "/etc/passwd", "../x", "a/../b", "a//b", "é", &"x".repeat(101)] {
            assert!(archive.add(name, b"").is_err(), "{name}");
        }
        assert!(archive.names().is_empty());
    }
}
