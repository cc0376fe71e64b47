//! What a host is to whoever must not reach it.

use super::reading::v6;
use crate::http::Host;
use core::net::{Ipv4Addr, Ipv6Addr};

/// Why a host or scheme is a risk.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum HostRisk {
    /// A cloud's metadata service, which hands out credentials.
    Metadata,
    /// The machine itself.
    Loopback,
    /// The link: neighbours, and services of the platform.
    LinkLocal,
    /// An address or a name that only exists inside.
    Private,
    /// A scheme that reads files, runs commands or speaks to internal services.
    DangerousScheme,
}

/// Why a text is taken for a host; the better the reason, the more it can be.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Reason {
    /// It stands where a URL of the web has its host.
    Web,
    /// It stands where another URL has its host, if that is what the scheme has there: `docs://readme`.
    Scheme,
    /// It stands after slashes, or it is the whole text.
    Alone,
    /// It is a word of the text.
    Word,
}

/// The metadata services of AWS (EC2, ECS, EKS), Alibaba, Azure (its wire server), Oracle, Tencent and Scaleway; of Google, Azure and
/// many others, 169.254.169.254.
const METADATA_V4: [Ipv4Addr; 9] = [
    Ipv4Addr::new(169, 254, 169, 254),
    Ipv4Addr::new(169, 254, 170, 2),
    Ipv4Addr::new(169, 254, 170, 23),
    Ipv4Addr::new(100, 100, 100, 200),
    Ipv4Addr::new(168, 63, 129, 16),
    Ipv4Addr::new(192, 0, 0, 192),
    Ipv4Addr::new(169, 254, 0, 23),
    Ipv4Addr::new(169, 254, 42, 42),
    Ipv4Addr::new(169, 254, 10, 10),
];
/// Those of AWS (EC2, EKS), Google, Scaleway, Oracle, Linode, Alibaba and OpenStack.
const METADATA_V6: [Ipv6Addr; 8] = [
    Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254),
    Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x23),
    Ipv6Addr::new(0xfd20, 0xce, 0, 0, 0, 0, 0, 0x254),
    Ipv6Addr::new(0xfd00, 0x42, 0, 0, 0, 0, 0, 0x42),
    Ipv6Addr::new(0xfd00, 0xc1, 0, 0, 0, 0, 0xa9fe, 0xa9fe),
    Ipv6Addr::new(0xfd00, 0xa9fe, 0xa9fe, 0, 0, 0, 0, 1),
    Ipv6Addr::new(0xfd00, 0x100, 0, 0, 0, 0, 0x100, 0x200),
    // OpenStack, by its link-local address.
    Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0xa9fe, 0xa9fe),
];
/// Names of such services; those of one label only count after a scheme or alone.
const METADATA_NAMES: [&str; 11] = [
    "metadata.google.internal",
    "metadata.goog",
    "metadata",
    "metadata.azure.internal",
    "instance-data",
    "instance-data.ec2.internal",
    "metadata.tencentyun.com",
    "api.metadata.cloud.ibm.com",
    "metadata.packet.net",
    "metadata.platformequinix.com",
    "rancher-metadata",
];
/// Domains whose names resolve to the address that they spell.
const EMBEDDING_DOMAINS: [&str; 4] = [".nip.io", ".sslip.io", ".xip.io", ".traefik.me"];
/// Domains that resolve to the machine itself.
const LOOPBACK_DOMAINS: [&str; 3] = ["localhost", "localtest.me", "lvh.me"];

/// The schemes; how many slashes make one dangerous is decided below.
const DANGEROUS_SCHEMES: [&str; 13] = [
    "file", "gopher", "dict", "ldap", "ldaps", "ldapi", "netdoc", "phar", "expect", "php", "tftp", "smb",
    "jar",
];

/// Whether a name is one of these, in any case.
#[inline(never)]
pub(super) fn is_one_of(name: &[u8], names: &[&str]) -> bool {
    names.iter().any(|known| name.eq_ignore_ascii_case(known.as_bytes()))
}

/// What stands before one of these domains.
#[inline(never)]
fn before_domain<'n>(name: &'n str, domains: &[&str]) -> Option<&'n str> {
    domains.iter().find_map(|domain| name.strip_suffix(domain))
}

/// Whether a scheme, with so many slashes and this after them, is one that reads files, runs commands or reaches inside.
pub(super) fn is_dangerous_scheme(scheme: &[u8], slashes: usize, rest: &[u8]) -> bool {
    if !is_one_of(scheme, &DANGEROUS_SCHEMES) {
        return false;
    }
    let needed = if is_one_of(scheme, &["file", "netdoc"]) {
        1
    } else if is_one_of(scheme, &["jar"]) {
        // `jar:` wraps another URL: `jar:file:/a.jar!/b`.
        let wrapped = rest.iter().position(|&byte| byte == b':');
        let wrapped = wrapped
            .and_then(|colon| rest.get(..colon))
            .is_some_and(|scheme| is_one_of(scheme, &["file", "http", "https", "ftp"]));
        if wrapped { 0 } else { 2 }
    } else {
        2
    };
    // A scheme alone, as in a text about schemes, points nowhere.
    let points = rest.first().is_some_and(|byte| byte.is_ascii_graphic() && !b"\"'`<>),;".contains(byte));
    slashes >= needed && points
}

