//! Where a merchant is told of its orders. What cannot be a public https URL is refused here;
//! whoever sends looks again, at the address that the name has by then.

use std::net::{Ipv4Addr, Ipv6Addr};

use url::{Host, Url};

use super::Read;

const LENGTH: usize = 512;
const HTTPS: u16 = 443;

/// The URL as it is normally written, so that what is kept is what was looked at; none stays none.
pub(crate) fn notify_url(text: &str) -> Read<String> {
    if text.is_empty() {
        return Ok(String::new());
    }
    fits(text)?;
    let read = Url::parse(text).ok().filter(|url| url.scheme() == "https");
    let url = read.ok_or("must be an absolute https URL, e.g. https://shop.example.com/told")?;
    plain(&url)?;
    public(&url)?;
    fits(url.as_str())?;
    Ok(url.into())
}

fn fits(text: &str) -> Read<()> {
    // A parser of URLs drops what it calls noise; what was meant is not for us to guess.
    let noise = |c: char| c.is_control() || c.is_whitespace() || c == '\\';
    if text.len() > LENGTH || text.contains(noise) {
        return Err(format!(
            "must be at most {LENGTH} characters, without spaces, control characters and backslashes"
        ));
    }
    Ok(())
}

fn plain(url: &Url) -> Read<()> {
    if !url.username().is_empty() || url.password().is_some() {
        return Err("must be without user name and password".to_owned());
    }
    if url.fragment().is_some() {
        return Err("must be without a fragment (#)".to_owned());
    }
    if url.port_or_known_default() != Some(HTTPS) {
        return Err(format!("must be at port {HTTPS}, which needs not be said"));
    }
    Ok(())
}

fn public(url: &Url) -> Read<()> {
    let is_public = match url.host() {
        Some(Host::Domain(name)) => may_be_public(name),
        Some(Host::Ipv4(address)) => is_public_v4(address),
        Some(Host::Ipv6(address)) => is_public_v6(address),
        None => false,
    };
    if is_public {
        return Ok(());
    }
    let fix = "must have a public host: a name with a dot in it and none at its end, or an \
               address that is not private, loopback, link-local or reserved";
    Err(fix.to_owned())
}

fn may_be_public(name: &str) -> bool {
    name.contains('.') && !name.ends_with('.') && !name.ends_with(".localhost")
}

// IANA's special-purpose registry: what no public host has, and how many bits say so.
const SPECIAL_V4: [(Ipv4Addr, u32); 15] = [
    (Ipv4Addr::UNSPECIFIED, 8),
    (Ipv4Addr::new(10, 0, 0, 0), 8),
    (Ipv4Addr::new(100, 64, 0, 0), 10),
    (Ipv4Addr::new(127, 0, 0, 0), 8),
    (Ipv4Addr::new(169, 254, 0, 0), 16),
    (Ipv4Addr::new(172, 16, 0, 0), 12),
    (Ipv4Addr::new(192, 0, 0, 0), 24),
    (Ipv4Addr::new(192, 0, 2, 0), 24),
    (Ipv4Addr::new(192, 88, 99, 0), 24),
    (Ipv4Addr::new(192, 168, 0, 0), 16),
    (Ipv4Addr::new(198, 18, 0, 0), 15),
    (Ipv4Addr::new(198, 51, 100, 0), 24),
    (Ipv4Addr::new(203, 0, 113, 0), 24),
    (Ipv4Addr::new(224, 0, 0, 0), 4),
    (Ipv4Addr::new(240, 0, 0, 0), 4),
];

fn is_public_v4(address: Ipv4Addr) -> bool {
    let within = |(first, bits): &(Ipv4Addr, u32)| {
        (address.to_bits() ^ first.to_bits()).leading_zeros() >= *bits
    };
    !SPECIAL_V4.iter().any(within)
}

// The unicast block, and what is special within it; mapped and translated IPv4 is outside.
const UNICAST: (Ipv6Addr, u32) = (Ipv6Addr::new(0x2000, 0, 0, 0, 0, 0, 0, 0), 3);
const SPECIAL_V6: [(Ipv6Addr, u32); 4] = [
    (Ipv6Addr::new(0x2001, 0, 0, 0, 0, 0, 0, 0), 23),
    (Ipv6Addr::new(0x2001, 0x0db8, 0, 0, 0, 0, 0, 0), 32),
    (Ipv6Addr::new(0x2002, 0, 0, 0, 0, 0, 0, 0), 16),
    (Ipv6Addr::new(0x3fff, 0, 0, 0, 0, 0, 0, 0), 20),
];

