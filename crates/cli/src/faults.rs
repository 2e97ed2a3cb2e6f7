//! `everwarm sim faults`, `fault` and `lift`: list, inject and end faults of a running exchange.

use crate::print::{Printer, note};
use clap::Subcommand;
use everwarm_sim::faults::{Fault, KINDS, Kind, MODES, Mode};
use everwarm_sim::server::port::PortFile;
use everwarm_venue::port::{ErrorClass, VenueError};
use everwarm_venue::simulated::Admin;
use everwarm_views::exit::{Exit, Failure};
use everwarm_words::text::Table;
use serde_json::{Value, json};
use std::path::PathBuf;

/// Subcommands of `sim`.
#[derive(Clone, Debug, Subcommand)]
pub enum Steer {
    /// List the possible faults and the active ones.
    Faults(Where),
    /// Turn a fault on.
    Fault(On),
    /// Turn a fault off; without a number, all faults.
    Lift(Off),
}

/// Flags that select the exchange.
#[derive(Clone, Debug, clap::Args)]
pub struct Where {
    /// Data directory of the exchange, or of its daemon.
    #[arg(long, value_name = "DIR", default_value = "everwarm-data")]
    data_dir: PathBuf,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// A fault to switch on.
#[derive(Clone, Debug, clap::Args)]
pub struct On {
    /// Kind of the fault; `everwarm sim faults` lists the kinds.
    #[arg(value_parser = kind)]
    kind: Kind,
    /// Where: an endpoint ("POST order", order.place), market or user for all connections of that
    /// sort, a stream (btcusdt@kline_1m), an event (executionReport), or a symbol for fills
    /// [default: everywhere].
    #[arg(long, value_name = "PLACE")]
    at: Option<String>,
    /// Turn it off after this many hits [default: never].
    #[arg(long, value_name = "N")]
    times: Option<u64>,
    /// Skip this many cases first.
    #[arg(long, value_name = "N", default_value_t = 0)]
    skip: u64,
    /// Number of hits in a thousand cases.
    #[arg(long, value_name = "N", default_value_t = 1000)]
    chance: u16,
    /// Number of the kind; `everwarm sim faults` says its meaning.
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    value: Option<i64>,
    /// Seed of its random choices.
    #[arg(long, value_name = "N", default_value_t = 0)]
    seed: u64,
    /// Mode of the fault `hostile`; `everwarm sim faults` lists the modes.
    #[arg(long, value_parser = Mode::named)]
    mode: Option<Mode>,
    #[command(flatten)]
    exchange: Where,
}

/// A fault to switch off.
#[derive(Clone, Debug, clap::Args)]
pub struct Off {
    /// Its number in the list [default: all].
    id: Option<u64>,
    #[command(flatten)]
    exchange: Where,
}

fn kind(name: &str) -> Result<Kind, String> {
    Kind::named(name).ok_or_else(|| {
        let names: Vec<&str> = KINDS.iter().map(|row| row.name).collect();
        format!("unknown fault {name:?}; the faults are {}", names.join(", "))
    })
}

/// Lists faults, or turns them on or off.
pub fn run(steer: &Steer, printer: Printer) -> Result<Exit, Failure> {
    match steer {
        Steer::Faults(exchange) => list(exchange, printer),
        Steer::Fault(on) => {
            let fault = Fault {
                kind: on.kind,
                at: on.at.clone(),
                times: on.times,
                skip: on.skip,
                chance: on.chance,
                value: on.value,
                seed: on.seed,
                mode: on.mode,
            };
            fault.check().map_err(|why| Failure::new(Exit::Usage, why))?;
            let text = serde_json::to_string(&fault).expect("plain values are JSON");
            let answer = on.exchange.ask(async |admin| admin.fault(text).await)?;
            let how = on.mode.map_or(on.kind.row().text, |mode| mode.row().text);
            let line = format!("fault {} is on, seed {}: {how}", answer["id"], on.seed);
            on.exchange.print(&answer, line, printer)
        }
        Steer::Lift(off) => {
            let answer = off.exchange.ask(async |admin| admin.lift(off.id).await)?;
            off.exchange.print(&answer, format!("{} turned off", answer["off"]), printer)
        }
    }
}

impl Where {
    /// The port file of the exchange: in the folder itself, in the daemon's `exchange`, or in
    /// `sim`, where the exchange runs alone.
    fn find(&self) -> Option<PortFile> {
        let places = ["", "exchange", "sim"].map(|name| self.data_dir.join(name));
        places.iter().find_map(|place| PortFile::read(place).ok().flatten())
    }

