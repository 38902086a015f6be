//! The address of the API, and the server that client commands talk to.

use std::{io, net::SocketAddr, time::Duration};

use golden_api::{ScalerTls, TlsFiles};
use serde_json::Value;
use tokio::net::TcpListener;

use super::Check;
use crate::{
    client::{Client, Request},
    config::{Layers, Settings, table, without_password},
    exit::describe,
};

const PATIENCE: Duration = Duration::from_secs(3);

/// Whether the API could listen there, or one does.
pub(super) async fn address(address: SocketAddr) -> Vec<Check> {
    vec![match TcpListener::bind(address).await {
        Ok(_) => Check::ok("address", format!("{address} is free for the API")),
        Err(error) if error.kind() == io::ErrorKind::AddrInUse => match readiness(address).await {
            Some(answer) if answer["status"] == "ready" => {
                Check::ok("address", format!("a golden answers at {address}, and is ready"))
            }
            Some(answer) => Check::warning("address", format!("a golden answers at {address}: {}", reasons(&answer))),
            None => Check::failure(
                "address",
                format!("{address} is taken by another program: choose another address with GOLDEN_LISTEN"),
            ),
        },
        Err(error) => Check::failure("address", format!("cannot listen on {address} (GOLDEN_LISTEN): {error}")),
    }]
}

/// Whether the external scaler's files fit together. Only where there are any.
pub(super) fn scaler(settings: &Settings) -> Vec<Check> {
    let check = |files: &TlsFiles| match ScalerTls::read(files.clone()) {
        Ok(_) if files.client_ca.is_some() => Check::ok("scaler", "TLS, and those who ask show a certificate"),
        Ok(_) => Check::ok("scaler", "TLS, and anybody may ask"),
        Err(error) => Check::failure("scaler", format!("no TLS (GOLDEN_SCALER_TLS_CERT): {error}")),
    };
    settings.scaler_tls.iter().map(check).collect()
}

/// What a golden at an address of this machine says of itself; `None` where it is none.
async fn readiness(mut address: SocketAddr) -> Option<Value> {
    if address.ip().is_unspecified() {
        address.set_ip(std::net::Ipv4Addr::LOCALHOST.into());
    }
    let client = reqwest::Client::builder()
        .timeout(PATIENCE)
        .redirect(reqwest::redirect::Policy::none())
        .no_proxy()
        .build()
        .ok()?;
    let answer: Value = client.get(format!("http://{address}/readyz")).send().await.ok()?.json().await.ok()?;
    (answer["status"].is_string() && answer["parts"].is_array()).then_some(answer)
}

/// Why it is not ready.
fn reasons(answer: &Value) -> String {
    let parts = answer["parts"].as_array().map_or(&[][..], Vec::as_slice);
    let reason = |part: &Value| Some(format!("{}: {}", part["name"].as_str()?, part["reason"].as_str()?));
    let reasons: Vec<_> = parts.iter().filter_map(reason).collect();
    format!("not ready ({})", reasons.join("; "))
}

/// Whether the server of client commands answers, and takes the token. Only where one is set.
pub(super) async fn server(settings: &Settings, layers: &Layers) -> Vec<Check> {
    if !layers.has(&table::SERVER) && !layers.has(&table::TOKEN) {
        return Vec::new();
    }
    let server = without_password(settings.server.as_str());
    let asked = async {
        let client = Client::new(settings)?;
        let request = match settings.token {
            Some(_) => Request::get(&["jobs"]).query("limit", Some(1)),
            None => Request::get(&["kinds"]),
        };
        client.send(request).await.map_err(anyhow::Error::from)
    };
    vec![match asked.await {
        Ok(_) if settings.token.is_some() => Check::ok("server", format!("{server} answers, and takes the token")),
        Ok(_) => Check::warning("server", format!("{server} answers; GOLDEN_TOKEN is not set")),
        Err(error) => Check::failure("server", describe(&error).replace('\n', ". ")),
    }]
}
