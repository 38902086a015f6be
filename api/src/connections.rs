//! Taking connections, and how long a client may take its time.
//!
//! `axum::serve` waits for ever for a head that does not come, so that a few hundred idle
//! sockets are all it takes to fill a process up. Here, whoever is silent is let go.

use std::{
    convert::Infallible,
    net::SocketAddr,
    task::{Context, Poll},
    time::Duration,
};

use axum::{
    BoxError, Router,
    body::{Bytes, HttpBody},
    extract::{ConnectInfo, Request},
    response::Response,
    routing::future::RouteFuture,
    serve::Listener,
};
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::{
        conn::auto::Builder,
        graceful::{GracefulShutdown, Watcher},
    },
    service::TowerToHyperService,
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpListener,
    time::{sleep, timeout},
};
use tokio_util::sync::CancellationToken;
use tower::Service;

use crate::scaler::ScalerTls;

/// Serves `api` until `told`, then takes no more connections and ends once the requests under way have.
/// A connection without a whole head for `silence`, its first or its next, is closed.
pub(crate) async fn serve(listener: TcpListener, api: Router, silence: Duration, told: CancellationToken) {
    serve_with(listener, api, silence, told, None).await;
}

/// The same with TLS, where there is any.
pub(crate) async fn serve_with(
    mut listener: TcpListener,
    api: Router,
    silence: Duration,
    told: CancellationToken,
    tls: Option<ScalerTls>,
) {
    let mut builder = Builder::new(TokioExecutor::new());
    builder.http1().timer(TokioTimer::new()).header_read_timeout(silence);
    builder.http2().timer(TokioTimer::new()).keep_alive_interval(silence);
    let connections = GracefulShutdown::new();
    loop {
        let (stream, peer) = tokio::select! {
            accepted = Listener::accept(&mut listener) => accepted,
            () = told.cancelled() => break,
        };
        // An answer is one small write, and Nagle's algorithm would hold it back. Without it we are only slower.
        let _ = stream.set_nodelay(true);
        let client = Client { api: api.clone(), peer, asked: CancellationToken::new() };
        let (builder, watcher) = (builder.clone(), connections.watcher());
        match tls.as_ref().map(ScalerTls::acceptor) {
            None => drop(tokio::spawn(attend(stream, builder, watcher, client, silence))),
            Some(acceptor) => drop(tokio::spawn(async move {
                match timeout(silence, acceptor.accept(stream)).await {
                    Ok(Ok(stream)) => attend(stream, builder, watcher, client, silence).await,
                    // Mostly a certificate that is not trusted, at this end or at the other; or anybody who reaches
                    // the port, who is not to fill the log.
                    Ok(Err(error)) => tracing::debug!(%peer, %error, "no TLS came about"),
                    Err(_) => {}
                }
            })),
        }
    }
    drop(listener);
    connections.shutdown().await;
}

/// Answers what one client asks until it goes away.
async fn attend(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    builder: Builder<TokioExecutor>,
    watcher: Watcher,
    client: Client,
    silence: Duration,
) {
    let asked = client.asked.clone();
    let connection = builder.serve_connection(TokioIo::new(stream), TowerToHyperService::new(client));
    tokio::select! {
        // How a client goes away is its own affair.
        _ = watcher.watch(connection.into_owned()) => {}
        // Until its version is known, a connection has no other clock.
        () = no_request(&asked, silence) => {}
    }
}

/// Ends if there is no request at all for `silence`.
async fn no_request(asked: &CancellationToken, silence: Duration) {
    tokio::select! {
        () = asked.cancelled() => std::future::pending().await,
        () = sleep(silence) => {}
    }
}

/// The API as one connection has it: it knows who is at the other end.
#[derive(Clone)]
struct Client {
    api: Router,
    peer: SocketAddr,
    /// Cancelled with the first request.
    asked: CancellationToken,
}

impl<B> Service<Request<B>> for Client
where
    B: HttpBody<Data = Bytes> + Send + 'static,
    B::Error: Into<BoxError>,
{
    type Response = Response;
    type Error = Infallible;
    type Future = RouteFuture<Infallible>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Service::<Request<B>>::poll_ready(&mut self.api, context)
    }

    fn call(&mut self, mut request: Request<B>) -> Self::Future {
        self.asked.cancel();
        request.extensions_mut().insert(ConnectInfo(self.peer));
        self.api.call(request)
    }
}
