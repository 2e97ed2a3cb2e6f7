//! `everwarm analyze --structure`: the events of structures over a file of bars.

use super::{ROWS, common_scale, plain, short, split};
use crate::print::Printer;
use everwarm_analysis::structure::{Event, Named, Place, Structure};
use everwarm_domain::market::Bar;
use everwarm_domain::time::UtcMs;
use everwarm_views::exit::{Exit, Failure};
use everwarm_words::text::{Table, count, instant};
use serde_json::{Map, Number, Value};

/// The structures of a list, with their texts as typed.
pub(super) fn named(list: &str) -> Result<Vec<(String, Named)>, String> {
    let mut all: Vec<(String, Named)> = Vec::new();
    for text in split(list) {
        let named = text.parse()?;
        if all.iter().any(|(_, other)| *other == named) {
            return Err(format!("`{text}` is named twice"));
        }
        all.push((text.to_owned(), named));
    }
    if all.is_empty() {
        return Err("name at least one structure, like `swings:5`".to_owned());
    }
    Ok(all)
}

/// Prints the newest events as a table.
pub(super) fn table(
    mut structures: Structures,
    bars: &[Bar],
    printer: Printer,
) -> Result<Exit, Failure> {
    let events: Vec<Event> = bars.iter().flat_map(|bar| structures.next(bar)).collect();
    let first = events.len().saturating_sub(ROWS);
    let mut table = Table::new(&["known (UTC)", "event", "type", "bar (UTC)", ">price or zone"]);
    for event in &events[first..] {
        let time = |index| open_time(bars, index).map_or_else(|| "-".to_owned(), instant);
        let price = |price| short(event.quote(price));
        let place = match event.place {
            Place::Level(level) => price(level),
            Place::Zone { top, bottom } => format!("{} to {}", price(bottom), price(top)),
        };
        table.row(vec![
            time(event.known),
            event.kind.name().to_owned(),
            event.type_name().to_owned(),
            time(event.index),
            place,
        ]);
    }
    if first > 0 {
        let all = count(events.len() as u64, "event");
        printer.note(&format!("the newest {ROWS} of {all}; --json prints all"));
    }
    printer.table(&table)
}

/// All structures of a list, bar by bar.
pub(super) struct Structures {
    all: Vec<(Named, Box<dyn Structure + Send>)>,
    /// Decimals of the prices of the whole file.
    scale: u8,
}

impl Structures {
    /// # Errors
    /// The prices of the bars fit no common number of decimals.
    pub(super) fn new(all: &[(String, Named)], bars: &[Bar]) -> Result<Structures, Failure> {
        let scale = common_scale(bars)?;
        let all = all.iter().map(|(_, named)| (*named, named.structure())).collect();
        Ok(Structures { all, scale })
    }

    /// The events of the next bar, in the order of the list.
    pub(super) fn next(&mut self, bar: &Bar) -> Vec<Event> {
        let mut events = Vec::new();
        self.each(bar, |_, event| events.push(event));
        events
    }

    /// Takes the next bar. Passes on its events, each with the number of its structure.
    pub(super) fn each(&mut self, bar: &Bar, mut take: impl FnMut(usize, Event)) {
        let plain = plain(bar, self.scale).expect("all bars fit");
        for (number, (named, structure)) in self.all.iter_mut().enumerate() {
            let mut found = Vec::new();
            assert!(structure.update(&plain, &mut found), "the reader takes valid bars only");
            for event in found.into_iter().filter(|event| named.means(event.kind)) {
                take(number, event);
            }
        }
    }
}

/// The start of the bar with that number.
fn open_time(bars: &[Bar], index: u64) -> Option<UtcMs> {
    bars.get(usize::try_from(index).ok()?).map(|bar| bar.open_time)
}

/// An event as a line of JSON.
pub(super) fn json(event: &Event, bars: &[Bar]) -> String {
    let mut row = Map::new();
    let mut set = |name: &str, value: Value| row.insert(name.to_owned(), value);
    set("event", event.kind.name().into());
    set("type", event.type_name().into());
    set("index", event.index.into());
    set("known_index", event.known.into());
    set("open_time", open_time(bars, event.index).into());
    set("known_time", open_time(bars, event.known).into());
    let price = |price| Number::from_f64(event.quote(price)).into();
    match event.place {
        Place::Level(level) => {
            set("level", price(level));
        }
        Place::Zone { top, bottom } => {
            set("top", price(top));
            set("bottom", price(bottom));
        }
    }
    Value::Object(row).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use everwarm_domain::id::Symbol;
    use everwarm_domain::money::Price;
    use serde_json::json;

    fn bar(minute: i64, prices: [&str; 4]) -> Bar {
        let price = |text: &str| Price::exact(text.parse().unwrap()).unwrap();
        let [open, high, low, close] = prices.map(price);
        let (symbol, open_time) = (Symbol::named("ANY").unwrap(), minute * 60_000);
        Bar { symbol, open_time, open, high, low, close, volume: 0.into() }
    }

    #[test]
    fn a_list_names_structures_once() {
        let names = |list: &str| -> Vec<String> {
            named(list).unwrap().iter().map(|(_, named)| named.to_string()).collect()
        };
        assert_eq!(names("swings:5, fvg(join),bos(5)"), ["swings(5)", "fvg(join)", "bos(5)"]);
        assert_eq!(named("fvg,swings:5,swings(5)").unwrap_err(), "`swings(5)` is named twice");
        assert!(named(" ,").unwrap_err().contains("at least one"));
        assert!(named("chock:5").unwrap_err().contains("did you mean `choch`?"));
    }

    #[test]
    fn an_event_is_one_line_with_its_bars_and_prices() {
        let bars = [
            bar(0, ["1", "1.1", "1", "1.1"]),
            bar(1, ["1.1", "1.5", "1.1", "1.5"]),
            bar(2, ["1.5", "1.7", "1.3", "1.7"]),
            bar(3, ["1.7", "1.7", "1.30000000001", "1.7"]),
            bar(4, ["1.7", "1.7", "1.2", "1.2"]),
        ];
        let mut structures = Structures::new(&named("fvg").unwrap(), &bars).unwrap();
        let events: Vec<Event> = bars.iter().flat_map(|bar| structures.next(bar)).collect();
        let lines: Vec<String> = events.iter().map(|event| json(event, &bars)).collect();
        let line = |event: &str, known: i64| {
            json!({
                "event": event, "type": "bullish", "index": 1, "open_time": 60_000,
                "known_index": known, "known_time": known * 60_000, "top": 1.3, "bottom": 1.1,
            })
        };
        let want = [line("fvg", 2), line("fvg_mitigated", 4)].map(|line| line.to_string());
        assert_eq!(lines, want);
        let mut structures = Structures::new(&named("swings:1").unwrap(), &bars).unwrap();
        let swings: Vec<Event> = bars.iter().flat_map(|bar| structures.next(bar)).collect();
        let want = json!({
            "event": "swing_confirmed", "type": "low", "index": 1, "open_time": 60_000,
            "known_index": 2, "known_time": 120_000, "level": 1.1,
        });
        assert_eq!(json(&swings[0], &bars), want.to_string());
    }
}
