//! For build scripts: reports to tests whether the shared material is there. Those that need it are
//! reported as ignored where it is not. Where `CI` is set they run, and fail.

use std::env;
use std::path::PathBuf;

/// Sets `shared_absent` where the material is absent.
pub fn declare() {
    let here = env::var_os("CARGO_MANIFEST_DIR").map(PathBuf::from).expect("set by cargo");
    let mut above = here.ancestors();
    let root = above.find(|place| place.join("Cargo.lock").exists()).expect("the repository");
    let beside = || root.join("../shared");
    let shared = env::var_os("EVERWARM_SHARED").map_or_else(beside, PathBuf::from);
    let sign = shared.join("data/README.md");
    println!("cargo::rustc-check-cfg=cfg(shared_absent)");
    println!("cargo::rerun-if-env-changed=EVERWARM_SHARED");
    println!("cargo::rerun-if-env-changed=CI");
    if sign.exists() {
        // What is not there counts as changed: everything would be built anew each time.
        println!("cargo::rerun-if-changed={}", sign.display());
    }
    if env::var_os("CI").is_none() && !sign.exists() {
        println!("cargo::rustc-cfg=shared_absent");
    }
}
