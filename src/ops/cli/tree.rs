//! `everwarm tree`.

use super::{Core, ask};
use crate::ops::exit::{Exit, Failure};
use crate::ops::print::Printer;
use crate::ops::text::{count, fit, instant, took};
use everwarm_runtime::clock::wall_ms;
use serde_json::Value;
use std::time::Duration;

/// Wall time between two looks.
const LOOK: Duration = Duration::from_secs(1);
/// Moves the cursor to the first line and takes away what is there.
const CLEAR: &str = "\x1b[H\x1b[J";

/// Flags of `tree`.
#[derive(Clone, Debug, clap::Args)]
pub struct TreeArgs {
    /// Look again every second, until Ctrl-C. Not on a terminal: print the tree whenever it has
    /// changed.
    #[arg(long)]
    watch: bool,
    #[command(flatten)]
    args: ask::Args,
}

/// Prints the supervision tree.
pub fn print(args: &TreeArgs, core: &Core, printer: Printer) -> Result<Exit, Failure> {
    let desk = args.args.desk(core)?;
    if !args.watch {
        let tree = desk.tree()?;
        if args.args.json {
            return printer.json(tree.as_ref());
        }
        return printer.lines(&fitting(&tree, Some(wall_ms()), printer)).map(|_| Exit::Fine);
    }
    let mut last = Vec::new();
    loop {
        let tree = desk.tree()?;
        let now = instant(wall_ms() / 1000 * 1000);
        let still = fitting(&tree, None, printer);
        let shown = if args.args.json {
            vec![tree.to_string()]
        } else if printer.terminal {
            let told = fitting(&tree, Some(wall_ms()), printer);
            let head = format!("{CLEAR}{now} UTC, Ctrl-C ends");
            std::iter::once(head).chain(told).collect()
        } else {
            std::iter::once(format!("{now} UTC")).chain(still.iter().cloned()).collect()
        };
        let again = printer.terminal && !args.args.json;
        if (again || still != last) && !printer.lines(&shown)? {
            return Ok(Exit::Fine);
        }
        last = still;
        std::thread::park_timeout(LOOK);
    }
}

fn fitting(tree: &Value, now: Option<i64>, printer: Printer) -> Vec<String> {
    lines(tree, now).iter().map(|line| fit(line, printer.width)).collect()
}

/// A node and what is below it: names as a tree, and beside them what else is known of each; for
/// how long only where it is known what time it is.
pub fn lines(tree: &Value, now: Option<i64>) -> Vec<String> {
    let mut rows = Vec::new();
    branch(tree, ("", ""), now, &mut rows);
    let width = rows.iter().map(|(name, _)| name.chars().count()).max().unwrap_or(0);
    let line = |(name, told): &(String, String)| {
        let pad = " ".repeat(width - name.chars().count());
        format!("{name}{pad}  {told}").trim_end().to_owned()
    };
    rows.iter().map(line).collect()
}

fn branch(
    node: &Value,
    (first, rest): (&str, &str),
    now: Option<i64>,
    rows: &mut Vec<(String, String)>,
) {
    let text = |key: &str| node.get(key).and_then(Value::as_str).filter(|text| !text.is_empty());
    let number = |key: &str| node.get(key).and_then(Value::as_u64).unwrap_or(0);
    let mut told: Vec<String> = text("state").map(str::to_owned).into_iter().collect();
    if let (Some(now), Some(since)) = (now, node.get("since_ms").and_then(Value::as_i64)) {
        let ms = u64::try_from(now - since).unwrap_or(0);
        told.push(format!("for {}", took(Duration::from_millis(ms))));
    }
    let flag = |key: &str| node.get(key).and_then(Value::as_bool).unwrap_or(false);
    if flag("down") && text("state") != Some("down") {
        told.push("on trial".to_owned());
    }
    if flag("blocked") {
        told.push("holds its thread".to_owned());
    }
    told.extend(text("planned").map(|what| format!("{what}, on purpose")));
    // It changes all the time: only where the rest of the moment is shown too.
    if let (Some(_), waiting @ 1..) = (now, number("mailbox")) {
        told.push(format!("{waiting} waiting"));
    }
    let injected = number("injected");
    match number("restarts") {
        0 => {}
        restarts if injected > 0 => {
            told.push(format!("{}, {injected} on purpose", count(restarts, "restart")));
        }
        restarts => told.push(count(restarts, "restart")),
    }
    told.extend(text("last_failure").map(|why| format!("last: {why}")));
    rows.push((format!("{first}{}", text("name").unwrap_or("?")), told.join("  ")));
    let children = node.get("children").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    for (i, child) in children.iter().enumerate() {
        let (own, below) =
            if i + 1 == children.len() { ("└─ ", "   ") } else { ("├─ ", "│  ") };
        branch(child, (&format!("{rest}{own}"), &format!("{rest}{below}")), now, rows);
    }
}
