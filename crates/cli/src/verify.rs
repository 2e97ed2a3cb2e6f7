//! `everwarm verify`.

use super::Core;
use super::query::Args;
use crate::print::Printer;
use crate::progress::Progress;
use crate::store_check::{CHECKPOINT, compared};
use everwarm_views::exit::{Exit, Failure};
use everwarm_views::questions::{Asked, VERIFY};
use everwarm_views::views::{RemovedView, VerifyView};
use everwarm_words::text::{count, hang, instant, thousands};
use std::sync::Arc;

/// Columns before the continuation of a long line.
const INDENT: usize = 2;

/// Derives every fact again and prints the differences.
pub fn print(args: &Args, core: &Core, printer: Printer) -> Result<Exit, Failure> {
    let progress = Arc::new(Progress::begin("deriving every fact again", !printer.quiet));
    let answer = args.daemon_counted(core, &progress)?.ask(&VERIFY, &Asked::default())?;
    drop(progress);
    let found: VerifyView = answer.read()?;
    let exit = if found.problems.is_empty() { Exit::Fine } else { Exit::Problems };
    if args.json {
        return printer.answer(&answer).map(|_| exit);
    }
    let mut lines: Vec<String> =
        found.problems.iter().map(|p| format!("{} {}: {}", p.key, p.kind, p.text)).collect();
    for other in &found.others {
        let until = other.until.map_or(String::new(), |until| format!(" up to input {until}"));
        let facts = count(other.facts, "fact");
        lines
            .push(format!("{}: {facts}{until} by another version, not derived again", other.stage));
    }
    if let Some(RemovedView { facts, input, time }) = &found.removed {
        lines.push(format!(
            "up to input {} ({}) {} removed, bars and what is computed from them; the rest of that \
             time is not compared",
            thousands(*input),
            instant(*time),
            match facts {
                1 => "1 fact was".to_owned(),
                facts => format!("{} facts were", thousands(*facts)),
            }
        ));
    }
    let beyond = found.beyond.iter();
    lines.extend(beyond.map(|b| format!("{} {} is out of range: {}", b.key, b.kind, b.text)));
    if !found.checkpoints.is_empty() {
        lines.push(compared(&found.checkpoints));
    }
    let (inputs, facts) = (count(found.inputs, "input"), count(found.facts, "derived fact"));
    let wrong = found.problems.iter().filter(|problem| problem.kind != CHECKPOINT).count() as u64;
    lines.push(match wrong {
        0 => format!("{inputs}, {facts}: all agree with the inputs"),
        wrong => format!("{inputs}, {facts}: {} from the inputs", {
            if wrong == 1 { "1 differs".to_owned() } else { format!("{wrong} differ") }
        }),
    });
    let lines: Vec<String> =
        lines.iter().flat_map(|line| hang(line, INDENT, printer.width)).collect();
    printer.lines(&lines).map(|_| exit)
}
