//! Tells tests whether the shared material is there, so that those that need it are reported as
//! ignored where it is not. Where `CI` is set they run, and fail.

use std::env;
use std::path::{Path, PathBuf};

fn main() {
    let shared = env::var_os("EVERWARM_SHARED")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared"), PathBuf::from);
    let sign = shared.join("data/README.md");
    println!("cargo::rustc-check-cfg=cfg(shared_absent)");
    println!("cargo::rerun-if-env-changed=EVERWARM_SHARED");
    println!("cargo::rerun-if-env-changed=CI");
    println!("cargo::rerun-if-changed={}", sign.display());
    if env::var_os("CI").is_none() && !sign.exists() {
        println!("cargo::rustc-cfg=shared_absent");
    }
}
