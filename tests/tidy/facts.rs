//! `docs/reference/facts.md` is generated from the table of facts.

use super::{assert_generated, root};
use everwarm_domain::fact::kinds::TABLE;
use everwarm_kernel::fact::KINDS;
use std::fmt::Write;

const PAGE: &str = "docs/reference/facts.md";
const TABLE_FILE: &str = "crates/domain/src/fact/kinds.rs";

const HEAD: &str = "\
# Facts

Everything that happened is a fact in one journal. This page is generated from the table in
`crates/domain/src/fact/kinds.rs`. `EVERWARM_BLESS=1 cargo nextest run -p everwarm -E
'test(/tidy/)'` writes it again. The types in `crates/domain/src/fact/` describe what a fact
carries.

*Flushed*: **synced** facts make the commit that carries them wait for the disk, at once; **lazy**
ones are committed within 10 ms and on disk within a second, always in order. Numbers are never
reused.

| no. | fact | made by | flushed | kept | what it says |
|---:|---|---|---|---|---|
";

const RANKS: &str = "
## Ranks

Stages handle every input in this order. Inputs have rank 0. A later stage takes a free number; none
is reused.

| rank | stage |
|---:|---|
";

/// Name, number and first sentence of every rank, from its constant.
fn ranks() -> Vec<(u16, String, String)> {
    let text = std::fs::read_to_string(root().join(TABLE_FILE)).unwrap();
    let mut about = String::new();
    let mut found = Vec::new();
    for line in text.lines().map(str::trim) {
        if let Some(words) = line.strip_prefix("/// ") {
            about.push_str(words);
            about.push(' ');
            continue;
        }
        if let Some(constant) = line.strip_prefix("pub const ")
            && let Some((name, value)) = constant.split_once(": Rank = Rank(")
        {
            let number = value.trim_end_matches(");").replace('_', "").parse().unwrap();
            let name = name.to_lowercase().replace('_', " ");
            found.push((number, name, about.trim().to_owned()));
        }
        about.clear();
    }
    found.sort();
    found
}

fn page() -> String {
    let mut page = HEAD.to_owned();
    for row in TABLE {
        let flushed = if row.synced { "**synced**" } else { "lazy" };
        let (kind, name, by, kept, about) = (row.kind, row.name, row.made_by, row.kept, row.about);
        writeln!(page, "| {kind} | `{name}` | {by} | {flushed} | {kept} | {about} |").unwrap();
    }
    page.push_str(RANKS);
    for (number, name, about) in ranks() {
        writeln!(page, "| {number} | {name}: {about} |").unwrap();
    }
    page
}

#[test]
fn the_page_of_facts_says_what_the_table_says() {
    assert_generated(PAGE, &page());
}

#[test]
fn kinds_have_numbers_and_names_of_their_own() {
    for (i, row) in TABLE.iter().enumerate() {
        assert!(row.kind < KINDS, "{}: a mask has {KINDS} kinds", row.name);
        for other in &TABLE[..i] {
            assert!(row.kind > other.kind, "{} comes after {}", row.name, other.name);
            assert_ne!(row.name, other.name);
        }
    }
    let numbers: Vec<u16> = ranks().into_iter().map(|r| r.0).collect();
    assert!(numbers.len() >= 7 && numbers.windows(2).all(|w| w[0] < w[1]), "{numbers:?}");
}
