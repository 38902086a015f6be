//! Written from the registries and not from the table, so that a range left out shows.

use super::*;

fn why(address: &str) -> Option<&'static str> {
    forbidden(address.parse().unwrap())
}

/// The range's first and last address are refused, for `reason`.
fn refuses(reason: &str, first: &str, last: &str) {
    for address in [first, last] {
        let why = why(address).unwrap_or_else(|| panic!("{address} is allowed, though it is {reason}"));
        assert!(why.starts_with(reason), "{address} is refused as {why}, not as {reason}");
    }
}

fn allows(addresses: &[&str]) {
    for address in addresses {
        assert_eq!(why(address), None, "{address}");
    }
}

macro_rules! refused {
    ($($test:ident: $reason:literal, $first:literal ..= $last:literal, beside [$($neighbour:literal),*];)*) => {
        $(#[test]
        fn $test() {
            refuses($reason, $first, $last);
            allows(&[$($neighbour),*]);
        })*
    };
}

refused! {
    this_network: "this network", "0.0.0.0"..="0.255.255.255", beside ["1.0.0.0"];
    private_10: "private", "10.0.0.0"..="10.255.255.255", beside ["9.255.255.255", "11.0.0.0"];
    carrier_grade_nat: "carrier-grade NAT", "100.64.0.0"..="100.127.255.255", beside ["100.63.255.255", "100.128.0.0"];
    loopback: "loopback", "127.0.0.0"..="127.255.255.255", beside ["126.255.255.255", "128.0.0.0"];
    azure_host_agent: "the host agent", "168.63.129.16"..="168.63.129.16", beside ["168.63.129.15", "168.63.129.17"];
    metadata: "cloud metadata", "169.254.169.254"..="169.254.169.254", beside [];
    link_local: "link-local", "169.254.0.0"..="169.254.255.255", beside ["169.253.255.255", "169.255.0.0"];
    private_172: "private", "172.16.0.0"..="172.31.255.255", beside ["172.15.255.255", "172.32.0.0"];
    protocol_assignments: "IETF protocol", "192.0.0.0"..="192.0.0.255", beside ["191.255.255.255", "192.0.1.0"];
    documentation_1: "documentation", "192.0.2.0"..="192.0.2.255", beside ["192.0.1.255", "192.0.3.0"];
    relays_6to4: "6to4 relays", "192.88.99.0"..="192.88.99.255", beside ["192.88.98.255", "192.88.100.0"];
    private_192: "private", "192.168.0.0"..="192.168.255.255", beside ["192.167.255.255", "192.169.0.0"];
    benchmarking: "benchmarking", "198.18.0.0"..="198.19.255.255", beside ["198.17.255.255", "198.20.0.0"];
    documentation_2: "documentation", "198.51.100.0"..="198.51.100.255", beside ["198.51.99.255", "198.51.101.0"];
    documentation_3: "documentation", "203.0.113.0"..="203.0.113.255", beside ["203.0.112.255", "203.0.114.0"];
    multicast: "multicast", "224.0.0.0"..="239.255.255.255", beside ["223.255.255.255"];
    reserved: "reserved", "240.0.0.0"..="255.255.255.254", beside [];
    broadcast: "broadcast", "255.255.255.255"..="255.255.255.255", beside [];

    v6_unspecified: "unspecified", "::"..="::", beside [];
    v6_loopback: "loopback", "::1"..="::1", beside [];
    v6_compatible: "IPv4-compatible", "::2"..="::ffff:ffff", beside [];
    v6_mapped: "IPv4-mapped", "::ffff:0.0.0.0"..="::ffff:255.255.255.255", beside [];
    v6_translated: "IPv4-translated", "::ffff:0:0:0"..="::ffff:0:ffff:ffff", beside [];
    v6_nat64: "NAT64", "64:ff9b::"..="64:ff9b::ffff:ffff", beside [];
    v6_local_nat64: "local NAT64", "64:ff9b:1::"..="64:ff9b:1:ffff:ffff:ffff:ffff:ffff", beside [];
    v6_discard: "discard-only", "100::"..="100::ffff:ffff:ffff:ffff", beside [];
    v6_below_global: "not global unicast", "100:0:0:1::"..="1fff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", beside ["2000::"];
    v6_teredo: "Teredo", "2001::"..="2001:0:ffff:ffff:ffff:ffff:ffff:ffff", beside ["2000:ffff:ffff:ffff:ffff:ffff:ffff:ffff"];
    v6_benchmarking: "benchmarking", "2001:2::"..="2001:2:0:ffff:ffff:ffff:ffff:ffff", beside [];
    v6_protocol_assignments: "IETF protocol", "2001:1::"..="2001:1ff:ffff:ffff:ffff:ffff:ffff:ffff", beside ["2001:200::"];
    v6_documentation: "documentation", "2001:db8::"..="2001:db8:ffff:ffff:ffff:ffff:ffff:ffff",
        beside ["2001:db7:ffff:ffff:ffff:ffff:ffff:ffff", "2001:db9::"];
    v6_6to4: "6to4", "2002::"..="2002:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
        beside ["2001:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "2003::"];
    v6_documentation_2: "documentation", "3fff::"..="3fff:fff:ffff:ffff:ffff:ffff:ffff:ffff",
        beside ["3ffe:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "3fff:1000::"];
    v6_above_global: "not global unicast", "4000::"..="fbff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
        beside ["3fff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"];
    v6_segment_routing: "segment routing", "5f00::"..="5f00:ffff:ffff:ffff:ffff:ffff:ffff:ffff", beside [];
    v6_unique_local: "unique local", "fc00::"..="fdff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", beside [];
    v6_metadata: "unique local", "fd00:ec2::254"..="fd00:ec2::254", beside [];
    v6_link_local: "link-local", "fe80::"..="febf:ffff:ffff:ffff:ffff:ffff:ffff:ffff", beside [];
    v6_site_local: "site-local", "fec0::"..="feff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", beside [];
    v6_multicast: "multicast", "ff00::"..="ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", beside [];
}

#[test]
fn addresses_of_well_known_public_services_are_allowed() {
    allows(&["1.1.1.1", "8.8.8.8", "93.184.215.14", "2606:4700:4700::1111", "2a00:1450:4001:81b::200e"]);
}

/// An address carried inside another is refused however public it is.
#[test]
fn a_public_address_inside_another_is_refused() {
    for address in ["::ffff:8.8.8.8", "::8.8.8.8", "64:ff9b::8.8.8.8", "2002:808:808::1"] {
        assert!(why(address).is_some(), "{address}");
    }
}

#[test]
fn a_network_contains_its_own_and_nothing_else() {
    let network: Network = "10.1.0.0/16".parse().unwrap();
    assert!(network.contains("10.1.255.255".parse().unwrap()));
    assert!(!network.contains("10.2.0.0".parse().unwrap()));
    assert!(!network.contains("::ffff:10.1.0.1".parse().unwrap()));
    let all: Network = "::/0".parse().unwrap();
    assert!(all.contains("ffff::".parse().unwrap()));
    assert!(!all.contains("1.2.3.4".parse().unwrap()));
    let one: Network = "127.0.0.2".parse().unwrap();
    assert_eq!(one.to_string(), "127.0.0.2/32");
    assert!(!one.contains("127.0.0.3".parse().unwrap()));
}

#[test]
fn a_malformed_network_is_refused() {
    for text in ["", "10.0.0.0/33", "fc00::/129", "10.1.2.3/8", "fc00::1/7", "10.0.0.0/", "10/8", "localhost"] {
        assert!(text.parse::<Network>().is_err(), "{text}");
    }
}
