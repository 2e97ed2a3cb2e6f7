//! The shared material: recorded data, real messages, reference outputs.

use std::path::{Path, PathBuf};

/// A file or folder of it, by `EVERWARM_SHARED` or beside the repository. Tests that need one are
/// ignored where the material is absent: `#[cfg_attr(shared_absent, ignore = "...")]`.
pub fn shared(path: &str) -> PathBuf {
    let mut above = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors();
    let root = above.find(|place| place.join("Cargo.lock").exists()).expect("the repository");
    let beside = || root.join("../shared");
    let path = std::env::var_os("EVERWARM_SHARED").map_or_else(beside, PathBuf::from).join(path);
    assert!(path.exists(), "{} is absent", path.display());
    path
}
