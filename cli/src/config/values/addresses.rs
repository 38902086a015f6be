//! What is reached, and from where one is.

use std::{
    net::{IpAddr, SocketAddr},
    path::PathBuf,
    str::FromStr,
};

use golden_jobs::{
    address::{MalformedNetwork, Network},
    egress::Ports,
};
use reqwest::Url;

use super::{Secret, list};
use crate::config::without_password;

/// Where the public keys are that verify tokens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Jwks {
    File(PathBuf),
    Url(Url),
}

/// What has a scheme is an address, the rest are paths.
impl FromStr for Jwks {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if !text.contains("://") {
            return Ok(Self::File(text.into()));
        }
        let shown = without_password(text);
        let url = Url::parse(text).map_err(|error| format!("`{shown}` is no address: {error}"))?;
        let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']);
        let loopback = host == "localhost" || host.parse().is_ok_and(|address: IpAddr| address.is_loopback());
        if !url.username().is_empty() || url.password().is_some() {
            return Err("a key set is public: no user name or password in its address".to_owned());
        }
        match url.scheme() {
            "https" => Ok(Self::Url(url)),
            "http" if loopback => Ok(Self::Url(url)),
            _ => Err(format!(
                "`{shown}` is neither a path nor an https address (http only to this machine): whoever is in \
                 between could put keys of their own there"
            )),
        }
    }
}

pub(in crate::config) fn listen(text: &str) -> Result<SocketAddr, String> {
    text.parse().map_err(|_| format!("`{text}` is not an address with a port like 127.0.0.1:8000 or [::]:8000"))
}

pub(in crate::config) fn server(text: &str) -> Result<Url, String> {
    match Url::parse(text) {
        Ok(url) if matches!(url.scheme(), "http" | "https") && url.has_host() => Ok(url),
        _ => Err(format!(
            "`{}` is not an address like http://localhost:8000 or https://golden.example.com",
            without_password(text)
        )),
    }
}

pub(in crate::config) fn collector(text: &str) -> Result<Url, String> {
    match Url::parse(text) {
        Ok(url) if matches!(url.scheme(), "http" | "https") && url.has_host() => Ok(url),
        _ => Err(format!("`{}` is not an address like http://localhost:4318", without_password(text))),
    }
}

/// One server of NATS, or several with commas between.
pub(in crate::config) fn nats_url(text: &str) -> Result<Secret, String> {
    for address in list(text) {
        let url = Url::parse(address).ok().filter(|url| matches!(url.scheme(), "nats" | "tls") && url.has_host());
        if url.is_none() {
            let shown = without_password(address);
            return Err(format!("`{shown}` is not an address like nats://localhost:4222 or tls://nats.example.com"));
        }
    }
    if list(text).next().is_none() { Err("names no server".to_owned()) } else { Ok(Secret(text.to_owned())) }
}

pub(in crate::config) fn redis_url(text: &str) -> Result<Secret, String> {
    let address: Result<golden_redis::Address, _> = text.parse();
    address.map(|_| Secret(text.to_owned())).map_err(|error| format!("`{}` {error}", without_password(text)))
}

/// What reads as an address or a network is one; the rest are names.
pub(in crate::config) fn hosts_and_networks(text: &str) -> Result<(Vec<String>, Vec<Network>), String> {
    let (mut hosts, mut networks) = (Vec::new(), Vec::new());
    for entry in list(text) {
        match entry.parse() {
            Ok(network) => networks.push(network),
            Err(error) if entry.contains(['/', ':']) => {
                return Err(format!("{error}, and a host by its name alone"));
            }
            Err::<_, MalformedNetwork>(_) => hosts.push(entry.to_owned()),
        }
    }
    Ok((hosts, networks))
}

pub(in crate::config) fn ports(text: &str) -> Result<Ports, String> {
    if text == "any" {
        return Ok(Ports::Any);
    }
    list(text)
        .map(|port| match port.parse() {
            Ok(0) | Err(_) => Err(format!("`{port}` is neither `any` nor a port from 1 to 65535")),
            Ok(port) => Ok(port),
        })
        .collect::<Result<_, _>>()
        .map(Ports::Only)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_in_a_file_or_at_a_safe_address() {
        assert_eq!("/etc/golden/jwks.json".parse(), Ok(Jwks::File("/etc/golden/jwks.json".into())));
        for url in ["https://id.example/jwks", "http://localhost:1/x", "http://127.0.0.1:1/x", "http://[::1]/x"] {
            assert!(matches!(url.parse(), Ok(Jwks::Url(_))), "{url}");
        }
        for url in ["http://id.example/jwks", "ftp://id.example/x", "https://me:hunter2@id.example/x", "https://"] {
            assert!(url.parse::<Jwks>().is_err_and(|error| !error.contains("hunter2")), "{url}");
        }
    }

    #[test]
    fn addresses_and_ports() {
        assert!(listen("0.0.0.0:80").is_ok() && listen("[::1]:80").is_ok());
        assert!(listen("8000").is_err() && listen("example.com:80").is_err());
        assert!(server("https://golden.example.com").is_ok() && server("localhost:8000").is_err());
        assert_eq!(ports("443, 8443"), Ok(Ports::Only(vec![443, 8443])));
        assert!(ports("0").is_err() && ports("70000").is_err());
        let (hosts, networks) = hosts_and_networks("hooks.internal, 10.1.0.0/16, 10.2.3.4, fd00::/8").unwrap();
        assert_eq!((hosts.len(), networks.len()), (1, 3));
        assert!(hosts_and_networks("10.0.0.0/40").is_err() && hosts_and_networks("https://x").is_err());
    }

    #[test]
    fn servers_are_known_by_their_scheme() {
        for url in ["nats://localhost:4222", "tls://a.example, nats://me:hunter2@b.example:4222"] {
            assert!(nats_url(url).is_ok(), "{url}");
        }
        for url in ["localhost:4222", "http://a.example", "", "nats://me:hunter2@/x"] {
            assert!(nats_url(url).is_err_and(|error| !error.contains("hunter2")), "{url}");
        }
        assert!(redis_url("redis+sentinel://me:hunter2@a.example,b.example:7000/main").is_ok());
        for url in ["localhost:6379", "redis://me:hunter2@", "redis+sentinel://me:hunter2@a,b", "redis://:hunter2?@a"] {
            assert!(redis_url(url).is_err_and(|error| !error.contains("hunter2")), "{url}");
        }
    }
}
