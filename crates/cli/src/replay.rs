//! `everwarm replay`.

use super::backtest::{PlayArgs, pair, played, side_by_side, time};
use super::{Core, query};
use crate::print::Printer;
use crate::progress::Progress;
use everwarm_config::CheckDepth;
use everwarm_domain::time::UtcMs;
use everwarm_views::backtest::{BacktestView, DaemonResult, html};
use everwarm_views::exit::{Exit, Failure};
use everwarm_views::questions::{Asked, REPLAY};
use everwarm_views::summary::Period;
use everwarm_views::views::{DecidedView, ReplayView};
use everwarm_words::text::{Table, count, hang, instant, thousands};
use serde_json::json;
use std::sync::Arc;

/// Number of differences printed as text.
const SHOWN: usize = 10;
/// Columns before the continuation of a long line.
const INDENT: usize = 7;

/// Flags of `replay`.
#[derive(Clone, Debug, clap::Args)]
pub struct ReplayArgs {
    /// A UTC day, like 2026-01-05 [default: the whole journal].
    #[arg(value_name = "DATE", value_parser = Period::day)]
    day: Option<Period>,
    /// Play the closes of the journal with this configuration key changed, like
    /// strategy.sma_cross.fast=20. Prints the result beside the one without the change and what the
    /// daemon did. May be repeated. No process may use the data directory.
    #[arg(long, value_name = "KEY=VALUE", value_parser = pair)]
    set: Vec<(String, String)>,
    /// Start of the account with --set: a UTC day, or a time like "2026-01-05 12:00" [default: the
    /// first close]. Bars before it are history for the indicators.
    #[arg(long, value_name = "TIME", value_parser = time, requires = "set", conflicts_with = "day")]
    from: Option<UtcMs>,
    /// The last close with --set, written like --from.
    #[arg(long, value_name = "TIME", value_parser = time, requires = "set", conflicts_with = "day")]
    to: Option<UtcMs>,
    #[command(flatten)]
    args: query::Args,
}

impl ReplayArgs {
    /// Whether it plays the closes of files.
    pub fn plays(&self) -> bool {
        !self.set.is_empty()
    }
}

/// Repeats every decision and prints the comparison.
pub fn print(args: &ReplayArgs, core: &Core, printer: Printer) -> Result<Exit, Failure> {
    if args.plays() {
        return changed(args, core, printer);
    }
    let progress = Arc::new(Progress::begin("repeating every decision", !printer.quiet));
    let asked = Asked::within(args.day);
    let answer = args.args.daemon_counted(core, &progress)?.ask(&REPLAY, &asked)?;
    drop(progress);
    let view: ReplayView = answer.read()?;
    let exit = if view.differing == 0 { Exit::Fine } else { Exit::Problems };
    if args.args.json {
        return printer.answer(&answer).map(|_| exit);
    }
    let lines = lines(&view, printer.width);
    let lines: Vec<String> =
        lines.iter().flat_map(|line| hang(line, INDENT, printer.width)).collect();
    printer.lines(&lines).map(|_| exit)
}

/// Plays the closes of the journal as configured and with the changed keys, and prints both beside
/// what the daemon did.
fn changed(args: &ReplayArgs, core: &Core, printer: Printer) -> Result<Exit, Failure> {
    let data_dir = args.args.configuration(CheckDepth::Words)?.data_dir;
    let period = match args.day {
        Some(day) => (Some(day.from), Some(day.to)),
        None => (args.from, args.to),
    };
    let play = |set: &[(String, String)]| {
        let config = args.args.config_file();
        let play = PlayArgs::of_journal(data_dir.clone(), config, set.to_vec(), period);
        played(&play.asked()?, core, printer)
    };
    let (mut configured, mut other) = (play(&[])?, play(&args.set)?);
    let daemon = configured.daemon.take();
    other.daemon = None;
    if args.args.json {
        let keys: Vec<_> =
            args.set.iter().map(|(key, value)| json!({ "key": key, "value": value })).collect();
        let did = json!({ "set": keys, "configured": configured, "with": other, "daemon": daemon });
        return printer.json(&did);
    }
    printer.lines(&beside(&configured, &other, daemon.as_ref(), printer.width)).map(|_| Exit::Fine)
}

