//! Sizes, words that do not belong, what looks like a secret, links that lead nowhere.

use super::{Source, files, line_of, none, product_code, root, rust_files, without_comments};
use std::collections::BTreeMap;

const FILE_LINES_MAX: usize = 700;
/// A longer file states in its head why it is one.
const FILE_LINES_PLAIN: usize = 500;
const REASON: &str = "//! Over 500 lines: ";
const LINE_CHARS_MAX: usize = 100;

#[test]
fn files_and_lines_keep_their_size() {
    let mut findings = Vec::new();
    for source in rust_files() {
        let lines = source.text.lines().count();
        if lines > FILE_LINES_MAX {
            findings.push(format!("{}: {lines} lines, {FILE_LINES_MAX} at most", source.path));
        }
        let states_why = source.text.lines().any(|line| line.starts_with(REASON));
        if (lines > FILE_LINES_PLAIN) != states_why {
            let path = &source.path;
            findings.push(format!("{path}: {lines} lines, and its head says why only above 500"));
        }
        for (number, line) in source.text.lines().enumerate() {
            let chars = line.chars().count();
            if chars > LINE_CHARS_MAX {
                let at = number + 1;
                let path = &source.path;
                findings.push(format!("{path}:{at}: {chars} characters, {LINE_CHARS_MAX} at most"));
            }
        }
    }
    none(&findings);
}

/// Words of the trade that have no other meaning in a runtime.
const TRADE_WORDS: &[&str] = &[
    "trade",
    "trades",
    "trading",
    "trader",
    "venue",
    "venues",
    "symbol",
    "symbols",
    "instrument",
    "instruments",
    "price",
    "prices",
    "ledger",
    "equity",
    "broker",
    "portfolio",
    "candle",
    "candles",
    "pnl",
    "binance",
    "quote",
    "notional",
];

/// The words of an identifier-ridden text, lower case: `OrderId` and `order_id` are both two.
fn words(code: &str) -> Vec<(usize, String)> {
    let mut found: Vec<(usize, String)> = Vec::new();
    let mut open = false;
    let mut lower_before = false;
    for (at, c) in code.char_indices() {
        if !c.is_ascii_alphanumeric() {
            open = false;
            continue;
        }
        if !open || (c.is_ascii_uppercase() && lower_before) {
            found.push((at, String::new()));
        }
        let word = &mut found.last_mut().unwrap().1;
        word.push(c.to_ascii_lowercase());
        open = true;
        lower_before = !c.is_ascii_uppercase();
    }
    found
}

/// Whether a file is of a crate that carries any application.
fn is_below_trade(source: &Source) -> bool {
    ["crates/kernel/", "crates/runtime/"].iter().any(|place| source.path.starts_with(place))
}

#[test]
fn the_runtime_has_no_word_of_the_trade() {
    let mut findings = Vec::new();
    for source in rust_files().iter().filter(|s| is_below_trade(s)) {
        let code = without_comments(&source.text);
        for (at, word) in words(&code) {
            if TRADE_WORDS.contains(&word.as_str()) {
                findings.push(format!("{}:{}: {word}", source.path, line_of(&code, at)));
            }
        }
    }
    none(&findings);
}

#[test]
fn ranks_are_listed_in_one_file_and_none_is_taken_twice() {
    const LIST: &str = "crates/domain/src/fact/kinds.rs";
    let mut findings = Vec::new();
    let mut taken: BTreeMap<String, usize> = BTreeMap::new();
    // The simulated exchange has a journal, and ranks, of its own.
    let daemon = |s: &&Source| {
        let ours = ["src/", "crates/"].iter().any(|place| s.path.starts_with(place));
        ours && !s.path.starts_with("crates/sim/") && !is_below_trade(s)
    };
    for source in rust_files().iter().filter(daemon) {
        let Some(code) = product_code(source) else { continue };
        for (at, _) in code.match_indices("Rank(") {
            let rest = &code[at + "Rank(".len()..];
            let number: String =
                rest.chars().take_while(|c| c.is_ascii_digit() || *c == '_').collect();
            if number.is_empty() {
                continue;
            }
            let line = line_of(&code, at);
            if source.path != LIST {
                findings.push(format!("{}:{line}: rank {number} belongs in {LIST}", source.path));
            } else if let Some(first) = taken.insert(number.replace('_', ""), line) {
                findings.push(format!("{LIST}:{line}: rank {number} is taken in line {first}"));
            }
        }
    }
    assert!(taken.len() >= 7, "the ranks are not where they are looked for");
    none(&findings);
}

/// Beginnings of the key and secret Binance prints in its documentation of signatures, and of those
/// of the simulated exchange, which are the same for everybody.
const PUBLISHED: [&str; 3] = ["vmPUZE6m", "NhqPtmdS", "everwarmSimulatedExchange"];

