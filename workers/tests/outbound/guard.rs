//! The guard against SSRF.

use std::{
    collections::VecDeque,
    io,
    net::{IpAddr, SocketAddr},
    sync::{Arc, Mutex},
    time::Duration,
};

use async_trait::async_trait;
use bytes::Bytes;
use golden_jobs::{
    egress::{Egress, Ports},
    outbound::{Outbound, OutboundError, OutboundRequest, OutboundResponse},
};
use golden_workers::outbound::{HttpOutbound, Lookup};
use tokio::{io::AsyncWriteExt, net::TcpListener};

use crate::{
    dev,
    server::{Server, answer},
};

/// Gives scripted answers, in order; the last one again and again.
struct Scripted(Mutex<VecDeque<Vec<IpAddr>>>);

impl Scripted {
    fn new(script: &[&[&str]]) -> Arc<Self> {
        let script = script.iter().map(|answer| answer.iter().map(|ip| ip.parse().unwrap()).collect()).collect();
        Arc::new(Self(Mutex::new(script)))
    }
}

#[async_trait]
impl Lookup for Scripted {
    async fn lookup(&self, _host: &str) -> io::Result<Vec<IpAddr>> {
        let mut script = self.0.lock().unwrap();
        match script.len() {
            0 => Err(io::Error::other("no such host")),
            1 => Ok(script[0].clone()),
            _ => Ok(script.pop_front().unwrap()),
        }
    }
}

/// Lets requests reach 127.0.0.2 as if it were a public address; 127.0.0.1 stays forbidden.
fn as_if_public(lookup: Arc<dyn Lookup>) -> HttpOutbound {
    let egress = Egress {
        allow_http: true,
        allow_ports: Ports::Any,
        allow_networks: vec!["127.0.0.2/32".parse().unwrap()],
        ..Egress::public()
    };
    HttpOutbound::with_lookup(egress, lookup).unwrap()
}

fn get(url: impl Into<String>) -> OutboundRequest {
    OutboundRequest {
        method: "GET".to_owned(),
        url: url.into(),
        headers: Vec::new(),
        body: Bytes::new(),
        timeout: Duration::from_secs(10),
        body_cap: 1024,
    }
}

#[track_caller]
fn refusal(result: Result<OutboundResponse, OutboundError>) -> String {
    match result {
        Err(OutboundError::Refused(message)) => message,
        other => panic!("not refused: {other:?}"),
    }
}

#[track_caller]
fn broken(result: Result<OutboundResponse, OutboundError>) -> String {
    match result {
        Err(OutboundError::Connection(message)) => message,
        other => panic!("not a connection error: {other:?}"),
    }
}

#[tokio::test]
async fn a_request_arrives_as_it_was_made_and_its_answer_comes_back() {
    let server = Server::answering(answer("418 I'm a teapot", "X-Tea: Green\r\n", "short and stout")).await;
    let request = OutboundRequest {
        method: "PUT".to_owned(),
        headers: vec![("x-a".to_owned(), "b".to_owned())],
        body: Bytes::from_static(b"hello"),
        ..get(server.url("/pot?lid=on#handle"))
    };
    let response = dev().send(request).await.unwrap();
    assert_eq!((response.status, response.header("x-tea")), (418, Some("Green")));
    assert_eq!((&response.body[..], response.truncated), (&b"short and stout"[..], false));
    let request = &server.requests()[0];
    assert!(request.starts_with("PUT /pot?lid=on HTTP/1.1\r\n"), "{request}");
    assert!(request.contains("x-a: b\r\n") && request.ends_with("\r\n\r\nhello"), "{request}");
    assert!(request.contains("user-agent: golden/"), "{request}");
}

#[tokio::test]
async fn the_systems_resolver_finds_this_machine() {
    let server = Server::answering(answer("200 OK", "", "")).await;
    let url = format!("http://localhost:{}/", server.address.port());
    assert_eq!(dev().send(get(&url)).await.unwrap().status, 200);
    let refused = HttpOutbound::new(Egress { allow_loopback: false, ..everything() }).unwrap().send(get(url)).await;
    assert!(refusal(refused).contains("loopback"));
}

/// Any scheme and port, public addresses only.
fn everything() -> Egress {
    Egress { allow_http: true, allow_ports: Ports::Any, ..Egress::public() }
}

