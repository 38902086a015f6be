//! Where an issuer's public keys are read: a file, or an address.

use std::{io, path::PathBuf, time::Duration};

use anyhow::Context;
use async_trait::async_trait;
use golden_api::auth::{KeySource, Pace, SourceError};
use reqwest::{Client, Response, Url};

/// A key set is a few kilobytes.
const LIMIT: usize = 1024 * 1024;
const TIMEOUT: Duration = Duration::from_secs(5);

/// A key set in a file, for example one that a secret is mounted as.
pub(crate) struct KeyFile(pub(crate) PathBuf);

/// A key set at an address of its issuer.
pub(crate) struct KeyUrl {
    url: Url,
    client: Client,
}

#[async_trait]
impl KeySource for KeyFile {
    async fn read(&self) -> Result<String, SourceError> {
        let wrong = |problem: String| SourceError::Missing(format!("{}: {problem}", self.0.display()));
        // Small and local: quicker read than handed to another thread.
        match std::fs::metadata(&self.0).map(|file| file.len()) {
            Ok(length) if length > LIMIT as u64 => Err(wrong(format!("{length} bytes are no key set"))),
            Ok(_) => std::fs::read_to_string(&self.0).map_err(|error| wrong(error.to_string())),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Err(wrong("there is no such file".to_owned())),
            Err(error) => Err(wrong(error.to_string())),
        }
    }

    fn pace(&self) -> Pace {
        Pace::FILE
    }
}

impl KeyUrl {
    pub(crate) fn new(url: Url) -> anyhow::Result<Self> {
        let client = Client::builder()
            .timeout(TIMEOUT)
            // Who may say where the keys are is who was named, and nobody it points to.
            .redirect(reqwest::redirect::Policy::none())
            .user_agent(concat!("golden/", env!("CARGO_PKG_VERSION")))
            .build()
            .context("the HTTP client for GOLDEN_JWKS could not be made")?;
        Ok(Self { url, client })
    }

    /// The host alone: `/readyz` shows it to anybody, and a path may be a secret.
    fn unreachable(&self, reason: impl std::fmt::Display) -> SourceError {
        SourceError::Unreachable(format!("{}: {reason}", self.url.host_str().unwrap_or("the key set's host")))
    }

    fn failed(&self, error: &reqwest::Error) -> SourceError {
        if error.is_timeout() {
            return self.unreachable(format_args!("no answer within {} s", TIMEOUT.as_secs()));
        }
        let mut cause: &dyn std::error::Error = error;
        while let Some(inner) = cause.source() {
            cause = inner;
        }
        self.unreachable(cause)
    }

    async fn body(&self, mut answer: Response) -> Result<String, SourceError> {
        let mut body = Vec::new();
        while let Some(chunk) = answer.chunk().await.map_err(|error| self.failed(&error))? {
            if body.len() + chunk.len() > LIMIT {
                return Err(self.unreachable(format_args!("more than {LIMIT} bytes are no key set")));
            }
            body.extend_from_slice(&chunk);
        }
        String::from_utf8(body).map_err(|_| self.unreachable("the answer is not UTF-8"))
    }
}

#[async_trait]
impl KeySource for KeyUrl {
    async fn read(&self) -> Result<String, SourceError> {
        let answer = self.client.get(self.url.clone()).header("accept", "application/jwk-set+json, application/json");
        let answer = answer.send().await.map_err(|error| self.failed(&error))?;
        match answer.status() {
            status if status.is_success() => self.body(answer).await,
            status => Err(self.unreachable(format_args!("answered {status}"))),
        }
    }

    fn pace(&self) -> Pace {
        Pace::NETWORK
    }
}

#[cfg(test)]
mod tests {
    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt},
        net::TcpListener,
    };

    use super::*;

    /// What is read from a server that gives this answer.
    async fn read(answer: String) -> Result<String, SourceError> {
        crate::install_crypto();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/secret/jwks.json", listener.local_addr().unwrap());
        let answering = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut asked = vec![0; 4096];
            assert!(stream.read(&mut asked).await.unwrap() > 0);
            // Who has read enough hangs up.
            let _ = stream.write_all(answer.as_bytes()).await;
        });
        let read = KeyUrl::new(url.parse().unwrap()).unwrap().read().await;
        answering.abort();
        read
    }

    fn answer(head: &str, body: &str) -> String {
        format!("HTTP/1.1 {head}\r\ncontent-length: {}\r\n\r\n{body}", body.len())
    }

    #[tokio::test]
    async fn what_an_address_says_is_read_and_nothing_else() {
        assert_eq!(read(answer("200 OK", "{}")).await, Ok("{}".to_owned()));
        for (said, why) in [
            (answer("404 Not Found", "{}"), "answered 404"),
            (answer("302 Found\r\nlocation: http://127.0.0.1:1/", "{}"), "answered 302"),
            (answer("200 OK", &"x".repeat(LIMIT + 1)), "no key set"),
            ("nonsense\r\n\r\n".to_owned(), "127.0.0.1: "),
        ] {
            let Err(SourceError::Unreachable(reason)) = read(said).await else { panic!("{why}") };
            assert!(reason.contains(why) && !reason.contains("secret"), "{reason}");
        }
    }

    #[tokio::test]
    async fn a_file_is_read_as_it_stands() {
        let path = std::env::temp_dir().join(format!("golden-keys-{}.json", std::process::id()));
        let source = KeyFile(path.clone());
        assert!(matches!(source.read().await, Err(SourceError::Missing(reason)) if reason.contains("no such file")));
        for text in ["one", "two"] {
            std::fs::write(&path, text).unwrap();
            assert_eq!(source.read().await, Ok(text.to_owned()));
        }
        std::fs::remove_file(path).unwrap();
    }
}
