//! The chain of a proxy's records: each hash covers the one before, and the newest is signed.
//!
//! `hash(0) = SHA-256(START ‖ proxy)`, `hash(n) = SHA-256(hash(n-1) ‖ proxy ‖ epoch ‖ seq ‖ received ‖ raw)`. What has no fixed
//! length is written with its length before it, numbers as eight bytes, the greatest first.

use std::path::{Path, PathBuf};

use sallyport_engine::bundle::PublicKey;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::batch::{Epoch, Proxy};
use crate::keys::{self, SecretKey};

/// What the first hash begins with.
const START: &[u8] = b"sallyport audit chain 1";
/// What everything that is signed begins with: no bundle does.
const HEAD: &[u8] = b"sallyport audit head 1\0";

/// What the number of chains begins with when it is signed.
const NUMBER: &[u8] = b"sallyport audit chains 1\0";

/// Who signs here, and whose signatures are continued: what nobody of them signed was changed by somebody else, and a signature of ours
/// would make it good.
pub(crate) struct Signer {
    key: SecretKey,
    trusted: Vec<PublicKey>,
}

/// How many chains were ever begun, signed: none of them is ever taken away.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(crate) struct Number {
    pub(crate) chains: u64,
    /// Nothing before the first chain.
    signature: Option<[u8; 64]>,
}

/// A link.
pub(crate) type Hash = [u8; 32];

/// How far a chain goes, and since where it is kept. It is what gets signed.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Extent {
    pub(crate) proxy: Proxy,
    /// How many records there were ever; the newest has this place.
    pub(crate) length: u64,
    /// The hash of the newest.
    pub(crate) hash: Hash,
    /// How many were retired from the old end.
    pub(crate) retired: u64,
    /// The hash of the last of those: what the oldest that is kept continues.
    pub(crate) anchor: Hash,
}

/// An extent, and who signed it when.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Signed {
    pub(crate) extent: Extent,
    /// In milliseconds since 1970, by the companion's clock.
    pub(crate) at: u64,
    pub(crate) signature: [u8; 64],
}

/// A signed head as it is exported, to be kept where who can change the store cannot change it.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Head {
    pub(crate) proxy: String,
    pub(crate) length: u64,
    pub(crate) hash: String,
    pub(crate) retired: u64,
    pub(crate) anchor: String,
    pub(crate) at: u64,
    pub(crate) signature: String,
}

/// What the first record of a proxy continues.
pub(crate) fn start(proxy: &Proxy) -> Hash {
    let mut hasher = Sha256::new();
    sized(&mut hasher, START);
    sized(&mut hasher, proxy.as_str().as_bytes());
    hasher.finalize().into()
}

/// The hash of a record that continues `before`.
pub(crate) fn next(before: &Hash, proxy: &Proxy, epoch: Epoch, seq: u64, received: u64, raw: &[u8]) -> Hash {
    let mut hasher = Sha256::new();
    hasher.update(before);
    sized(&mut hasher, proxy.as_str().as_bytes());
    sized(&mut hasher, &epoch.0);
    hasher.update(seq.to_be_bytes());
    hasher.update(received.to_be_bytes());
    sized(&mut hasher, raw);
    hasher.finalize().into()
}

fn sized(hasher: &mut Sha256, bytes: &[u8]) {
    // INVARIANT: a length fits.
    hasher.update(u64::try_from(bytes.len()).unwrap_or(u64::MAX).to_be_bytes());
    hasher.update(bytes);
}

// === impl Extent ===

impl Extent {
    /// The chain of a proxy that has sent nothing yet.
    pub(crate) fn new(proxy: Proxy) -> Self {
        let hash = start(&proxy);
        Self { proxy, length: 0, hash, retired: 0, anchor: hash }
    }

    /// It, signed.
    pub(crate) fn sign(&self, key: &SecretKey, at: u64) -> Signed {
        Signed { extent: self.clone(), at, signature: key.sign_bytes(&self.statement(at)) }
    }

    fn statement(&self, at: u64) -> Vec<u8> {
        let name = self.proxy.as_str().as_bytes();
        let length = u64::try_from(name.len()).unwrap_or(u64::MAX);
        let numbers = [self.length, self.retired, at].map(u64::to_be_bytes).concat();
        [HEAD, &length.to_be_bytes()[..], name, &numbers, &self.hash, &self.anchor].concat()
    }
}

// === impl Signer ===

impl Signer {
    /// The private key in a file, and the public keys of those who signed before, or sign elsewhere.
    pub(crate) fn read(key: &Path, others: &[PathBuf]) -> Result<Self, String> {
        let named = |path: &Path, why: &dyn std::fmt::Display| format!("`{}`: {why}", path.display());
        let own = SecretKey::read(key).map_err(|why| named(key, &why))?;
        let others = others.iter().map(|path| keys::read_public(path).map_err(|why| named(path, &why)));
        let trusted = others.chain(own.public().map(Ok)).collect::<Result<_, _>>()?;
        Ok(Self { key: own, trusted })
    }

    /// An extent, signed.
    pub(crate) fn sign(&self, extent: &Extent, at: u64) -> Signed {
        extent.sign(&self.key, at)
    }

