//! Who may import whom, as far as the compiler does not hold it: between crates, the manifests do.
//! Between modules of the daemon, a lower one never knows a higher one. What decides never touches
//! the world; sockets and the database have one place each.

use super::{Source, line_of, none, product_code, root, rust_files};
use std::collections::{BTreeMap, BTreeSet};

/// What one part of the crate may name.
struct Rule {
    module: &'static str,
    /// Modules of this crate besides itself.
    may_import: &'static [&'static str],
}

/// Parts of std that touch the world. What decides names none of them.
const WORLD: &[&str] = &[
    "std::fs",
    "std::env",
    "std::net",
    "std::time",
    "std::thread",
    "std::process",
    "std::io",
    "std::sync",
];

/// Crates that decide, or that those use.
const PURE: &[&str] =
    &["crates/kernel/src/", "crates/domain/src/", "crates/analysis/src/", "crates/trading/src/"];

/// What no decision may depend on, not even through another crate.
const NEVER_IN_TRADING: &[&str] = &["tokio", "ractor", "redb", "jiff"];

const RULES: &[Rule] = &[Rule { module: "chaos", may_import: CHAOS }];

/// The rig runs whole lives, injects faults where the tree has actors, and looks at what people
/// receive in the end.
const CHAOS: &[&str] = &["audit", "daemon_run", "tree", "adapters", "plain_run"];

/// Client sockets of venues, for which `transport.rs` is the one place.
const SOCKETS: &[&str] = &["reqwest", "tokio_tungstenite", "tokio::net", "std::net"];

/// Who may ask the environment: configuration, command lines, planned misfortune.
const ASKERS: &[&str] = &[
    "crates/config/src/",
    "crates/cli/src/",
    "src/daemon/notify.rs",
    "src/main.rs",
    "src/chaos/",
    "crates/runtime/examples/",
    "benches/",
];

/// The modules of the crate root, from the files that are there.
fn modules(sources: &[Source]) -> Vec<String> {
    let mut names: Vec<String> = sources
        .iter()
        .filter_map(|s| s.path.strip_prefix("src/"))
        .map(|path| path.split('/').next().unwrap_or("").trim_end_matches(".rs").to_owned())
        .filter(|name| name != "lib" && name != "main")
        .collect();
    names.dedup();
    names
}

/// First names behind every `start` in `code`, groups in braces opened: (byte, path of two names).
fn named(code: &str, start: &str) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    for (at, _) in code.match_indices(start) {
        let whole = code[..at].chars().next_back();
        if whole.is_some_and(|c| c.is_alphanumeric() || c == '_' || c == ':') {
            continue;
        }
        let rest = &code[at + start.len()..];
        let Some(group) = rest.strip_prefix('{') else {
            found.push((at, two_names(rest)));
            continue;
        };
        let (mut depth, mut item) = (0, String::new());
        for c in group.chars() {
            match c {
                '{' => depth += 1,
                '}' if depth == 0 => break,
                '}' => depth -= 1,
                ',' if depth == 0 => {
                    found.push((at, two_names(&std::mem::take(&mut item))));
                    continue;
                }
                _ => {}
            }
            item.push(c);
        }
        found.push((at, two_names(&item)));
    }
    found.retain(|(_, path)| !path.is_empty());
    found
}

/// `a::b` of `a::b::c`, `a` of `a`.
fn two_names(path: &str) -> String {
    let name = |text: &str| -> String {
        text.trim_start().chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect()
    };
    let first = name(path);
    match path.trim_start()[first.len()..].strip_prefix("::").map(name) {
        Some(second) if !second.is_empty() => format!("{first}::{second}"),
        _ => first,
    }
}

/// What a file names of the crate root, by `crate::` and by enough `super::`.
fn named_of_crate(path: &str, code: &str) -> Vec<(usize, String)> {
    let inner = path.trim_start_matches("src/").trim_end_matches(".rs").trim_end_matches("/mod");
    let climb = "super::".repeat(inner.split('/').count());
    let mut found = named(code, "crate::");
    found.extend(named(code, &climb));
    found
}

/// Where `code` names one of `banned`.
fn named_of<'a>(code: &str, banned: &[&'a str]) -> Vec<(usize, &'a str)> {
    let mut found = Vec::new();
    for banned in banned {
        for (at, _) in named(code, &format!("{banned}::")) {
            found.push((at, *banned));
        }
        for (at, name) in named(code, "std::") {
            if format!("std::{name}").starts_with(banned) && code[at..].starts_with("std::{") {
                found.push((at, *banned));
            }
        }
    }
    found
}

