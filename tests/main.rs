//! The one integration test binary: linked once, its areas run in parallel.

#[cfg(test)]
mod audit;
#[cfg(test)]
mod budget;
#[cfg(test)]
mod cli;
#[cfg(test)]
mod crash_equivalence;
#[cfg(test)]
mod disk;
#[cfg(test)]
mod exchange;
#[cfg(test)]
mod kit;
#[cfg(test)]
mod poison;
#[cfg(test)]
mod sigkill;
#[cfg(test)]
mod tidy;

/// A folder of recorded data, by `EVERWARM_SHARED` or beside the repository; none where it is
/// absent, which is reported, and an error where `CI` is set.
#[cfg(test)]
fn shared(folder: &str) -> Option<std::path::PathBuf> {
    let base = std::env::var_os("EVERWARM_SHARED")
        .map_or_else(|| "../shared".into(), std::path::PathBuf::from);
    let path = base.join(folder);
    if path.is_dir() {
        return Some(path);
    }
    assert!(std::env::var_os("CI").is_none(), "{} is absent", path.display());
    println!("ignored: {} is absent", path.display());
    None
}
