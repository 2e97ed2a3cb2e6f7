//! Where a running daemon answers, as a file in its data directory.

use everwarm_runtime::files::write_whole;
use serde::{Deserialize, Serialize};
use std::net::SocketAddr;
use std::path::Path;

/// Name of the file in the data directory that tells where a running daemon answers.
pub const FILE: &str = "api.json";
/// Header of every answer: process id of the daemon, so that a stranger on an old port is noticed.
pub const PID_HEADER: &str = "everwarm-pid";

/// Where a running daemon answers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ApiFile {
    /// Its address.
    pub addr: SocketAddr,
    /// Its process id.
    pub pid: u32,
    /// Where it answers other machines, with TLS; none: nowhere.
    #[serde(default)]
    pub beyond: Option<SocketAddr>,
}

impl ApiFile {
    /// What the file in `data_dir` says; `None` where there is none, or nothing readable.
    #[must_use]
    pub fn read(data_dir: &Path) -> Option<ApiFile> {
        let text = std::fs::read(data_dir.join(FILE)).ok()?;
        serde_json::from_slice(&text).ok()
    }

    /// Writes it whole or not at all, readable by the owner alone.
    ///
    /// # Errors
    /// The system's words.
    pub fn write(&self, data_dir: &Path) -> std::io::Result<()> {
        write_whole(&data_dir.join(FILE), &serde_json::to_vec_pretty(self)?)
    }

    /// Removes it; at a clean stop.
    pub fn remove(data_dir: &Path) {
        if let Err(e) = std::fs::remove_file(data_dir.join(FILE)) {
            tracing::debug!("{FILE} was not removed: {e}");
        }
    }
}
