//! The server's certificate and whom it trusts, read anew whenever the files change: SVIDs live for an hour.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{NoServerSessionStorage, WebPkiClientVerifier};
use rustls::{RootCertStore, ServerConfig};
use sallyport_engine::identity::{SpiffeId, uri_sans};

use super::Companion;
use super::problem::Problem;
use super::stamps::Stamps;

/// What is spoken: HTTP, which tells its version itself. A sidecar of Istio that shows the mesh's certificate (`ISTIO_MUTUAL`) names nothing
/// but `istio`.
const PROTOCOLS: [&[u8]; 3] = [b"h2", b"http/1.1", b"istio"];

/// How often the files are looked at.
const LOOK: Duration = Duration::from_secs(1);

/// Where the files are.
#[derive(Clone, Debug)]
pub(crate) struct TlsFiles {
    /// The certificate and those between it and its CA, in PEM.
    pub(crate) certificate: PathBuf,
    /// Its private key, in PEM.
    pub(crate) key: PathBuf,
    /// The certificates of CAs; every client must show a certificate of one of them.
    pub(crate) client_ca: Option<PathBuf>,
}

/// What new connections are made with.
#[derive(Debug)]
pub(super) struct Tls {
    files: TlsFiles,
    current: Mutex<Arc<Loaded>>,
}

/// What the files hold.
#[derive(Debug)]
pub(super) struct Loaded {
    pub(super) config: Arc<ServerConfig>,
    /// The trust domain of our own certificate, if that has a SPIFFE ID.
    pub(super) home: Option<String>,
}

impl Tls {
    /// Reads the files for the first time.
    pub(super) fn load(files: TlsFiles) -> Result<Self, String> {
        let current = Mutex::new(files.load()?);
        Ok(Self { files, current })
    }

    /// What to make a connection with that begins now.
    pub(super) fn current(&self) -> Arc<Loaded> {
        Arc::clone(&self.current.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Reads the files whenever they change. Files that do not fit together, as while one is written after the other, change
    /// nothing.
    pub(super) async fn keep_current(&self, companion: &Companion) {
        let mut loaded = self.files.stamps();
        let mut ticks = tokio::time::interval(LOOK);
        loop {
            ticks.tick().await;
            let stamps = self.files.stamps();
            if stamps == loaded {
                // What is in use was put back in the place of files that could not be used.
                companion.problem("tls", None);
                continue;
            }
            match self.files.load() {
                Ok(fresh) => {
                    *self.current.lock().unwrap_or_else(PoisonError::into_inner) = fresh;
                    companion.metrics.certificates_loaded.add(1);
                    companion.problem("tls", None);
                    tracing::info!("the certificate was read anew");
                    loaded = stamps;
                }
                Err(why) => companion.problem("tls", Some(Problem::new("tls", why))),
            }
        }
    }
}

impl TlsFiles {
    fn stamps(&self) -> Stamps {
        let mut stamps = Stamps::default();
        let files = [Some(&self.certificate), Some(&self.key), self.client_ca.as_ref()];
        files.into_iter().flatten().for_each(|path| stamps.add(path));
        stamps
    }

    fn load(&self) -> Result<Arc<Loaded>, String> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ServerConfig::builder_with_provider(Arc::clone(&provider));
        let builder = builder.with_safe_default_protocol_versions().map_err(|why| why.to_string())?;
        let builder = match &self.client_ca {
            None => builder.with_no_client_auth(),
            Some(path) => {
                let verifier =
                    WebPkiClientVerifier::builder_with_provider(Arc::new(roots(path)?), provider).build();
                builder.with_client_cert_verifier(verifier.map_err(|why| told(path, &why))?)
            }
        };
        let key = PrivateKeyDer::from_pem_file(&self.key).map_err(|why| told(&self.key, &why))?;
        let chain = certificates(&self.certificate)?;
        let home = chain.first().and_then(spiffe_id).map(|id| id.trust_domain().to_owned());
        let mut config = builder.with_single_cert(chain, key).map_err(|why| told(&self.certificate, &why))?;
        config.alpn_protocols = PROTOCOLS.map(<[u8]>::to_vec).to_vec();
        // A session that is resumed would outlive the certificate that it began with.
        config.session_storage = Arc::new(NoServerSessionStorage {});
        config.send_tls13_tickets = 0;
        Ok(Arc::new(Loaded { config: Arc::new(config), home }))
    }
}

/// The certificates of CAs in a file.
pub(crate) fn roots(path: &Path) -> Result<RootCertStore, String> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates(path)? {
        roots.add(certificate).map_err(|why| told(path, &why))?;
    }
    Ok(roots)
}

/// The certificates in a file; at least one.
pub(crate) fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, String> {
    let read = CertificateDer::pem_file_iter(path).map_err(|why| told(path, &why))?;
    let all = read.collect::<Result<Vec<_>, _>>().map_err(|why| told(path, &why))?;
    if all.is_empty() { Err(told(path, &"there is no certificate in it")) } else { Ok(all) }
}

fn told(path: &Path, why: &dyn std::fmt::Display) -> String {
    format!("`{}` can not be used: {why}", path.display())
}

/// The SPIFFE ID of a certificate, of which the signatures are looked at elsewhere; `None` if it has none, or more than one name.
pub(super) fn spiffe_id(certificate: &CertificateDer<'_>) -> Option<SpiffeId> {
    let pem =
        format!("-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----\n", STANDARD.encode(certificate));
    let [name] = uri_sans(pem.as_bytes())?.try_into().ok()?;
    SpiffeId::parse(&name).ok()
}
