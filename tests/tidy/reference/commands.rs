//! `docs/reference/commands.md`, from the definition of the command line.

use super::{cell, code, generated, sentence};
use crate::tidy::assert_generated;
use clap::{Arg, Command};
use std::fmt::Write;

const HEAD: &str = "\
# Commands

Commands query the running daemon. If none runs, they read its data directory. Data goes to
standard output, everything else to standard error. Reading commands take `--json`;
[the API](api.md) responds with the same. Commands that change something request confirmation on a
terminal and need `--yes` without one. [Exit codes](exit-codes.md) are the same for all commands.

";

/// Commands with their words, depth first, without `help`.
fn all<'a>(command: &'a Command, words: &str, found: &mut Vec<(String, &'a Command)>) {
    found.push((words.to_owned(), command));
    for below in command.get_subcommands() {
        if below.get_name() != "help" && !below.is_hide_set() {
            all(below, &format!("{words} {}", below.get_name()), found);
        }
    }
}

/// How an argument is typed.
fn typed(arg: &Arg) -> String {
    match arg.get_short().filter(|_| arg.get_long().is_some()) {
        Some(short) => format!("-{short}, {arg}"),
        None => arg.to_string(),
    }
}

/// What an argument does, the words it may be, and what it is without.
fn meaning(arg: &Arg) -> String {
    let help = arg.get_long_help().or_else(|| arg.get_help());
    let mut text = sentence(&help.map(ToString::to_string).unwrap_or_default());
    let takes_values = arg.get_action().takes_values();
    let values = arg.get_possible_values();
    if takes_values && !values.is_empty() {
        let names = values.iter().filter(|value| !value.is_hide_set());
        let names: Vec<String> = names.map(|value| code(value.get_name())).collect();
        write!(text, " One of {}.", names.join(", ")).unwrap();
    }
    let defaults: Vec<_> = arg.get_default_values().iter().map(|v| v.to_string_lossy()).collect();
    if takes_values && !defaults.is_empty() {
        write!(text, " Default: {}.", code(&defaults.join(" "))).unwrap();
    }
    text.trim().to_owned()
}

fn arguments<'a>(page: &mut String, arguments: impl Iterator<Item = &'a Arg>) {
    let shown =
        |arg: &&Arg| !arg.is_hide_set() && !["help", "version"].contains(&arg.get_id().as_str());
    let mut rows = arguments.filter(shown).peekable();
    if rows.peek().is_none() {
        return;
    }
    page.push_str("| argument | meaning |\n|---|---|\n");
    for arg in rows {
        writeln!(page, "| {} | {} |", code(&typed(arg)), meaning(arg)).unwrap();
    }
    page.push('\n');
}

#[test]
fn the_page_of_commands_says_what_the_code_says() {
    let mut root = everwarm_cli::command();
    root.build();
    let mut found = Vec::new();
    all(&root, "everwarm", &mut found);
    let mut page =
        HEAD.to_owned() + &generated("the definition of the command line in `crates/cli/src/`");
    page.push_str("\n| command | what it does |\n|---|---|\n");
    for (words, command) in &found[1..] {
        let about = command.get_about().map(ToString::to_string).unwrap_or_default();
        let anchor = words.replace(' ', "-");
        writeln!(page, "| [`{words}`](#{anchor}) | {} |", sentence(&about)).unwrap();
    }
    page.push_str("\n## Flags of every command\n\n");
    arguments(&mut page, root.get_arguments().filter(|arg| arg.is_global_set()));
    for (words, command) in &found[1..] {
        let about = command.get_long_about().or_else(|| command.get_about());
        let about = about.map(ToString::to_string).unwrap_or_default();
        writeln!(page, "## {words}\n\n{}\n", sentence(&about)).unwrap();
        let usage = (*command).clone().render_usage().to_string();
        let usage = usage.trim_start_matches("Usage:").lines().map(str::trim);
        for line in usage.filter(|line| !line.is_empty()) {
            writeln!(page, "    {line}").unwrap();
        }
        page.push('\n');
        arguments(&mut page, command.get_arguments().filter(|arg| !arg.is_global_set()));
    }
    let page = page.trim_end().to_owned() + "\n";
    assert_generated("docs/reference/commands.md", &page);
    assert!(found.len() > 40, "{}: {}", found.len(), cell(&page));
}
