//! Where Redis is: one server, one that Sentinels name, or a cluster.

use std::str::FromStr;

use redis::{Client, ConnectionInfo};

/// Where Redis is, and who we are to it.
#[derive(Clone)]
pub struct Address(pub(crate) Place);

#[derive(Clone)]
pub(crate) enum Place {
    Server(ConnectionInfo),
    Sentinels(Sentinels),
    /// Some of its nodes.
    Cluster(Vec<ConnectionInfo>),
}

#[derive(Clone)]
pub(crate) struct Sentinels {
    /// Where they are; the rest is what the master wants to be shown.
    pub(crate) all: Vec<ConnectionInfo>,
    /// What they want to be shown themselves.
    pub(crate) password: Option<String>,
    pub(crate) master: String,
}

/// Why a text is no address. Quotes none of it, since there may be a password in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum MalformedAddress {
    #[error(
        "is not an address like redis://localhost:6379, rediss://…, redis+sentinel://HOST,HOST/MASTER or \
         redis+cluster://HOST,HOST"
    )]
    Form,
    #[error("names no master: use redis+sentinel://HOST,HOST/MASTER")]
    Master,
    #[error("a cluster has one database: use redis+cluster://HOST,HOST")]
    Database,
}

const SERVER_PORT: u16 = 6379;
const SENTINEL_PORT: u16 = 26379;
/// Before the password that Sentinels want.
const SENTINEL_PASSWORD: &str = "sentinel_password=";

/// `redis://[USER:PASSWORD@]HOST[:PORT][/DATABASE]`,
/// `redis+sentinel://[USER:PASSWORD@]HOST[:PORT],…/MASTER[/DATABASE][?sentinel_password=…]` or
/// `redis+cluster://[USER:PASSWORD@]HOST[:PORT],…`; with `rediss` in place of `redis`, over TLS.
impl FromStr for Address {
    type Err = MalformedAddress;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let parts = Parts::of(text)?;
        let place = match parts.kind {
            "" if parts.hosts.len() == 1 && parts.query.is_none() => {
                Place::Server(parts.server(parts.hosts[0], SERVER_PORT, parts.path)?)
            }
            "sentinel" => {
                let (master, database) = parts.path.split_once('/').unwrap_or((parts.path, ""));
                if master.is_empty() {
                    return Err(MalformedAddress::Master);
                }
                let password = match parts.query {
                    None => None,
                    Some(query) => Some(query.strip_prefix(SENTINEL_PASSWORD).ok_or(MalformedAddress::Form)?),
                };
                let password = match password {
                    None => None,
                    // Escapes in it are those of any other password.
                    Some(escaped) => read(&format!("redis://:{escaped}@sentinel"))?
                        .redis_settings()
                        .password()
                        .map(ToOwned::to_owned),
                };
                let all = parts.servers(SENTINEL_PORT, database)?;
                Place::Sentinels(Sentinels { all, password, master: master.to_owned() })
            }
            "cluster" if parts.query.is_none() => match parts.path {
                "" => Place::Cluster(parts.servers(SERVER_PORT, "")?),
                _ => return Err(MalformedAddress::Database),
            },
            _ => return Err(MalformedAddress::Form),
        };
        Ok(Self(place))
    }
}

/// An address by its parts, as they are written.
struct Parts<'a> {
    scheme: &'a str,
    kind: &'a str,
    login: Option<&'a str>,
    hosts: Vec<&'a str>,
    path: &'a str,
    query: Option<&'a str>,
}

impl<'a> Parts<'a> {
    fn of(text: &'a str) -> Result<Self, MalformedAddress> {
        let (scheme, rest) = text.split_once("://").ok_or(MalformedAddress::Form)?;
        let (scheme, kind) = scheme.split_once('+').unwrap_or((scheme, ""));
        // What follows a `#` asks the client not to verify certificates, which is no TLS.
        if !matches!(scheme, "redis" | "rediss") || rest.contains('#') {
            return Err(MalformedAddress::Form);
        }
        let (rest, query) = rest.split_once('?').map_or((rest, None), |(rest, query)| (rest, Some(query)));
        let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
        let (login, hosts) =
            authority.rsplit_once('@').map_or((None, authority), |(login, hosts)| (Some(login), hosts));
        let hosts: Vec<_> = hosts.split(',').map(str::trim).collect();
        if hosts.iter().any(|host| host.is_empty()) {
            return Err(MalformedAddress::Form);
        }
        Ok(Self { scheme, kind, login, hosts, path, query })
    }

