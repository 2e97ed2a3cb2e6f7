//! What programs may watch: the metrics of `/metrics`, from one table.
//!
//! Nothing on a hot path counts for them: they are taken from what is watched for people anyway,
//! when somebody asks. A metric of facts counts over all lives, so it does not fall at a restart.

use super::api::{Refusal, Refusals};
use crate::domain::fact::{Body, Ledger, Market, Order};
use crate::domain::money::Decimal;
use crate::domain::order::OrderStatus;
use everwarm_runtime::fact::Fact;
use everwarm_runtime::supervise::Exit;
use metrics::{Key, KeyName, Label, Level, Metadata, Recorder};
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle, PrometheusRecorder};
use std::collections::BTreeMap;

/// How a metric moves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// It only grows.
    Counter,
    /// It goes up and down.
    Gauge,
}

/// One row of the table.
#[derive(Clone, Copy, Debug)]
pub struct Row {
    /// Its name.
    pub name: &'static str,
    /// How it moves.
    pub kind: Kind,
    /// What it says.
    pub help: &'static str,
    /// Its label, and the values it has from the start; no values: they are known when it runs.
    pub label: Option<(&'static str, &'static [&'static str])>,
}

const fn row(name: &'static str, kind: Kind, help: &'static str) -> Row {
    Row { name, kind, help, label: None }
}

const fn by(row: Row, label: &'static str, values: &'static [&'static str]) -> Row {
    Row { label: Some((label, values)), ..row }
}

const BUILD: &str = "everwarm_build_info";
const READY: &str = "everwarm_ready";
const START: &str = "everwarm_start_timestamp_seconds";
const CLOSES: &str = "everwarm_closes_total";
const ORDERS: &str = "everwarm_orders_total";
const FILLS: &str = "everwarm_fills_total";
const RESTARTS: &str = "everwarm_actor_restarts_total";
const EQUITY: &str = "everwarm_equity";
const REFUSED: &str = "everwarm_http_refused_total";
const STORE: &str = "everwarm_store_file_bytes";

/// Every metric there is.
pub const TABLE: &[Row] = &[
    by(row(BUILD, Kind::Gauge, "The program that answers; always 1"), "version", &[]),
    row(READY, Kind::Gauge, "1 where everything needed for trading is there, 0 where not"),
    row(START, Kind::Gauge, "When the process started, UTC seconds"),
    row(CLOSES, Kind::Counter, "Closes seen, over all lives"),
    by(
        row(ORDERS, Kind::Counter, "Orders that came to a state, over all lives"),
        "status",
        STATUSES,
    ),
    row(FILLS, Kind::Counter, "Fills applied, over all lives"),
    by(
        row(RESTARTS, Kind::Counter, "Actors that ended and were not asked to, in this life"),
        "reason",
        REASONS,
    ),
    by(
        row(REFUSED, Kind::Counter, "Requests the API refused, in this life"),
        "reason",
        Refusal::CODES,
    ),
    by(row(EQUITY, Kind::Gauge, "Value of the account after the newest close"), "currency", &[]),
    by(row(STORE, Kind::Gauge, "Size of a file of the store"), "file", &["live", "history"]),
];

const STATUSES: &[&str] = &[
    "intent",
    "sent",
    "unknown",
    "open",
    "partly_filled",
    "filled",
    "cancelled",
    "rejected",
    "expired",
];

const fn status(status: OrderStatus) -> &'static str {
    STATUSES[match status {
        OrderStatus::Intent => 0,
        OrderStatus::Sent => 1,
        OrderStatus::Unknown => 2,
        OrderStatus::Open => 3,
        OrderStatus::PartlyFilled => 4,
        OrderStatus::Filled => 5,
        OrderStatus::Cancelled => 6,
        OrderStatus::Rejected => 7,
        OrderStatus::Expired => 8,
    }]
}

const REASONS: &[&str] = &["gave_up", "failed", "killed", "lost", "injected"];

/// Why an actor is started again, as the metric says it; none where it had finished.
#[must_use]
pub const fn reason(exit: &Exit) -> Option<&'static str> {
    match exit {
        Exit::Normal(_) => None,
        Exit::GaveUp(_) => Some(REASONS[0]),
        Exit::Failed(_) => Some(REASONS[1]),
        Exit::Killed => Some(REASONS[2]),
        Exit::Lost => Some(REASONS[3]),
        Exit::Injected(_) => Some(REASONS[4]),
    }
}

/// What is counted of facts and restarts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    closes: u64,
    fills: u64,
    orders: BTreeMap<&'static str, u64>,
    restarts: BTreeMap<&'static str, u64>,
    equity: Option<Decimal>,
}

