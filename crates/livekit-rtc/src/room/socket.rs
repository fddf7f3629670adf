//! The sockets of one connection: a UDP one, and TCP connections to the server where UDP does not get through.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use str0m::net::{Protocol, Transmit};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, UdpSocket};
use tokio::sync::mpsc;
use tokio::task::AbortHandle;
use tokio::time::timeout;

use crate::address::Address;
use crate::engine::Role;
use crate::error::{CloseReason, LinkError};
use crate::framing;

/// For the server's name to be looked up.
const LOOKUP_TIMEOUT: Duration = Duration::from_secs(5);
/// For a TCP connection, and for one packet to leave on it.
const TCP_TIMEOUT: Duration = Duration::from_secs(5);
/// Packets that wait to be written to a TCP connection; more are lost, as they would be with UDP.
const TCP_QUEUE: usize = 256;
/// The largest packet that is read: more than any link carries.
pub(super) const MAX_PACKET: usize = 2_048;

/// What TCP connections have to say.
pub(super) enum Tcp {
    /// Connected; `sockets` numbers the [`Sockets`] that wanted it.
    Open { role: Role, sockets: u64, local: SocketAddr, remote: SocketAddr, outgoing: mpsc::Sender<Vec<u8>> },
    /// A packet came.
    Packet { role: Role, local: SocketAddr, remote: SocketAddr, packet: Vec<u8> },
}

/// The sockets of one connection. Dropped, they are closed.
pub(super) struct Sockets {
    /// Tells these sockets from former ones.
    pub(super) number: u64,
    udp: Option<(UdpSocket, SocketAddr)>,
    tcp: Vec<TcpEnd>,
    tasks: Vec<AbortHandle>,
}

struct TcpEnd {
    local: SocketAddr,
    remote: SocketAddr,
    outgoing: mpsc::Sender<Vec<u8>>,
}

impl Drop for Sockets {
    fn drop(&mut self) {
        for task in &self.tasks {
            task.abort();
        }
    }
}

/// Our address on the way to the server. Sends nothing: the kernel chooses it by its routes.
pub(super) async fn facing(server: &Address) -> Result<IpAddr, CloseReason> {
    let unreachable = CloseReason::Lost(LinkError::Unreachable);
    let name = server.host_and_port();
    let mut addresses = timeout(LOOKUP_TIMEOUT, tokio::net::lookup_host(name))
        .await
        .map_err(|_| unreachable)?
        .map_err(|_| unreachable)?;
    let remote = addresses.next().ok_or(unreachable)?;
    let any: IpAddr = if remote.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
    let socket = std::net::UdpSocket::bind((any, 0)).map_err(|_| CloseReason::NoSocket)?;
    socket.connect(remote).map_err(|_| unreachable)?;
    Ok(socket.local_addr().map_err(|_| CloseReason::NoSocket)?.ip())
}

impl Sockets {
    /// Opens a UDP socket at this address, if there is to be one.
    pub(super) fn bind(number: u64, ip: Option<IpAddr>) -> std::io::Result<Self> {
        let udp = match ip {
            Some(ip) => {
                let socket = std::net::UdpSocket::bind((ip, 0))?;
                socket.set_nonblocking(true)?;
                let local = socket.local_addr()?;
                Some((UdpSocket::from_std(socket)?, local))
            }
            None => None,
        };
        Ok(Self { number, udp, tcp: Vec::new(), tasks: Vec::new() })
    }

    /// The UDP socket's address.
    pub(super) fn local_address(&self) -> Option<SocketAddr> {
        self.udp.as_ref().map(|(_, local)| *local)
    }

    /// Waits until a packet is there; it is taken with [`take`](Self::take).
    pub(super) async fn readable(&self) {
        let readable = match &self.udp {
            Some((socket, _)) => socket.readable().await,
            None => std::future::pending().await,
        };
        if let Err(error) = readable {
            tracing::debug!(%error, "socket failed");
            std::future::pending::<()>().await;
        }
    }

    /// A packet that is there: its length in the buffer, and from where to where it came.
    pub(super) fn take(&self, buffer: &mut [u8]) -> Option<(usize, SocketAddr, SocketAddr)> {
        let (socket, local) = self.udp.as_ref()?;
        loop {
            match socket.try_recv_from(buffer) {
                Ok((length, source)) => return Some((length, source, *local)),
                // A former packet of ours did not reach anybody (ICMP); the next may be fine.
                Err(error) if error.kind() == std::io::ErrorKind::ConnectionRefused => {}
                Err(_) => return None,
            }
        }
    }

    /// Sends a packet, or loses it: whoever minds sends it again.
    pub(super) fn send(&self, transmit: &Transmit) {
        if transmit.proto == Protocol::Tcp {
            let end = self.tcp.iter().find(|end| end.local == transmit.source && end.remote == transmit.destination);
            let mut framed = Vec::with_capacity(transmit.contents.len() + 2);
            if let (Some(end), true) = (end, framing::encode(&transmit.contents, &mut framed)) {
                // Full: the server does not read. Closed: ICE will find out.
                let _ = end.outgoing.try_send(framed);
            }
        } else if let Some((socket, _)) = &self.udp {
            let _ = socket.try_send_to(&transmit.contents, transmit.destination);
        }
    }

    /// Connects to the server by TCP; [`Tcp::Open`] is told when that is done.
    pub(super) fn connect(&mut self, role: Role, remote: SocketAddr, told: mpsc::Sender<Tcp>) {
        self.tasks.retain(|task| !task.is_finished());
        let sockets = self.number;
        let task = tokio::spawn(async move {
            let Ok(Ok(stream)) = timeout(TCP_TIMEOUT, TcpStream::connect(remote)).await else {
                tracing::debug!("no TCP connection for media");
                return;
            };
            let (outgoing, queue) = mpsc::channel(TCP_QUEUE);
            let Ok(local) = stream.local_addr() else {
                return;
            };
            if told.send(Tcp::Open { role, sockets, local, remote, outgoing }).await.is_ok()
                && let Err(error) = carry(stream, queue, role, local, remote, &told).await
            {
                tracing::debug!(%error, "TCP connection for media lost");
            }
        });
        self.tasks.push(task.abort_handle());
    }

    /// A TCP connection that was wanted is there.
    pub(super) fn add(&mut self, local: SocketAddr, remote: SocketAddr, outgoing: mpsc::Sender<Vec<u8>>) {
        self.tcp.retain(|end| !end.outgoing.is_closed());
        self.tcp.push(TcpEnd { local, remote, outgoing });
    }
}

async fn carry(
    stream: TcpStream,
    mut queue: mpsc::Receiver<Vec<u8>>,
    role: Role,
    local: SocketAddr,
    remote: SocketAddr,
    told: &mpsc::Sender<Tcp>,
) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    let (mut reader, mut writer) = stream.into_split();
    let mut decoder = framing::Decoder::default();
    let mut buffer = vec![0; 4 * MAX_PACKET];
    loop {
        tokio::select! {
            packet = queue.recv() => {
                let Some(packet) = packet else {
                    return Ok(());
                };
                timeout(TCP_TIMEOUT, writer.write_all(&packet)).await??;
            }
            read = reader.read(&mut buffer) => {
                let length = read?;
                if length == 0 {
                    return Ok(());
                }
                decoder.push(buffer.get(..length).unwrap_or_default());
                while let Some(packet) = decoder.packet() {
                    let packet = packet.to_vec();
                    if told.send(Tcp::Packet { role, local, remote, packet }).await.is_err() {
                        return Ok(());
                    }
                }
            }
        }
    }
}
