//! The API for other machines, checked. It needs TLS and the token.

use super::checked::Values;
use crate::tls::{Wrong, acceptor};
use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use tokio_rustls::TlsAcceptor;

const LISTEN: &str = "api.listen";
const CERT: &str = "api.tls_cert";
const KEY: &str = "api.tls_key";

/// The API for other machines.
#[derive(Clone)]
pub struct Beyond {
    /// The address.
    pub listen: SocketAddr,
    /// File with the certificates.
    pub cert: PathBuf,
    /// Accepts TLS connections; none if secrets were not loaded.
    pub tls: Option<TlsAcceptor>,
}

impl fmt::Debug for Beyond {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Beyond")
            .field("listen", &self.listen)
            .field("cert", &self.cert)
            .finish_non_exhaustive()
    }
}

impl Values {
    /// The API for other machines, without its private key.
    pub(super) fn beyond(&mut self) -> Option<Beyond> {
        let [listen, cert, key] = [LISTEN, CERT, KEY].map(|key| self.text(key));
        if listen.is_empty() {
            for (name, text) in [(CERT, &cert), (KEY, &key)] {
                if !text.is_empty() {
                    self.wrong(
                        name,
                        &format!("needs {LISTEN}, which is empty: set it, or remove this key"),
                    );
                }
            }
            return None;
        }
        for (name, text) in [(CERT, &cert), (KEY, &key)] {
            if text.is_empty() {
                let needed = format!(
                    "is required, because {LISTEN} is set: other machines need TLS. For this \
                     machine alone, use daemon.listen"
                );
                self.wrong(name, &needed);
            }
        }
        let listen = listen.parse().ok()?;
        Some(Beyond { listen, cert: cert.into(), tls: None })
    }

    /// Reads the certificate and its private key.
    pub(super) fn read_tls(
        &mut self,
        beyond: &mut Option<Beyond>,
        environment: &[(String, String)],
    ) {
        let Some(beyond) = beyond.as_mut().filter(|b| !b.cert.as_os_str().is_empty()) else {
            return;
        };
        let Some(key) = self.secret(KEY, environment) else { return };
        match acceptor(&beyond.cert, &key) {
            Ok(tls) => beyond.tls = Some(tls),
            Err(Wrong::Certificate(e)) => self.wrong(CERT, &e),
            Err(Wrong::Key(e)) => self.wrong(KEY, &format!("its content {e}")),
        }
    }
}
