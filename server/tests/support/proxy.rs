//! A TCP proxy, to be put before Postgres: it passes, holds what it gets, delays or cuts, all connections or the n-th.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use sqlx::{ConnectOptions, PgPool};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// What becomes of what is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// It is handed on.
    Pass,
    /// Nothing is read or handed on, and nothing is closed: as where the cable is cut. With [`Way::Pass`] it goes on.
    BlackHole,
    /// Each piece is handed on after so long.
    Delay(Duration),
    /// Both sides are reset; a connection stays so.
    Reset,
}

/// A running proxy. Dropping it cuts all.
pub struct Proxy {
    addr: SocketAddr,
    shared: Arc<Mutex<Shared>>,
    accepting: JoinHandle<()>,
}

struct Shared {
    /// For those to come.
    way: Way,
    /// For single ones to come.
    ways: HashMap<usize, Way>,
    /// In the order of their arrival.
    connections: Vec<watch::Sender<Way>>,
}

impl Proxy {
    /// Before the Postgres of a test's database.
    pub async fn before(pool: &PgPool) -> Self {
        let url = pool.connect_options().to_url_lossy();
        let target = format!("{}:{}", url.host_str().unwrap(), url.port().unwrap_or(5_432));
        Self::start(target).await
    }

    /// Before `target`, a host and a port.
    pub async fn start(target: String) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap();
        let shared = Shared { way: Way::Pass, ways: HashMap::new(), connections: Vec::new() };
        let shared = Arc::new(Mutex::new(shared));
        let accepting = tokio::spawn(accept(listener, target, Arc::clone(&shared)));
        Self { addr, shared, accepting }
    }

    /// The URL of a test's database by way of this proxy.
    pub fn url_of(&self, pool: &PgPool) -> String {
        let mut url = pool.connect_options().to_url_lossy();
        url.set_host(Some("127.0.0.1")).unwrap();
        url.set_port(Some(self.addr.port())).unwrap();
        url.to_string()
    }

    /// The way of all connections, those to come included.
    pub fn set(&self, way: Way) {
        let mut shared = self.shared.lock().unwrap();
        shared.way = way;
        shared.ways.clear();
        for connection in &shared.connections {
            connection.send_replace(way);
        }
    }

    /// The way of those to come alone.
    pub fn set_new(&self, way: Way) {
        self.shared.lock().unwrap().way = way;
    }

    /// The way of the `n`th connection, counted from 0, whether it is there or to come.
    pub fn set_nth(&self, n: usize, way: Way) {
        let mut shared = self.shared.lock().unwrap();
        shared.ways.insert(n, way);
        if let Some(connection) = shared.connections.get(n) {
            connection.send_replace(way);
        }
    }

    /// How many connections there have been.
    pub fn connections(&self) -> usize {
        self.shared.lock().unwrap().connections.len()
    }

    /// How many are open now.
    pub fn open_connections(&self) -> usize {
        self.shared.lock().unwrap().connections.iter().filter(|connection| !connection.is_closed()).count()
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.accepting.abort();
        self.set(Way::Reset);
    }
}

async fn accept(listener: TcpListener, target: String, shared: Arc<Mutex<Shared>>) {
    while let Ok((client, _)) = listener.accept().await {
        let way = {
            let mut shared = shared.lock().unwrap();
            let way = shared.ways.get(&shared.connections.len()).copied().unwrap_or(shared.way);
            let (sender, way) = watch::channel(way);
            shared.connections.push(sender);
            way
        };
        tokio::spawn(connect(client, target.clone(), way));
    }
}

async fn connect(client: TcpStream, target: String, mut way: watch::Receiver<Way>) {
    if until_passable(&mut way).await.is_none() {
        return drop(client.set_zero_linger());
    }
    let Ok(server) = TcpStream::connect(target).await else { return };
    drop((client.set_nodelay(true), server.set_nodelay(true)));
    let (client_reads, client_writes) = client.into_split();
    let (server_reads, server_writes) = server.into_split();
    let ends = tokio::join!(
        hand_on(client_reads, server_writes, way.clone()),
        hand_on(server_reads, client_writes, way.clone()),
    );
    if *way.borrow() == Way::Reset {
        for (reads, writes) in [ends.0, ends.1] {
            drop((reads.as_ref().set_zero_linger(), writes.as_ref().set_zero_linger()));
        }
    }
}

/// Hands on what is read until either side has closed or all is reset.
async fn hand_on(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    mut way: watch::Receiver<Way>,
) -> (OwnedReadHalf, OwnedWriteHalf) {
    let mut piece = vec![0; 16 * 1024];
    loop {
        if until_passable(&mut way).await.is_none() {
            break;
        }
        let read = tokio::select! {
            read = from.read(&mut piece) => read,
            _ = way.changed() => continue,
        };
        let Some(delay) = until_passable(&mut way).await else { break };
        tokio::time::sleep(delay).await;
        match read {
            Ok(length) if length > 0 => {
                if to.write_all(&piece[..length]).await.is_err() {
                    break;
                }
            }
            _ => {
                drop(to.shutdown().await);
                break;
            }
        }
    }
    (from, to)
}

/// Waits while all is held, and answers how long to delay; `None` where all is reset.
async fn until_passable(way: &mut watch::Receiver<Way>) -> Option<Duration> {
    let way = way.wait_for(|way| *way != Way::BlackHole).await.ok()?;
    match *way {
        Way::Delay(delay) => Some(delay),
        Way::Reset => None,
        Way::Pass | Way::BlackHole => Some(Duration::ZERO),
    }
}
