//! Reads the sources and fails on what no compiler and no lint holds: who imports whom, sizes,
//! words that do not belong, pages that no longer match the code.

mod facts;
mod imports;
mod metrics;
mod pictures;
mod promises;
mod reference;
mod states;
mod text;
mod words;

use std::path::{Path, PathBuf};

/// A file of the repository.
struct Source {
    /// From the root, with `/`.
    path: String,
    /// Its content.
    text: String,
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Files below the given folders (or the files themselves) whose names end so, by path.
fn files(places: &[&str], endings: &[&str]) -> Vec<Source> {
    let mut found = Vec::new();
    let mut places: Vec<PathBuf> = places.iter().map(|p| root().join(p)).collect();
    while let Some(place) = places.pop() {
        let name = place.to_string_lossy().into_owned();
        if place.is_dir() {
            let entries = std::fs::read_dir(&place).unwrap();
            places.extend(entries.map(|e| e.unwrap().path()));
        } else if endings.iter().any(|e| name.ends_with(e)) && place.is_file() {
            let path = place.strip_prefix(root()).unwrap();
            let path = path.to_string_lossy().replace('\\', "/");
            let text = std::fs::read_to_string(&place).unwrap();
            found.push(Source { path, text });
        }
    }
    found.sort_by(|a, b| a.path.cmp(&b.path));
    found
}

/// Every Rust file of the workspace.
fn rust_files() -> Vec<Source> {
    let found = files(&["src", "tests", "benches", "crates"], &[".rs"]);
    assert!(found.len() > 20, "the sources are not where they are looked for");
    found
}

/// The text without comments, line for line.
fn without_comments(text: &str) -> String {
    let code = |line: &str| -> String {
        let cut = line.match_indices("//").find(|(at, _)| {
            let before = &line[..*at];
            before.trim().is_empty()
                || (before.ends_with(' ') && before.matches('"').count().is_multiple_of(2))
        });
        cut.map_or(line, |(at, _)| &line[..at]).to_owned()
    };
    text.lines().map(|line| code(line) + "\n").collect()
}

/// The code of a product file: no comments, and nothing from its test module on.
fn product_code(source: &Source) -> Option<String> {
    let ends = ["/tests.rs", "_tests.rs", "/testing.rs"];
    let test_file = ends.iter().any(|end| source.path.ends_with(end))
        || source.path.contains("/tests/")
        || source.path.contains("/testing/");
    if test_file || source.path.starts_with("tests/") {
        return None;
    }
    let code = without_comments(&source.text);
    let end = ["#[cfg(test)]\nmod ", "#[cfg(test)]\npub mod ", "#[cfg(test)]\npub(crate) mod "]
        .into_iter()
        .filter_map(|start| code.find(start))
        .min();
    Some(end.map_or(code.clone(), |end| code[..end].to_owned()))
}

/// Fails with all findings, one a line.
fn none(findings: &[String]) {
    assert!(findings.is_empty(), "\n{}\n", findings.join("\n"));
}

/// Fails where a page differs from what is generated for it; `EVERWARM_BLESS=1` writes it.
fn assert_generated(path: &str, wanted: &str) {
    let file = root().join(path);
    if std::env::var_os("EVERWARM_BLESS").is_some() {
        std::fs::write(&file, wanted).unwrap();
    }
    let found = std::fs::read_to_string(&file).unwrap_or_default();
    let mut both = found.lines().zip(wanted.lines());
    let first = both.find(|(found, wanted)| found != wanted);
    assert!(
        found == wanted,
        "{path} is out of date, first at {first:?}. write it again: EVERWARM_BLESS=1 cargo nextest \
         run -p everwarm -E 'test(/tidy/)'"
    );
}

/// Number of the line, from 1, that holds the byte `at`.
fn line_of(text: &str, at: usize) -> usize {
    1 + text[..at].matches('\n').count()
}
