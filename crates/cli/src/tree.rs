//! `everwarm tree`.

use super::{Core, query};
use crate::print::Printer;
use crate::remote::Remote;
use everwarm_config::CheckDepth;
use everwarm_runtime::clock::wall;
use everwarm_views::exit::{Exit, Failure};
use everwarm_views::questions::{Asked, TREE};
use everwarm_words::text::{count, fit, instant, took};
use serde_json::Value;
use std::path::Path;
use std::time::Duration;

/// Time between two polls.
const LOOK: Duration = Duration::from_secs(1);
/// Moves the cursor to the first line and clears the screen.
const CLEAR: &str = "\x1b[H\x1b[J";

/// Flags of `tree`.
#[derive(Clone, Debug, clap::Args)]
pub struct TreeArgs {
    /// Refresh every second until Ctrl-C, also while no daemon runs. Without a terminal, print the
    /// tree at each change.
    #[arg(long)]
    watch: bool,
    #[command(flatten)]
    args: query::Args,
}

/// Prints the supervision tree.
pub fn print(args: &TreeArgs, core: &Core, printer: Printer) -> Result<Exit, Failure> {
    if args.watch {
        return watch(args, printer);
    }
    let answer = args.args.daemon(core)?.ask(&TREE, &Asked::default())?;
    if args.args.json {
        return printer.answer(&answer);
    }
    let tree = answer.read()?;
    printer
        .lines(&lines(&tree, Some(wall().utc()), (printer.width, usize::MAX)))
        .map(|_| Exit::Fine)
}

/// Prints the tree until the reader closes the output. If no daemon runs, it waits for the next
/// one.
fn watch(args: &TreeArgs, printer: Printer) -> Result<Exit, Failure> {
    let data_dir = args.args.configuration(CheckDepth::Words)?.data_dir;
    let (mut daemon, mut away, mut last) = (None, None, Vec::new());
    let live = printer.terminal && !args.args.json;
    // One line shows the time, and a terminal needs one for the cursor.
    let room = (printer.width, printer.height.saturating_sub(2));
    loop {
        let (tree, now) = (look(&mut daemon, &data_dir)?, wall().utc());
        let at = instant(now / 1000 * 1000);
        let still = match &tree {
            Some(tree) if args.args.json => vec![tree.to_string()],
            Some(tree) => lines(tree, None, room),
            None => {
                vec![format!("no daemon has responded since {}", away.get_or_insert(at.clone()))]
            }
        };
        away = away.filter(|_| tree.is_none());
        let shown: Vec<String> = if live {
            let drawn = tree.map(|tree| lines(&tree, Some(now), room));
            let head = format!("{CLEAR}{at} UTC, Ctrl-C ends");
            std::iter::once(head).chain(drawn.unwrap_or_else(|| still.clone())).collect()
        } else if args.args.json {
            // A reader of JSON gets no text.
            tree.map_or_else(Vec::new, |_| still.clone())
        } else {
            std::iter::once(format!("{at} UTC")).chain(still.iter().cloned()).collect()
        };
        if (live || still != last) && !printer.lines(&shown)? {
            return Ok(Exit::Fine);
        }
        last = still;
        std::thread::park_timeout(LOOK);
    }
}

/// The tree of the running daemon; none if no daemon responds. It leaves the files alone: they
/// belong to the next daemon.
fn look(daemon: &mut Option<Remote>, data_dir: &Path) -> Result<Option<Value>, Failure> {
    let silent = |e: &Failure| e.exit == Exit::Unreachable;
    if daemon.is_none() {
        *daemon = match Remote::connect(data_dir) {
            Ok(found) => found,
            Err(e) if silent(&e) => None,
            Err(e) => return Err(e),
        };
    }
    let answer = daemon.as_ref().map(|daemon| daemon.ask(&TREE, &Asked::default())?.read());
    match answer {
        Some(Ok(tree)) => Ok(Some(tree)),
        Some(Err(e)) if !silent(&e) => Err(e),
        Some(Err(_)) | None => {
            *daemon = None;
            Ok(None)
        }
    }
}

/// What is drawn: the current time, if durations are shown; the maximum number of plain siblings.
type Drawn = (Option<i64>, usize);