/// What in a line looks like a secret.
fn secret(line: &str) -> Option<String> {
    let marks = ["-----BEGIN", "AKIA", "ghp_", "github_pat_", "xoxb-", "xoxp-", "sk_live_"];
    let token = |c: char| !(c.is_ascii_alphanumeric() || matches!(c, '-' | '_'));
    let long = |from: usize| move |word: &&str| word.len() >= from;
    if let Some(mark) = marks.into_iter().find(|m| {
        let behind = line.find(m).map(|at| &line[at + m.len()..]);
        behind.is_some_and(|b| {
            b.split(token).next().is_some_and(|w| w.len() >= 12 || b.contains("KEY"))
        })
    }) {
        return Some(mark.to_owned());
    }
    // Keys of exchanges: long, without a word in them. Hashes are lower case or upper case only.
    line.split(|c: char| !c.is_ascii_alphanumeric())
        .filter(long(40))
        .filter(|w| !PUBLISHED.iter().any(|p| w.starts_with(p)))
        .find(|w| {
            let has = |test: fn(&char) -> bool| w.chars().filter(test).count() >= 4;
            has(char::is_ascii_digit)
                && has(char::is_ascii_lowercase)
                && has(char::is_ascii_uppercase)
        })
        .map(|w| format!("{}…", &w[..6]))
}

#[test]
fn nothing_looks_like_a_secret() {
    let places = ["src", "tests", "crates", "docs", "config", ".ci", "README.md", "CHANGELOG.md"];
    let endings = [".rs", ".toml", ".md", ".json", ".sh", "/run", ".yml", ".txt"];
    let mut findings = Vec::new();
    for source in files(&places, &endings) {
        if source.path.contains("/target/") || source.path == "tests/tidy/text.rs" {
            continue;
        }
        for (number, line) in source.text.lines().enumerate() {
            if let Some(what) = secret(line) {
                findings.push(format!(
                    "{}:{}: looks like a secret: {what}",
                    source.path,
                    number + 1
                ));
            }
        }
    }
    none(&findings);
}

#[test]
fn a_secret_is_known_when_seen() {
    let seen = [
        "key = \"aB3dE6gH9jK2mN5pQ8sT1vW4yZ7bC0eF3hI6kL9nO2qR5tU8wX1zA4cD7fG0iJ3l\"",
        "-----BEGIN PRIVATE KEY-----",
        "let token = \"ghp_0123456789abcdefghij\";",
    ];
    for line in seen {
        assert!(secret(line).is_some(), "{line}");
    }
    let harmless = [
        "key = \"vmPUZE6mv9SD5VNHk4HlWFsOr6aKE2zvsw0MuIgwCIPy6utIco14y7Ju91duEh8A\"",
        "c8db56825ae71d6d79447849e617115f4a920fa2acdce18c5d3e0b0c1c2b3a49",
        "fn a_very_long_name_that_says_what_the_test_is_about_2_times_over_and_over() {}",
    ];
    for line in harmless {
        assert_eq!(secret(line), None, "{line}");
    }
}

/// The line that git writes before, between or after two versions that it could not join.
fn is_mark_of_a_conflict(line: &str) -> bool {
    let marks = ["<", "=", ">", "|"].map(|sign| sign.repeat(7));
    marks.iter().any(|mark| line == mark || line.starts_with(&format!("{mark} ")))
}

#[test]
fn no_file_has_both_sides_of_a_merge() {
    let places =
        ["src", "tests", "crates", "benches", "docs", "config", "scripts", "page", "deploy"];
    let pages = ["README.md", "CHANGELOG.md", "CONTRIBUTING.md", "Cargo.toml"];
    let endings = [".rs", ".toml", ".md", ".json", ".js", ".html", ".py", ".sh", ".yml", ".txt"];
    let mut findings = Vec::new();
    for source in files(&[&places[..], &pages[..]].concat(), &endings) {
        let mut lines = source.text.lines().enumerate();
        if let Some((number, line)) = lines.find(|(_, line)| is_mark_of_a_conflict(line)) {
            findings.push(format!("{}:{}: {line}", source.path, number + 1));
        }
    }
    none(&findings);
}

#[test]
fn a_mark_of_a_conflict_is_known_when_seen() {
    for seen in ["<<<<<<< HEAD", "=======", ">>>>>>> 68641056 (Book each fee once)"] {
        assert!(is_mark_of_a_conflict(seen), "{seen}");
    }
    for harmless in ["========", "Heading\n---", "a ======= b", "|||"] {
        assert!(!is_mark_of_a_conflict(harmless), "{harmless}");
    }
}

#[test]
fn links_between_pages_lead_somewhere() {
    let mut findings = Vec::new();
    for page in files(&["README.md", "CHANGELOG.md", "CONTRIBUTING.md", "docs"], &[".md"]) {
        for (at, _) in page.text.match_indices("](") {
            let target: String = page.text[at + 2..].chars().take_while(|c| *c != ')').collect();
            let file = target.split('#').next().unwrap_or("");
            if file.is_empty() || file.contains("://") {
                continue;
            }
            let folder = root().join(&page.path);
            if !folder.parent().unwrap().join(file).exists() {
                let line = line_of(&page.text, at);
                findings.push(format!("{}:{line}: {target} is not there", page.path));
            }
        }
    }
    none(&findings);
}

#[test]
fn contributing_names_files_that_are_there() {
    let [page] = &files(&["CONTRIBUTING.md"], &[".md"])[..] else { panic!("it is not there") };
    let is_file = |word: &&str| word.contains('/') && word.contains('.') || word.ends_with('/');
    let is_path = |word: &&str| !word.contains([' ', '(', '$', '"']);
    let quoted = page.text.split('`').skip(1).step_by(2);
    let named: Vec<&str> = quoted.filter(is_path).filter(is_file).collect();
    assert!(named.len() > 20, "{named:?}");
    let absent = named.iter().filter(|name| !root().join(name).exists());
    none(&absent.map(|name| format!("CONTRIBUTING.md: {name} is not there")).collect::<Vec<_>>());
}
