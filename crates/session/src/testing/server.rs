//! Clients are taken in without passwords and served as the product does.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::BytesMut;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use wire::startup::{Client, Stream};

use super::{Cluster, FakeControl};
use crate::api::{Identity, Role};
use crate::limits::Limits;
use crate::servers::PoolSettings;
use crate::shared::{Setup, Shared};

/// A running data plane; stops when dropped.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    pub(crate) cluster: Arc<Cluster>,
    pub(crate) control: Arc<FakeControl>,
    pub(crate) shared: Arc<Shared>,
    pub(crate) database: String,
    pub(crate) drain: watch::Sender<bool>,
    panics: Arc<AtomicUsize>,
    runtime: Option<tokio::runtime::Runtime>,
}

impl Server {
    /// Over a new database of that name.
    pub(crate) fn start(database: &str) -> Self {
        let limits = Limits {
            statement_bytes_max: 1 << 20,
            ..Limits::default()
        };
        Self::with_limits(database, limits)
    }

    pub(crate) fn with_limits(database: &str, limits: Limits) -> Self {
        Self::with(database, limits, PoolSettings::default())
    }

    /// With server connections that are shared like this.
    pub(crate) fn pooled(database: &str, pool: PoolSettings) -> Self {
        Self::with(database, Limits::default(), pool)
    }

    fn with(database: &str, limits: Limits, pool: PoolSettings) -> Self {
        let cluster = Cluster::get();
        cluster.database(database, include_str!("draft.sql"));
        let control = Arc::new(FakeControl::new(&cluster, database));
        let (drain, draining) = watch::channel(false);
        let url = format!("postgres://agent@127.0.0.1:{}/{database}", cluster.port);
        let roles = |name: &str| {
            let role = if name == "reviewer" {
                Role::Reviewer
            } else {
                Role::Agent
            };
            let name = name.to_owned();
            Some(Identity { name, role })
        };
        let shared = Shared::new(Setup {
            control: Arc::clone(&control) as _,
            identities: Arc::new(roles),
            upstream: upstream::Target::parse(&url).unwrap(),
            database: database.to_owned(),
            limits,
            pool,
            functions: sql::FunctionPolicy::default(),
            registry: prometheus::Registry::new(),
            drain: draining,
        })
        .unwrap();
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .thread_stack_size(64 << 20)
            .enable_all()
            .build()
            .unwrap();
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
        let address = listener.local_addr().unwrap();
        let serving = Arc::clone(&shared);
        let panics = Arc::new(AtomicUsize::new(0));
        let panicked = Arc::clone(&panics);
        runtime.spawn(async move {
            while let Ok((socket, peer)) = listener.accept().await {
                let shared = Arc::clone(&serving);
                let panicked = Arc::clone(&panicked);
                tokio::spawn(async move {
                    let Some(client) = greet(socket, peer, &shared).await else {
                        return;
                    };
                    let served = tokio::spawn(async move {
                        Box::pin(crate::serve_client(Box::new(client), shared)).await;
                    });
                    if served.await.is_err_and(|error| error.is_panic()) {
                        panicked.fetch_add(1, Ordering::Relaxed);
                    }
                });
            }
        });
        Self {
            address,
            cluster,
            control,
            shared,
            database: database.to_owned(),
            drain,
            panics,
            runtime: Some(runtime),
        }
    }
}

impl Server {
    /// How many connections ended in a panic.
    pub(crate) fn panics(&self) -> usize {
        self.panics.load(Ordering::Relaxed)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

/// Reads a startup or cancel packet.
async fn greet(mut socket: TcpStream, peer: SocketAddr, shared: &Arc<Shared>) -> Option<Client> {
    socket.set_nodelay(true).ok()?;
    let mut packet;
    loop {
        let len = usize::try_from(socket.read_u32().await.ok()?).ok()?;
        packet = vec![0; len - 4];
        socket.read_exact(&mut packet).await.ok()?;
        match u32::from_be_bytes(packet[..4].try_into().unwrap()) {
            wire::startup::SSL_REQUEST | wire::startup::GSSENC_REQUEST => {
                socket.write_all(b"N").await.ok()?;
            }
            wire::startup::CANCEL_REQUEST => {
                let pid = i32::from_be_bytes(packet[4..8].try_into().unwrap());
                crate::cancel(Arc::clone(shared), pid, packet[8..].to_vec()).await;
                return None;
            }
            _ => break,
        }
    }
    let words: Vec<String> = packet[4..]
        .split(|byte| *byte == 0)
        .map(|word| String::from_utf8(word.to_vec()).unwrap())
        .collect();
    let mut client = Client {
        stream: Stream::Plain(socket),
        early: BytesMut::new(),
        user: String::new(),
        identity: String::new(),
        user_session: None,
        parameters: Vec::new(),
        options: Vec::new(),
        protocol_minor: u16::from_be_bytes(packet[2..4].try_into().unwrap()),
        peer,
        tls: false,
    };
    for pair in words.chunks(2) {
        match pair {
            [name, value] if name == "user" => client.user.clone_from(value),
            [name, value] if name == "options" => {
                client.options = wire::startup::split_options(value).unwrap();
            }
            [name, value] if !name.is_empty() => {
                client.parameters.push((name.clone(), value.clone()));
            }
            _ => {}
        }
    }
    client.identity.clone_from(&client.user);
    Some(client)
}