fn is_public_v6(address: Ipv6Addr) -> bool {
    let within = |(first, bits): &(Ipv6Addr, u32)| {
        (address.to_bits() ^ first.to_bits()).leading_zeros() >= *bits
    };
    within(&UNICAST) && !SPECIAL_V6.iter().any(within)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn refused(text: &str, says: &str) {
        let fix = notify_url(text).unwrap_err();
        assert!(fix.contains(says), "{text:?}: {fix}");
    }

    #[test]
    fn a_url_is_kept_the_way_urls_are_written() {
        for (text, kept) in [
            ("", ""),
            (
                "https://shop.example.com/told?a=1",
                "https://shop.example.com/told?a=1",
            ),
            ("HTTPS://Shop.Example.COM", "https://shop.example.com/"),
            (
                "https://shop.example.com:443/a/../b",
                "https://shop.example.com/b",
            ),
            (
                "https://商户.example.com/通知",
                "https://xn--czr041a.example.com/%E9%80%9A%E7%9F%A5",
            ),
            ("https://8.8.8.8/", "https://8.8.8.8/"),
            ("https://[2606:4700::1111]/", "https://[2606:4700::1111]/"),
        ] {
            assert_eq!(notify_url(text).as_deref(), Ok(kept), "{text:?}");
            // And once more: what is kept is written so already.
            assert_eq!(notify_url(kept).as_deref(), Ok(kept), "{kept:?}");
        }
    }

    #[test]
    fn only_an_absolute_https_url_is_one() {
        for text in [
            "told",
            "/told",
            "//shop.example.com/told",
            "shop.example.com",
            "http://shop.example.com/",
            "ftp://shop.example.com/",
            "file:///etc/passwd",
            "https://",
            "https://shop.example.com:99999/",
            "https://1.2.3.4.5/",
        ] {
            refused(text, "must be an absolute https URL");
        }
    }

    #[test]
    fn what_a_reader_may_take_for_another_host_is_refused() {
        refused("https://a@shop.example.com/", "without user name");
        refused("https://:b@shop.example.com/", "without user name");
        refused("https://shop.example.com/#", "without a fragment");
        refused(
            "https://evil.example.com#@good.example.com/",
            "without a fragment",
        );
        refused("https://shop.example.com:8443/", "port 443");
        refused("https://shop.example.com:80/", "port 443");
        for text in [
            " https://a.example.com/",
            "https://a.exa\tmple.com/",
            "https://a.b\\c.d/",
        ] {
            refused(text, "without spaces");
        }
    }

    #[test]
    fn a_long_url_is_refused_also_when_writing_it_properly_makes_it_long() {
        let of = |path: String| format!("https://a.example.com/{path}");
        let longest = of("a".repeat(LENGTH - of(String::new()).len()));
        assert_eq!(notify_url(&longest).as_ref(), Ok(&longest));
        refused(&format!("{longest}a"), "at most 512 characters");
        refused(&of("店".repeat(100)), "at most 512 characters");
    }

    #[test]
    fn a_host_that_is_not_public_is_refused_in_all_its_forms() {
        let inside = "127.0.0.1 127.255.255.255 0.0.0.0 10.1.2.3 172.16.0.1 172.31.255.255 \
            192.168.1.1 169.254.169.254 100.64.0.1 100.127.255.255 192.0.0.8 192.0.2.1 \
            192.88.99.1 198.18.0.1 198.19.255.255 198.51.100.1 203.0.113.1 224.0.0.1 240.0.0.1 \
            255.255.255.255 2130706433 0x7f.1 017700000001 127.1 127.0.0.1. １２７.0.0.1 \
            [::1] [::] [fe80::1] [fc00::1] [fdff::1] [ff02::1] [2001:db8::1] [3fff::1] [100::1] \
            [64:ff9b::7f00:1] [64:ff9b:1::1] [2002:7f00:1::] [5f00::1] [2001::1] \
            [::ffff:127.0.0.1] [::127.0.0.1] \
            localhost LOCALHOST localhost. a.localhost intranet shop.example.com.";
        for host in inside.split_whitespace() {
            refused(&format!("https://{host}/"), "must have a public host");
        }
    }

    #[test]
    fn the_neighbours_of_what_is_not_public_are() {
        let outside = "1.0.0.0 9.255.255.255 11.0.0.0 100.63.255.255 100.128.0.0 126.255.255.255 \
            128.0.0.0 169.253.255.255 169.255.0.0 172.15.255.255 172.32.0.0 192.0.1.0 \
            192.167.255.255 192.169.0.0 198.17.255.255 198.20.0.0 223.255.255.255 \
            [2001:200::1] [2003::1] [2400::1] [3ffe::1]";
        for host in outside.split_whitespace() {
            let url = format!("https://{host}/");
            assert_eq!(notify_url(&url).as_ref(), Ok(&url));
        }
    }
}
