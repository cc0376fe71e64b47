//! What TLS proved about the caller.
//!
//! Envoy shows only the first URI SAN as a property, so the certificate itself is read, once a connection.

use crate::host;
use sallyport_engine::identity::{self, Peer, SpiffeId};
use std::cell::RefCell;
use std::rc::Rc;

/// How many connections are remembered. Requests of one connection follow each other closely; a miss costs a few microseconds.
const REMEMBERED: usize = 128;

/// What a connection's certificate says.
#[derive(Clone, Debug)]
pub(crate) enum Certificate {
    /// There is none.
    Absent,
    /// There is one for this workload.
    Identified(SpiffeId),
    /// There is one whose URI SANs, all of them, name no workload.
    Valid(Vec<Vec<u8>>),
    /// There is one, but it cannot be read.
    Unreadable,
}

/// The certificates of the connections seen last. Envoy numbers its connections and never uses a number twice.
#[derive(Debug, Default)]
pub(crate) struct Peers {
    source: Source,
    known: RefCell<Vec<Option<Known>>>,
}

/// Where a caller's names are taken from.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(crate) enum Source {
    /// The certificate, whose names are all seen.
    #[default]
    Certificate,
    /// The one URI SAN that proxies before Envoy 1.38 show: the first. A second one is not noticed.
    FirstUriSan,
    /// What Istio's waypoints were told by the node's proxy that took the caller's certificate: there the connection is an inner one, without
    /// TLS of its own.
    PeerPrincipal,
    /// All requests are of this workload: they are on their way out of its own proxy, which it shows no certificate.
    Workload(SpiffeId),
}

/// A connection's number and its certificate.
type Known = (u64, Rc<Certificate>);

impl Peers {
    pub(crate) fn new(source: Source) -> Self {
        Self { source, known: RefCell::default() }
    }

    /// The certificate of the connection that the current request came on.
    pub(crate) fn current(&self) -> Rc<Certificate> {
        // Quickly read, and not of the certificate of this very connection.
        match &self.source {
            Source::PeerPrincipal => return Rc::new(Certificate::of_principal()),
            Source::Workload(id) => return Rc::new(Certificate::Identified(id.clone())),
            Source::Certificate | Source::FirstUriSan => {}
        }
        let connection =
            host::property("connection\0id").ok().and_then(|id| id.try_into().ok()).map(u64::from_le_bytes);
        let first_alone = self.source == Source::FirstUriSan;
        let read = || Rc::new(Certificate::read(first_alone));
        let Some(connection) = connection else { return read() };
        let slot = usize::try_from(connection).ok().and_then(|id| id.checked_rem(REMEMBERED)).unwrap_or(0);
        let Ok(mut known) = self.known.try_borrow_mut() else { return read() };
        known.resize(REMEMBERED, None);
        match known.get_mut(slot) {
            Some(Some((id, certificate))) if *id == connection => Rc::clone(certificate),
            Some(entry) => {
                let certificate = read();
                *entry = Some((connection, Rc::clone(&certificate)));
                certificate
            }
            None => read(),
        }
    }
}

impl Certificate {
    /// The URI SANs that Istio keeps in the connection's filter state: joined by commas where there are several, and a hyphen where there
    /// is none. No SPIFFE ID has a comma.
    fn of_principal() -> Self {
        match host::property("filter_state\0io.istio.peer_principal").unwrap_or_default().as_slice() {
            b"" | b"-" => Self::Absent,
            names => Self::with_names(names.split(|&byte| byte == b',').map(<[u8]>::to_vec).collect()),
        }
    }

    fn with_names(names: Vec<Vec<u8>>) -> Self {
        let id = match names.as_slice() {
            [name] => SpiffeId::parse(name).ok(),
            _ => None,
        };
        id.map_or(Self::Valid(names), Self::Identified)
    }

    fn read(first_alone: bool) -> Self {
        // Not `peer_certificate_valid`: it is missing before Envoy 1.39, and false on a resumed session (envoy#21235). A listener
        // that asks for certificates validates them, unless it is set up to accept untrusted ones.
        if host::property("connection\0mtls").as_deref() != Ok(&[1]) {
            return Self::Absent;
        }
        let names = if first_alone {
            let first = host::property("connection\0uri_san_peer_certificate").unwrap_or_default();
            Some(if first.is_empty() { Vec::new() } else { vec![first] })
        } else {
            host::property("connection\0peer_certificate").ok().as_deref().and_then(identity::uri_sans)
        };
        match names {
            Some(names) => Self::with_names(names),
            None => Self::Unreadable,
        }
    }

    /// The peer as the engine takes it.
    pub(crate) fn with_peer<R>(&self, use_peer: impl FnOnce(&Peer<'_>) -> R) -> R {
        match self {
            Self::Absent => use_peer(&Peer::Anonymous),
            Self::Unreadable => use_peer(&Peer::Unreadable),
            Self::Identified(id) => use_peer(&Peer::Identified(id)),
            Self::Valid(names) => {
                let names: Vec<&[u8]> = names.iter().map(Vec::as_slice).collect();
                use_peer(&Peer::Verified(&names))
            }
        }
    }
}
