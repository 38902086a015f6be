//! What an autoscaler waits for: how much work there is, over HTTP and gRPC, while a million jobs are ready.

use std::{
    collections::HashMap,
    sync::Arc,
    time::{Duration, Instant},
};

use golden_api::serve_scaler;
use golden_jobs::{metrics::Metrics, store::SharedStore};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;
use tonic::{Request, client::Grpc, codegen::http::uri::PathAndQuery, transport::Channel};
use tonic_prost::ProstCodec;

use crate::{http, load, stores::Fresh, table::Table};

const READY: usize = 1_000_000;

/// Longer than an answer is kept: whoever asks then has the store asked.
const APART: Duration = Duration::from_millis(1100);
const APART_TIMES: usize = 30;

/// Without a pause, so that hardly anybody has the store asked.
const AT_ONCE: usize = 5_000;

pub(crate) async fn measure(fresh: &Fresh, table: &mut Table) -> anyhow::Result<()> {
    let (store, _kept) = fresh.open().await?;
    load::insert(&store, READY, 1000).await?;
    let (http, grpc) = (over_http(&store).await?, over_grpc(&store).await?);
    for (what, [miss, hit]) in [("/v1/scaling", http), ("GetMetrics", grpc)] {
        table.row(fresh.name(), &format!("1 M ready: {what}, answered by the store, p50"), miss, "ms");
        table.row(fresh.name(), &format!("1 M ready: {what}, without a pause, p50"), hit, "ms");
    }
    Ok(())
}

async fn over_http(store: &SharedStore) -> anyhow::Result<[f64; 2]> {
    let api = http::Served::start(store).await?;
    let request = format!("GET /v1/scaling HTTP/1.1\r\nhost: bench\r\nauthorization: Bearer {}\r\n\r\n", api.token);
    let mut stream = TcpStream::connect(api.address).await?;
    stream.set_nodelay(true)?;
    let p50s = p50s(async || http::ask(&mut stream, &request, "200").await).await?;
    drop(stream);
    api.stop().await?;
    Ok(p50s)
}

async fn over_grpc(store: &SharedStore) -> anyhow::Result<[f64; 2]> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let url = format!("http://{}", listener.local_addr()?);
    let shutdown = CancellationToken::new();
    let server = tokio::spawn(serve_scaler(listener, None, Arc::clone(store), Metrics::new(), shutdown.clone()));
    let mut client = Grpc::new(Channel::from_shared(url)?.connect().await?);
    let metadata = HashMap::from([("role".to_owned(), "orchestrator".to_owned())]);
    let object = ScaledObjectRef { name: "orchestrator".to_owned(), namespace: "golden".to_owned(), metadata };
    let question = GetMetrics { object: Some(object), name: "golden-orchestrator-load".to_owned() };
    let path = PathAndQuery::from_static("/externalscaler.ExternalScaler/GetMetrics");
    let p50s = p50s(async || {
        client.ready().await?;
        let codec = ProstCodec::<GetMetrics, MetricValues>::default();
        let answer = client.unary(Request::new(question.clone()), path.clone(), codec).await?.into_inner();
        let [value] = &answer.values[..] else { anyhow::bail!("no value") };
        anyhow::ensure!(value.float >= 10_000.0, "{value:?}");
        Ok(())
    })
    .await?;
    drop(client);
    shutdown.cancel();
    server.await?;
    Ok(p50s)
}

/// The p50 in ms of questions that each have the store asked, and of those that come without a pause.
async fn p50s(mut ask: impl AsyncFnMut() -> anyhow::Result<()>) -> anyhow::Result<[f64; 2]> {
    let mut p50s = [0.0; 2];
    for (p50, (times, pause)) in p50s.iter_mut().zip([(APART_TIMES, APART), (AT_ONCE, Duration::ZERO)]) {
        let mut took = Vec::new();
        for _ in 0..times {
            if !pause.is_zero() {
                tokio::time::sleep(pause).await;
            }
            let begun = Instant::now();
            ask().await?;
            took.push(begun.elapsed().as_secs_f64() * 1000.0);
        }
        took.sort_unstable_by(f64::total_cmp);
        *p50 = load::quantile(&took, 0.5);
    }
    Ok(p50s)
}

// As much of KEDA's externalscaler.proto as is asked here.

#[derive(Clone, PartialEq, prost::Message)]
struct ScaledObjectRef {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(string, tag = "2")]
    namespace: String,
    #[prost(map = "string, string", tag = "3")]
    metadata: HashMap<String, String>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct GetMetrics {
    #[prost(message, optional, tag = "1")]
    object: Option<ScaledObjectRef>,
    #[prost(string, tag = "2")]
    name: String,
}

#[derive(Clone, PartialEq, prost::Message)]
struct MetricValues {
    #[prost(message, repeated, tag = "1")]
    values: Vec<MetricValue>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct MetricValue {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(double, tag = "3")]
    float: f64,
}