#[tokio::test]
async fn redirects_are_answers_and_are_not_followed() {
    let inside = Server::answering(answer("200 OK", "", "secret")).await;
    for status in ["301 Moved", "302 Found", "303 See Other", "307 Temporary", "308 Permanent"] {
        let location = format!("Location: {}\r\n", inside.url("/"));
        let server = Server::answering(answer(status, &location, "")).await;
        let response = dev().send(get(server.url("/"))).await.unwrap();
        assert_eq!(response.status.to_string(), status[..3]);
    }
    assert!(inside.requests().is_empty());
}

/// Runs another test of this binary with a proxy in its environment, at which nobody listens.
#[test]
fn proxies_in_the_environment_are_not_used() {
    let mut again = std::process::Command::new(std::env::current_exe().unwrap());
    again.args(["--exact", "guard::redirects_are_answers_and_are_not_followed"]);
    for name in ["http_proxy", "HTTP_PROXY", "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"] {
        again.env(name, "http://127.0.0.1:9");
    }
    let output = again.env_remove("no_proxy").env_remove("NO_PROXY").output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && text.contains("1 passed"), "{text}");
}

/// The first answer of its DNS is fine and the second is not: the request goes to the first,
/// which was looked up once, and the next request is refused before anything is sent.
#[tokio::test]
async fn a_name_that_resolves_differently_the_second_time_gains_nothing() {
    let (outside, inside) = two_on_one_port().await;
    let port = outside.local_addr().unwrap().port();
    let outside = Server::on(outside, |mut stream| async move {
        stream.write_all(&answer("200 OK", "", "outside")).await.unwrap();
    });
    let inside = Server::on(inside, |_| async {});
    let outbound = as_if_public(Scripted::new(&[&["127.0.0.2"], &["127.0.0.1"]]));
    let url = format!("http://rebind.example:{port}/");

    let first = outbound.send(get(&url)).await.unwrap();
    let second = outbound.send(get(&url)).await;

    assert_eq!(&first.body[..], b"outside");
    assert_eq!(refusal(second), "`rebind.example` is not at a public address: loopback (RFC 1122)");
    assert_eq!((outside.requests().len(), inside.requests().len()), (1, 0));
}

/// 127.0.0.2 and 127.0.0.1 on the same port.
async fn two_on_one_port() -> (TcpListener, TcpListener) {
    loop {
        let first = bind_outside().await;
        let port = first.local_addr().unwrap().port();
        if let Ok(second) = TcpListener::bind(("127.0.0.1", port)).await {
            return (first, second);
        }
    }
}

async fn bind_outside() -> TcpListener {
    TcpListener::bind("127.0.0.2:0").await.unwrap()
}

#[tokio::test]
async fn one_address_that_is_not_allowed_spoils_all_of_a_names_addresses() {
    let outside = Server::on(bind_outside().await, |_| async {});
    let url = format!("http://mixed.example:{}/", outside.address.port());
    for bad in ["10.0.0.1", "127.0.0.1", "::1", "::ffff:127.0.0.2", "169.254.169.254"] {
        refusal(as_if_public(Scripted::new(&[&["127.0.0.2", bad]])).send(get(&url)).await);
        refusal(as_if_public(Scripted::new(&[&[bad, "127.0.0.2"]])).send(get(&url)).await);
    }
    assert!(outside.requests().is_empty());
}

/// One of each forbidden range; their edges are tested with the rules themselves.
#[tokio::test]
async fn a_name_at_an_address_that_is_not_public_is_refused() {
    for address in [
        "0.0.0.0",
        "10.1.2.3",
        "100.64.0.1",
        "127.0.0.1",
        "168.63.129.16",
        "169.254.169.254",
        "169.254.1.1",
        "172.16.0.1",
        "192.0.0.1",
        "192.0.2.1",
        "192.88.99.1",
        "192.168.0.1",
        "198.18.0.1",
        "198.51.100.1",
        "203.0.113.1",
        "224.0.0.1",
        "240.0.0.1",
        "255.255.255.255",
        "::",
        "::1",
        "::2",
        "::ffff:8.8.8.8",
        "::ffff:0:8.8.8.8",
        "64:ff9b::8.8.8.8",
        "64:ff9b:1::1",
        "100::1",
        "2001::1",
        "2001:2::1",
        "2001:db8::1",
        "2002:808:808::1",
        "3fff::1",
        "5f00::1",
        "fc00::1",
        "fd00:ec2::254",
        "fe80::1",
        "fec0::1",
        "ff02::1",
    ] {
        let outbound = HttpOutbound::with_lookup(everything(), Scripted::new(&[&[address]])).unwrap();
        refusal(outbound.send(get("https://name.example/")).await);
        let literal = if address.contains(':') { format!("[{address}]") } else { address.to_owned() };
        refusal(outbound.send(get(format!("https://{literal}/"))).await);
    }
}