fn breaks(rule: &Rule, modules: &[String], path: &str, code: &str) -> Vec<String> {
    let mut findings = Vec::new();
    let mut finding = |at: usize, what: &str| {
        findings.push(format!(
            "{path}:{}: {} must not name {what}",
            line_of(code, at),
            rule.module
        ));
    };
    for (at, name) in named_of_crate(path, code) {
        let module = name.split("::").next().unwrap_or("");
        let known = modules.iter().any(|m| m == module);
        if known && module != rule.module && !rule.may_import.contains(&module) {
            finding(at, &format!("crate::{module}"));
        }
    }
    findings
}

#[test]
fn nobody_imports_what_the_table_forbids() {
    let sources = rust_files();
    let modules = modules(&sources);
    let mut findings = Vec::new();
    for source in &sources {
        let Some(code) = product_code(source) else { continue };
        let inner = source.path.strip_prefix("src/").unwrap_or("");
        let module = inner.split('/').next().unwrap_or("").trim_end_matches(".rs");
        if let Some(rule) = RULES.iter().find(|r| r.module == module) {
            findings.extend(breaks(rule, &modules, &source.path, &code));
        }
    }
    none(&findings);
}

#[test]
fn sockets_of_venues_have_one_place() {
    let mut findings = Vec::new();
    for source in rust_files() {
        let venue = source.path.starts_with("crates/venue");
        let Some(code) = product_code(&source).filter(|_| venue) else { continue };
        if source.path == "crates/venue/src/transport.rs" {
            continue;
        }
        for (at, banned) in named_of(&code, SOCKETS) {
            findings.push(format!("{}:{}: names {banned}", source.path, line_of(&code, at)));
        }
    }
    none(&findings);
}

/// Values that are written once. The kinds that a program adds are complete before any stage
/// exists. The numbers of the finished orders follow from these orders.
const WRITTEN_ONCE: [&str; 2] =
    ["crates/trading/src/strategy/kinds.rs", "crates/trading/src/orders/venue_numbers.rs"];

#[test]
fn what_decides_touches_nothing_of_the_world() {
    let mut findings = Vec::new();
    for source in rust_files() {
        let pure = PURE.iter().any(|place| source.path.starts_with(place));
        let Some(code) = product_code(&source).filter(|_| pure) else { continue };
        let written = WRITTEN_ONCE.contains(&source.path.as_str());
        let once = |banned: &str| written && banned == "std::sync";
        for (at, banned) in named_of(&code, WORLD).into_iter().filter(|(_, it)| !once(it)) {
            findings.push(format!("{}:{}: names {banned}", source.path, line_of(&code, at)));
        }
    }
    none(&findings);
}

/// What each package of the lock file depends on, of any version and for any purpose.
fn dependencies() -> BTreeMap<String, BTreeSet<String>> {
    let lock = std::fs::read_to_string(root().join("Cargo.lock")).unwrap();
    let lock: toml::Table = lock.parse().unwrap();
    let mut found: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for package in lock["package"].as_array().unwrap() {
        let name = package["name"].as_str().unwrap().to_owned();
        let used = package.get("dependencies").and_then(|used| used.as_array());
        let used = used.into_iter().flatten().filter_map(|used| used.as_str()?.split(' ').next());
        found.entry(name).or_default().extend(used.map(str::to_owned));
    }
    found
}

#[test]
fn no_decision_depends_on_the_world() {
    let dependencies = dependencies();
    let mut reached = BTreeSet::from(["everwarm-trading"]);
    let mut next = vec!["everwarm-trading"];
    while let Some(name) = next.pop() {
        let used = dependencies[name].iter().map(String::as_str);
        next.extend(used.filter(|used| reached.insert(*used)));
    }
    assert!(reached.contains("rust_decimal"), "the lock file is read wrongly: {reached:?}");
    let banned = NEVER_IN_TRADING.iter().filter(|name| reached.contains(**name));
    none(&banned.map(|name| format!("everwarm-trading depends on {name}")).collect::<Vec<_>>());
}

