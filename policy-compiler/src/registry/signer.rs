//! Whose signatures count: Ed25519, as we sign, and ECDSA over P-256 with SHA-256, as cosign does unless told otherwise.

use std::path::Path;

use rustls::SignatureScheme;
use rustls::crypto::ring;
use rustls::pki_types::SignatureVerificationAlgorithm;
use sallyport_engine::bundle::PublicKey;

use crate::keys::{self, KeyError};

/// How the `SubjectPublicKeyInfo` of every P-256 key begins (RFC 5480); an uncompressed point follows.
const P256_PREFIX: [u8; 26] = [
    0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a, 0x86,
    0x48, 0xce, 0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00,
];
/// The length of such a point, in bytes, and its first one.
const POINT: (usize, u8) = (65, 4);

/// A public key.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Signer {
    Ed25519(PublicKey),
    /// A point, not yet known to be one of the curve.
    P256(Vec<u8>),
}

impl Signer {
    /// Reads a key file in PEM.
    pub(crate) fn read(path: &Path) -> Result<Self, KeyError> {
        match keys::read_public(path) {
            Err(KeyError::NotAKey(_)) => {
                let der = keys::read_public_der(path)?;
                der.as_deref().and_then(Self::p256).ok_or(KeyError::NotAKey("PUBLIC KEY"))
            }
            key => key.map(Self::Ed25519),
        }
    }

    fn p256(der: &[u8]) -> Option<Self> {
        let point = der.strip_prefix(&P256_PREFIX)?;
        ((point.len(), *point.first()?) == POINT).then(|| Self::P256(point.to_vec()))
    }

    /// Whether a signature of these bytes is by this key.
    pub(super) fn signed(&self, bytes: &[u8], signature: &[u8]) -> bool {
        match self {
            Self::Ed25519(key) => keys::verifies(key, bytes, signature),
            Self::P256(point) => {
                // A point that is none of the curve's verifies nothing.
                let verified = ecdsa().map(|ecdsa| ecdsa.verify_signature(point, bytes, signature));
                verified.is_some_and(|verified| verified.is_ok())
            }
        }
    }
}

/// The one that TLS here uses, too.
fn ecdsa() -> Option<&'static dyn SignatureVerificationAlgorithm> {
    let known = ring::default_provider().signature_verification_algorithms.mapping;
    let (_, algorithms) =
        known.iter().find(|(scheme, _)| *scheme == SignatureScheme::ECDSA_NISTP256_SHA256)?;
    // Of those of this name, the one for keys on that curve.
    let is_p256 = |one: &&&dyn SignatureVerificationAlgorithm| {
        one.public_key_alg_id() == rustls::pki_types::alg_id::ECDSA_P256
            && one.signature_alg_id() == rustls::pki_types::alg_id::ECDSA_SHA256
    };
    algorithms.iter().find(is_p256).copied()
}

#[cfg(test)]
mod tests {
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;

    use super::*;

    /// Made with `openssl ecparam -name prime256v1 -genkey` and `openssl dgst -sha256 -sign`.
    const KEY: &str = "-----BEGIN PUBLIC KEY-----\nMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEBust3IIXFlwmN4iu5HTBudYwHcSC\n1JSEQjpZ+bXoEIR6HsXGkhy7UzrA9jLFfOvfJ5iY8aQBuvulynszdC/uow==\n-----END PUBLIC KEY-----\n";
    const SIGNATURE: &str =
        "MEQCIDByEwbe3xzfE+fMXIHQpAfBL1tSn2Hgk6aZVcddF/k3AiA82RB7g4eEwd/VUDXMz3wWBnb4O8o3aNNUdp8DjbBqGw==";

    #[test]
    fn what_openssl_signed_with_p256_is_known() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key.pub");
        std::fs::write(&path, KEY).unwrap();
        let key = Signer::read(&path).unwrap();
        let signature = STANDARD.decode(SIGNATURE).unwrap();
        assert!(key.signed(b"what is signed", &signature));
        assert!(!key.signed(b"what is not", &signature));
        for at in 0..signature.len() {
            let mut bad = signature.clone();
            bad[at] ^= 1;
            assert!(!key.signed(b"what is signed", &bad), "byte {at}");
        }
        let Signer::P256(mut point) = key else { unreachable!() };
        point[64] ^= 1;
        assert!(!Signer::P256(point).signed(b"what is signed", &signature), "no point of the curve");
        std::fs::write(&path, KEY.replace("MFkw", "MFkx")).unwrap();
        assert!(Signer::read(&path).is_err());
    }
}