impl Counts {
    /// Takes one fact in, in the order of the journal.
    #[expect(clippy::wildcard_enum_match_arm, reason = "every other group of facts is as one")]
    pub fn fold(&mut self, fact: &Fact<Body>) {
        match &fact.body {
            Body::Market(Market::Close { .. }) => self.closes += 1,
            Body::Order(Order::Intent(_)) => self.order(OrderStatus::Intent),
            Body::Order(Order::Changed { status, .. }) => self.order(*status),
            Body::Order(Order::Filled { .. }) => self.fills += 1,
            Body::Ledger(Ledger::Equity { equity, .. }) => self.equity = Some(*equity),
            _ => {}
        }
    }

    fn order(&mut self, to: OrderStatus) {
        *self.orders.entry(status(to)).or_default() += 1;
    }

    /// An actor ended for a reason of [`reason`].
    pub fn restarted(&mut self, reason: &'static str) {
        *self.restarts.entry(reason).or_default() += 1;
    }
}

/// What the process knows besides.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Gauges {
    /// Whether it may trade.
    pub ready: bool,
    /// Size of the live file, bytes.
    pub live: u64,
    /// Size of the history, bytes.
    pub history: u64,
}

/// The metrics of one daemon.
pub struct Telemetry {
    recorder: PrometheusRecorder,
    handle: PrometheusHandle,
    currency: String,
}

impl Telemetry {
    /// All metrics at zero; money is counted in `currency`, and the process started at wall time
    /// `start_ms`.
    #[must_use]
    pub fn new(currency: &str, start_ms: i64) -> Telemetry {
        let recorder = PrometheusBuilder::new().build_recorder();
        let handle = recorder.handle();
        let telemetry = Telemetry { recorder, handle, currency: currency.to_owned() };
        for row in TABLE {
            let name = KeyName::from_const_str(row.name);
            match row.kind {
                Kind::Counter => telemetry.recorder.describe_counter(name, None, row.help.into()),
                Kind::Gauge => telemetry.recorder.describe_gauge(name, None, row.help.into()),
            }
            match row.label {
                None => telemetry.put(row, None, 0),
                Some((_, values)) => {
                    for value in values {
                        telemetry.put(row, Some(value), 0);
                    }
                }
            }
        }
        telemetry.gauge(BUILD, Some(env!("CARGO_PKG_VERSION")), 1.0);
        #[expect(clippy::cast_precision_loss, reason = "milliseconds of our age are exact")]
        telemetry.gauge(START, None, start_ms as f64 / 1000.0);
        telemetry.gauge(EQUITY, Some(currency), 0.0);
        telemetry
    }

    /// The handle that must be kept up every few seconds.
    #[must_use]
    pub fn handle(&self) -> PrometheusHandle {
        self.handle.clone()
    }

