//! TLS for the external scaler, and whom it lets in by their certificates.
//!
//! Files are read again once they have changed: an issuer's certificates are replaced every few weeks, and a pod that
//! had to be restarted for it would be forgotten one day.

use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    time::SystemTime,
};

use rustls::{
    RootCertStore, ServerConfig,
    crypto::{CryptoProvider, ring},
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
    server::WebPkiClientVerifier,
};
use tokio_rustls::TlsAcceptor;

/// Files in PEM, as `cert-manager` and Kubernetes' secrets of type `kubernetes.io/tls` have them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsFiles {
    /// The server's certificate, followed by those between it and what clients trust.
    pub certificate: PathBuf,
    pub key: PathBuf,
    /// Where it is given, whoever connects shows a certificate that one of these has signed.
    pub client_ca: Option<PathBuf>,
}

/// Why connections cannot be encrypted.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    #[error("cannot read {path}: {source}")]
    Read { path: PathBuf, source: io::Error },
    #[error("{path} holds no {what} in PEM")]
    Holds { path: PathBuf, what: &'static str },
    /// For one, the key is not that of the certificate.
    #[error("{path} cannot be used: {source}")]
    Unusable { path: PathBuf, source: Box<dyn std::error::Error + Send + Sync> },
}

/// What accepts connections by the newest of the files.
#[derive(Clone)]
pub struct ScalerTls {
    files: Arc<TlsFiles>,
    loaded: Arc<Mutex<Loaded>>,
}

struct Loaded {
    acceptor: TlsAcceptor,
    /// When each file was changed, as of the last look.
    changed: Vec<Option<SystemTime>>,
}

impl ScalerTls {
    /// Fails where a file is missing, or is not what it should be.
    pub fn read(files: TlsFiles) -> Result<Self, TlsError> {
        let loaded = Loaded { changed: files.changed(), acceptor: files.load()? };
        Ok(Self { files: Arc::new(files), loaded: Arc::new(Mutex::new(loaded)) })
    }

    /// For the next connection. Files that cannot be used any more are told once, and what there was goes on.
    pub(crate) fn acceptor(&self) -> TlsAcceptor {
        let mut loaded = self.loaded.lock().unwrap_or_else(PoisonError::into_inner);
        let changed = self.files.changed();
        if loaded.changed != changed {
            loaded.changed = changed;
            match self.files.load() {
                Ok(acceptor) => loaded.acceptor = acceptor,
                Err(error) => tracing::error!(%error, "the external scaler keeps the certificate it had"),
            }
        }
        loaded.acceptor.clone()
    }
}

impl TlsFiles {
    fn changed(&self) -> Vec<Option<SystemTime>> {
        let files = [Some(&self.certificate), Some(&self.key), self.client_ca.as_ref()];
        files.into_iter().flatten().map(|path| fs::metadata(path).and_then(|file| file.modified()).ok()).collect()
    }

    fn load(&self) -> Result<TlsAcceptor, TlsError> {
        let provider = Arc::new(ring::default_provider());
        let key = PrivateKeyDer::from_pem_slice(&read(&self.key)?)
            .map_err(|_| TlsError::Holds { path: self.key.clone(), what: "private key" })?;
        let chain = certificates(&self.certificate)?;
        let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .map_err(|source| unusable(&self.certificate, source))?;
        let builder = match &self.client_ca {
            None => builder.with_no_client_auth(),
            Some(path) => builder.with_client_cert_verifier(verifier(path, provider)?),
        };
        let mut config = builder.with_single_cert(chain, key).map_err(|source| unusable(&self.certificate, source))?;
        // gRPC is HTTP/2, and KEDA's client insists on hearing so.
        config.alpn_protocols = vec![b"h2".to_vec()];
        Ok(TlsAcceptor::from(Arc::new(config)))
    }
}

fn verifier(
    path: &Path,
    provider: Arc<CryptoProvider>,
) -> Result<Arc<dyn rustls::server::danger::ClientCertVerifier>, TlsError> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates(path)? {
        roots.add(certificate).map_err(|source| unusable(path, source))?;
    }
    WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider)
        .build()
        .map_err(|source| unusable(path, source))
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let read: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&read(path)?).collect();
    match read {
        Ok(certificates) if !certificates.is_empty() => Ok(certificates),
        _ => Err(TlsError::Holds { path: path.to_owned(), what: "certificate" }),
    }
}

fn read(path: &Path) -> Result<Vec<u8>, TlsError> {
    fs::read(path).map_err(|source| TlsError::Read { path: path.to_owned(), source })
}

fn unusable(path: &Path, source: impl std::error::Error + Send + Sync + 'static) -> TlsError {
    TlsError::Unusable { path: path.to_owned(), source: source.into() }
}
