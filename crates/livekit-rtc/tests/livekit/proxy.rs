//! A TCP proxy in front of the server's signalling, whose connections can be cut.

use std::net::SocketAddr;
use std::sync::Arc;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, watch};
use tokio::task::JoinSet;

pub(crate) struct Proxy {
    pub(crate) port: u16,
    cut: Arc<Notify>,
    refuses: watch::Sender<bool>,
    _task: JoinSet<()>,
}

impl Proxy {
    pub(crate) async fn start(target: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let cut = Arc::<Notify>::default();
        let (refuses, refused) = watch::channel(false);
        let mut task = JoinSet::new();
        let to_cut = Arc::clone(&cut);
        task.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((client, _)) = listener.accept().await {
                if !*refused.borrow() {
                    connections.spawn(carry(client, ([127, 0, 0, 1], target).into(), Arc::clone(&to_cut)));
                }
            }
        });
        Self { port, cut, refuses, _task: task }
    }

    /// Cuts every connection there is.
    pub(crate) fn cut(&self) {
        self.cut.notify_waiters();
    }

    /// Cuts every connection, and lets none in until told otherwise.
    pub(crate) fn refuse(&self, refuse: bool) {
        self.refuses.send_replace(refuse);
        self.cut();
    }
}

async fn carry(mut client: TcpStream, target: SocketAddr, cut: Arc<Notify>) {
    let cut = cut.notified();
    let mut server = TcpStream::connect(target).await.unwrap();
    tokio::select! {
        _ = tokio::io::copy_bidirectional(&mut client, &mut server) => {}
        () = cut => {}
    }
}
