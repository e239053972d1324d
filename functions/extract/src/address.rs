//! Whether an IP address is a public one. Pure; the lists are those of IANA's special-purpose registries.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Whether the address may be reached by a name or a redirect that the pipeline did not write itself: not private, loopback, link-local,
/// unspecified, shared (CGNAT), multicast, reserved, or an IPv6 form that carries such an IPv4 address.
pub fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => is_public_v4(v4),
        IpAddr::V6(v6) => is_public_v6(v6),
    }
}

fn is_public_v4(address: Ipv4Addr) -> bool {
    let [a, b, c, _] = address.octets();
    let special = matches!(
        (a, b, c),
        (0, _, _)                       // this network
            | (10, _, _)                // private
            | (100, 64..=127, _)        // shared address space (CGNAT)
            | (127, _, _)               // loopback
            | (169, 254, _)             // link-local; the metadata services of clouds
            | (172, 16..=31, _)         // private
            | (192, 0, 0 | 2)           // protocol assignments, documentation
            | (192, 88, 99)             // 6to4 relays
            | (192, 168, _)             // private
            | (198, 18..=19, _)         // benchmarking
            | (198, 51, 100)            // documentation
            | (203, 0, 113)             // documentation
            | (224..=255, _, _) // multicast, reserved, broadcast
    );
    !special
}

fn is_public_v6(address: Ipv6Addr) -> bool {
    let segments = address.segments();
    let [a, b, c, d, e, f, g, h] = segments;
    let v4 = |high: u16, low: u16| {
        let [w, x] = high.to_be_bytes();
        let [y, z] = low.to_be_bytes();
        is_public_v4(Ipv4Addr::new(w, x, y, z))
    };
    match (a, b, c, d, e, f) {
        (0, 0, 0, 0, 0, 0xffff) => v4(g, h),      // IPv4-mapped
        (0, 0, 0, 0, 0, 0) => false,              // unspecified, loopback, the old IPv4-compatible form
        (0x64, 0xff9b, 0, 0, 0, 0) => v4(g, h),   // NAT64, well-known prefix
        (0x64, 0xff9b, 1, ..) => false,           // NAT64, local prefix
        (0x2002, high, low, ..) => v4(high, low), // 6to4
        (0x2001, 0..=0x1ff, ..) => false,         // protocol assignments: Teredo, ORCHID, benchmarking
        (0x2001, 0xdb8, ..) => false,             // documentation
        (0x3fff, 0..=0xfff, ..) => false,         // documentation
        (0x2000..=0x3fff, ..) => true,            // global unicast
        _ => false,                               // unique local, link-local, multicast, not assigned
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    #[test]
    fn public_addresses() {
        for text in [
            "1.1.1.1",
            "8.8.8.8",
            "100.63.255.255",
            "100.128.0.0",
            "172.15.0.1",
            "172.32.0.1",
            "192.0.1.1",
            "223.255.255.255",
            "2606:4700::1111",
            "2001:4860:4860::8888",
            "::ffff:8.8.8.8",
            "64:ff9b::808:808",
        ] {
            assert!(is_public(text.parse().unwrap()), "{text}");
        }
    }

    #[test]
    fn special_addresses() {
        for text in [
            "0.0.0.0",
            "10.0.0.1",
            "100.64.0.1",
            "127.0.0.1",
            "127.255.255.254",
            "169.254.169.254",
            "172.16.0.1",
            "172.31.255.255",
            "192.0.0.1",
            "192.0.2.1",
            "192.168.1.1",
            "198.18.0.1",
            "198.51.100.1",
            "203.0.113.1",
            "224.0.0.1",
            "240.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::ffff:127.0.0.1",
            "::ffff:169.254.169.254",
            "::7f00:1",
            "64:ff9b::7f00:1",
            "64:ff9b:1::1",
            "2002:7f00:1::",
            "2001::1",
            "2001:db8::1",
            "3fff::1",
            "fc00::1",
            "fd00:ec2::254",
            "fe80::1",
            "ff02::1",
            "4000::1",
            "100::1",
        ] {
            assert!(!is_public(text.parse().unwrap()), "{text}");
        }
    }
}
