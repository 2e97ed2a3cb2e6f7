//! Files of tokens: CSV with a header, or a JSON list.

use super::{TokenRequest, refused};
use crate::exit::{Exit, Failure};
use everwarm_domain::token::TOKENS_MAX;
use serde_json::Value;

/// The columns of a file in CSV. Their order does not matter.
pub const COLUMNS: [&str; 5] = ["name", "chain", "contract", "pool", "decimals"];

/// The tokens of a file. Each knows its line, or its number in a list.
///
/// # Errors
/// The file is not readable as CSV or JSON, or a row cannot be right. The text names every such
/// row.
pub fn read(text: &str) -> Result<Vec<TokenRequest>, Failure> {
    let text = text.trim_start_matches('\u{feff}');
    let rows = if text.trim_start().starts_with('[') { of_list(text) } else { of_table(text) };
    let rows = rows.map_err(|why| Failure::new(Exit::Usage, why))?;
    if rows.len() > TOKENS_MAX {
        let text = format!("the file has {} tokens, above {TOKENS_MAX}", rows.len());
        return Err(Failure::new(Exit::Usage, text));
    }
    let mut errors = Vec::new();
    let mut requests = Vec::new();
    for row in rows {
        match row.and_then(|row| row.token().map_err(|why| row.error(&why)).map(|_| row)) {
            Ok(row) => requests.push(row),
            Err(why) => errors.push(why),
        }
    }
    if !errors.is_empty() {
        return Err(refused(Exit::Usage, &errors));
    }
    if requests.is_empty() {
        return Err(Failure::new(Exit::Usage, "the file has no token"));
    }
    Ok(requests)
}

/// The rows of a file: each with its own error.
type Rows = Result<Vec<Result<TokenRequest, String>>, String>;

fn of_list(text: &str) -> Rows {
    let all: Vec<Value> = serde_json::from_str(text).map_err(|e| format!("the JSON list: {e}"))?;
    let row = |(number, value): (usize, Value)| -> Result<TokenRequest, String> {
        let place = format!("entry {number}");
        let row = serde_json::from_value::<TokenRequest>(value);
        let row = row.map_err(|e| format!("{place}: {e}"))?;
        Ok(TokenRequest { place: Some(place), ..row })
    };
    Ok((1..).zip(all).map(row).collect())
}

fn of_table(text: &str) -> Rows {
    // The reader would miscount the lines.
    let text = text.replace("\r\n", "\n");
    let mut builder = csv::ReaderBuilder::new();
    let mut reader = builder.trim(csv::Trim::All).flexible(true).from_reader(text.as_bytes());
    let header = reader.headers().map_err(|e| format!("line 1: {e}"))?.clone();
    let place = |column: &str| header.iter().position(|name| name == column);
    let Some(places) = COLUMNS.map(place).into_iter().collect::<Option<Vec<usize>>>() else {
        return Err(format!("line 1: the header must be {}", COLUMNS.join(",")));
    };
    let mut rows = Vec::new();
    for record in reader.records() {
        rows.push(match record {
            Ok(record) => row(&record, &places, header.len()),
            Err(e) => Err(e.to_string()),
        });
    }
    Ok(rows)
}

fn row(record: &csv::StringRecord, places: &[usize], width: usize) -> Result<TokenRequest, String> {
    let line = record.position().map_or(0, csv::Position::line);
    let place = format!("line {line}");
    if record.len() != width {
        return Err(format!("{place}: {} values, and the header has {width}", record.len()));
    }
    let cells: Vec<&str> = places.iter().filter_map(|place| record.get(*place)).collect();
    let [name, chain, contract, pool, decimals] = cells[..] else {
        return Err(format!("{place}: a value is missing"));
    };
    let decimals = decimals.parse();
    let decimals = decimals.map_err(|_| format!("{place}: decimals must be from 0 to 36"))?;
    let [name, chain, contract, pool] = [name, chain, contract, pool].map(str::to_owned);
    Ok(TokenRequest { name, chain, contract, pool, decimals, place: Some(place) })
}
