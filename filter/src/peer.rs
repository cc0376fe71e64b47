//! What TLS proved about the caller.
//!
//! Envoy shows only the first URI SAN as a property, so the certificate itself is read, once a connection.

use crate::host;
use sallyport_engine::identity::{self, Peer};
use std::cell::RefCell;
use std::rc::Rc;

/// How many connections are remembered. Requests of one connection follow each other closely; a miss costs a few microseconds.
const REMEMBERED: usize = 128;

/// What a connection's certificate says.
#[derive(Clone, Debug)]
pub(crate) enum Certificate {
    /// There is none.
    Absent,
    /// There is one; its URI SANs.
    Valid(Vec<Vec<u8>>),
    /// There is one, but it cannot be read.
    Unreadable,
}

/// The certificates of the connections seen last. Envoy numbers its connections and never uses a number twice.
#[derive(Debug, Default)]
pub(crate) struct Peers(RefCell<Vec<Option<Known>>>);

/// A connection's number and its certificate.
type Known = (u64, Rc<Certificate>);

impl Peers {
    /// The certificate of the connection that the current request came on.
    pub(crate) fn current(&self) -> Rc<Certificate> {
        let connection =
            host::property("connection\0id").ok().and_then(|id| id.try_into().ok()).map(u64::from_le_bytes);
        let Some(connection) = connection else { return Rc::new(Certificate::read()) };
        let slot = usize::try_from(connection).ok().and_then(|id| id.checked_rem(REMEMBERED)).unwrap_or(0);
        let Ok(mut known) = self.0.try_borrow_mut() else { return Rc::new(Certificate::read()) };
        known.resize(REMEMBERED, None);
        match known.get_mut(slot) {
            Some(Some((id, certificate))) if *id == connection => Rc::clone(certificate),
            Some(entry) => {
                let certificate = Rc::new(Certificate::read());
                *entry = Some((connection, Rc::clone(&certificate)));
                certificate
            }
            None => Rc::new(Certificate::read()),
        }
    }
}

impl Certificate {
    fn read() -> Self {
        // Not `peer_certificate_valid`: it is missing before Envoy 1.39, and false on a resumed session (envoy#21235). A listener
        // that asks for certificates validates them, unless it is set up to accept untrusted ones.
        if host::property("connection\0mtls").as_deref() != Ok(&[1]) {
            return Self::Absent;
        }
        let pem = host::property("connection\0peer_certificate");
        match pem.ok().as_deref().and_then(identity::uri_sans) {
            Some(names) => Self::Valid(names),
            None => Self::Unreadable,
        }
    }

    /// The peer as the engine takes it.
    pub(crate) fn with_peer<R>(&self, use_peer: impl FnOnce(&Peer<'_>) -> R) -> R {
        match self {
            Self::Absent => use_peer(&Peer::Anonymous),
            Self::Unreadable => use_peer(&Peer::Unreadable),
            Self::Valid(names) => {
                let names: Vec<&[u8]> = names.iter().map(Vec::as_slice).collect();
                use_peer(&Peer::Verified(&names))
            }
        }
    }
}
