//! Every decoder of what comes from outside, against bytes gone bad: any bytes give a value or an
//! error, quickly. Real messages with more in them than is known are read as before; real messages
//! with something of another type are refused, and the error names it.
//!
//! Rounds are few here; `WIRE_FUZZ=N` makes them N times as many, from `EVERWARM_SEED` on.

mod client;
mod exchange;
mod files;
mod sources;
mod spoil;

use crate::shared::shared;
use serde_json::Value;
use std::io::Read;

/// A number from the environment.
fn number(name: &str, otherwise: u64) -> u64 {
    std::env::var(name).ok().map_or(otherwise, |text| text.parse().unwrap())
}

/// The bytes of a file of real messages.
fn real(file: &str) -> Vec<u8> {
    let path = shared("wire/binance").join(file);
    let bytes = std::fs::read(&path).unwrap();
    if path.extension().is_none_or(|e| e != "gz") {
        return bytes;
    }
    let mut plain = Vec::new();
    flate2::read::GzDecoder::new(&bytes[..]).read_to_end(&mut plain).unwrap();
    plain
}

/// The bodies of a file of recorded requests.
fn recorded(file: &str) -> Vec<Vec<u8>> {
    let all: Vec<Value> = serde_json::from_slice(&real(&format!("rest_recorded/{file}"))).unwrap();
    let bodies = all.iter().map(|one| &one["response"]).filter(|body| !body.is_null());
    bodies.map(|body| serde_json::to_vec(body).unwrap()).collect()
}

/// The messages of a file with one a line, at most so many.
fn lines(file: &str, most: usize) -> Vec<Vec<u8>> {
    let text = String::from_utf8(real(file)).unwrap();
    let found = text.lines().filter_map(|line| Some(line.as_bytes()[line.find('{')?..].to_vec()));
    found.take(most).collect()
}
