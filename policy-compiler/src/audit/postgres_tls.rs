//! TLS to PostgreSQL, by what the companion speaks TLS with. Only this machine itself is spoken to without.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use postgres::config::{Config, Host, SslMode};
use postgres::tls::{ChannelBinding, MakeTlsConnect, TlsConnect, TlsStream};
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_rustls::TlsConnector;

use super::database::StoreError;

/// What connections are made with.
#[derive(Clone)]
pub(super) struct Tls(Arc<ClientConfig>);

/// One connection to be made.
pub(super) struct Connect(TlsConnector, Result<ServerName<'static>, io::Error>);

/// One connection.
pub(super) struct Stream<S>(tokio_rustls::client::TlsStream<S>);

/// Asks for TLS unless every host is this machine itself; no address can ask for less.
pub(super) fn demand(config: &mut Config) {
    let local = |host: &Host| match host {
        Host::Unix(_) => true,
        Host::Tcp(name) => {
            name == "localhost" || name.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
        }
    };
    let addresses = config.get_hostaddrs().iter().all(std::net::IpAddr::is_loopback);
    if !(addresses && config.get_hosts().iter().all(local)) {
        config.ssl_mode(SslMode::Require);
    }
}

impl Tls {
    /// Reads the CAs of the system, or those that `SSL_CERT_FILE` names.
    pub(super) fn load() -> Result<Self, StoreError> {
        let mut roots = RootCertStore::empty();
        let found = rustls_native_certs::load_native_certs();
        roots.add_parsable_certificates(found.certs);
        let builder = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()));
        let builder =
            builder.with_safe_default_protocol_versions().map_err(|why| StoreError::new(why.to_string()))?;
        Ok(Self(Arc::new(builder.with_root_certificates(roots).with_no_client_auth())))
    }
}

impl<S> MakeTlsConnect<S> for Tls
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    type Stream = Stream<S>;
    type TlsConnect = Connect;
    type Error = io::Error;

    fn make_tls_connect(&mut self, host: &str) -> Result<Connect, io::Error> {
        let name = ServerName::try_from(host.to_owned()).map_err(io::Error::other);
        Ok(Connect(TlsConnector::from(Arc::clone(&self.0)), name))
    }
}

impl<S> TlsConnect<S> for Connect
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    type Stream = Stream<S>;
    type Error = io::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Stream<S>, io::Error>> + Send>>;

    fn connect(self, stream: S) -> Self::Future {
        Box::pin(async move { Ok(Stream(self.0.connect(self.1?, stream).await?)) })
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> TlsStream for Stream<S> {
    fn channel_binding(&self) -> ChannelBinding {
        ChannelBinding::none()
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncRead for Stream<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(cx, into)
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Stream<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_this_machine_is_spoken_to_without_tls() {
        let mode = |url: &str| {
            let mut config: Config = url.parse().unwrap();
            demand(&mut config);
            config.get_ssl_mode()
        };
        for url in [
            "postgres://a@127.0.0.1/x",
            "postgres://a@localhost:5432/x",
            "postgres://a@%2Frun%2Fpostgresql/x",
            "postgres://a@[::1]/x",
        ] {
            assert_eq!(mode(url), SslMode::Prefer, "{url}");
        }
        for url in [
            "postgres://a@db.tools.svc/x",
            "postgres://a@db.tools.svc/x?sslmode=disable",
            "postgres://a@127.0.0.1,db.tools.svc/x?sslmode=prefer",
            "postgres://a@10.0.0.1/x",
            "postgres://a@localhost/x?hostaddr=10.0.0.1",
        ] {
            assert_eq!(mode(url), SslMode::Require, "{url}");
        }
    }
}