    fn ask(
        &self,
        what: impl AsyncFnOnce(Admin) -> Result<Value, VenueError>,
    ) -> Result<Value, Failure> {
        let absent = |why: &str| {
            let text = format!(
                "no exchange is running in {}{why}; start one: everwarm sim --data-dir {0}",
                self.data_dir.display()
            );
            Failure::new(Exit::Unreachable, text)
        };
        let failed = |text: String| Failure::new(Exit::Failed, text);
        let file = self.find().ok_or_else(|| absent(""))?;
        let base = format!("http://127.0.0.1:{}", file.port);
        let admin = Admin::new(&base, &file.token).map_err(failed)?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|e| failed(e.to_string()))?;
        runtime.block_on(what(admin)).map_err(|e| match e.class {
            ErrorClass::Refused { .. } | ErrorClass::Rules | ErrorClass::Funds => {
                Failure::new(Exit::Usage, e.text)
            }
            ErrorClass::NotSent
            | ErrorClass::Unknown
            | ErrorClass::Absent
            | ErrorClass::Halt
            | ErrorClass::RateLimited { .. } => absent(&format!(": {}", e.text)),
        })
    }

    fn print(&self, answer: &Value, line: String, printer: Printer) -> Result<Exit, Failure> {
        if self.json {
            return printer.json(answer);
        }
        printer.lines(&[line]).map(|_| Exit::Fine)
    }
}

fn list(exchange: &Where, printer: Printer) -> Result<Exit, Failure> {
    let on = match exchange.ask(async |admin| admin.faults().await) {
        Ok(answer) => Some(answer["on"].clone()),
        Err(failure) if failure.exit == Exit::Unreachable => {
            note(&failure.to_string());
            None
        }
        Err(failure) => return Err(failure),
    };
    if exchange.json {
        let kinds: Vec<Value> = KINDS
            .iter()
            .map(|row| {
                json!({"name": row.name, "hits": row.scope.word(), "transparent": row.transparent,
                    "number": row.value.map(|(what, _)| what),
                    "default": row.value.map(|(_, default)| default), "what": row.text})
            })
            .collect();
        let modes: Vec<Value> =
            MODES.iter().map(|row| json!({"name": row.name, "what": row.text})).collect();
        return printer.json(&json!({"kinds": kinds, "modes": modes, "on": on}));
    }
    let mut kinds = Table::new(&["fault", "hits", "number", "what happens"]);
    for row in KINDS {
        let number = row.value.map(|(what, default)| format!("{what} [{default}]"));
        let cells = [row.name, row.scope.word(), &number.unwrap_or_default(), row.text];
        kinds.row(cells.map(str::to_owned).into());
    }
    printer.table(&kinds)?;
    let mut modes = Table::new(&["mode of hostile", "what the exchange sends"]);
    for row in MODES {
        modes.row([row.name, row.text].map(str::to_owned).into());
    }
    printer.lines(&[""])?;
    printer.table(&modes)?;
    let rows = on.as_ref().and_then(Value::as_array).filter(|rows| !rows.is_empty());
    let Some(rows) = rows else {
        if on.is_some() {
            note("no fault is on");
        }
        return Ok(Exit::Fine);
    };
    let mut table =
        Table::new(&["id", "fault", "mode", "at", "times", "of 1000", "number", "seed", "hits"]);
    for row in rows {
        let text = |name: &str| {
            let value = &row[name];
            let plain = value.as_str().map(str::to_owned);
            plain.unwrap_or_else(|| if value.is_null() { String::new() } else { value.to_string() })
        };
        let cells = ["id", "kind", "mode", "at", "times", "chance", "number", "seed", "hits"];
        table.row(cells.map(text).into());
    }
    printer.lines(&[""])?;
    printer.table(&table)
}