fn beside(
    configured: &BacktestView,
    other: &BacktestView,
    daemon: Option<&DaemonResult>,
    width: usize,
) -> Vec<String> {
    let mut results = vec![("as configured", configured), ("with the change", other)];
    let mut lines = Vec::new();
    match daemon {
        Some(DaemonResult::Traded(daemon)) => results.push(("the daemon", daemon)),
        Some(DaemonResult::Differs(why)) => lines.push(format!("the daemon has no result: {why}")),
        None => {}
    }
    let mut all = side_by_side(&results).lines(width);
    all.extend(lines);
    let notes = html::notes(other);
    if !notes.is_empty() {
        all.push(String::new());
        all.extend(notes.iter().flat_map(|note| hang(note, 2, width)));
    }
    all.push(String::new());
    let (closes, bars) = (count(other.closes, "close"), count(other.bars, "bar"));
    all.push(format!(
        "{closes} with {bars}, from {} to {}",
        instant(other.from),
        instant(other.to)
    ));
    all
}

fn lines(view: &ReplayView, width: usize) -> Vec<String> {
    let mut table = Table::new(&["stage", ">same", ">only in the journal", ">only now"]);
    for stage in &view.stages {
        let numbers = [stage.same, stage.then_only, stage.now_only].map(thousands);
        table.row([stage.stage.clone()].into_iter().chain(numbers).collect());
    }
    let mut lines = table.lines(width);
    lines.push(String::new());
    for DecidedView { key, time, kind, then, now } in view.differences.iter().take(SHOWN) {
        let text = |what: &Option<String>| what.clone().unwrap_or_else(|| "nothing".to_owned());
        lines.push(format!("{} {key} {kind}", instant(*time)));
        lines.push(format!("  then {}", text(then)));
        lines.push(format!("  now  {}", text(now)));
    }
    let more = view.differing.saturating_sub(SHOWN as u64);
    if more > 0 {
        lines.push(format!("and {} more", thousands(more)));
    }
    let inputs = count(view.inputs, "input");
    lines.push(match view.differing {
        0 => format!("{inputs} repeated: every decision agrees with the journal"),
        1 => format!("{inputs} repeated: 1 fact differs from the journal"),
        some => format!("{inputs} repeated: {} facts differ from the journal", thousands(some)),
    });
    lines
}

#[cfg(test)]
mod tests {
    use super::*;
    use everwarm_views::views::ReplayedStageView;

    #[test]
    fn what_differs_is_shown_beside_each_other() {
        let stage = |stage: &str, same, then_only, now_only| ReplayedStageView {
            stage: stage.to_owned(),
            same,
            then_only,
            now_only,
        };
        let differs = DecidedView {
            key: "7.100.0".to_owned(),
            time: 0,
            kind: "Decision.Entry".to_owned(),
            then: None,
            now: Some("enters BTCUSDT".to_owned()),
        };
        let view = ReplayView {
            inputs: 1200,
            stages: vec![stage("roll-up", 1200, 0, 0), stage("decision", 3, 0, 11)],
            differing: 11,
            differences: vec![differs; 11],
        };
        let printed = lines(&view, 80);
        let head = [
            "stage      same  only in the journal  only now",
            "roll-up   1,200                    0         0",
        ];
        assert_eq!(printed[..2], head);
        let one = ["1970-01-01 00:00 7.100.0 Decision.Entry", "  then nothing"];
        assert!(printed[4].starts_with(&one[0][..16]), "{printed:?}");
        assert_eq!(printed[5], one[1]);
        assert_eq!(printed[6], "  now  enters BTCUSDT");
        assert_eq!(printed[printed.len() - 2], "and 1 more");
        assert_eq!(
            printed[printed.len() - 1],
            "1,200 inputs repeated: 11 facts differ from the journal"
        );
    }
}
