//! The files that a service manager and a container runtime are given, as far as they can be
//! checked without either.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

fn file(name: &str) -> (PathBuf, String) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy").join(name);
    let text = fs::read_to_string(&path).unwrap();
    (path, text)
}

/// The lines of a file without empty ones and comments, continued ones joined.
fn lines(text: &str) -> Vec<String> {
    let joined = text.replace("\\\n", " ");
    let kept = joined.lines().map(str::trim).filter(|l| !l.is_empty() && !l.starts_with('#'));
    kept.map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect()
}

#[test]
fn the_unit_is_notified_watched_and_not_restarted_where_that_helps_nothing() {
    let (path, text) = file("everwarm.service");
    let lines = lines(&text);
    for wanted in [
        "Type=notify",
        "ExecReload=/bin/kill -HUP $MAINPID",
        "WatchdogSec=30",
        "Restart=on-failure",
        "RestartPreventExitStatus=2 6 7",
        "StateDirectory=everwarm",
        "User=everwarm",
        "UMask=0077",
        "NoNewPrivileges=yes",
        "ProtectSystem=strict",
        "PrivateTmp=yes",
        "PrivateDevices=yes",
        "CapabilityBoundingSet=",
        "RestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX",
        "MemoryDenyWriteExecute=yes",
        "SystemCallArchitectures=native",
        "TimeoutStartSec=infinity",
        // The simulated exchange is a child with a stop of its own.
        "KillMode=mixed",
    ] {
        assert!(lines.iter().any(|line| line == wanted), "{wanted}");
    }
    let named = |key: &str| lines.iter().filter(|line| line.starts_with(key)).count();
    assert_eq!(named("ExecStart="), 1);
    // Where the tool is, its score is below 2; `.ci/run` has it.
    let offline = ["security", "--offline=true", "--threshold=20", "--no-pager"];
    match Command::new("systemd-analyze").args(offline).arg(path).output() {
        Ok(output) => {
            let printed = String::from_utf8_lossy(&output.stdout).into_owned();
            assert!(
                output.status.success(),
                "{printed}{}",
                String::from_utf8_lossy(&output.stderr)
            );
            assert!(printed.contains("Overall exposure level"), "{printed}");
        }
        Err(e) => assert_eq!(e.kind(), std::io::ErrorKind::NotFound, "{e}"),
    }
}

#[test]
fn the_image_is_slim_not_root_and_asks_the_binary_for_its_health() {
    let (_, text) = file("Dockerfile");
    let lines = lines(&text);
    let last = lines.iter().rposition(|line| line.starts_with("FROM ")).unwrap();
    let (build, image) = lines.split_at(last);
    let toolchain = include_str!("../Cargo.toml");
    let version = toolchain.split("rust-version = \"").nth(1).unwrap().split('"').next().unwrap();
    assert!(build[0].starts_with(&format!("FROM rust:{version}-slim")), "{}", build[0]);
    assert!(build.iter().any(|line| line.contains("cargo build --locked --profile dist")));
    assert!(image[0].contains("distroless") && image[0].ends_with(":nonroot"), "{}", image[0]);
    let has = |start: &str| image.iter().find(|line| line.starts_with(start)).cloned();
    assert_eq!(has("USER ").as_deref(), Some("USER 65532:65532"));
    assert_eq!(has("VOLUME ").as_deref(), Some("VOLUME [\"/data\"]"));
    assert_eq!(has("ENV ").as_deref(), Some("ENV EVERWARM_DAEMON__DATA_DIR=/data"));
    assert!(has("RUN ").is_none(), "there is no shell that could run anything");
    for (start, what) in [("ENTRYPOINT ", "everwarm"), ("CMD ", "run")] {
        let line = has(start).unwrap();
        assert!(line.contains("[\"") && line.contains(what), "as a list, without a shell: {line}");
    }
    let health = has("HEALTHCHECK ").unwrap();
    assert!(
        health.contains("CMD [\"/usr/local/bin/everwarm\", \"status\", \"--check\""),
        "{health}"
    );
    for line in image {
        assert!(!line.contains("apt") && !line.contains("curl"), "{line}");
    }
}

#[test]
fn the_containers_beside_it_are_given_what_exists_and_the_address_that_is_told() {
    let here = Path::new(env!("CARGO_MANIFEST_DIR")).join("dashboards");
    let compose = fs::read_to_string(here.join("compose.yml")).unwrap();
    let scraped = fs::read_to_string(here.join("provisioning/prometheus.yml")).unwrap();
    let lines = lines(&compose);
    let mounts = lines.iter().filter_map(|line| line.strip_prefix("- ")?.strip_suffix(":ro"));
    let mounts: Vec<(PathBuf, &str)> = mounts
        .map(|mount| mount.split_once(':').unwrap())
        .map(|(from, to)| (here.join(from).canonicalize().expect(from), to))
        .collect();
    assert_eq!(mounts.len(), 5, "{compose}");
    // The rules are named by where they lie from the configuration: here, and where it is mounted.
    let rules = scraped.split("rule_files:\n  - ").nth(1).unwrap().lines().next().unwrap();
    let rules_here = here.join("provisioning").join(rules).canonicalize().unwrap();
    assert!(rules_here.ends_with("rules/alerts.yml"));
    let config = mounts.iter().find(|(from, _)| from.ends_with("prometheus.yml")).unwrap().1;
    assert_eq!(config, "/etc/prometheus/prometheus.yml");
    assert!(mounts.iter().any(|(from, to)| {
        rules == format!("../..{to}/alerts.yml") && rules_here.starts_with(from)
    }));
    let addr = scraped.split("targets: [\"").nth(1).unwrap().split('"').next().unwrap();
    for text in [&compose, include_str!("../docs/how-to/monitor.md")] {
        assert!(text.contains(&format!("--listen {addr}")), "{addr}");
    }
}

#[test]
fn health_is_told_by_exit_codes() {
    use crate::kit::{Folder, Process, exchange, run, wait_until};
    let folder = Folder::new("health");
    let dir = folder.join("data");
    let health = || run(&dir, &["status", "--check", "--quiet"]).0;
    assert_eq!(health(), Some(3), "nothing is there");
    let daemon = Process::start(&dir, &["run", "--pace", "240x"]);
    wait_until("it is well", || health() == Some(0));
    daemon.signal("-INT");
    assert_eq!(daemon.end().0.code(), Some(0));
    wait_until("the exchange ends", || exchange(&dir).is_none());
    assert_eq!(health(), Some(4), "nothing runs");
}
