//! The port file of a running daemon: its addresses and process id, in its data directory.

use everwarm_runtime::files::write_whole;
use serde::{Deserialize, Serialize};
use std::net::SocketAddr;
use std::path::Path;

/// Name of the file in the data directory with the daemon's addresses.
pub const FILE: &str = "api.json";
/// Header of every response: process id of the daemon. A client notices if another program uses an
/// old port.
pub const PID_HEADER: &str = "everwarm-pid";

/// The addresses of a running daemon.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ApiFile {
    /// Its address on loopback.
    pub addr: SocketAddr,
    /// Its process id.
    pub pid: u32,
    /// Its address for other machines, with TLS; none: it serves this machine only.
    #[serde(default)]
    pub beyond: Option<SocketAddr>,
}

impl ApiFile {
    /// Reads the file in `data_dir`; `None` if it is missing or cannot be read.
    #[must_use]
    pub fn read(data_dir: &Path) -> Option<ApiFile> {
        let text = std::fs::read(data_dir.join(FILE)).ok()?;
        serde_json::from_slice(&text).ok()
    }

    /// Writes the file atomically, readable by its owner only.
    ///
    /// # Errors
    /// The error of the system.
    pub fn write(&self, data_dir: &Path) -> std::io::Result<()> {
        write_whole(&data_dir.join(FILE), &serde_json::to_vec_pretty(self)?)
    }

    /// Removes the file at a clean stop.
    pub fn remove(data_dir: &Path) {
        if let Err(e) = std::fs::remove_file(data_dir.join(FILE)) {
            tracing::debug!("{FILE} was not removed: {e}");
        }
    }
}
