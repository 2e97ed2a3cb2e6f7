//! Texts for users use the words of the field: help, errors, `doctor`, metrics, panels, the page
//! and the documents contain no word of `tests/tidy/words`.

use std::path::Path;

use super::{Source, files, line_of, none, product_code, rust_files};

const LIST: &str = include_str!("words");

/// The forbidden words and phrases, in lower case, each with its replacement.
fn forbidden() -> Vec<(String, &'static str)> {
    let lines = LIST.lines().filter(|line| !line.starts_with('#') && !line.trim().is_empty());
    let row = |line: &'static str| {
        let (word, instead) = line.split_once("  ").unwrap_or_else(|| panic!("{line:?}: no gap"));
        (word.to_lowercase(), instead.trim())
    };
    lines.map(row).collect()
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// Places in `text` at which a forbidden word stands by itself, with the word and its replacement.
/// A line break counts as a space.
fn found(text: &str, words: &[(String, &'static str)]) -> Vec<(usize, String)> {
    let lower = text.to_ascii_lowercase().replace('\n', " ");
    let mut all = Vec::new();
    for (word, instead) in words {
        for (at, _) in lower.match_indices(word.as_str()) {
            let before = lower[..at].chars().next_back().is_some_and(is_word);
            let after = lower[at + word.len()..].chars().next().is_some_and(is_word);
            if !before && !after {
                all.push((at, format!("{word:?}: write {instead}")));
            }
        }
    }
    all.sort();
    all
}

/// The text with inline code blanked out, byte for byte.
fn without_code(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for line in text.split_inclusive('\n') {
        if line.trim_start().starts_with("```") {
            shown.push_str(line);
            continue;
        }
        let mut code = false;
        for c in line.chars() {
            if c == '`' {
                code = !code;
            }
            let blank = code && c != '\n';
            if blank { shown.extend(std::iter::repeat_n(' ', c.len_utf8())) } else { shown.push(c) }
        }
    }
    shown
}

/// The texts in quotes that have a space, each with its place: sentences, and not names.
fn sentences(code: &str) -> Vec<(usize, String)> {
    let mut all = Vec::new();
    let bytes = code.as_bytes();
    let mut at = 0;
    while at < bytes.len() {
        let quote = bytes[at] == b'"' && !(at > 0 && bytes[at - 1] == b'\'');
        if !quote {
            at += 1;
            continue;
        }
        let begin = at + 1;
        at = begin;
        while at < bytes.len() && bytes[at] != b'"' {
            at += if bytes[at] == b'\\' { 2 } else { 1 };
        }
        let text = code.get(begin..at.min(bytes.len())).unwrap_or_default();
        let why = code[..begin].trim_end_matches('"').trim_end().ends_with("reason =");
        if text.contains(' ') && !why {
            all.push((begin, plain(text)));
        }
        at += 1;
    }
    all
}

/// A text without the places that are filled in, byte for byte.
fn plain(text: &str) -> String {
    let mut open = 0_usize;
    let keep = |c: char| {
        open += usize::from(c == '{');
        let within = open > 0;
        open -= usize::from(c == '}' && open > 0);
        if within { " ".repeat(c.len_utf8()) } else { c.to_string() }
    };
    let text: String = text.chars().map(keep).collect();
    without_code(&text).replace("\\\n", "  ").replace("\\n", "  ").replace('\\', " ")
}

/// Whether texts of a file are for users. Reasons that stages append are stored forms: one table
/// translates them for the reader.
const SHOWN: &[&str] = &[
    "src/",
    "crates/adapters/",
    "crates/api/",
    "crates/cli/",
    "crates/config/",
    "crates/edge/",
    "crates/history/",
    "crates/messages/",
    "crates/parquet/",
    "crates/sim/",
    "crates/venue/",
    "crates/views/",
    "crates/words/",
];

fn is_shown(source: &Source) -> bool {
    let path = source.path.as_str();
    let shown = SHOWN.iter().any(|place| path.starts_with(place))
        || path == "crates/domain/src/fact/kinds.rs";
    shown && path != "crates/views/src/stored_texts.rs"
}

/// What `source` shows to users that it should not.
fn findings(source: &Source, words: &[(String, &'static str)]) -> Vec<String> {
    let name =
        |at: usize, what: String| format!("{}:{}: {what}", source.path, line_of(&source.text, at));
    let ending = Path::new(&source.path).extension();
    let script = ending.is_some_and(|ending| ending == "js");
    if script || ending.is_some_and(|ending| ending == "rs") {
        // Comments are for programmers; lines keep their numbers.
        let code = if script { Some(source.text.clone()) } else { product_code(source) };
        let code = code.unwrap_or_default();
        let line = |(begin, text): (usize, String)| {
            let found = found(&text, words).into_iter();
            let line = line_of(&code, begin);
            found.map(move |(_, what)| format!("{}:{line}: {what}", source.path)).collect()
        };
        return sentences(&code).into_iter().flat_map(|one| -> Vec<String> { line(one) }).collect();
    }
    let text = without_code(&source.text);
    found(&text, words).into_iter().map(|(at, what)| name(at, what)).collect()
}

#[test]
fn texts_for_users_have_no_private_words() {
    let words = forbidden();
    let mut shown = files(&["README.md", "CONTRIBUTING.md", "docs", "deploy"], &[".md"]);
    shown.extend(files(&["config", "dashboards", "rules"], &[".toml", ".json", ".yml"]));
    shown.extend(files(&["page"], &[".html", ".js"]));
    shown.extend(rust_files().into_iter().filter(is_shown));
    assert!(shown.len() > 150, "the texts are not where they are looked for");
    none(&shown.iter().flat_map(|source| findings(source, &words)).collect::<Vec<_>>());
}

#[test]
fn a_private_word_is_found_where_users_read_it() {
    let words = forbidden();
    let check = |path: &str, text: &str, lines: &[usize]| {
        let source = Source { path: path.to_owned(), text: text.to_owned() };
        let found = findings(&source, &words);
        let at: Vec<String> = lines.iter().map(|line| format!("{path}:{line}: ")).collect();
        assert_eq!(found.len(), at.len(), "{found:?}");
        let pairs = found.iter().zip(&at);
        assert!(pairs.clone().all(|(found, at)| found.starts_with(at)), "{found:?}");
    };
    check(
        "docs/a.md",
        "One line.\nThe venue told us, `told` as code. A set\naside input.\n",
        &[2, 2],
    );
    check("docs/a.md", "The retold untold story of told_by.\n", &[]);
    check(
        "src/a.rs",
        "// told\nlet told = f(\"told\");\nfail(\"we were {told} and \\\n told\");\n",
        &[3],
    );
    check("src/a.rs", "#[expect(x, reason = \"it is told so\")]\nfn f() {}\n", &[]);
    check("page/a.js", "const a = \"Nothing was heard\";\n", &[1]);
    check("config/a.toml", "# What the venue tells.\n", &[1]);
}