    /// Whether what is signed may be continued.
    pub(crate) fn vouches(&self, signed: &Signed) -> bool {
        signed.verifies(&self.trusted)
    }

    /// What a number of chains becomes when some more begin; nothing if somebody else changed it.
    pub(crate) fn count(&self, number: &Number, more: u64) -> Option<Number> {
        let chains = number.chains.saturating_add(more);
        let signature = Some(self.key.sign_bytes(&Number::statement(chains)));
        number.verifies(&self.trusted).then_some(Number { chains, signature })
    }
}

// === impl Number ===

impl Number {
    fn statement(chains: u64) -> Vec<u8> {
        [NUMBER, &chains.to_be_bytes()[..]].concat()
    }

    /// Whether one of these keys signed it. That there is no chain yet needs no signature.
    pub(crate) fn verifies(&self, trusted: &[PublicKey]) -> bool {
        let statement = Self::statement(self.chains);
        let signed = |signature| trusted.iter().any(|key| keys::verifies(key, &statement, signature));
        self.signature.as_ref().map_or(self.chains == 0, |signature| signed(signature))
    }

    /// As the store has it.
    pub(crate) fn text(&self) -> String {
        self.signature.map_or_else(String::new, |signature| format!("{} {}", self.chains, hex(&signature)))
    }

    /// Reads what the store has; what is none has no signature, and so does not verify.
    pub(crate) fn stored(text: &str) -> Self {
        let parts = text.split_once(' ').and_then(|(chains, signature)| {
            Some(Self { chains: chains.parse().ok()?, signature: Some(unhex(signature)?) })
        });
        let none = if text.is_empty() { 0 } else { u64::MAX };
        parts.unwrap_or(Self { chains: none, signature: None })
    }
}

// === impl Signed ===

impl Signed {
    /// Whether one of these keys signed it.
    pub(crate) fn verifies(&self, trusted: &[PublicKey]) -> bool {
        let statement = self.extent.statement(self.at);
        trusted.iter().any(|key| keys::verifies(key, &statement, &self.signature))
    }

    pub(crate) fn export(&self) -> Head {
        let Extent { proxy, length, hash, retired, anchor } = &self.extent;
        Head {
            proxy: proxy.as_str().to_owned(),
            length: *length,
            hash: hex(hash),
            retired: *retired,
            anchor: hex(anchor),
            at: self.at,
            signature: hex(&self.signature),
        }
    }
}

impl Head {
    /// Reads an exported head; nothing of it is believed before it verifies.
    pub(crate) fn read(&self) -> Option<Signed> {
        let extent = Extent {
            proxy: Proxy::stored(&self.proxy),
            length: self.length,
            hash: unhex(&self.hash)?,
            retired: self.retired,
            anchor: unhex(&self.anchor)?,
        };
        Some(Signed { extent, at: self.at, signature: unhex(&self.signature)? })
    }
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn unhex<const N: usize>(text: &str) -> Option<[u8; N]> {
    let digits: Option<Vec<u8>> =
        text.chars().map(|c| c.to_digit(16).and_then(|d| u8::try_from(d).ok())).collect();
    let digits = digits.filter(|digits| digits.len() == 2 * N)?;
    let bytes: Vec<u8> =
        digits.chunks(2).map(|pair| pair.iter().fold(0, |sum, digit| sum * 16 + digit)).collect();
    bytes.try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_that_is_hashed_counts() {
        let proxy = Proxy::unverified("a").unwrap();
        let zero = start(&proxy);
        let epoch = Epoch([1; 16]);
        let one = next(&zero, &proxy, epoch, 1, 5, b"{}");
        for other in [
            next(&one, &proxy, epoch, 1, 5, b"{}"),
            next(&zero, &Proxy::unverified("b").unwrap(), epoch, 1, 5, b"{}"),
            next(&zero, &proxy, Epoch([2; 16]), 1, 5, b"{}"),
            next(&zero, &proxy, epoch, 2, 5, b"{}"),
            next(&zero, &proxy, epoch, 1, 6, b"{}"),
            next(&zero, &proxy, epoch, 1, 5, b"{ }"),
        ] {
            assert_ne!(one, other);
        }
    }

    #[test]
    fn a_head_is_signed_whole_and_survives_its_export() {
        let (key, other) = (SecretKey::generate().unwrap(), SecretKey::generate().unwrap());
        let signed = Extent::new(Proxy::unverified("a").unwrap()).sign(&key, 7);
        let trusted = [key.public().unwrap()];
        assert!(
            signed.verifies(&trusted)
                && !signed.verifies(&[other.public().unwrap()])
                && !signed.verifies(&[])
        );
        let json = serde_json::to_string(&signed.export()).unwrap();
        let read = serde_json::from_str::<Head>(&json).unwrap().read().unwrap();
        assert_eq!(read, signed);
        let mut changed = [read.clone(), read.clone(), read.clone(), read.clone(), read.clone(), read];
        changed[0].extent.length += 1;
        changed[1].extent.hash[0] ^= 1;
        changed[2].extent.retired += 1;
        changed[3].extent.anchor[31] ^= 1;
        changed[4].at += 1;
        changed[5].extent.proxy = Proxy::unverified("b").unwrap();
        assert!(changed.iter().all(|changed| !changed.verifies(&trusted)));
    }
}
