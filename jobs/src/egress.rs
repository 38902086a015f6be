//! Where requests to URLs that users name may go (the guard against SSRF).
//!
//! Two sets of rules: [`parse`] holds everywhere and is for intake; an [`Egress`] is what
//! the operator of this process allows, and is asked again for every request: first about
//! the URL, then about each address its host resolves to.

use std::net::IpAddr;

use url::{Host, Url};

use crate::address::{Network, forbidden};

/// The longest URL, in bytes.
pub const URL_LIMIT: usize = 2048;

/// Why nothing is sent to a URL. Names the host at most, never the rest of the URL.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// Longer than [`URL_LIMIT`].
    #[error("the URL is longer than {URL_LIMIT} bytes")]
    TooLong,
    /// Not a URL by the WHATWG standard, with what is wrong.
    #[error("this is not a URL: {0}")]
    Malformed(String),
    /// Neither https nor http.
    #[error("the URL must begin with https://")]
    Scheme,
    #[error("the URL must not hold a user name or password: send credentials in a header")]
    UserInfo,
    /// http, where the operator allows https only.
    #[error("plain http is not allowed here: use https")]
    PlainHttp,
    #[error("port {0} is not allowed here")]
    Port(u16),
    /// The host is, or resolves to, an address of the kind that `why` names.
    #[error("`{host}` is not at a public address: {why}")]
    Address { host: String, why: &'static str },
}

/// Reads a URL by the rules that no operator may widen. What it gives is what is sent to:
/// nobody parses the text again, so nobody can read it differently.
pub fn parse(text: &str) -> Result<Url, Refusal> {
    if text.len() > URL_LIMIT {
        return Err(Refusal::TooLong);
    }
    // The URL standard has parsers skip these, which makes two texts of one URL.
    if text.bytes().any(|byte| byte <= b' ' || byte == 0x7f) {
        return Err(Refusal::Malformed("percent-encode spaces and control characters".to_owned()));
    }
    let url = Url::parse(text).map_err(|error| Refusal::Malformed(error.to_string()))?;
    if !matches!(url.scheme(), "https" | "http") {
        return Err(Refusal::Scheme);
    }
    // `https://@host` has an empty one, which the parser drops.
    let authority = text.split_once(':').map_or("", |(_, rest)| rest.trim_start_matches(['/', '\\']));
    let authority = authority.split(['/', '\\', '?', '#']).next().unwrap_or_default();
    if !url.username().is_empty() || url.password().is_some() || authority.contains('@') {
        return Err(Refusal::UserInfo);
    }
    Ok(url)
}

/// Ports that requests may go to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ports {
    Any,
    Only(Vec<u16>),
}

/// What the operator lets requests reach. The default is [`Egress::public`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Egress {
    /// Lets http through beside https.
    pub allow_http: bool,
    /// The ports a URL may name or imply; https implies 443, http 80.
    pub allow_ports: Ports,
    /// Hosts whose addresses are not checked, by exact name: services inside that users may call.
    pub allow_hosts: Vec<String>,
    /// Networks that are allowed although they are not public.
    pub allow_networks: Vec<Network>,
    /// Lets URLs that name this machine (`localhost`, `127.0.0.1`, `[::1]`) through, by http and
    /// on any port. A name elsewhere that resolves to loopback is still refused.
    pub allow_loopback: bool,
}

impl Default for Egress {
    fn default() -> Self {
        Self::public()
    }
}

impl Egress {
    /// https to port 443 of public addresses.
    pub fn public() -> Self {
        Self {
            allow_http: false,
            allow_ports: Ports::Only(vec![443]),
            allow_hosts: Vec::new(),
            allow_networks: Vec::new(),
            allow_loopback: false,
        }
    }

    /// That, and whatever listens on this machine: for development.
    pub fn with_loopback() -> Self {
        Self { allow_loopback: true, ..Self::public() }
    }

    /// Reads a URL and decides all that can be decided without resolving its host.
    pub fn check(&self, text: &str) -> Result<Url, Refusal> {
        let url = parse(text)?;
        if !(self.allow_loopback && names_this_machine(&url)) {
            if url.scheme() != "https" && !self.allow_http {
                return Err(Refusal::PlainHttp);
            }
            let port = url.port_or_known_default().unwrap_or_default();
            if matches!(&self.allow_ports, Ports::Only(ports) if !ports.contains(&port)) {
                return Err(Refusal::Port(port));
            }
        }
        // A literal address is never resolved, so this is the only place it passes.
        match url.host() {
            Some(Host::Ipv4(address)) => self.check_address(&address.to_string(), address.into())?,
            Some(Host::Ipv6(address)) => self.check_address(&address.to_string(), address.into())?,
            Some(Host::Domain(_)) | None => {}
        }
        Ok(url)
    }

    /// Whether a request to `host` may go to `address`, which is what it resolved to.
    pub fn check_address(&self, host: &str, address: IpAddr) -> Result<(), Refusal> {
        let Some(why) = forbidden(address) else { return Ok(()) };
        let name = host.trim_end_matches('.');
        let allowed = self.allow_hosts.iter().any(|allowed| allowed.eq_ignore_ascii_case(name))
            || self.allow_networks.iter().any(|network| network.contains(address))
            || (self.allow_loopback && address.is_loopback() && is_loopback_name(name));
        if allowed { Ok(()) } else { Err(Refusal::Address { host: host.to_owned(), why }) }
    }
}

