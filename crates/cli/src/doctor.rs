//! `everwarm doctor`.

use super::Core;
use super::query::Args;
use crate::print::Printer;
use everwarm_config::CheckDepth;
use everwarm_config::last_start::typed;
use everwarm_views::exit::{Exit, Failure};
use everwarm_views::health::causes_first;
use everwarm_views::questions::{Asked, DOCTOR};
use everwarm_views::views::{FindingView, HealthView, Severity};
use everwarm_words::text::{Paint, count, hang, instant, took};
use std::time::Duration;

/// Columns before the text of a finding.
const INDENT: usize = 9;

/// Prints each finding: the problem, since when, and what to do.
pub fn print(args: &Args, core: &Core, printer: Printer) -> Result<Exit, Failure> {
    let view = look(args, core);
    let exit = if view.healthy { Exit::Fine } else { Exit::Problems };
    if args.json {
        return printer.json(&view).map(|_| exit);
    }
    let mut lines = Vec::new();
    for finding in &view.findings {
        let (word, paint) = match finding.severity {
            Severity::Broken => ("broken", Paint::Red),
            Severity::Warning => ("warning", Paint::Yellow),
        };
        let text = format!("{word:<8} {}{}", finding.text, since(finding));
        let mut wrapped = hang(&text, INDENT, printer.width).into_iter();
        lines.extend(wrapped.next().map(|line| paint.on(&line, printer.color)));
        lines.extend(wrapped);
        lines.extend(hang(&format!("{:INDENT$}{}", "", finding.todo), INDENT, printer.width));
        lines.extend(finding.command.iter().map(|command| format!("         $ {command}")));
    }
    let (checks, found) = (view.checks.len() as u64, view.findings.len() as u64);
    let state = if view.running { "the daemon responds" } else { "read from its files" };
    let found = if found == 0 { "no problems".to_owned() } else { count(found, "problem") };
    lines.push(format!("{}, {state}: {found}", count(checks, "check")));
    printer.lines(&lines).map(|_| exit)
}

fn since(finding: &FindingView) -> String {
    let Some((since, for_s)) = finding.since.zip(finding.for_s) else { return String::new() };
    let lasts = match for_s {
        0 => String::new(),
        for_s => format!(" ({})", took(Duration::from_secs(for_s))),
    };
    format!(", since {} UTC{lasts}", instant(since / 1000 * 1000))
}

/// All findings, with commands for the queried daemon. A daemon that does not respond is a finding,
/// too.
pub fn look(args: &Args, core: &Core) -> HealthView {
    let answer = args.daemon(core).and_then(|daemon| daemon.ask(&DOCTOR, &Asked::default()));
    let asked = answer.and_then(|answer| answer.read());
    let mut view: HealthView = asked.unwrap_or_else(|failure| unread(&failure));
    // The shell need not have the environment that the daemon was started with.
    let deep = if view.running { CheckDepth::Words } else { CheckDepth::World };
    let sources = args.sources().or_noted();
    if let Err(failure) = sources.load(deep).map_err(Failure::from) {
        view.findings.push(FindingView {
            check: "configuration".to_owned(),
            severity: if view.running { Severity::Warning } else { Severity::Broken },
            text: format!("a start would fail: {}", failure.text.replace('\n', "; ")),
            todo: "repair these errors".to_owned(),
            command: Some("everwarm config check".to_owned()),
            ..FindingView::default()
        });
    }
    for command in view.findings.iter_mut().filter_map(|finding| finding.command.as_mut()) {
        *command = args.whole(command, sources.file.as_deref());
        // Suggest the same flags as at the last start.
        if command.starts_with("everwarm run") && !sources.noted.is_empty() {
            *command = format!("{command} {}", typed(&sources.noted));
        }
    }
    causes_first(&mut view.findings);
    view.healthy = view.findings.is_empty();
    view
}

/// The finding that neither a daemon nor its files could be read.
pub fn unread(failure: &Failure) -> HealthView {
    let (todo, command) = match failure.exit {
        Exit::Foreign if failure.code == Failure::DAMAGED_HISTORY => {
            ("move this file away, then start the daemon", "everwarm run")
        }
        Exit::Foreign => (
            "restore a backup into a new directory, or start with an empty one: the daemon finds \
             its open orders at the venue",
            "everwarm store check",
        ),
        Exit::Held => ("another process uses the files: find it and stop it", "ps -ef"),
        Exit::DiskFull => ("free some space on the disk", "df -h"),
        Exit::Unreachable => ("start the daemon", "everwarm run"),
        Exit::Usage => ("repair the configuration", "everwarm config check"),
        Exit::Fine
        | Exit::Failed
        | Exit::Problems
        | Exit::Refused
        | Exit::StoreFailed
        | Exit::RootGaveUp
        | Exit::Watchdog
        | Exit::Interrupted
        | Exit::Terminated => ("check the files", "everwarm store check"),
    };
    let finding = FindingView {
        check: "process".to_owned(),
        severity: Severity::Broken,
        text: failure.text.clone(),
        todo: todo.to_owned(),
        command: Some(command.to_owned()),
        ..FindingView::default()
    };
    let checks = vec!["process".to_owned()];
    HealthView { running: false, healthy: false, checks, findings: vec![finding] }
}
