//! Certificate authorities and X.509-SVIDs, minted on the spot.
//!
//! One [`Ca`] stands for one trust domain; a foreign one is just another value. SVIDs follow the SPIFFE X.509-SVID
//! profile, except that the URI SANs are exactly those asked for: none, several, or one that is no SPIFFE ID at all,
//! because refusing such certificates is what the gate is tested for.
//!
//! Keys are ECDSA P-256. A CA lives 30 days, an SVID [`SVID_LIFETIME`]; both are valid from five minutes ago, so that
//! clocks may differ a little.

use std::io::Write;
use std::net::{IpAddr, Ipv4Addr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rcgen::string::Ia5String;
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DistinguishedName, DnType, ExtendedKeyUsagePurpose,
    IsCa, KeyPair, KeyUsagePurpose, SanType,
};
use time::OffsetDateTime;

/// How long an SVID is valid: one day, enough for a playground left running overnight.
pub const SVID_LIFETIME: Duration = Duration::from_secs(24 * 3600);

/// How long a CA is valid.
const CA_LIFETIME: Duration = Duration::from_secs(30 * 24 * 3600);

/// How far in the past validity begins.
const CLOCK_SLACK: Duration = Duration::from_secs(300);

/// Why a certificate could not be made or written.
#[derive(Debug, thiserror::Error)]
pub enum PkiError {
    /// The name holds something that a certificate cannot carry.
    #[error(
        "`{0}` cannot be put into a certificate: a URI SAN is ASCII only; percent-encode other characters"
    )]
    NotAscii(String),
    /// Key generation or signing failed.
    #[error("cannot make a certificate for `{name}`: {source}")]
    Mint {
        /// What the certificate was for.
        name: String,
        /// What rcgen said.
        source: rcgen::Error,
    },
    /// A file could not be written.
    #[error("cannot write `{}`: {source}; is the folder there and writable?", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
}

/// The signing authority of one trust domain.
pub struct Ca {
    trust_domain: String,
    issuer: CertifiedIssuer<'static, KeyPair>,
}

/// A certificate with its key: an X.509-SVID if it has exactly one URI SAN that is a SPIFFE ID.
#[derive(Clone)]
pub struct Svid {
    certificate_pem: String,
    key_pem: String,
    certificate_der: Vec<u8>,
    key_der: Vec<u8>,
}

/// Where an [`Svid`] was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SvidFiles {
    /// The certificate, PEM.
    pub certificate: PathBuf,
    /// The private key, PKCS #8 PEM, mode 0600.
    pub key: PathBuf,
}

// === impl Ca ===

impl Ca {
    /// A new authority for `trust_domain`, with `spiffe://<trust_domain>` as its own SAN.
    pub fn new(trust_domain: &str) -> Result<Self, PkiError> {
        let mint = |source| PkiError::Mint { name: trust_domain.to_owned(), source };
        // A common name has at most 64 characters; a trust domain may have 255.
        let shown: String = trust_domain.chars().take(40).collect();
        let mut params = params(&format!("{shown} playground CA"), CA_LIFETIME);
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        params.subject_alt_names = vec![uri(&format!("spiffe://{trust_domain}"))?];
        let key = KeyPair::generate().map_err(mint)?;
        let issuer = CertifiedIssuer::self_signed(params, key).map_err(mint)?;
        Ok(Self { trust_domain: trust_domain.to_owned(), issuer })
    }

    /// The name it was made for.
    pub fn trust_domain(&self) -> &str {
        &self.trust_domain
    }

    /// Its certificate: what a peer must trust.
    pub fn certificate_pem(&self) -> String {
        self.issuer.pem()
    }

    /// Writes the certificate to `path`, replacing what is there.
    pub fn write_certificate(&self, path: &Path) -> Result<(), PkiError> {
        write_atomically(path, self.certificate_pem().as_bytes())
    }

    /// A certificate for a caller, with exactly these URI SANs in this order.
    pub fn mint(&self, uri_sans: &[impl AsRef<str>]) -> Result<Svid, PkiError> {
        let names = uri_sans.iter().map(|name| uri(name.as_ref())).collect::<Result<Vec<_>, _>>()?;
        self.sign(uri_sans.first().map_or("no identity", AsRef::as_ref), names)
    }

    /// A certificate for a server on this machine: its SPIFFE ID, `localhost` and 127.0.0.1.
    pub fn mint_server(&self, spiffe_id: &str) -> Result<Svid, PkiError> {
        let localhost = SanType::DnsName(ia5("localhost")?);
        let loopback = SanType::IpAddress(IpAddr::V4(Ipv4Addr::LOCALHOST));
        self.sign(spiffe_id, vec![uri(spiffe_id)?, localhost, loopback])
    }

    pub(crate) fn certificate_der(&self) -> &[u8] {
        self.issuer.der()
    }

    fn sign(&self, name: &str, sans: Vec<SanType>) -> Result<Svid, PkiError> {
        let mint = |source| PkiError::Mint { name: name.to_owned(), source };
        let mut params = params("workload", SVID_LIFETIME);
        params.subject_alt_names = sans;
        params.is_ca = IsCa::ExplicitNoCa;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages =
            vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
        params.use_authority_key_identifier_extension = true;
        let key = KeyPair::generate().map_err(mint)?;
        let certificate = params.signed_by(&key, &self.issuer).map_err(mint)?;
        Ok(Svid {
            certificate_pem: certificate.pem(),
            key_pem: key.serialize_pem(),
            certificate_der: certificate.der().to_vec(),
            key_der: key.serialize_der(),
        })
    }
}

