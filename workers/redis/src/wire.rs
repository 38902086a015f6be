//! Connections as they are made, whatever Redis is like.

use redis::{
    AsyncConnectionConfig, Client, ConnectionAddr, RedisResult,
    aio::{ConnectionLike, MultiplexedConnection},
    cluster::ClusterClient,
    cluster_async::ClusterConnection,
    sentinel::{SentinelClient, SentinelClientBuilder, SentinelServerType},
};

use crate::{
    address::{Address, Place, Sentinels},
    connection::PATIENCE,
};

/// Requests on their way to the connection. More wait, and are not lost.
const BUFFER: usize = 1000;

/// What connects, as often as it takes.
pub(crate) enum Connector {
    Server(Box<Client>),
    /// It remembers its connections to the Sentinels, and asks them for the master each time.
    Sentinels(Box<SentinelClient>),
    Cluster(Box<ClusterClient>),
}

/// A connection. Clones share it.
#[derive(Clone)]
pub(crate) enum Wire {
    Server(MultiplexedConnection),
    /// One to each node, which finds its way when the nodes move.
    Cluster(ClusterConnection),
}

impl Connector {
    pub(crate) fn new(Address(place): &Address) -> RedisResult<Self> {
        Ok(match place.clone() {
            Place::Server(info) => Self::Server(Box::new(Client::open(info)?)),
            Place::Sentinels(sentinels) => Self::Sentinels(Box::new(through(&sentinels)?)),
            Place::Cluster(nodes) => {
                let cluster = ClusterClient::builder(nodes)
                    .connection_timeout(PATIENCE)
                    .response_timeout(PATIENCE)
                    // Each waits longer than the one before.
                    .retries(3)
                    .build()?;
                Self::Cluster(Box::new(cluster))
            }
        })
    }

    pub(crate) async fn connect(&mut self) -> RedisResult<Wire> {
        // Whoever asks has a deadline of its own.
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(PATIENCE))
            .set_response_timeout(None)
            .set_pipeline_buffer_size(BUFFER);
        match self {
            Self::Server(client) => {
                client.get_multiplexed_async_connection_with_config(&config).await.map(Wire::Server)
            }
            Self::Sentinels(client) => client.get_async_connection_with_config(&config).await.map(Wire::Server),
            Self::Cluster(client) => client.get_async_connection().await.map(Wire::Cluster),
        }
    }
}

fn through(sentinels: &Sentinels) -> RedisResult<SentinelClient> {
    let Sentinels { all, password, master } = sentinels;
    let addresses = all.iter().map(|info| info.addr().clone());
    let mut builder = SentinelClientBuilder::new(addresses, master, SentinelServerType::Master)?;
    if let Some(password) = password {
        builder = builder.set_client_to_sentinel_password(password);
    }
    let Some(like) = all.first() else { return builder.build() };
    if matches!(like.addr(), ConnectionAddr::TcpTls { .. }) {
        builder = builder.set_client_to_redis_tls_mode(redis::TlsMode::Secure);
    }
    let settings = like.redis_settings();
    builder = builder.set_client_to_redis_db(settings.db());
    if let Some(name) = settings.username() {
        builder = builder.set_client_to_redis_username(name);
    }
    if let Some(password) = settings.password() {
        builder = builder.set_client_to_redis_password(password);
    }
    builder.build()
}

impl Wire {
    pub(crate) fn as_connection(&mut self) -> &mut (dyn ConnectionLike + Send + Sync) {
        match self {
            Self::Server(connection) => connection,
            Self::Cluster(connection) => connection,
        }
    }
}
