//! The scaler over TLS, with the certificates that `scaler/make` made.

use std::{fs, io, net::SocketAddr, path::PathBuf, sync::Arc};

use golden_api::{ScalerTls, TlsError, TlsFiles};
use golden_jobs::metrics::Metrics;
use hyper_util::rt::TokioIo;
use rustls::{
    ClientConfig, RootCertStore,
    pki_types::{CertificateDer, PrivateKeyDer, ServerName, pem::PemObject},
};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_util::sync::CancellationToken;
use tonic::{
    Status,
    client::Grpc,
    transport::{Channel, Endpoint, Error},
};
use tower::service_fn;

use super::{IsActive, Scaler, trigger};
use crate::harness::Golden;

/// One of the files beside this one.
fn pem(name: &str) -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/api/scaler")).join(name)
}

/// A folder of one test's own, gone with it, with files that may be replaced.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        let folder = std::env::temp_dir().join(format!("golden-tls-{}", uuid::Uuid::now_v7().simple()));
        fs::create_dir(&folder).unwrap();
        Self(folder)
    }

    fn put(&self, name: &str, from: &str) -> PathBuf {
        let path = self.0.join(name);
        fs::copy(pem(from), &path).unwrap();
        path
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// A client that trusts one authority, and shows a certificate of its own or none.
async fn client(address: SocketAddr, trusts: &str, shows: Option<&str>) -> Result<Channel, Error> {
    let certificate = |name: String| CertificateDer::from_pem_file(pem(&name)).unwrap();
    let mut roots = RootCertStore::empty();
    roots.add(certificate(format!("{trusts}.pem"))).unwrap();
    let builder = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots);
    let mut config = match shows {
        None => builder.with_no_client_auth(),
        Some(name) => {
            let key = PrivateKeyDer::from_pem_file(pem(&format!("{name}.key"))).unwrap();
            builder.with_client_auth_cert(vec![certificate(format!("{name}.pem"))], key).unwrap()
        }
    };
    // As KEDA's does, which takes no connection that does not say so as well.
    config.alpn_protocols = vec![b"h2".to_vec()];
    let connector = TlsConnector::from(Arc::new(config));
    let connect = service_fn(move |_| {
        let connector = connector.clone();
        async move {
            let stream = TcpStream::connect(address).await?;
            let stream = connector.connect(ServerName::try_from("golden-scaler").unwrap(), stream).await?;
            assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
            Ok::<_, io::Error>(TokioIo::new(stream))
        }
    });
    Endpoint::from_static("http://golden-scaler").connect_with_connector(connect).await
}

/// Whether it answers such a client.
async fn answers(address: SocketAddr, trusts: &str, shows: Option<&str>) -> bool {
    match client(address, trusts, shows).await {
        Ok(channel) => answers_over(channel).await,
        Err(_) => false,
    }
}

async fn answers_over(channel: Channel) -> bool {
    let shutdown = CancellationToken::new();
    let client = Grpc::new(channel);
    let mut scaler = Scaler { client, metrics: Metrics::new(), _stop: shutdown.clone().drop_guard(), shutdown };
    // With TLS 1.3 it is the first answer that says whether one's certificate will do.
    if scaler.client.ready().await.is_err() {
        return false;
    }
    let answer: Result<IsActive, Status> = scaler.ask("IsActive", trigger(&[("role", "sandbox")])).await;
    answer.is_ok()
}

#[tokio::test]
async fn both_show_certificates_and_new_ones_are_taken_as_they_come() {
    let golden = Golden::start().await;
    let folder = Folder::new();
    let files = TlsFiles {
        certificate: folder.put("tls.crt", "server.pem"),
        key: folder.put("tls.key", "server.key"),
        client_ca: Some(folder.put("ca.crt", "authority.pem")),
    };
    let tls = ScalerTls::read(files.clone()).unwrap();
    let (metrics, shutdown) = (Metrics::new(), CancellationToken::new());
    let _stop = shutdown.clone().drop_guard();
    let address = Scaler::listen(golden.store.clone(), Some(tls), &metrics, &shutdown).await;

    assert!(answers(address, "authority", Some("client")).await);
    assert!(!answers(address, "authority", None).await, "nobody without a certificate");
    assert!(!answers(address, "authority", Some("strange")).await, "nobody with another authority's");
    assert!(!answers(address, "stranger", Some("client")).await, "the server shows its own");
    let clear = Channel::from_shared(format!("http://{address}")).unwrap().connect_lazy();
    assert!(!answers_over(clear).await, "nobody in the clear");

    folder.put("tls.crt", "strange.pem");
    folder.put("tls.key", "strange.key");
    assert!(answers(address, "stranger", Some("client")).await, "a new certificate is shown to the next who connects");
    fs::write(&files.certificate, "half of a certifi").unwrap();
    assert!(answers(address, "stranger", Some("client")).await, "one that cannot be read changes nothing");
}

#[tokio::test]
async fn anybody_may_ask_who_trusts_the_server_where_no_certificate_is_wanted() {
    let files = TlsFiles { certificate: pem("server.pem"), key: pem("server.key"), client_ca: None };
    let (metrics, shutdown) = (Metrics::new(), CancellationToken::new());
    let _stop = shutdown.clone().drop_guard();
    let golden = Golden::start().await;
    let tls = ScalerTls::read(files).unwrap();
    let address = Scaler::listen(golden.store.clone(), Some(tls), &metrics, &shutdown).await;
    assert!(answers(address, "authority", None).await);
    assert!(!answers(address, "stranger", None).await);
}

#[test]
fn files_that_will_not_do_are_told_by_name() {
    let with = |certificate: &str, key: &str, client_ca: Option<&str>| {
        let files = TlsFiles { certificate: pem(certificate), key: pem(key), client_ca: client_ca.map(pem) };
        ScalerTls::read(files).err().expect("it will not do")
    };
    let missing = with("nowhere.pem", "server.key", None);
    assert!(matches!(&missing, TlsError::Read { path, .. } if path == &pem("nowhere.pem")), "{missing}");
    let no_key = with("server.pem", "server.pem", None);
    assert_eq!(no_key.to_string(), format!("{} holds no private key in PEM", pem("server.pem").display()));
    let no_authority = with("server.pem", "server.key", Some("make"));
    assert_eq!(no_authority.to_string(), format!("{} holds no certificate in PEM", pem("make").display()));
    let others = with("server.pem", "client.key", None);
    assert!(matches!(&others, TlsError::Unusable { path, .. } if path == &pem("server.pem")), "{others}");
}