/// The lines of a node and its descendants: the names as a tree, the details beside them. Durations
/// need the current time `now`. If there are too many lines, siblings that just run are combined
/// into a count.
pub fn lines(tree: &Value, now: Option<i64>, (columns, most): (usize, usize)) -> Vec<String> {
    let draw = |siblings: usize| {
        let mut rows = Vec::new();
        branch(tree, ("", ""), (now, siblings), &mut rows);
        rows
    };
    let mut rows = draw(usize::MAX);
    if rows.len() > most {
        let fits = (0..most).rev().map(draw).find(|rows| rows.len() <= most);
        rows = fits.unwrap_or_else(|| draw(0));
    }
    let width = rows.iter().map(|(name, _)| name.chars().count()).max().unwrap_or(0);
    let line = |(name, state): &(String, String)| {
        let pad = " ".repeat(width - name.chars().count());
        fit(format!("{name}{pad}  {state}").trim_end(), columns)
    };
    let mut lines: Vec<String> = rows.iter().map(line).collect();
    if lines.len() > most {
        let more = lines.split_off(most - 1).len();
        lines.push(format!("… {} more", count(more as u64, "line")));
    }
    lines
}

/// Whether the node runs, has no children, and has no other details.
fn just_runs(node: &Value) -> bool {
    let absent = |key: &str| match node.get(key) {
        None | Some(Value::Null) => true,
        Some(Value::Bool(flag)) => !flag,
        Some(Value::Number(number)) => number.as_u64() == Some(0),
        Some(Value::String(text)) => text.is_empty(),
        Some(Value::Array(all)) => all.is_empty(),
        Some(Value::Object(_)) => false,
    };
    let keys = ["down", "blocked", "planned", "restarts", "last_failure", "mailbox", "children"];
    node.get("state").and_then(Value::as_str) == Some("running") && keys.into_iter().all(absent)
}

fn branch(
    node: &Value,
    (first, rest): (&str, &str),
    (now, siblings): Drawn,
    rows: &mut Vec<(String, String)>,
) {
    let text = |key: &str| node.get(key).and_then(Value::as_str).filter(|text| !text.is_empty());
    let number = |key: &str| node.get(key).and_then(Value::as_u64).unwrap_or(0);
    let mut parts: Vec<String> = text("state").map(str::to_owned).into_iter().collect();
    if let (Some(now), Some(since)) = (now, node.get("since_ms").and_then(Value::as_i64)) {
        let ms = u64::try_from(now - since).unwrap_or(0);
        parts.push(format!("for {}", took(Duration::from_millis(ms))));
    }
    let flag = |key: &str| node.get(key).and_then(Value::as_bool).unwrap_or(false);
    if flag("down") && text("state") != Some("down") {
        parts.push("retrying".to_owned());
    }
    if flag("blocked") {
        parts.push("blocks its thread".to_owned());
    }
    parts.extend(text("planned").map(|what| format!("{what} (injected)")));
    // The number changes all the time, so show it only together with durations.
    if let (Some(_), waiting @ 1..) = (now, number("mailbox")) {
        parts.push(format!("{waiting} waiting"));
    }
    let injected = number("injected");
    match number("restarts") {
        0 => {}
        restarts if injected > 0 => {
            parts.push(format!("{}, {injected} injected", count(restarts, "restart")));
        }
        restarts => parts.push(count(restarts, "restart")),
    }
    parts.extend(text("last_failure").map(|why| format!("last: {why}")));
    rows.push((format!("{first}{}", text("name").unwrap_or("?")), parts.join("  ")));
    let children = node.get("children").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    let all = children.iter().filter(|child| just_runs(child)).count();
    // The count takes a line as well.
    let mut shown = if all > siblings.saturating_add(1) { siblings } else { all };
    let counted = all - shown;
    let mut seen = Vec::new();
    for child in children {
        if !just_runs(child) {
            seen.push(child);
        } else if shown > 0 {
            shown -= 1;
            seen.push(child);
        }
    }
    for (i, child) in seen.iter().enumerate() {
        let (own, below) = if i + 1 == seen.len() && counted == 0 {
            ("└─ ", "   ")
        } else {
            ("├─ ", "│  ")
        };
        let stems = (&*format!("{rest}{own}"), &*format!("{rest}{below}"));
        branch(child, stems, (now, siblings), rows);
    }
    if counted > 0 {
        rows.push((format!("{rest}└─ … {counted} more"), "running".to_owned()));
    }
}