    /// All metrics as they are, in the text format of Prometheus.
    #[must_use]
    pub fn render(&self, counts: &Counts, refusals: &Refusals, gauges: Gauges) -> String {
        self.set(CLOSES, None, counts.closes);
        self.set(FILLS, None, counts.fills);
        counts.orders.iter().for_each(|(status, n)| self.set(ORDERS, Some(status), *n));
        counts.restarts.iter().for_each(|(reason, n)| self.set(RESTARTS, Some(reason), *n));
        refusals.all().for_each(|(reason, n)| self.set(REFUSED, Some(reason), n));
        self.set(READY, None, u64::from(gauges.ready));
        self.set(STORE, Some("live"), gauges.live);
        self.set(STORE, Some("history"), gauges.history);
        if let Some(equity) = counts.equity.and_then(|equity| f64::try_from(equity).ok()) {
            self.gauge(EQUITY, Some(&self.currency), equity);
        }
        self.handle.render()
    }

    fn set(&self, name: &'static str, value: Option<&str>, n: u64) {
        self.put(of(name), value, n);
    }

    fn put(&self, row: &Row, value: Option<&str>, n: u64) {
        match row.kind {
            Kind::Counter => self.recorder.register_counter(&key(row, value), &META).absolute(n),
            #[expect(clippy::cast_precision_loss, reason = "sizes of files and small numbers")]
            Kind::Gauge => self.recorder.register_gauge(&key(row, value), &META).set(n as f64),
        }
    }

    fn gauge(&self, name: &'static str, value: Option<&str>, amount: f64) {
        self.recorder.register_gauge(&key(of(name), value), &META).set(amount);
    }
}

const META: Metadata<'_> = Metadata::new("everwarm", Level::INFO, None);

fn of(name: &str) -> &'static Row {
    TABLE.iter().find(|row| row.name == name).expect("every name is in the table")
}

fn key(row: &Row, value: Option<&str>) -> Key {
    let labels = row.label.zip(value).map(|((label, _), v)| Label::new(label, v.to_owned()));
    Key::from_parts(row.name, labels.into_iter().collect::<Vec<_>>())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::sample::journal;

    #[test]
    fn everything_of_the_table_is_there_from_the_start() {
        let telemetry = Telemetry::new("USDT", 1_500);
        let text = telemetry.render(&Counts::default(), &Refusals::default(), Gauges::default());
        for row in TABLE {
            let kind = if row.kind == Kind::Counter { "counter" } else { "gauge" };
            assert!(text.contains(&format!("# HELP {} {}\n", row.name, row.help)), "{text}");
            assert!(text.contains(&format!("# TYPE {} {kind}\n", row.name)), "{text}");
            for value in row.label.into_iter().flat_map(|(_, values)| values) {
                let label = row.label.unwrap().0;
                let line = format!("{}{{{label}=\"{value}\"}} 0\n", row.name);
                assert!(text.contains(&line), "{line}: {text}");
            }
        }
        assert!(text.contains("everwarm_start_timestamp_seconds 1.5\n"), "{text}");
        assert!(text.contains("everwarm_equity{currency=\"USDT\"} 0\n"), "{text}");
        assert!(text.contains("everwarm_closes_total 0\n"), "{text}");
    }

    #[test]
    fn facts_are_counted() {
        let mut counts = Counts::default();
        journal().0.iter().for_each(|fact| counts.fold(fact));
        counts.restarted(reason(&Exit::Killed).unwrap());
        let refusals = Refusals::default();
        refusals.count(Refusal::WrongHost);
        let gauges = Gauges { ready: true, live: 4096, history: 0 };
        let text = Telemetry::new("USD", 0).render(&counts, &refusals, gauges);
        for line in [
            "everwarm_closes_total 2",
            "everwarm_fills_total 2",
            "everwarm_orders_total{status=\"filled\"} 1",
            "everwarm_actor_restarts_total{reason=\"killed\"} 1",
            "everwarm_equity{currency=\"USD\"} 9999.6",
            "everwarm_store_file_bytes{file=\"live\"} 4096",
            "everwarm_http_refused_total{reason=\"wrong-host\"} 1",
            "everwarm_ready 1",
        ] {
            assert!(text.lines().any(|l| l == line), "{line}: {text}");
        }
    }
}