impl std::fmt::Debug for Ca {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Ca").field("trust_domain", &self.trust_domain).finish_non_exhaustive()
    }
}

// === impl Svid ===

impl Svid {
    /// The certificate, PEM.
    pub fn certificate_pem(&self) -> &str {
        &self.certificate_pem
    }

    /// Writes `<name>.pem` and `<name>.key` into `dir`, replacing what is there. Each file appears whole or not at all.
    pub fn write(&self, dir: &Path, name: &str) -> Result<SvidFiles, PkiError> {
        let files =
            SvidFiles { certificate: dir.join(format!("{name}.pem")), key: dir.join(format!("{name}.key")) };
        write_atomically(&files.key, self.key_pem.as_bytes())?;
        write_atomically(&files.certificate, self.certificate_pem.as_bytes())?;
        Ok(files)
    }

    pub(crate) fn certificate_der(&self) -> &[u8] {
        &self.certificate_der
    }

    pub(crate) fn key_der(&self) -> &[u8] {
        &self.key_der
    }
}

/// Shows nothing of the key.
impl std::fmt::Debug for Svid {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Svid").finish_non_exhaustive()
    }
}

/// Parameters every certificate starts from. The subject is never empty: RFC 5280 would then want a critical SAN.
fn params(common_name: &str, lifetime: Duration) -> CertificateParams {
    let now = OffsetDateTime::now_utc();
    let mut subject = DistinguishedName::new();
    subject.push(DnType::CommonName, common_name);
    let mut params = CertificateParams::default();
    params.distinguished_name = subject;
    params.not_before = now - CLOCK_SLACK;
    params.not_after = now + lifetime;
    params
}

fn uri(name: &str) -> Result<SanType, PkiError> {
    Ok(SanType::URI(ia5(name)?))
}

fn ia5(name: &str) -> Result<Ia5String, PkiError> {
    Ia5String::try_from(name).map_err(|_| PkiError::NotAscii(name.to_owned()))
}

/// Writes beside the target and renames. The temporary file has mode 0600 from its first moment, so no reader ever sees
/// a key half written or open to others.
fn write_atomically(path: &Path, content: &[u8]) -> Result<(), PkiError> {
    let failed = |source| PkiError::Write { path: path.to_owned(), source };
    let dir = path.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut file = tempfile::NamedTempFile::new_in(dir).map_err(failed)?;
    file.write_all(content).map_err(failed)?;
    file.persist(path).map_err(|error| failed(error.error))?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use x509_parser::prelude::{FromDer, GeneralName, X509Certificate};

    use super::*;

    const AGENT: &str = "spiffe://acme.internal/ns/agents/sa/research-agent";

    fn uri_sans(der: &[u8]) -> Vec<String> {
        let (_, certificate) = X509Certificate::from_der(der).unwrap();
        let Some(names) = certificate.subject_alternative_name().unwrap() else { return Vec::new() };
        let names = names.value.general_names.iter();
        names
            .filter_map(|name| if let GeneralName::URI(uri) = name { Some((*uri).to_owned()) } else { None })
            .collect()
    }

    #[test]
    fn an_svid_follows_the_x509_svid_profile() {
        let ca = Ca::new("acme.internal").unwrap();
        let svid = ca.mint(&[AGENT]).unwrap();
        let (_, certificate) = X509Certificate::from_der(svid.certificate_der()).unwrap();
        let basic = certificate.basic_constraints().unwrap().unwrap();
        let usage = certificate.key_usage().unwrap().unwrap();
        let extended = certificate.extended_key_usage().unwrap().unwrap();
        assert!(basic.critical && !basic.value.ca);
        assert!(usage.critical && usage.value.digital_signature() && !usage.value.key_cert_sign());
        assert!(extended.value.client_auth && extended.value.server_auth);
        assert_eq!(uri_sans(svid.certificate_der()), [AGENT]);
        assert!(certificate.validity().is_valid());
        assert!(certificate.verify_signature(None).is_err(), "it is not self-signed");
    }

    #[test]
    fn uri_sans_are_exactly_those_asked_for() {
        let ca = Ca::new("acme.internal").unwrap();
        let malformed = "SPIFFE://acme.internal/../x?y#z";
        for names in [vec![], vec![malformed], vec![AGENT, "spiffe://acme.internal/b"], vec!["", AGENT]] {
            assert_eq!(uri_sans(ca.mint(&names).unwrap().certificate_der()), names);
        }
    }

    #[test]
    fn what_a_certificate_cannot_carry_is_an_error() {
        let ca = Ca::new("acme.internal").unwrap();
        assert!(matches!(ca.mint(&["spiffe://acme.internal/ä"]), Err(PkiError::NotAscii(_))));
        assert!(matches!(Ca::new("äcme"), Err(PkiError::NotAscii(_))));
        assert!(Ca::new(&"a".repeat(255)).is_ok());
    }

    #[test]
    fn files_are_private_and_replaced_whole() {
        let dir = tempfile::tempdir().unwrap();
        let ca = Ca::new("acme.internal").unwrap();
        ca.mint(&[AGENT]).unwrap().write(dir.path(), "research").unwrap();
        let svid = ca.mint(&[AGENT]).unwrap();
        let files = svid.write(dir.path(), "research").unwrap();
        assert_eq!(std::fs::metadata(&files.key).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(std::fs::read_to_string(&files.certificate).unwrap(), svid.certificate_pem());
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 2, "no temporary file stays");
        assert!(matches!(svid.write(&dir.path().join("absent"), "x"), Err(PkiError::Write { .. })));
    }
}
