//! The file of a grid: keys of the configuration, each with the values to try.

use everwarm_domain::money::Decimal;
use everwarm_views::sweep::Axis;
use toml::{Table, Value};

/// Most values of a key.
const VALUES: usize = 1_000;
/// Longest value, bytes.
const LENGTH: usize = 200;
/// Keys that choose what is played, and those of the process. All points share them.
const FIXED: [&str; 4] = ["daemon.", "venue.", "api.", "messages."];
/// The keys of `market` that a grid may have: what trading costs.
const COSTS: [&str; 3] = ["market.fee", "market.spread", "market.slippage"];
/// The beginning of the others: assumptions about fills.
const FILLS: &str = "market.fills.";

/// An example for errors.
const EXAMPLE: &str = "\"strategy.sma_cross.fast\" = [10, 20], or { from = 10, to = 50, step = 5 }";

/// Reads a grid. The keys come in alphabetical order.
///
/// # Errors
/// The first problem, with its key.
pub fn read(text: &str) -> Result<Vec<Axis>, String> {
    let table: Table = text.parse().map_err(|e: toml::de::Error| e.to_string())?;
    let mut axes = Vec::new();
    collect("", &table, &mut axes)?;
    if axes.is_empty() {
        return Err(format!("it has no key; write one like {EXAMPLE}"));
    }
    axes.sort_by(|a, b| a.key.cmp(&b.key));
    if let Some(pair) = axes.windows(2).find(|pair| pair[0].key == pair[1].key) {
        return Err(format!("{}: it is there twice", pair[0].key));
    }
    Ok(axes)
}

/// The keys of a table, whose name is `prefix`.
fn collect(prefix: &str, table: &Table, axes: &mut Vec<Axis>) -> Result<(), String> {
    for (name, value) in table {
        let key = if prefix.is_empty() { name.clone() } else { format!("{prefix}.{name}") };
        let wrong = |why: &str| format!("{key}: {why}");
        let values = match value {
            Value::Array(values) => values.iter().map(text).collect::<Result<Vec<_>, _>>(),
            Value::Table(inner) if is_range(inner) => range(inner),
            Value::Table(inner) => {
                collect(&key, inner, axes)?;
                continue;
            }
            Value::String(_)
            | Value::Integer(_)
            | Value::Float(_)
            | Value::Boolean(_)
            | Value::Datetime(_) => Err(format!("write a list of values, like {EXAMPLE}")),
        };
        let values = values.map_err(|why| wrong(&why))?;
        if FIXED.iter().any(|fixed| key.starts_with(fixed))
            || key.starts_with("market.") && !key.starts_with(FILLS) && !COSTS.contains(&&*key)
        {
            return Err(wrong("all points share this key; set it by a flag or in --config"));
        }
        if values.is_empty() {
            return Err(wrong("it has no value"));
        }
        if values.len() > VALUES {
            return Err(wrong(&format!("it has more than {VALUES} values")));
        }
        if let Some(twice) = (1..values.len()).find(|at| values[..*at].contains(&values[*at])) {
            return Err(wrong(&format!("{} is there twice", values[twice])));
        }
        axes.push(Axis { key, values });
    }
    Ok(())
}

fn text(value: &Value) -> Result<String, String> {
    let text = match value {
        Value::String(text) => text.clone(),
        Value::Integer(number) => number.to_string(),
        Value::Float(number) if number.is_finite() => number.to_string(),
        Value::Boolean(switch) => switch.to_string(),
        Value::Float(_) | Value::Datetime(_) | Value::Array(_) | Value::Table(_) => {
            return Err("a value must be a text, a finite number, true or false".to_owned());
        }
    };
    if text.len() > LENGTH {
        return Err(format!("a value has more than {LENGTH} bytes"));
    }
    Ok(text)
}

fn is_range(table: &Table) -> bool {
    ["from", "to", "step"].iter().any(|name| table.contains_key(*name))
}

/// The values from `from` through `to`, a step apart.
fn range(table: &Table) -> Result<Vec<String>, String> {
    if let Some(other) = table.keys().find(|key| !["from", "to", "step"].contains(&key.as_str())) {
        return Err(format!("{other} is unknown beside from, to and step"));
    }
    let number = |name: &str| {
        let value = table.get(name).ok_or_else(|| format!("{name} is missing"))?;
        let number = text(value).ok().and_then(|text| text.parse::<Decimal>().ok());
        number.ok_or_else(|| format!("{name} must be a number"))
    };
    let (from, to, step) = (number("from")?, number("to")?, number("step")?);
    if step <= Decimal::ZERO {
        return Err("step must be above 0".to_owned());
    }
    if to < from {
        return Err("to must not be below from".to_owned());
    }
    let (mut values, mut at) = (Vec::new(), from);
    while at <= to && values.len() <= VALUES {
        values.push(at.normalize().to_string());
        let Some(next) = at.checked_add(step) else { break };
        at = next;
    }
    Ok(values)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(text: &str) -> Vec<(String, String)> {
        let axes = read(text).unwrap_or_else(|why| panic!("{why}"));
        axes.into_iter().map(|axis| (axis.key, axis.values.join(" "))).collect()
    }

    #[test]
    fn lists_and_ranges_with_quoted_and_nested_keys() {
        let text = "\"strategy.sma_cross.fast\" = { from = 5, to = 16, step = 5 }\n\
                    strategy.sma_cross.stop = [\"2%\", \"none\"]\n\
                    [risk]\nequity_share = [0.5, 1]\nx = { from = 0.1, to = 0.3, step = 0.1 }\n";
        let pair = |key: &str, values: &str| (key.to_owned(), values.to_owned());
        let expected = [
            pair("risk.equity_share", "0.5 1"),
            pair("risk.x", "0.1 0.2 0.3"),
            pair("strategy.sma_cross.fast", "5 10 15"),
            pair("strategy.sma_cross.stop", "2% none"),
        ];
        assert_eq!(keys(text), expected);
    }

    #[test]
    fn a_wrong_grid_names_the_key_and_what_to_do() {
        let many = format!("a.b = {{ from = 1, to = {}, step = 1 }}", VALUES + 1);
        for (text, words) in [
            ("", "it has no key; write one like"),
            ("a.b = 5", "a.b: write a list of values"),
            ("a.b = []", "a.b: it has no value"),
            ("a.b = [1, 1]", "a.b: 1 is there twice"),
            ("a.b = [nan]", "a.b: a value must be"),
            ("a.b = [[1]]", "a.b: a value must be"),
            ("a.b = { from = 1, to = 5 }", "a.b: step is missing"),
            ("a.b = { from = 1, to = 5, step = 0 }", "a.b: step must be above 0"),
            ("a.b = { from = 5, to = 1, step = 1 }", "a.b: to must not be below from"),
            ("a.b = { from = 1, to = 5, step = 1, by = 1 }", "a.b: by is unknown"),
            ("a.b = { from = \"x\", to = 5, step = 1 }", "a.b: from must be a number"),
            (&many, "a.b: it has more than 1000 values"),
            ("market.seed = [1, 2]", "market.seed: all points share this key"),
            ("daemon.workers = [1, 2]", "daemon.workers: all points share"),
            ("\"a.b\" = [1]\na.b = [2]", "a.b: it is there twice"),
            ("a.b = [1", "1 |"),
        ] {
            let why = read(text).unwrap_err();
            assert!(why.contains(words), "{text}: {why}");
        }
    }
}
