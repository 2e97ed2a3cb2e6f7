//! The pages of `docs/reference/` that are generated from the code: commands, configuration, API
//! and exit codes. Those of facts and metrics are made beside their tables.

mod api;
mod commands;
mod configuration;

use super::assert_generated;
use everwarm_views::exit::Exit;
use std::fmt::Write;

/// States on a page where it comes from.
fn generated(from: &str) -> String {
    format!(
        "This page is generated from {from}. `EVERWARM_BLESS=1 cargo nextest run -p everwarm -E \
         'test(/tidy/)'` writes it again.\n"
    )
}

/// A text within a cell of a table.
fn cell(text: &str) -> String {
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    line.replace('|', "\\|").replace('<', "&lt;")
}

/// A text within a cell that is shown as it is typed.
fn code(text: &str) -> String {
    if text.is_empty() { String::new() } else { format!("`{}`", text.replace('|', "\\|")) }
}

/// The same, where it ends as a sentence.
fn sentence(text: &str) -> String {
    let text = cell(text);
    let mut letters = text.chars();
    let first = letters.next().map(|letter| letter.to_uppercase().to_string());
    let whole = first.unwrap_or_default() + letters.as_str();
    if whole.is_empty() || whole.ends_with(['.', '!', '?', ':']) { whole } else { whole + "." }
}

#[test]
fn the_page_of_exit_codes_says_what_the_code_says() {
    let mut page = String::from("# Exit codes\n\n");
    page += "Every command ends with one of these codes. Codes marked *person* do not go away by a \
             restart: a service manager must not restart the daemon after them.\n\n";
    page += &generated("`crates/views/src/exit.rs`");
    page += "\n| code | meaning | restart |\n|---:|---|---|\n";
    for exit in Exit::ALL {
        let restart = if exit.needs_a_person() { "*person*" } else { "" };
        writeln!(page, "| {} | {} | {restart} |", exit.code(), exit.about()).unwrap();
    }
    assert_generated("docs/reference/exit-codes.md", &page);
}

#[test]
fn the_unit_does_not_restart_what_needs_a_person() {
    let unit = super::root().join("deploy/everwarm.service");
    let unit = std::fs::read_to_string(unit).unwrap();
    let codes = Exit::ALL.into_iter().filter(|exit| exit.needs_a_person());
    let codes: Vec<String> = codes.map(|exit| exit.code().to_string()).collect();
    let line = format!("RestartPreventExitStatus={}", codes.join(" "));
    assert!(unit.lines().any(|found| found == line), "{line}");
}
