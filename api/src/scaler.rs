//! KEDA's external scaler: the figures of `/v1/scaling` over gRPC, and a push when a role gets its first job.
//!
//! On a port of its own, since what asks has no token: a figure is no secret, and whoever wants to know who asks gives
//! it TLS with certificates for both ([`ScalerTls`]). Errors are statuses. A store that does not answer is `UNAVAILABLE` and never a
//! zero that would scale a role in.

use std::{sync::Arc, time::Duration};

use axum::{
    Router,
    extract::{Request, State},
    response::Response,
    routing::post,
};
use futures_util::{Stream, stream};
use golden_jobs::{
    metrics::Metrics,
    store::{Depths, SharedStore, StoreError},
};
use prost::Message;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tonic::{Status, server::Grpc};
use tonic_prost::ProstCodec;
use tower::service_fn;

use crate::{connections, depths::KnownDepths};

mod asked;
mod tls;
mod wire;

use asked::Asked;
pub use tls::{ScalerTls, TlsError, TlsFiles};
use wire::{
    GetMetricSpecResponse, GetMetricsRequest, GetMetricsResponse, IsActiveResponse, MetricSpec, MetricValue, SERVICE,
    ScaledObjectRef,
};

/// How often streams look whether a role has work, all from one answer of the store.
const LOOK: Duration = Duration::from_millis(500);

/// Streams at once. KEDA has one for each trigger and operator; more are somebody else.
const MOST_STREAMS: i64 = 256;

/// A connection that has asked nothing by then is closed, and one with open streams is asked whether it lives.
const SILENCE: Duration = Duration::from_secs(60);

/// How long requests under way may take to finish.
const DRAIN: Duration = Duration::from_secs(5);

/// What streams and calls share.
struct Scaler {
    depths: KnownDepths,
    metrics: Metrics,
    closing: CancellationToken,
}

/// Serves KEDA's external scaler until `shutdown`, when its streams end. In the clear, where there is no `tls`.
pub async fn serve_scaler(
    listener: TcpListener,
    tls: Option<ScalerTls>,
    store: SharedStore,
    metrics: Metrics,
    shutdown: CancellationToken,
) {
    let told = shutdown.child_token();
    let served = connections::serve_with(listener, router(store, metrics, shutdown.clone()), SILENCE, told, tls);
    let late = async {
        shutdown.cancelled().await;
        tokio::time::sleep(DRAIN).await;
    };
    tokio::select! {
        () = served => {}
        () = late => {}
    }
}

/// The scaler as a service, whose streams end once it is `closing`.
fn router(store: SharedStore, metrics: Metrics, closing: CancellationToken) -> Router {
    let scaler = Arc::new(Scaler { depths: KnownDepths::new(store), metrics, closing });
    let path = |method: &str| format!("/{SERVICE}/{method}");
    Router::new()
        .route(&path("IsActive"), post(is_active))
        .route(&path("StreamIsActive"), post(stream_is_active))
        .route(&path("GetMetricSpec"), post(get_metric_spec))
        .route(&path("GetMetrics"), post(get_metrics))
        .fallback(|| async {
            Status::unimplemented("the service is externalscaler.ExternalScaler").into_http::<axum::body::Body>()
        })
        .with_state(scaler)
}

async fn is_active(State(scaler): State<Arc<Scaler>>, request: Request) -> Response {
    unary(request, async move |object: ScaledObjectRef| {
        let active = Asked::of(Some(&object))?.active(&scaler.depths().await?)?;
        Ok(IsActiveResponse { result: active })
    })
    .await
}

/// Says at once whether there is work, and then whenever that changes.
async fn stream_is_active(State(scaler): State<Arc<Scaler>>, request: Request) -> Response {
    let service = service_fn(move |request: tonic::Request<ScaledObjectRef>| {
        let scaler = Arc::clone(&scaler);
        async move {
            let asked = Asked::of(Some(&request.into_inner()))?;
            Ok(tonic::Response::new(scaler.changes(asked)?))
        }
    });
    let codec = ProstCodec::<IsActiveResponse, ScaledObjectRef>::default();
    Grpc::new(codec).server_streaming(service, request).await.map(axum::body::Body::new)
}

async fn get_metric_spec(request: Request) -> Response {
    unary(request, async |object: ScaledObjectRef| {
        let asked = Asked::of(Some(&object))?;
        let spec = MetricSpec {
            metric_name: asked.name(),
            target_size: asked.target.ceil() as i64,
            target_size_float: asked.target,
        };
        Ok(GetMetricSpecResponse { metric_specs: vec![spec] })
    })
    .await
}

async fn get_metrics(State(scaler): State<Arc<Scaler>>, request: Request) -> Response {
    unary(request, async move |request: GetMetricsRequest| {
        let asked = Asked::of(request.scaled_object_ref.as_ref())?;
        if request.metric_name != asked.name() {
            let known = asked.name();
            return Err(Status::not_found(format!("no metric `{}`: this trigger has `{known}`", request.metric_name)));
        }
        let value = asked.value(&scaler.depths().await?)?;
        let metric = MetricValue {
            metric_name: request.metric_name,
            metric_value: value.ceil() as i64,
            metric_value_float: value,
        };
        Ok(GetMetricsResponse { metric_values: vec![metric] })
    })
    .await
}

/// One message for one message.
async fn unary<Q, A>(request: Request, answer: impl AsyncFn(Q) -> Result<A, Status>) -> Response
where
    Q: Message + Default + 'static,
    A: Message + 'static,
{
    let service =
        service_fn(async |request: tonic::Request<Q>| answer(request.into_inner()).await.map(tonic::Response::new));
    Grpc::new(ProstCodec::<A, Q>::default()).unary(service, request).await.map(axum::body::Body::new)
}

impl Scaler {
    async fn depths(&self) -> Result<Depths, Status> {
        self.depths.last().await.map_err(unavailable)
    }

    /// Whether a role has work, as it changes. Ends with a status where that is not known, and when the scaler stops:
    /// KEDA comes back.
    fn changes(self: Arc<Self>, asked: Asked) -> Result<impl Stream<Item = Result<IsActiveResponse, Status>>, Status> {
        let place = Place::take(&self)?;
        let begin = (place, asked, None, tokio::time::interval(LOOK));
        Ok(stream::unfold(Some(begin), |watch| async {
            let (place, asked, mut last, mut ticks) = watch?;
            loop {
                tokio::select! {
                    () = place.0.closing.cancelled() => return None,
                    _ = ticks.tick() => {}
                }
                let depths = place.0.depths.within(LOOK).await.map_err(unavailable);
                match depths.and_then(|depths| asked.active(&depths)) {
                    Ok(active) if last == Some(active) => {}
                    Ok(active) => {
                        last = Some(active);
                        return Some((Ok(IsActiveResponse { result: active }), Some((place, asked, last, ticks))));
                    }
                    Err(status) => return Some((Err(status), None)),
                }
            }
        }))
    }
}

/// One stream's place, free again once the stream is dropped.
struct Place(Arc<Scaler>);

impl Place {
    fn take(scaler: &Arc<Scaler>) -> Result<Self, Status> {
        let open = &scaler.metrics.scaler_streams;
        open.inc();
        let place = Self(Arc::clone(scaler));
        match open.get() <= MOST_STREAMS {
            true => Ok(place),
            false => Err(Status::resource_exhausted(format!("{MOST_STREAMS} streams are open already"))),
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.metrics.scaler_streams.dec();
    }
}

fn unavailable(error: StoreError) -> Status {
    Status::unavailable(error.to_string())
}
