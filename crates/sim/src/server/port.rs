//! The port file: how a client on this machine finds the exchange.

use super::protocol::Protocol;
use crate::wire::sign::{DEMO_KEY, DEMO_SECRET, demo_private_key};
use everwarm_runtime::files::write_whole;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::fmt::Write as _;
use std::hash::{BuildHasher, RandomState};
use std::io;
use std::path::{Path, PathBuf};

/// Name of the file in the data directory.
pub const PORT_FILE: &str = "port.json";
/// Name of the file with the account's private Ed25519 key.
pub const PRIVATE_KEY_FILE: &str = "ed25519.pem";

/// The content of the port file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PortFile {
    /// The port on 127.0.0.1.
    pub port: u16,
    /// The process id of the exchange.
    pub pid: u32,
    /// The token of admin requests.
    pub token: String,
    /// How fast venue time runs: `lockstep`, `real` or like `60x`.
    pub pace: String,
    /// API key of the account.
    pub api_key: String,
    /// The secret of the API key.
    pub api_secret: String,
    /// The protocol of the exchange.
    #[serde(default)]
    pub protocol: Protocol,
}

impl PortFile {
    /// The port file of a server with the usual protocol.
    #[must_use]
    pub fn new(port: u16, token: &str, pace: &str) -> PortFile {
        PortFile {
            port,
            pid: std::process::id(),
            token: token.to_owned(),
            pace: pace.to_owned(),
            api_key: DEMO_KEY.to_owned(),
            api_secret: DEMO_SECRET.to_owned(),
            protocol: Protocol::default(),
        }
    }

    /// Writes the port file and the private Ed25519 key into `dir`. Each is written whole or not at
    /// all, readable by its owner only.
    ///
    /// # Errors
    /// The error of the file system.
    pub fn write(&self, dir: &Path) -> io::Result<()> {
        write_whole(&dir.join(PRIVATE_KEY_FILE), demo_private_key().as_bytes())?;
        write_whole(&dir.join(PORT_FILE), &serde_json::to_vec(self)?)
    }

    /// Reads the port file from `dir`; none if there is no such file.
    ///
    /// # Errors
    /// The file cannot be read or is damaged.
    pub fn read(dir: &Path) -> io::Result<Option<PortFile>> {
        read_json(&dir.join(PORT_FILE), "remove the file: the exchange writes it at its start")
    }
}

/// Reads a JSON file of the exchange; none if there is no such file.
///
/// # Errors
/// The file cannot be read or is damaged. The text names the file and the remedy.
pub fn read_json<T: DeserializeOwned>(file: &Path, remedy: &str) -> io::Result<Option<T>> {
    let with_remedy =
        |e: io::Error| io::Error::new(e.kind(), format!("{}: {e}; {remedy}", file.display()));
    match std::fs::read(file) {
        Ok(bytes) => serde_json::from_slice(&bytes).map_err(|e| with_remedy(e.into())).map(Some),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(e) => Err(with_remedy(e)),
    }
}

/// Whether `dir` no longer belongs to the server with this token: another server started there, or
/// the directory was removed. False if the file cannot be read.
#[must_use]
pub fn was_taken(dir: &Path, token: &str) -> bool {
    match PortFile::read(dir) {
        Ok(port_file) => port_file.is_none_or(|file| file.token != token),
        Err(_) => false,
    }
}

/// The path of the port file in `dir`.
#[must_use]
pub fn path(dir: &Path) -> PathBuf {
    dir.join(PORT_FILE)
}

/// A new random token. The standard library's hash keys provide the randomness of the system.
#[must_use]
#[expect(clippy::disallowed_methods, reason = "chance is what a token is made of")]
pub fn token() -> String {
    let mut hash = Sha256::new();
    for i in 0..8_u64 {
        hash.update(RandomState::new().hash_one(i).to_be_bytes());
    }
    hash.finalize().iter().take(16).fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").expect("writing into memory cannot fail");
        text
    })
}
