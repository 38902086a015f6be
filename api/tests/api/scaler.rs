//! KEDA's external scaler, asked as KEDA asks it: by a client made of the contract alone, over a real connection.

use std::{collections::HashMap, net::SocketAddr, sync::Arc, time::Duration};

use axum::http::uri::PathAndQuery;
use golden_api::ScalerTls;
use golden_jobs::{Role, metrics::Metrics, store::SharedStore};
use prost::Message;
use serde_json::json;
use tokio::{net::TcpListener, time::timeout};
use tokio_util::sync::{CancellationToken, DropGuard};
use tonic::{Code, Request, Status, Streaming, client::Grpc, transport::Channel};
use tonic_prost::ProstCodec;

use crate::{down::Down, harness::Golden};

mod tls;

// The messages of externalscaler.proto (KEDA 2.20), written down a second time: a wrong tag in the server's would
// otherwise be wrong here, too.

#[derive(Clone, PartialEq, Message)]
struct ScaledObjectRef {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(string, tag = "2")]
    namespace: String,
    #[prost(map = "string, string", tag = "3")]
    scaler_metadata: HashMap<String, String>,
}

#[derive(Clone, Copy, PartialEq, Message)]
struct IsActive {
    #[prost(bool, tag = "1")]
    result: bool,
}

#[derive(Clone, PartialEq, Message)]
struct MetricSpecs {
    #[prost(message, repeated, tag = "1")]
    specs: Vec<Figure>,
}

#[derive(Clone, PartialEq, Message)]
struct MetricValues {
    #[prost(message, repeated, tag = "1")]
    values: Vec<Figure>,
}

/// MetricSpec and MetricValue are alike.
#[derive(Clone, PartialEq, Message)]
struct Figure {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(int64, tag = "2")]
    whole: i64,
    #[prost(double, tag = "3")]
    float: f64,
}

#[derive(Clone, PartialEq, Message)]
struct GetMetrics {
    #[prost(message, optional, tag = "1")]
    object: Option<ScaledObjectRef>,
    #[prost(string, tag = "2")]
    name: String,
}

/// A scaler that listens, and a client of it.
struct Scaler {
    client: Grpc<Channel>,
    metrics: Metrics,
    shutdown: CancellationToken,
    _stop: DropGuard,
}

impl Scaler {
    async fn on(store: SharedStore) -> Self {
        let (metrics, shutdown) = (Metrics::new(), CancellationToken::new());
        let address = Self::listen(store, None, &metrics, &shutdown).await;
        let channel = Channel::from_shared(format!("http://{address}")).unwrap().connect().await.unwrap();
        Self { client: Grpc::new(channel), metrics, _stop: shutdown.clone().drop_guard(), shutdown }
    }

    async fn listen(
        store: SharedStore,
        tls: Option<ScalerTls>,
        metrics: &Metrics,
        shutdown: &CancellationToken,
    ) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(golden_api::serve_scaler(listener, tls, store, metrics.clone(), shutdown.clone()));
        address
    }

    async fn ask<Q, A>(&mut self, method: &str, question: Q) -> Result<A, Status>
    where
        Q: Message + Send + Sync + 'static,
        A: Message + Default + Send + Sync + 'static,
    {
        self.client.ready().await.unwrap();
        let path = PathAndQuery::try_from(format!("/externalscaler.ExternalScaler/{method}")).unwrap();
        let answer = self.client.unary(Request::new(question), path, ProstCodec::<Q, A>::default()).await;
        answer.map(tonic::Response::into_inner)
    }

    async fn watch(&mut self, object: ScaledObjectRef) -> Result<Streaming<IsActive>, Status> {
        self.client.ready().await.unwrap();
        let path = PathAndQuery::from_static("/externalscaler.ExternalScaler/StreamIsActive");
        let codec = ProstCodec::<ScaledObjectRef, IsActive>::default();
        let answer = self.client.server_streaming(Request::new(object), path, codec).await;
        answer.map(tonic::Response::into_inner)
    }

    async fn value(&mut self, object: &ScaledObjectRef) -> Result<Figure, Status> {
        let mut spec: MetricSpecs = self.ask("GetMetricSpec", object.clone()).await?;
        let name = spec.specs.remove(0).name;
        let asked = GetMetrics { object: Some(object.clone()), name };
        let mut values: MetricValues = self.ask("GetMetrics", asked).await?;
        assert_eq!(values.values.len(), 1);
        Ok(values.values.remove(0))
    }
}

/// A trigger as KEDA passes it on: with all of its metadata, the scaler's address included.
fn trigger(metadata: &[(&str, &str)]) -> ScaledObjectRef {
    let metadata = metadata.iter().chain(&[("scalerAddress", "golden-scaler:9090")]);
    ScaledObjectRef {
        name: "orchestrator".into(),
        namespace: "golden".into(),
        scaler_metadata: metadata.map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect(),
    }
}

