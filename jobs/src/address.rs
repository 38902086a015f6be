//! Which IP addresses are public: what a URL that a user named may lead to.
//!
//! The ranges are those of the IANA special-purpose address registries
//! (<https://www.iana.org/assignments/iana-ipv4-special-registry>,
//! <https://www.iana.org/assignments/iana-ipv6-special-registry>) that are not globally
//! reachable, and those that carry an IPv4 address inside an IPv6 one, since a translator
//! on the way would undo the check.

use std::{
    fmt,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    str::FromStr,
};

/// Why nothing is sent to `address`, or `None` when it is public.
pub fn forbidden(address: IpAddr) -> Option<&'static str> {
    FORBIDDEN.iter().find(|(network, _)| network.contains(address)).map(|(_, why)| *why)
}

/// A block of addresses, written `10.0.0.0/8` or `fc00::/7`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Network {
    base: IpAddr,
    prefix: u8,
}

impl Network {
    const fn v4(a: u8, b: u8, c: u8, d: u8, prefix: u8) -> Self {
        Self { base: IpAddr::V4(Ipv4Addr::new(a, b, c, d)), prefix }
    }

    /// The rest of the address is zero.
    const fn v6(head: [u16; 6], prefix: u8) -> Self {
        let [a, b, c, d, e, f] = head;
        Self { base: IpAddr::V6(Ipv6Addr::new(a, b, c, d, e, f, 0, 0)), prefix }
    }

    /// Of one family only: an IPv4 address is in no IPv6 network, mapped or not.
    pub fn contains(&self, address: IpAddr) -> bool {
        match (self.base, address) {
            (IpAddr::V4(base), IpAddr::V4(address)) => {
                let outside = u32::from(base) ^ u32::from(address);
                outside.checked_shr(32 - u32::from(self.prefix)).unwrap_or(0) == 0
            }
            (IpAddr::V6(base), IpAddr::V6(address)) => {
                let outside = u128::from(base) ^ u128::from(address);
                outside.checked_shr(128 - u32::from(self.prefix)).unwrap_or(0) == 0
            }
            _ => false,
        }
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.base, self.prefix)
    }
}

/// Not a block of addresses.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a network: write it as 10.1.0.0/16 or fd00:1::/32, with no bit set after the prefix")]
pub struct MalformedNetwork(String);

impl FromStr for Network {
    type Err = MalformedNetwork;

    /// A single address is the network of itself.
    fn from_str(s: &str) -> Result<Self, Self::Err> {
        let malformed = || MalformedNetwork(s.to_owned());
        let (base, prefix) = s.split_once('/').map_or((s, None), |(base, prefix)| (base, Some(prefix)));
        let base: IpAddr = base.parse().map_err(|_| malformed())?;
        let (bits, value) = match base {
            IpAddr::V4(v4) => (32, u128::from(u32::from(v4)) << 96),
            IpAddr::V6(v6) => (128, u128::from(v6)),
        };
        let prefix: u8 = prefix.map_or(Ok(bits), str::parse).map_err(|_| malformed())?;
        // 10.1.2.3/8 is more often a slip than a wish for 10.0.0.0/8.
        let host_bits = value.checked_shl(u32::from(prefix)).unwrap_or(0);
        if prefix > bits || host_bits != 0 { Err(malformed()) } else { Ok(Self { base, prefix }) }
    }
}

