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
    let mut words = vec![env!("CARGO_PKG_VERSION").to_owned()];
    let revision = env::var("BUILD_REVISION").ok();
    let revision = revision.or_else(|| git(&["rev-parse", "--short=12", "HEAD"]));
    let day = env::var("SOURCE_DATE_EPOCH").ok().and_then(|text| text.parse().ok()).map(day);
    let day = day.or_else(|| git(&["show", "-s", "--format=%cs", "HEAD"]));
    if release {
        for place in ["HEAD", "logs/HEAD"] {
            let path = git(&["rev-parse", "--git-path", place]);
            let path = path.filter(|path| Path::new(path).exists());
            if let Some(path) = path {
                println!("cargo::rerun-if-changed={path}");
            }
        }
        let known = [("BUILD_REVISION", revision), ("BUILD_DAY", day)];
        let known = known.into_iter().filter_map(|(name, value)| Some((name, value?)));
        let mut more = Vec::new();
        for (name, value) in known {
            println!("cargo::rustc-env={name}={value}");
            more.push(value);
        }
        if !more.is_empty() {
            words.push(format!("({})", more.join(", ")));
        }
    } else {
        words.push("(development)".to_owned());
    }
    println!("cargo::rustc-env=BUILD_VERSION={}", words.join(" "));
}

fn git(arguments: &[&str]) -> Option<String> {
    let output =
        Command::new("git").args(arguments).output().ok().filter(|o| o.status.success())?;
    let text = String::from_utf8(output.stdout).ok()?.trim().to_owned();
    (!text.is_empty()).then_some(text)
}

/// The day of seconds since 1970, UTC.
fn day(seconds: i64) -> String {
    let days = seconds.div_euclid(86_400) + 719_468;
    let (era, of_era) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let year = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month + 2) / 5 + 1;
    let (month, later) = if month < 10 { (month + 3, 0) } else { (month - 9, 1) };
    format!("{:04}-{month:02}-{day:02}", era * 400 + year + later)
}
