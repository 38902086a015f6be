//! Which address a request without a token is counted under.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use axum::http::HeaderMap;

/// The address that made the request, as far as it is known: the peer's, or where requests
/// pass `proxies` proxies of ours, the one that the outermost of them saw.
///
/// Each proxy appends its peer to `X-Forwarded-For`, so with N proxies the Nth entry from the
/// right is the last one that is not a client's own invention.
pub(crate) fn client(peer: Option<IpAddr>, headers: &HeaderMap, proxies: usize) -> IpAddr {
    let peer = peer.unwrap_or(IpAddr::V6(Ipv6Addr::UNSPECIFIED));
    if proxies == 0 {
        return counted(peer);
    }
    let values = headers.get_all("x-forwarded-for").into_iter();
    let entries: Vec<_> = values.filter_map(|value| value.to_str().ok()).flat_map(|value| value.split(',')).collect();
    // Fewer entries than proxies: what came in by a shorter way is counted where it came in.
    let seen = entries.len().checked_sub(proxies).map_or(entries.first(), |at| entries.get(at));
    counted(seen.and_then(|entry| address(entry.trim())).unwrap_or(peer))
}

/// Some proxies write the port too.
fn address(entry: &str) -> Option<IpAddr> {
    let bare = entry.trim_start_matches('[').trim_end_matches(']');
    bare.parse().ok().or_else(|| entry.parse::<SocketAddr>().ok().map(|address| address.ip()))
}

/// A customer of an IPv6 network has a whole /64 to send from, so that is what counts as one.
fn counted(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(v6) => {
            let [a, b, c, d, ..] = v6.segments();
            Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0).into()
        }
        v4 => v4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(peer: &str, forwarded: &[&str], proxies: usize) -> String {
        let mut headers = HeaderMap::new();
        for value in forwarded {
            headers.append("x-forwarded-for", value.parse().unwrap());
        }
        client(Some(peer.parse().unwrap()), &headers, proxies).to_string()
    }

    #[test]
    fn without_a_proxy_the_peer_counts_whatever_it_says() {
        assert_eq!(of("203.0.113.7", &["198.51.100.1"], 0), "203.0.113.7");
    }

    #[test]
    fn behind_proxies_the_last_entry_that_we_wrote_counts() {
        assert_eq!(of("10.0.0.1", &["6.6.6.6, 203.0.113.7"], 1), "203.0.113.7");
        assert_eq!(of("10.0.0.1", &["6.6.6.6", "203.0.113.7 ,10.0.0.2"], 2), "203.0.113.7");
        assert_eq!(of("10.0.0.1", &["203.0.113.7"], 2), "203.0.113.7");
        assert_eq!(of("10.0.0.1", &[], 1), "10.0.0.1");
        assert_eq!(of("10.0.0.1", &["unknown"], 1), "10.0.0.1");
    }

    #[test]
    fn an_entry_may_have_a_port() {
        assert_eq!(of("10.0.0.1", &["203.0.113.7:4711"], 1), "203.0.113.7");
        assert_eq!(of("10.0.0.1", &["[2001:db8:1:2:3::4]:4711"], 1), "2001:db8:1:2::");
        assert_eq!(of("10.0.0.1", &["[2001:db8:1:2:3::4]"], 1), "2001:db8:1:2::");
    }

    #[test]
    fn ipv6_counts_by_network_and_mapped_ipv4_as_itself() {
        assert_eq!(of("2001:db8:1:2:3:4:5:6", &[], 0), of("2001:db8:1:2::9", &[], 0));
        assert_ne!(of("2001:db8:1:2::9", &[], 0), of("2001:db8:1:3::9", &[], 0));
        assert_eq!(of("::ffff:203.0.113.7", &[], 0), "203.0.113.7");
    }
}
