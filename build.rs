//! Tells tests whether the shared material is there.
//!
//! And tells the program its revision and its day, in a release build: from the environment
//! (`BUILD_REVISION`, `SOURCE_DATE_EPOCH`), else from git, else not at all. A build for development
//! does not say them, so that a commit alone builds nothing again.

#[path = "tests/shared_absent.rs"]
mod shared_absent;

use std::env;
use std::path::Path;
use std::process::Command;

fn main() {
    version();
    shared_absent::declare();
}

fn version() {
    println!("cargo::rerun-if-env-changed=BUILD_REVISION");
    println!("cargo::rerun-if-env-changed=SOURCE_DATE_EPOCH");
    let release = env::var("PROFILE").is_ok_and(|profile| profile == "release");
    let revision = env::var("BUILD_REVISION").ok();
    let revision = revision.or_else(|| git(&["rev-parse", "--short=12", "HEAD"]));
    let time = env::var("SOURCE_DATE_EPOCH").ok().filter(|text| text.parse::<i64>().is_ok());
    let time = time.or_else(|| git(&["show", "-s", "--format=%ct", "HEAD"]));
    if release {
        for place in ["HEAD", "logs/HEAD"] {
            let path = git(&["rev-parse", "--git-path", place]);
            let path = path.filter(|path| Path::new(path).exists());
            if let Some(path) = path {
                println!("cargo::rerun-if-changed={path}");
            }
        }
        let known = [("BUILD_REVISION", revision), ("BUILD_TIME", time)];
        for (name, value) in known.into_iter().filter_map(|(name, value)| Some((name, value?))) {
            println!("cargo::rustc-env={name}={value}");
        }
    }
}

fn git(arguments: &[&str]) -> Option<String> {
    let output =
        Command::new("git").args(arguments).output().ok().filter(|o| o.status.success())?;
    let text = String::from_utf8(output.stdout).ok()?.trim().to_owned();
    (!text.is_empty()).then_some(text)
}
