//! Ways to spoil a message: at random, and one place after the other.

use super::number;
use everwarm_kernel::chance::draw;
use rustix::time::{ClockId, clock_gettime};
use serde_json::{Map, Value, json};
use std::time::Duration;

/// Bytes that mean something to somebody.
const MEANINGFUL: &[u8] = b"\"{}[]:,-+.0919eEnull\\\xff\x00%&=\n'#";
/// Pieces that decoders trip over.
const PIECES: &[&str] = &[
    "99999999999999999999999999999999999999",
    "-9223372036854775809",
    "1e400",
    "0.0000000000000000000000000000000001",
    "\"\\ud800\"",
    "[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[",
    "{\"a\":{\"a\":{\"a\":{\"a\":",
    "null",
    "NaN",
    "\u{feff}",
    "%ff%00",
];
/// Longest time of a core one message may take: whatever else the machine does.
const LONG: Duration = Duration::from_secs(2);

/// Seeded chance.
pub struct Dice(pub u64);

impl Dice {
    pub fn roll(&mut self, below: usize) -> usize {
        usize::try_from(draw(&mut self.0) % below.max(1) as u64).unwrap()
    }

    /// Spoils bytes in one to four places.
    pub fn spoil(&mut self, bytes: &mut Vec<u8>, others: &[Vec<u8>]) {
        for _ in 0..=self.roll(3) {
            let at = self.roll(bytes.len());
            let end = at + self.roll(bytes.len() - at);
            match self.roll(9) {
                0 => bytes.truncate(at),
                1 if at < bytes.len() => bytes[at] ^= 1 << self.roll(8),
                2 if at < bytes.len() => bytes[at] = MEANINGFUL[self.roll(MEANINGFUL.len())],
                3 => bytes.insert(at, MEANINGFUL[self.roll(MEANINGFUL.len())]),
                4 => drop(bytes.drain(at..end)),
                5 => {
                    let part = bytes[at..end].to_vec();
                    bytes.splice(at..at, part);
                }
                6 => drop(bytes.splice(at..at, PIECES[self.roll(PIECES.len())].bytes())),
                7 => drop(bytes.splice(at..end, PIECES[self.roll(PIECES.len())].bytes())),
                _ => {
                    let other = &others[self.roll(others.len())];
                    let from = self.roll(other.len());
                    bytes.splice(at..end, other[from..].iter().copied());
                }
            }
            // What is doubled again and again is another test.
            bytes.truncate(1 << 20);
        }
    }
}

/// Time of a core this thread has had.
fn worked() -> Duration {
    clock_gettime(ClockId::ThreadCPUTime).try_into().unwrap()
}

/// Gives `read` giants, every seed as it is and `rounds` spoiled ones: none may panic or take long.
pub fn spoiled(seeds: &[Vec<u8>], rounds: u64, mut read: impl FnMut(&[u8])) {
    let mut timed = |bytes: &[u8]| {
        let began = worked();
        read(bytes);
        let took = worked().saturating_sub(began);
        let start = String::from_utf8_lossy(&bytes[..bytes.len().min(200)]);
        assert!(took < LONG, "{took:?} for {} bytes: {start}", bytes.len());
    };
    for whole in giants().iter().chain(seeds) {
        timed(whole);
    }
    let mut dice = Dice(number("EVERWARM_SEED", 7));
    for _ in 0..rounds * number("WIRE_FUZZ", 1) {
        let mut bytes = seeds[dice.roll(seeds.len())].clone();
        dice.spoil(&mut bytes, seeds);
        timed(&bytes);
    }
}

/// Bytes that grow in every way a message can: deep, long, many.
fn giants() -> Vec<Vec<u8>> {
    let many = |one: &str, count: usize| format!("[{}]", vec![one; count].join(",")).into_bytes();
    vec![
        "[".repeat(1 << 20).into_bytes(),
        "{\"a\":".repeat(1 << 18).into_bytes(),
        format!("\"{}\"", "a".repeat(1 << 20)).into_bytes(),
        "9".repeat(1 << 20).into_bytes(),
        format!("{{\"e\":{}1{}}}", "[".repeat(120), "]".repeat(120)).into_bytes(),
        many("{}", 1 << 17),
        many("[]", 1 << 17),
        many("null", 1 << 17),
        "a=b&".repeat(1 << 17).into_bytes(),
        "%".repeat(1 << 20).into_bytes(),
    ]
}

/// Where something is in a message: the steps from the top.
pub type Path = Vec<Step>;

/// One step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    Key(String),
    Place(usize),
}

/// Every place in a message, the top first.
pub fn places(value: &Value) -> Vec<Path> {
    let mut all = vec![Vec::new()];
    let mut under = |step: Step, value: &Value| {
        all.extend(places(value).into_iter().map(|rest| {
            let mut path = vec![step.clone()];
            path.extend(rest);
            path
        }));
    };
    if let Some(map) = value.as_object() {
        map.iter().for_each(|(key, value)| under(Step::Key(key.clone()), value));
    }
    // Rows are alike: the first two stand for all.
    for (place, value) in value.as_array().into_iter().flatten().enumerate() {
        if place < 2 || !value.is_object() && !value.is_array() {
            under(Step::Place(place), value);
        }
    }
    all
}

/// What is at a place.
pub fn at<'a>(value: &'a mut Value, path: &[Step]) -> &'a mut Value {
    path.iter().fold(value, |value, step| match step {
        Step::Key(key) => &mut value[key.as_str()],
        Step::Place(place) => &mut value[*place],
    })
}

/// The message with something unknown in each of its objects and rows, one after the other.
pub fn with_more(value: &Value) -> Vec<Value> {
    let mut all = Vec::new();
    for path in places(value) {
        let mut more = value.clone();
        let here = at(&mut more, &path);
        if let Some(map) = here.as_object_mut() {
            map.insert("newField".to_owned(), json!({"deep": [1, null, {"e": "kline"}]}));
            map.insert("aNumber".to_owned(), json!(1.5));
            all.push(more);
        }
    }
    all
}

/// The message with an unknown word in place of each that is written in capitals.
pub fn with_new_words(value: &Value) -> Vec<(Path, Value)> {
    let word = |text: &str| {
        let capitals = |c: char| c.is_ascii_uppercase() || c == '_';
        text.len() > 2 && text.chars().all(capitals)
    };
    let mut all = Vec::new();
    for path in places(value) {
        let mut other = value.clone();
        let here = at(&mut other, &path);
        if here.as_str().is_some_and(word) {
            *here = json!("NEVER_SEEN");
            all.push((path, other));
        }
    }
    all
}

/// The message with something of another type in each place, one after the other.
pub fn with_other_types(value: &Value) -> Vec<(Path, Value)> {
    let mut all = Vec::new();
    for path in places(value) {
        let mut here = value.clone();
        let now = at(&mut here, &path).clone();
        let mut object = Map::new();
        object.insert("x".to_owned(), json!(1));
        let others = [json!("text"), json!(-7.25), json!(true), json!([[]]), Value::Object(object)];
        for other in others {
            if std::mem::discriminant(&other) != std::mem::discriminant(&now) {
                let mut changed = value.clone();
                *at(&mut changed, &path) = other;
                all.push((path.clone(), changed));
            }
        }
    }
    all
}