#[tokio::test]
async fn keda_is_told_what_to_scale_on_and_how_much_there_is() {
    let golden = Golden::start().await;
    for _ in 0..3 {
        golden.submit(json!({"kind": "noop"})).await;
    }
    golden.claim(Role::Orchestrator).await;
    let mut scaler = Scaler::on(golden.store.clone()).await;

    let plain = trigger(&[("role", "orchestrator")]);
    let spec: MetricSpecs = scaler.ask("GetMetricSpec", plain.clone()).await.unwrap();
    let expected = Figure { name: "golden-orchestrator-load".into(), whole: 10, float: 10.0 };
    assert_eq!(spec.specs, [expected], "a role's own figure and target");
    let value = scaler.value(&plain).await.unwrap();
    assert_eq!(value, Figure { name: "golden-orchestrator-load".into(), whole: 3, float: 3.0 });
    let active = scaler.ask::<_, IsActive>("IsActive", plain).await.unwrap();
    assert!(active.result);

    let own = trigger(&[("role", "orchestrator"), ("metric", "queued"), ("targetValue", "2.5")]);
    let spec: MetricSpecs = scaler.ask("GetMetricSpec", own.clone()).await.unwrap();
    assert_eq!(spec.specs, [Figure { name: "golden-orchestrator-queued".into(), whole: 3, float: 2.5 }]);
    assert_eq!(scaler.value(&own).await.unwrap().whole, 2);

    let idle = trigger(&[("role", "supervisor")]);
    assert_eq!(scaler.value(&idle).await.unwrap().name, "golden-supervisor-escalations");
    assert!(!scaler.ask::<_, IsActive>("IsActive", idle).await.unwrap().result);
}

#[tokio::test]
async fn a_first_job_is_pushed_within_a_second_and_a_stream_that_was_left_is_freed() {
    let golden = Golden::start().await;
    let mut scaler = Scaler::on(golden.store.clone()).await;
    let mut stream = scaler.watch(trigger(&[("role", "orchestrator")])).await.unwrap();
    let other = scaler.watch(trigger(&[("role", "sandbox")])).await.unwrap();
    assert!(!stream.message().await.unwrap().unwrap().result, "what is so is told at once");

    golden.submit(json!({"kind": "noop"})).await;
    let pushed = timeout(Duration::from_secs(1), stream.message()).await.expect("within a second");
    assert!(pushed.unwrap().unwrap().result);
    let claimed = golden.claim(Role::Orchestrator).await;
    golden.finish(&claimed, crate::harness::succeeded("1")).await;
    assert!(!stream.message().await.unwrap().unwrap().result, "and that the work is done");

    assert_eq!(scaler.metrics.scaler_streams.get(), 2);
    drop(other);
    while scaler.metrics.scaler_streams.get() > 1 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    scaler.shutdown.cancel();
    assert_eq!(stream.message().await.unwrap(), None, "those that are left end with the scaler");
}

#[tokio::test]
async fn what_cannot_be_answered_is_a_status() {
    let golden = Golden::start().await;
    let mut scaler = Scaler::on(golden.store.clone()).await;
    for wrong in [
        &[][..],
        &[("role", "nobody")],
        &[("role", "sandbox"), ("metric", "mood")],
        &[("role", "sandbox"), ("targetValue", "0")],
        &[("role", "sandbox"), ("targetValue", "many")],
    ] {
        let code = scaler.ask::<_, MetricSpecs>("GetMetricSpec", trigger(wrong)).await.unwrap_err().code();
        assert_eq!(code, Code::InvalidArgument, "{wrong:?}");
        assert_eq!(scaler.watch(trigger(wrong)).await.unwrap_err().code(), Code::InvalidArgument, "{wrong:?}");
    }
    let elsewhere = scaler.value(&trigger(&[("role", "sandbox"), ("metric", "escalations")])).await.unwrap_err();
    assert_eq!(elsewhere.code(), Code::InvalidArgument, "a figure that the role has not");
    let other = GetMetrics { object: Some(trigger(&[("role", "sandbox")])), name: "s0-mood".into() };
    assert_eq!(scaler.ask::<_, MetricValues>("GetMetrics", other).await.unwrap_err().code(), Code::NotFound);
    let nothing = GetMetrics { object: None, name: String::new() };
    assert_eq!(scaler.ask::<_, MetricValues>("GetMetrics", nothing).await.unwrap_err().code(), Code::InvalidArgument);
    let unknown = scaler.ask::<_, IsActive>("Scale", trigger(&[])).await.unwrap_err();
    assert_eq!(unknown.code(), Code::Unimplemented);
    assert_eq!(scaler.metrics.scaler_streams.get(), 0);
}

#[tokio::test]
async fn a_store_that_is_away_is_unavailable_and_never_idle() {
    let mut scaler = Scaler::on(Arc::new(Down::default())).await;
    let sandbox = trigger(&[("role", "sandbox")]);
    assert_eq!(scaler.value(&sandbox).await.unwrap_err().code(), Code::Unavailable);
    let active = scaler.ask::<_, IsActive>("IsActive", sandbox.clone()).await;
    assert_eq!(active.unwrap_err().code(), Code::Unavailable);
    let mut stream = scaler.watch(sandbox).await.unwrap();
    assert_eq!(stream.message().await.unwrap_err().code(), Code::Unavailable);
}
