//! The client's certificate, as far as properties show it.

use std::collections::HashMap;
use std::sync::Arc;

use sallyport_playground::pki::{Ca, PkiError};

/// A validated client certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Peer {
    /// Its URI SANs in order. Envoy's `connection.uri_san_peer_certificate` shows the first only.
    pub uri_sans: Vec<String>,
    /// All of it, as `connection.peer_certificate` shows it.
    pub certificate_pem: Arc<str>,
}

/// Mints one certificate per list of SANs and keeps it: signing takes longer than an exchange.
#[derive(Debug, Default)]
pub struct Identities {
    authority: Option<Ca>,
    minted: HashMap<Vec<String>, Peer>,
}

impl Identities {
    /// The certificate with exactly these URI SANs.
    pub fn peer(&mut self, uri_sans: &[String]) -> Result<Peer, PkiError> {
        if let Some(peer) = self.minted.get(uri_sans) {
            return Ok(peer.clone());
        }
        let authority = match self.authority.take() {
            Some(authority) => authority,
            None => Ca::new("wasm-host.test")?,
        };
        let minted = authority.mint(uri_sans);
        self.authority = Some(authority);
        let peer = Peer { uri_sans: uri_sans.to_vec(), certificate_pem: minted?.certificate_pem().into() };
        self.minted.insert(uri_sans.to_vec(), peer.clone());
        Ok(peer)
    }
}
