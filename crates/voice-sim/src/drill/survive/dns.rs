//! Where callers find the service: at an address, or by its name, as a resolver does (RFC 1035), for as long as the answer may be kept.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use tokio::net::UdpSocket;
use tokio::time::{Instant, timeout};

/// Longest wait for an answer.
const ANSWER: Duration = Duration::from_secs(1);
/// The largest answer without extensions, in bytes.
const LARGEST: usize = 512;

/// An address that may change.
#[derive(Debug, Clone)]
pub(super) enum Place {
    /// Always this one.
    At(SocketAddr),
    /// Whatever the name means.
    Named(Name),
}

/// A name, with what it meant when it was last asked for.
#[derive(Debug, Clone)]
pub(super) struct Name {
    server: SocketAddr,
    name: String,
    port: u16,
    kept: Arc<Mutex<Option<(Instant, Ipv4Addr)>>>,
}

impl Place {
    /// Where it is now.
    pub(super) async fn address(&self) -> Result<SocketAddr> {
        match self {
            Self::At(address) => Ok(*address),
            Self::Named(name) => name.address().await,
        }
    }
}

impl Name {
    /// A name of which nothing is known yet, by this authoritative server.
    pub(super) fn new(server: SocketAddr, name: &str, port: u16) -> Self {
        Self { server, name: name.to_owned(), port, kept: Arc::default() }
    }

    /// The same name for another caller, who asks for himself.
    pub(super) fn anew(&self) -> Self {
        Self { kept: Arc::default(), ..self.clone() }
    }

    async fn address(&self) -> Result<SocketAddr> {
        let kept = *self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let address = match kept.filter(|(until, _)| *until > Instant::now()) {
            Some((_, address)) => address,
            None => {
                let (address, ttl) = self.ask().await?;
                *self.kept.lock().unwrap_or_else(PoisonError::into_inner) = Some((Instant::now() + ttl, address));
                address
            }
        };
        Ok((address, self.port).into())
    }

    /// What the server says now, and for how long that may be kept.
    pub(super) async fn ask(&self) -> Result<(Ipv4Addr, Duration)> {
        let socket = UdpSocket::bind("127.0.0.1:0").await?;
        socket.connect(self.server).await?;
        socket.send(&question(&self.name)?).await?;
        let mut answer = [0; LARGEST];
        let length = timeout(ANSWER, socket.recv(&mut answer)).await.context("the name server is silent")??;
        read(&answer[..length])
    }
}

/// A question for the A record of a name.
fn question(name: &str) -> Result<Vec<u8>> {
    // Number 7, standard, one question.
    let mut message = vec![0, 7, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0];
    for label in name.split('.') {
        let length = u8::try_from(label.len()).ok().filter(|length| (1..64).contains(length));
        message.push(length.context("no name")?);
        message.extend(label.bytes());
    }
    // The root, A, Internet.
    message.extend([0, 0, 1, 0, 1]);
    Ok(message)
}

/// The first address of an answer to the one question that was asked.
fn read(message: &[u8]) -> Result<(Ipv4Addr, Duration)> {
    let two = |at: usize| message.get(at..at + 2).map(|bytes| u16::from_be_bytes([bytes[0], bytes[1]]));
    ensure!(two(0) == Some(7) && message.get(3).is_some_and(|flags| flags & 0x0f == 0), "the name server refuses");
    let records = two(6).unwrap_or(0);
    let mut at = skip_name(message, 12)? + 4;
    for _ in 0..records {
        at = skip_name(message, at)?;
        let fixed = message.get(at..at + 10).context("an answer that breaks off")?;
        let ttl = u32::from_be_bytes([fixed[4], fixed[5], fixed[6], fixed[7]]);
        let length = usize::from(u16::from_be_bytes([fixed[8], fixed[9]]));
        let data = message.get(at + 10..at + 10 + length).context("an answer that breaks off")?;
        if let (1, &[a, b, c, d]) = (u16::from_be_bytes([fixed[0], fixed[1]]), data) {
            return Ok((Ipv4Addr::new(a, b, c, d), Duration::from_secs(ttl.into())));
        }
        at += 10 + length;
    }
    bail!("no address in the answer")
}

/// Behind the name that begins there.
fn skip_name(message: &[u8], mut at: usize) -> Result<usize> {
    loop {
        match message.get(at).copied().context("a name that breaks off")? {
            0 => return Ok(at + 1),
            // The rest stands elsewhere.
            length if length & 0xc0 == 0xc0 => return Ok(at + 2),
            length => at += usize::from(length) + 1,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// gdnsd's answer for voice.example.com.
    const ANSWERED: &[u8] = b"\x00\x07\x84\x00\x00\x01\x00\x01\x00\x00\x00\x00\x05voice\x07example\x03com\x00\x00\x01\x00\x01\xc0\x0c\x00\x01\x00\x01\x00\x00\x00\x05\x00\x04\x7f\x00\x02\x01";

    #[test]
    fn an_answer_is_read_and_whatever_else_comes_is_none() {
        assert_eq!(read(ANSWERED).unwrap(), (Ipv4Addr::new(127, 0, 2, 1), Duration::from_secs(5)));
        let asked = question("voice.example.com").unwrap();
        assert_eq!(asked[12..], ANSWERED[12..12 + asked.len() - 12]);
        for length in 0..ANSWERED.len() {
            assert!(read(&ANSWERED[..length]).is_err(), "{length}");
        }
        assert!(question("").is_err() && question("a..b").is_err());
        let mut refused = ANSWERED.to_vec();
        refused[3] = 3;
        assert!(read(&refused).is_err());
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_is_kept_for_its_time() {
        let server = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let name = Name::new(server.local_addr().unwrap(), "voice.example.com", 80);
        let place = Place::Named(name.anew());
        let answered = async {
            for _ in 0..2 {
                let mut asked = [0; LARGEST];
                let (_, from) = server.recv_from(&mut asked).await.unwrap();
                server.send_to(ANSWERED, from).await.unwrap();
            }
        };
        let asked = async {
            let expected = SocketAddr::from(([127, 0, 2, 1], 80));
            for pause in [0, 4, 2] {
                tokio::time::advance(Duration::from_secs(pause)).await;
                assert_eq!(place.address().await.unwrap(), expected);
            }
        };
        tokio::join!(answered, asked);
    }
}
