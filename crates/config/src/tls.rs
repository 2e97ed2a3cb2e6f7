//! TLS for the API on other machines.

use everwarm_domain::secret::Secret;
use rustls::ServerConfig;
use rustls::crypto::ring::default_provider;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use std::path::Path;
use std::sync::Arc;
use tokio_rustls::TlsAcceptor;

/// The error: of the certificate or of its key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wrong {
    /// An error of the certificate.
    Certificate(String),
    /// An error of the key. The text does not contain the key.
    Key(String),
}

/// Accepts connections with the certificates of the file, the server's own first, and its private
/// key.
///
/// # Errors
/// One of them cannot be used, or they do not belong together.
pub fn acceptor(file: &Path, key: &Secret) -> Result<TlsAcceptor, Wrong> {
    let unusable =
        |e: &dyn std::fmt::Display| Wrong::Certificate(format!("{}: {e}", file.display()));
    let pem = std::fs::read(file).map_err(|e| unusable(&e))?;
    let certificates = CertificateDer::pem_slice_iter(&pem).collect::<Result<Vec<_>, _>>();
    let certificates = certificates.map_err(|_| unusable(&"is not a certificate in PEM"))?;
    if certificates.is_empty() {
        return Err(unusable(&"holds no certificate in PEM"));
    }
    let wrong = || Wrong::Key("is not a private key in PEM".to_owned());
    let key = PrivateKeyDer::from_pem_slice(key.expose().as_bytes()).map_err(|_| wrong())?;
    let mut config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|e| unusable(&e))?
        .with_no_client_auth()
        .with_single_cert(certificates, key)
        .map_err(|e| Wrong::Key(format!("does not match the certificate: {e}")))?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(TlsAcceptor::from(Arc::new(config)))
}