/// The risk of a host, written so, if it is one for that reason.
pub(super) fn classify(host: &Host, text: &str, reason: Reason) -> Option<HostRisk> {
    let risk = match host {
        Host::V4(address) => v4_risk(*address),
        Host::V6(address) => v6_risk(*address),
        Host::Name(name) => name_risk(name, reason),
    }?;
    let believed = match (reason, risk) {
        (Reason::Web | Reason::Scheme, _) | (_, HostRisk::Metadata) => true,
        (Reason::Word, _) => false,
        // Numbers and versions are read as addresses as well: `10`, `127.1`.
        (Reason::Alone, _) => match host {
            Host::V4(_) => {
                text.bytes().filter(|&byte| byte == b'.').count() >= 3
                    || text.contains("0x")
                    || text.contains(':')
            }
            Host::V6(address) => !address.is_unspecified(),
            Host::Name(_) => true,
        },
    };
    believed.then_some(risk)
}

#[inline(never)]
fn v4_risk(address: Ipv4Addr) -> Option<HostRisk> {
    if METADATA_V4.contains(&address) {
        Some(HostRisk::Metadata)
    } else if matches!(address.octets(), [0 | 127, ..]) {
        // All of 0.0.0.0/8 reaches the machine itself on some systems.
        Some(HostRisk::Loopback)
    } else if address.is_link_local() {
        Some(HostRisk::LinkLocal)
    } else {
        Host::V4(address).is_private().then_some(HostRisk::Private)
    }
}

#[inline(never)]
fn v6_risk(address: Ipv6Addr) -> Option<HostRisk> {
    if METADATA_V6.contains(&address) {
        Some(HostRisk::Metadata)
    } else if address.is_loopback() || address.is_unspecified() {
        Some(HostRisk::Loopback)
    } else if address.is_unicast_link_local() {
        Some(HostRisk::LinkLocal)
    } else {
        Host::V6(address).is_private().then_some(HostRisk::Private)
    }
}

/// The name is in lower case and without a trailing dot.
fn name_risk(name: &str, reason: Reason) -> Option<HostRisk> {
    let label = !name.contains('.');
    if is_one_of(name.as_bytes(), &METADATA_NAMES) {
        // `metadata` is a word like others.
        let said = reason == Reason::Web
            || !label
            || (reason == Reason::Alone && is_one_of(name.as_bytes(), &super::BARE_NAMES));
        return said.then_some(HostRisk::Metadata);
    }
    if let Some(front) = before_domain(name, &EMBEDDING_DOMAINS) {
        return Some(embedded_risk(front));
    }
    if before_domain(name, &LOOPBACK_DOMAINS).is_some_and(|front| front.is_empty() || front.ends_with('.')) {
        return Some(HostRisk::Loopback);
    }
    let inside = Host::Name(name.into()).is_private();
    (inside && (!label || reason == Reason::Web)).then_some(HostRisk::Private)
}

/// The risk of the address that a name spells: `169.254.169.254`, `app-169-254-169-254`, `a9fea9fe`, `fd00-ec2--254`. A name that spells
/// none is taken for private, since it can be changed to.
fn embedded_risk(front: &str) -> HostRisk {
    let mut worst = HostRisk::Private;
    // The last four numbers in a row.
    let (mut address, mut numbers) = (0_u32, 0_u32);
    for part in front.split(['.', '-']) {
        if let Ok(octet) = part.parse::<u8>() {
            address = (address << 8) | u32::from(octet);
            numbers = numbers.saturating_add(1);
        } else {
            numbers = 0;
        }
        let hex = if part.len() == 8 { u32::from_str_radix(part, 16).ok() } else { None };
        let spelled = if numbers >= 4 { Some(address) } else { hex };
        worst = spelled
            .and_then(|address| v4_risk(Ipv4Addr::from(address)))
            .map_or(worst, |risk| worst.min(risk));
    }
    for label in front.split('.').filter(|label| label.contains("--")) {
        let risk = match v6(&label.replace('-', ":")) {
            Some(Host::V4(address)) => v4_risk(address),
            Some(Host::V6(address)) => v6_risk(address),
            _ => None,
        };
        worst = risk.map_or(worst, |risk| worst.min(risk));
    }
    worst
}
