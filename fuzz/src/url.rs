//! URLs as arguments: the reader never panics, reads what it wrote, and where the WHATWG standard reads a URL too, both find that
//! it leads to the same place.

use sallyport_engine::http::{Host, Url};
use std::net::{IpAddr, Ipv4Addr};

/// Checks one URL.
pub fn check(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let Some(found) = Url::parse(text) else { return };
    let port = found.port.map_or(String::new(), |port| format!(":{port}"));
    let written = format!("{}://{}{port}/", found.scheme, write(&found.host));
    assert_eq!(Url::parse(&written).as_ref(), Some(&found), "written and read again");
    if let Host::Name(name) = &found.host {
        assert!(name.parse::<Ipv4Addr>().is_err(), "an address is no name");
        assert!(!name.ends_with('.') && !name.bytes().any(|b| b.is_ascii_uppercase()));
    }
    check_standard(text, &found);
}

fn write(host: &Host) -> String {
    match host {
        Host::Name(name) => name.clone(),
        Host::V4(address) => address.to_string(),
        Host::V6(address) => format!("[{address}]"),
    }
}

/// The schemes whose hosts the standard gives a meaning.
fn check_standard(text: &str, found: &Url) {
    let Ok(theirs) = url::Url::parse(text) else { return };
    assert_eq!(theirs.scheme(), found.scheme);
    if !matches!(theirs.scheme(), "http" | "https" | "ws" | "wss" | "ftp") {
        return;
    }
    assert_eq!(theirs.port_or_known_default(), found.effective_port());
    match theirs.host() {
        Some(url::Host::Domain(name)) => {
            let name = name.strip_suffix('.').unwrap_or(name);
            assert_eq!(found.host, Host::Name(name.to_string()));
        }
        Some(url::Host::Ipv4(address)) => assert_eq!(found.host, Host::V4(address)),
        Some(url::Host::Ipv6(address)) => match found.host {
            Host::V6(ours) => assert_eq!(ours, address),
            // One that stands for an address of version 4 is read as that.
            Host::V4(ours) => assert!(address.octets().windows(4).any(|four| four == ours.octets())),
            Host::Name(_) => panic!("{address} was read as a name"),
        },
        None => panic!("a host where the standard finds none"),
    }
    check_ranges(found);
}

/// What the standard library calls inside is inside.
fn check_ranges(found: &Url) {
    let inside = match found.host {
        Host::V4(address) => is_inside(IpAddr::V4(address)),
        Host::V6(address) => is_inside(IpAddr::V6(address)),
        Host::Name(_) => false,
    };
    assert!(!inside || found.host.is_private());
}

fn is_inside(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => {
            v4.is_private()
                || v4.is_loopback()
                || v4.is_link_local()
                || v4.is_unspecified()
                || v4.is_broadcast()
        }
        IpAddr::V6(v6) => {
            v6.is_loopback() || v6.is_unspecified() || v6.is_unique_local() || v6.is_unicast_link_local()
        }
    }
}