    fn servers(&self, port: u16, database: &str) -> Result<Vec<ConnectionInfo>, MalformedAddress> {
        self.hosts.iter().map(|host| self.server(host, port, database)).collect()
    }

    fn server(&self, host: &str, port: u16, database: &str) -> Result<ConnectionInfo, MalformedAddress> {
        let Self { scheme, login, .. } = self;
        let login = login.map_or_else(String::new, |login| format!("{login}@"));
        // The colons of an IPv6 address are before its bracket.
        let has_port = host.rsplit_once(':').is_some_and(|(_, port)| !port.ends_with(']'));
        let port = if has_port { String::new() } else { format!(":{port}") };
        read(&format!("{scheme}://{login}{host}{port}/{database}"))
    }
}

/// As the client of Redis reads the address of one server: escapes, IPv6, bounds.
fn read(url: &str) -> Result<ConnectionInfo, MalformedAddress> {
    let client = Client::open(url).map_err(|_| MalformedAddress::Form)?;
    Ok(client.get_connection_info().clone())
}

#[cfg(test)]
mod tests {
    use redis::ConnectionAddr;

    use super::*;

    fn place(text: &str) -> Place {
        let Address(place) = text.parse().unwrap_or_else(|error| panic!("{text} {error}"));
        place
    }

    fn shown(info: &ConnectionInfo) -> (String, Option<&str>, Option<&str>, i64) {
        let settings = info.redis_settings();
        (info.addr().to_string(), settings.username(), settings.password(), settings.db())
    }

    #[test]
    fn one_server_is_a_host_and_what_it_wants_to_be_shown() {
        for (text, expected) in [
            ("redis://localhost", ("localhost:6379", None, None, 0)),
            ("redis://[::1]", ("::1:6379", None, None, 0)),
            ("redis://:hunter2@db:7000/3", ("db:7000", None, Some("hunter2"), 3)),
            ("rediss://me:a%40b%2Fc@db", ("db:6379", Some("me"), Some("a@b/c"), 0)),
        ] {
            let Place::Server(info) = place(text) else { panic!("{text}") };
            let (host, user, password, database) = expected;
            assert_eq!(shown(&info), (host.to_owned(), user, password, database), "{text}");
            assert_eq!(matches!(info.addr(), ConnectionAddr::TcpTls { .. }), text.starts_with("rediss"), "{text}");
        }
    }

    #[test]
    fn sentinels_and_nodes_of_a_cluster_are_many() {
        let Place::Sentinels(found) = place("redis+sentinel://me:pw@a,b:7000/main/2?sentinel_password=x%20y") else {
            panic!("no Sentinels")
        };
        assert_eq!((found.master.as_str(), found.password.as_deref()), ("main", Some("x y")));
        let all: Vec<_> = found.all.iter().map(shown).collect();
        let each = |host: &str| (host.to_owned(), Some("me"), Some("pw"), 2);
        assert_eq!(all, [each("a:26379"), each("b:7000")]);

        let Place::Cluster(nodes) = place("rediss+cluster://:pw@a,b:7000") else { panic!("no cluster") };
        let all: Vec<_> = nodes.iter().map(shown).collect();
        assert_eq!(all[0], ("a:6379".to_owned(), None, Some("pw"), 0));
        assert_eq!(all[1], ("b:7000".to_owned(), None, Some("pw"), 0));
    }

    #[test]
    fn what_is_no_address_is_refused_and_not_quoted() {
        for text in [
            "",
            "localhost:6379",
            "http://me:hunter2@localhost",
            "redis://",
            "redis://me:hunter2@",
            "redis://a,b",
            "redis://a/hunter2",
            "redis://a:port",
            "rediss://a#insecure",
            "redis+unix://hunter2",
            "redis+sentinel://me:hunter2@a,b",
            "redis+sentinel://a,/main",
            "redis+sentinel://a/main?password=hunter2",
            "redis+cluster://me:hunter2@a/1",
        ] {
            let Err(error) = text.parse::<Address>() else { panic!("{text} was taken") };
            assert!(!error.to_string().contains("hunter2"), "{text}");
        }
    }
}
