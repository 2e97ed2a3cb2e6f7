//! Parses the log filter. An unknown word is an error: the filter would take it for a target, and
//! nothing would be logged.

use everwarm_domain::nearest::nearest;
use tracing_subscriber::EnvFilter;

/// Levels: a directive may be one of them alone, or have one after `=`.
const LEVELS: [&str; 6] = ["error", "warn", "info", "debug", "trace", "off"];

/// Crates that log. Their modules follow after `::`.
const CRATES: [&str; 13] = [
    "everwarm",
    "everwarm_adapters",
    "everwarm_api",
    "everwarm_cli",
    "everwarm_config",
    "everwarm_edge",
    "everwarm_messages",
    "everwarm_runtime",
    "everwarm_sim",
    "everwarm_venue",
    "ractor",
    "hyper_util",
    "tokio",
];

/// Our modules by crate, as their roots name them. Any module of the adapters is accepted.
const PARTS: [(&str, &[&str]); 9] = [
    (
        "everwarm",
        &[
            "adapters",
            "audit",
            "chaos",
            "daemon",
            "daemon_run",
            "plain_run",
            "sdk",
            "tree",
            "version",
        ],
    ),
    ("everwarm_api", &["openapi", "page"]),
    (
        "everwarm_cli",
        &[
            "export",
            "heap",
            "log",
            "offline",
            "print",
            "progress",
            "remote",
            "storage",
            "store_check",
            "terminal",
        ],
    ),
    (
        "everwarm_config",
        &[
            "backfill",
            "checked",
            "error",
            "keys",
            "last_start",
            "layers",
            "log_filter",
            "messages",
            "receiver",
            "reloadable",
            "remote_access",
            "schedule",
            "schema",
            "secret",
            "strategies",
            "tls",
            "values",
            "venue",
        ],
    ),
    (
        "everwarm_edge",
        &[
            "board",
            "clock",
            "market",
            "message_kinds",
            "meters",
            "operation",
            "orders",
            "simulated",
            "task",
            "world",
            "write_lock",
        ],
    ),
    (
        "everwarm_messages",
        &["commander", "commands", "courier", "heartbeat", "mail", "outbox", "receiver"],
    ),
    (
        "everwarm_runtime",
        &[
            "chaos",
            "clock",
            "files",
            "journal",
            "mailbox",
            "meter",
            "parcel",
            "poison",
            "runner",
            "stage_actor",
            "store",
            "supervise",
        ],
    ),
    ("everwarm_sim", &["alpaca", "books", "exchange", "faults", "market", "server", "wire"]),
    (
        "everwarm_venue",
        &[
            "address",
            "calls",
            "clock",
            "conformance",
            "link",
            "port",
            "rate_limit",
            "session",
            "simulated",
            "source",
            "sparse_log",
            "transport",
        ],
    ),
];

/// Parses a filter.
///
/// # Errors
/// The text is no filter, or one of its directives names neither a level nor a module. The error
/// suggests the nearest name.
pub fn parse(filter: &str) -> Result<EnvFilter, String> {
    let parsed = filter.parse::<EnvFilter>();
    let parsed = parsed.map_err(|e| format!("{filter:?} is not a log filter: {e}"))?;
    directives(filter).try_for_each(known)?;
    Ok(parsed)
}

/// The parts between commas. Commas within brackets do not separate.
fn directives(filter: &str) -> impl Iterator<Item = &str> {
    let mut depth = 0_i32;
    let split = filter.split(move |letter: char| {
        match letter {
            '[' | '{' => depth += 1,
            ']' | '}' => depth -= 1,
            _ => {}
        }
        letter == ',' && depth == 0
    });
    split.map(str::trim).filter(|directive| !directive.is_empty())
}

fn known(directive: &str) -> Result<(), String> {
    let alone = !directive.contains(['=', '[']);
    let target = directive.split(['=', '[']).next().unwrap_or(directive).trim();
    let is_level = LEVELS.iter().any(|level| level.eq_ignore_ascii_case(target))
        || target.parse::<u8>().is_ok_and(|level| level <= 5);
    // A directive with only a span has no target.
    if target.is_empty() || (alone && is_level) {
        return Ok(());
    }
    let (root, rest) = target.split_once("::").unwrap_or((target, ""));
    let parts = PARTS.iter().find(|(name, _)| *name == root).map_or(&[][..], |(_, parts)| parts);
    let part = rest.split("::").next().unwrap_or(rest);
    if CRATES.contains(&root) && (part.is_empty() || parts.is_empty() || parts.contains(&part)) {
        return Ok(());
    }
    let whole = PARTS
        .iter()
        .flat_map(|(name, parts)| parts.iter().map(move |part| format!("{name}::{part}")));
    let names = CRATES.iter().copied().map(str::to_owned).chain(whole);
    let levels = LEVELS.iter().copied().filter(|_| alone).map(str::to_owned);
    let names: Vec<String> = levels.chain(names).collect();
    let near = nearest(&target.to_ascii_lowercase(), names.iter().map(String::as_str));
    let near = near.map_or_else(
        || {
            format!(
                "; levels are {}, targets are like everwarm_edge::market::feed",
                LEVELS.join(", ")
            )
        },
        |near| format!("; did you mean {near:?}?"),
    );
    let what = if alone { "not a level or" } else { "not" };
    Err(format!("{target:?} is {what} a log target{near}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wrong(filter: &str) -> String {
        parse(filter).unwrap_err()
    }

    #[test]
    fn a_word_that_names_nothing_is_refused_with_what_was_meant() {
        let part = "a log target";
        assert_eq!(
            wrong("debg"),
            format!("\"debg\" is not a level or {part}; did you mean \"debug\"?")
        );
        let meant = "did you mean \"everwarm\"?";
        assert_eq!(wrong("warn,everwram=debug"), format!("\"everwram\" is not {part}; {meant}"));
        assert!(wrong("everwarm_edeg=debug").ends_with("did you mean \"everwarm_edge\"?"));
        assert!(wrong("wran,everwarm=debug").ends_with("did you mean \"warn\"?"));
        assert!(wrong("something").contains("levels are error, warn, info"));
        assert!(wrong("everwarm=loud").contains("is not a log filter"));
        assert!(wrong("debug=everwarm").contains("is not a log filter"));
    }

    #[test]
    fn what_names_something_is_taken() {
        for filter in [
            "warn",
            "DEBUG",
            "off",
            "3",
            "everwarm",
            "everwarm_adapters",
            "warn,everwarm=debug",
            "info,ractor=off",
            "everwarm_edge::market::feed=trace,everwarm_runtime::store=debug",
            "everwarm[span]=trace",
        ] {
            parse(filter).unwrap_or_else(|e| panic!("{filter}: {e}"));
        }
    }

    #[test]
    fn the_parts_are_those_of_the_crates() {
        let roots = [
            include_str!("../../../src/lib.rs"),
            include_str!("../../api/src/lib.rs"),
            include_str!("../../cli/src/lib.rs"),
            include_str!("../../config/src/lib.rs"),
            include_str!("../../edge/src/lib.rs"),
            include_str!("../../messages/src/lib.rs"),
            include_str!("../../runtime/src/lib.rs"),
            include_str!("../../sim/src/lib.rs"),
            include_str!("../../venue/src/lib.rs"),
        ];
        for ((name, parts), root) in PARTS.iter().zip(roots) {
            let modules = root.lines().filter_map(|line| line.strip_prefix("pub mod "));
            let modules: Vec<&str> = modules.map(|line| line.trim_end_matches(';')).collect();
            assert_eq!(*parts, modules, "{name}");
        }
    }
}