#[tokio::test]
async fn what_the_url_itself_forbids_is_refused_before_anything_is_sent() {
    let server = Server::on(bind_outside().await, |_| async {});
    let port = server.address.port();
    let refused = |egress: Egress, url: String| async move {
        let lookup = Scripted::new(&[&["127.0.0.2"]]);
        refusal(HttpOutbound::with_lookup(egress, lookup).unwrap().send(get(url)).await)
    };
    let secret = refused(everything(), format!("http://user:s3cret@a.example:{port}/")).await;
    assert!(!secret.contains("s3cret") && secret.contains("user name or password"), "{secret}");
    assert!(refused(Egress::public(), "http://a.example:443/".to_owned()).await.contains("plain http"));
    assert!(refused(Egress::public(), format!("https://a.example:{port}/")).await.contains(&port.to_string()));
    assert!(refused(everything(), "ftp://a.example/".to_owned()).await.contains("https://"));
    assert!(server.requests().is_empty());
}

#[tokio::test]
async fn a_slow_server_is_given_up_whether_it_is_slow_to_begin_or_to_end() {
    let mute = Server::serving(|stream| async move {
        std::future::pending::<()>().await;
        drop(stream);
    })
    .await;
    let dripping = Server::serving(|mut stream| async move {
        stream.write_all(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n").await.unwrap();
        while stream.write_all(b"1\r\na\r\n").await.is_ok() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    })
    .await;
    for server in [mute, dripping] {
        let timeout = Duration::from_millis(300);
        let request = OutboundRequest { timeout, ..get(server.url("/")) };
        let result = dev().send(request).await;
        assert!(matches!(result, Err(OutboundError::Timeout(after)) if after == timeout), "{result:?}");
    }
}

#[tokio::test]
async fn a_big_answer_is_cut_at_the_cap_and_an_endless_one_ends_there() {
    let exact = Server::answering(answer("200 OK", "", &"a".repeat(1024))).await;
    let response = dev().send(get(exact.url("/"))).await.unwrap();
    assert_eq!((response.body.len(), response.truncated), (1024, false));

    let endless = Server::serving(|mut stream| async move {
        stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await.unwrap();
        while stream.write_all(&[b'a'; 4096]).await.is_ok() {}
    })
    .await;
    let response = dev().send(get(endless.url("/"))).await.unwrap();
    assert_eq!((response.body.len(), response.truncated), (1024, true));
}

#[tokio::test]
async fn a_connection_that_fails_says_where_and_keeps_the_urls_secrets() {
    let cut = Server::answering("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nnot all").await;
    let mute = Server::answering("").await;
    let garbage = Server::answering("SSH-2.0-OpenSSH_9.2\r\n").await;
    let closed = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    for address in [cut.address, mute.address, garbage.address, closed] {
        let message = broken(dev().send(get(format!("http://{address}/hook?token=s3cret"))).await);
        assert!(message.contains("`127.0.0.1`") && !message.contains("s3cret"), "{message}");
    }
    let message = broken(dev().send(get(format!("https://{}/?token=s3cret", no_tls().await))).await);
    assert!(message.starts_with("cannot connect to `127.0.0.1`") && !message.contains("s3cret"), "{message}");
    for nowhere in [Scripted::new(&[]), Scripted::new(&[&[]])] {
        let outbound = HttpOutbound::with_lookup(Egress::public(), nowhere).unwrap();
        let message = broken(outbound.send(get("https://nowhere.example/?token=s3cret")).await);
        assert!(message.starts_with("cannot connect to `nowhere.example`"), "{message}");
        assert!(!message.contains("s3cret"), "{message}");
    }
}

/// Speaks before it is spoken to, and no TLS.
async fn no_tls() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        stream.write_all(b"220 mail.example ESMTP\r\n").await.unwrap();
    });
    address
}

#[tokio::test]
async fn a_request_that_is_not_http_is_refused() {
    let with = |name: &str, value: &str| OutboundRequest {
        headers: vec![(name.to_owned(), value.to_owned())],
        ..get("http://127.0.0.1:9/")
    };
    for request in [
        with("a", "b\r\nhost: c"),
        with("a b", "c"),
        OutboundRequest { method: "GET / HTTP/1.1".to_owned(), ..get("http://127.0.0.1:9/") },
    ] {
        refusal(dev().send(request).await);
    }
}
