//! The shared material: recorded data, real messages, reference outputs.

use std::path::{Path, PathBuf};

/// A file or folder of it, by `EVERWARM_SHARED` or beside the repository. Tests that need one are
/// ignored where the material is absent: `#[cfg_attr(shared_absent, ignore = "...")]`.
pub fn shared(path: &str) -> PathBuf {
    let beside = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared");
    let path = std::env::var_os("EVERWARM_SHARED").map_or_else(beside, PathBuf::from).join(path);
    assert!(path.exists(), "{} is absent", path.display());
    path
}