fn names_this_machine(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => is_loopback_name(name),
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

/// `localhost` and what is below it (RFC 6761), or a loopback address.
fn is_loopback_name(host: &str) -> bool {
    let name = host.trim_end_matches('.').to_ascii_lowercase();
    name == "localhost" || name.ends_with(".localhost") || name.parse().is_ok_and(|ip: IpAddr| ip.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(egress: &Egress, url: &str) -> Option<Refusal> {
        egress.check(url).err()
    }

    #[test]
    fn https_on_its_own_port_is_what_everybody_may_use() {
        let public = Egress::public();
        for url in ["https://example.com", "https://example.com:443/a?b#c", "HTTPS://EXAMPLE.com/", "https://1.1.1.1/"]
        {
            assert_eq!(refusal(&public, url), None, "{url}");
        }
        assert_eq!(refusal(&public, "http://example.com/"), Some(Refusal::PlainHttp));
        assert_eq!(refusal(&public, "https://example.com:8443/"), Some(Refusal::Port(8443)));
        assert_eq!(refusal(&public, "https://example.com:80/"), Some(Refusal::Port(80)));
    }

    #[test]
    fn what_is_no_web_address_is_refused_whatever_the_operator_allows() {
        for url in ["ftp://example.com/", "file:///etc/passwd", "gopher://example.com", "unix:/run/docker.sock"] {
            assert_eq!(parse(url).err(), Some(Refusal::Scheme), "{url}");
        }
        for url in
            ["", "example.com", "//example.com", "https://", "https:///?", "https://exa mple.com", "https://a\tb.com"]
        {
            assert!(matches!(parse(url), Err(Refusal::Malformed(_))), "{url}");
        }
        let long = format!("https://example.com/{}", "a".repeat(URL_LIMIT));
        assert_eq!(parse(&long).err(), Some(Refusal::TooLong));
        assert!(parse(&long[..URL_LIMIT]).is_ok());
    }

    #[test]
    fn userinfo_is_refused_in_every_guise_and_never_shown() {
        for url in [
            "https://user@example.com/",
            "https://user:s3cret@example.com/",
            "https://:s3cret@example.com/",
            "https://@example.com/",
            "https://:@example.com/",
            r"https:\\s3cret@example.com/",
            "https:s3cret@example.com/",
        ] {
            let refusal = parse(url).unwrap_err();
            assert_eq!(refusal, Refusal::UserInfo, "{url}");
            assert!(!refusal.to_string().contains("s3cret"));
        }
        assert!(parse("https://example.com/@user?to=a@b#@").is_ok());
    }

    /// The many ways to write one address are all that address.
    #[test]
    fn literal_addresses_are_checked_however_they_are_written() {
        for url in [
            "https://127.0.0.1/",
            "https://127.1/",
            "https://2130706433/",
            "https://0x7f000001/",
            "https://0177.0.0.1/",
            "https://127.0.0.1./",
            "https://%31%32%37.0.0.1/",
            "https://１２７.0.0.1/",
            "https://[::1]/",
            "https://[::ffff:127.0.0.1]/",
            "https://[64:ff9b::7f00:1]/",
            "https://169.254.169.254/latest/meta-data/",
            "https://[fd00:ec2::254]/",
            "https://10.0.0.1/",
        ] {
            assert!(matches!(refusal(&Egress::public(), url), Some(Refusal::Address { .. })), "{url}");
        }
    }

    #[test]
    fn loopback_is_for_urls_that_name_this_machine() {
        let dev = Egress::with_loopback();
        for url in ["http://localhost:3000/", "http://127.0.0.1:9/", "http://[::1]:9/", "https://api.localhost:1/"] {
            assert_eq!(refusal(&dev, url), None, "{url}");
            assert!(refusal(&Egress::public(), url).is_some(), "{url}");
        }
        let loopback: IpAddr = "127.0.0.1".parse().unwrap();
        assert_eq!(dev.check_address("localhost", loopback), Ok(()));
        assert!(dev.check_address("rebind.example", loopback).is_err());
        assert!(dev.check_address("localhost", "10.0.0.1".parse().unwrap()).is_err());
        assert_eq!(refusal(&dev, "http://example.com/"), Some(Refusal::PlainHttp));
        assert!(refusal(&dev, "https://10.0.0.1/").is_some());
    }

    #[test]
    fn an_operator_may_widen_each_rule_by_itself() {
        let inside: IpAddr = "10.1.2.3".parse().unwrap();
        let http = Egress { allow_http: true, allow_ports: Ports::Only(vec![80, 443]), ..Egress::public() };
        assert_eq!(refusal(&http, "http://example.com/"), None);
        assert_eq!(refusal(&http, "http://example.com:81/"), Some(Refusal::Port(81)));

        let any_port = Egress { allow_ports: Ports::Any, ..Egress::public() };
        assert_eq!(refusal(&any_port, "https://example.com:8443/"), None);

        let host = Egress { allow_hosts: vec!["hooks.internal".to_owned()], ..Egress::public() };
        assert_eq!(host.check_address("Hooks.internal.", inside), Ok(()));
        assert!(host.check_address("evil.hooks.internal", inside).is_err());

        let network = Egress { allow_networks: vec!["10.1.0.0/16".parse().unwrap()], ..Egress::public() };
        assert_eq!(network.check_address("a.example", inside), Ok(()));
        assert_eq!(refusal(&network, "https://10.1.2.3/"), None);
        assert!(refusal(&network, "https://10.2.0.1/").is_some());
    }
}