#[test]
fn files_of_supervision_do_not_import_in_a_circle() {
    const FOLDER: &str = "crates/runtime/src/supervise/";
    let mut uses: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for source in rust_files() {
        let Some(inner) = source.path.strip_prefix(FOLDER).filter(|at| *at != "mod.rs") else {
            continue;
        };
        let Some(code) = product_code(&source) else { continue };
        let module = inner.split('/').next().unwrap_or("").trim_end_matches(".rs");
        let mut paths = named(&code, &"super::".repeat(inner.split('/').count()));
        paths.extend(named(&code, "crate::supervise::"));
        let names = paths.iter().map(|(_, path)| path.split("::").next().unwrap_or("").to_owned());
        uses.entry(module.to_owned()).or_default().extend(names.filter(|name| name != module));
    }
    let known: BTreeSet<String> = uses.keys().cloned().collect();
    assert!(known.len() > 10, "the files are not where they are looked for");
    for used in uses.values_mut() {
        used.retain(|name| known.contains(name));
    }
    // Who uses nobody that is left is no part of a circle.
    while let Some(free) = uses.iter().find(|(_, used)| used.is_empty()) {
        let free = free.0.clone();
        uses.remove(&free);
        for used in uses.values_mut() {
            used.remove(&free);
        }
    }
    let left = uses.iter().map(|(name, used)| format!("{name} uses {used:?}"));
    none(&left.collect::<Vec<_>>());
}

#[test]
fn only_the_store_names_the_database() {
    let mut findings = Vec::new();
    for source in rust_files() {
        let Some(code) = product_code(&source) else { continue };
        if source.path.starts_with("crates/runtime/src/store") {
            continue;
        }
        for (at, _) in named(&code, "redb::") {
            findings.push(format!("{}:{}: names redb", source.path, line_of(&code, at)));
        }
        if code.contains("use redb;") {
            findings.push(format!("{}: names redb", source.path));
        }
    }
    none(&findings);
}

#[test]
fn only_configuration_and_the_command_line_ask_the_environment() {
    let mut findings = Vec::new();
    for source in rust_files() {
        let Some(code) = product_code(&source) else { continue };
        if ASKERS.iter().any(|place| source.path.starts_with(place)) {
            continue;
        }
        for call in ["env::var(", "env::var_os(", "env::vars(", "env::args("] {
            if let Some(at) = code.find(call) {
                let line = line_of(&code, at);
                findings.push(format!("{}:{line}: asks the environment: {call})", source.path));
            }
        }
    }
    none(&findings);
}

/// Where the one adapter there is may be named: its folder, the simulated exchange, which speaks
/// its protocol, its configuration, and what facts call it.
const ADAPTERS: &[&str] = &[
    "crates/adapters/",
    "crates/sim/",
    "src/adapters.rs",
    "crates/config/src/venue.rs",
    "crates/domain/src/id.rs",
    // How long a signature of it takes.
    "benches/latency.rs",
];

#[test]
fn nobody_names_an_adapter_but_who_chooses_it() {
    let mut findings = Vec::new();
    for source in rust_files() {
        let Some(code) = product_code(&source) else { continue };
        if ADAPTERS.iter().any(|place| source.path.starts_with(place)) {
            continue;
        }
        if let Some(at) = code.to_ascii_lowercase().find("binance") {
            findings.push(format!("{}:{}: names Binance", source.path, line_of(&code, at)));
        }
    }
    none(&findings);
}

#[test]
fn the_table_catches_what_it_should() {
    let modules: Vec<String> = RULES
        .iter()
        .map(|r| r.module)
        .chain(["tree", "daemon_run", "daemon"])
        .map(String::from)
        .collect();
    let check = |module: &str, path: &str, code: &str| {
        let rule = RULES.iter().find(|r| r.module == module).unwrap();
        breaks(rule, &modules, path, code).len()
    };
    let caught = [
        ("chaos", "src/chaos/run.rs", "use crate::daemon::boot;"),
        ("chaos", "src/chaos/a.rs", "use crate::{daemon_run::DaemonRun,\n    daemon::boot};"),
        ("chaos", "src/chaos/a.rs", "use super::super::daemon::boot;"),
        ("chaos", "src/chaos/mod.rs", "pub use super::daemon::boot;"),
    ];
    for (module, path, code) in caught {
        assert_eq!(check(module, path, code), 1, "{path}: {code}");
    }
    let allowed =
        [("chaos", "src/chaos/rig.rs", "use crate::daemon_run::DaemonRun; use crate::tree::tree;")];
    for (module, path, code) in allowed {
        assert_eq!(check(module, path, code), 0, "{path}: {code}");
    }
    let names = |code: &str| named_of(code, WORLD).len();
    assert_eq!(names("use std::{fmt, fs::File};"), 1);
    assert_eq!(names("let t = std::time::Instant::now();"), 1);
    assert_eq!(names("use std::collections::BTreeMap; let timed = my_std::time::x;"), 0);
}