/// The first that contains an address says why it is refused.
const FORBIDDEN: &[(Network, &str)] = &[
    (Network::v4(0, 0, 0, 0, 8), "this network (RFC 791)"),
    (Network::v4(10, 0, 0, 0, 8), "private (RFC 1918)"),
    (Network::v4(100, 64, 0, 0, 10), "carrier-grade NAT (RFC 6598)"),
    (Network::v4(127, 0, 0, 0, 8), "loopback (RFC 1122)"),
    (Network::v4(168, 63, 129, 16, 32), "the host agent of Azure"),
    (Network::v4(169, 254, 169, 254, 32), "cloud metadata"),
    (Network::v4(169, 254, 0, 0, 16), "link-local (RFC 3927)"),
    (Network::v4(172, 16, 0, 0, 12), "private (RFC 1918)"),
    // Two addresses in it are globally reachable anycast (PCP, TURN): no place for an endpoint.
    (Network::v4(192, 0, 0, 0, 24), "IETF protocol assignments (RFC 6890)"),
    (Network::v4(192, 0, 2, 0, 24), "documentation (RFC 5737)"),
    (Network::v4(192, 88, 99, 0, 24), "6to4 relays (RFC 7526)"),
    (Network::v4(192, 168, 0, 0, 16), "private (RFC 1918)"),
    (Network::v4(198, 18, 0, 0, 15), "benchmarking (RFC 2544)"),
    (Network::v4(198, 51, 100, 0, 24), "documentation (RFC 5737)"),
    (Network::v4(203, 0, 113, 0, 24), "documentation (RFC 5737)"),
    (Network::v4(224, 0, 0, 0, 4), "multicast (RFC 5771)"),
    (Network::v4(255, 255, 255, 255, 32), "broadcast (RFC 919)"),
    (Network::v4(240, 0, 0, 0, 4), "reserved (RFC 1112)"),
    // Within 2000::/3, the one block that IANA assigns from.
    (Network::v6([0x2001, 0, 0, 0, 0, 0], 32), "Teredo, which embeds IPv4 (RFC 4380)"),
    (Network::v6([0x2001, 2, 0, 0, 0, 0], 48), "benchmarking (RFC 5180)"),
    (Network::v6([0x2001, 0, 0, 0, 0, 0], 23), "IETF protocol assignments (RFC 2928)"),
    (Network::v6([0x2001, 0xdb8, 0, 0, 0, 0], 32), "documentation (RFC 3849)"),
    (Network::v6([0x2002, 0, 0, 0, 0, 0], 16), "6to4, which embeds IPv4 (RFC 3056)"),
    (Network::v6([0x3fff, 0, 0, 0, 0, 0], 20), "documentation (RFC 9637)"),
    // Outside it; the last three leave nothing.
    (Network { base: IpAddr::V6(Ipv6Addr::UNSPECIFIED), prefix: 128 }, "unspecified (RFC 4291)"),
    (Network { base: IpAddr::V6(Ipv6Addr::LOCALHOST), prefix: 128 }, "loopback (RFC 4291)"),
    (Network::v6([0, 0, 0, 0, 0, 0], 96), "IPv4-compatible (RFC 4291)"),
    (Network::v6([0, 0, 0, 0, 0, 0xffff], 96), "IPv4-mapped (RFC 4291)"),
    (Network::v6([0, 0, 0, 0, 0xffff, 0], 96), "IPv4-translated (RFC 7915)"),
    (Network::v6([0x64, 0xff9b, 0, 0, 0, 0], 96), "NAT64, which embeds IPv4 (RFC 6052)"),
    (Network::v6([0x64, 0xff9b, 1, 0, 0, 0], 48), "local NAT64, which embeds IPv4 (RFC 8215)"),
    (Network::v6([0x100, 0, 0, 0, 0, 0], 64), "discard-only (RFC 6666)"),
    (Network::v6([0x5f00, 0, 0, 0, 0, 0], 16), "segment routing (RFC 9602)"),
    (Network::v6([0xfc00, 0, 0, 0, 0, 0], 7), "unique local (RFC 4193)"),
    (Network::v6([0xfe80, 0, 0, 0, 0, 0], 10), "link-local (RFC 4291)"),
    (Network::v6([0xfec0, 0, 0, 0, 0, 0], 10), "site-local (RFC 3879)"),
    (Network::v6([0xff00, 0, 0, 0, 0, 0], 8), "multicast (RFC 4291)"),
    (Network::v6([0, 0, 0, 0, 0, 0], 3), "not global unicast"),
    (Network::v6([0x4000, 0, 0, 0, 0, 0], 2), "not global unicast"),
    (Network::v6([0x8000, 0, 0, 0, 0, 0], 1), "not global unicast"),
];

#[cfg(test)]
mod tests;
