//! `everwarm tree`.

use super::Core;
use super::ask::Args;
use crate::ops::exit::{Exit, Failure};
use crate::ops::print::Printer;
use crate::ops::text::fit;
use serde_json::Value;

/// Prints the supervision tree.
pub fn print(args: &Args, core: &Core, printer: Printer) -> Result<Exit, Failure> {
    let tree = args.desk(core)?.tree()?;
    if args.json {
        return printer.json(&tree);
    }
    let mut lines = Vec::new();
    branch(&tree, "", "", &mut lines);
    let lines: Vec<String> = lines.iter().map(|line| fit(line, printer.width)).collect();
    printer.lines(&lines).map(|_| Exit::Fine)
}

/// A node and what is below it: its name, then what else is known of it.
pub fn branch(node: &Value, first: &str, rest: &str, lines: &mut Vec<String>) {
    let name = node.get("name").and_then(Value::as_str).unwrap_or("?");
    let mut line = format!("{first}{name}");
    for (key, value) in node.as_object().into_iter().flatten() {
        let text = match value {
            Value::String(text) if !text.is_empty() => text.clone(),
            Value::Number(number) => number.to_string(),
            Value::Bool(flag) => flag.to_string(),
            Value::String(_) | Value::Null | Value::Array(_) | Value::Object(_) => continue,
        };
        match key.as_str() {
            "name" => {}
            "state" | "kind" | "strategy" => line.extend(["  ", text.as_str()]),
            _ => line.extend(["  ", key, " ", text.as_str()]),
        }
    }
    lines.push(line);
    let children = node.get("children").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    for (i, child) in children.iter().enumerate() {
        let (own, below) =
            if i + 1 == children.len() { ("└─ ", "   ") } else { ("├─ ", "│  ") };
        branch(child, &format!("{rest}{own}"), &format!("{rest}{below}"), lines);
    }
}
