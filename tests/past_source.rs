//! An exchange in this process as a source of past bars.

use crate::kit::{BINARY, Folder, output};
use everwarm::chaos::feed::START;
use everwarm_domain::market::Bar;
use everwarm_domain::time::MINUTE;
use everwarm_sim::market::{Market, Seeded, read_bars};
use everwarm_sim::{InitialBooks, Pace, SimHandle, SimOptions, start};
use serde_json::{Value, json};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use tokio::runtime::Runtime;

/// After this time a bar is final, milliseconds.
const FINAL: i64 = 2_000;
/// The symbols.
pub const NAMES: [&str; 2] = ["BTCUSDT", "ETHUSDT"];

/// An exchange whose time stands at its start, with this many minutes before it.
pub struct Source {
    pub folder: Folder,
    sim: SimHandle,
    runtime: Runtime,
    minutes: u32,
    symbols: usize,
}

impl Source {
    pub fn start(name: &str, minutes: u32) -> Source {
        Source::with_symbols(name, minutes, NAMES.len())
    }

    pub fn with_symbols(name: &str, minutes: u32, symbols: usize) -> Source {
        drop(rustls::crypto::ring::default_provider().install_default());
        let folder = Folder::new(name);
        let runtime = Runtime::new().unwrap();
        let options = SimOptions {
            data_dir: folder.join("exchange"),
            port: 0,
            pace: Pace::Lockstep,
            market: Box::new(Seeded::new(1, symbols, START, minutes)),
            setup: InitialBooks::default(),
            idle_exit: None,
        };
        let sim = runtime.block_on(start(options)).unwrap();
        let source = Source { folder, sim, runtime, minutes, symbols };
        source.post("advance", &json!({"to": START + FINAL, "market": START}));
        source
    }

    pub fn market(&self) -> Seeded {
        Seeded::new(1, self.symbols, START, self.minutes)
    }

    /// The bars of the market with opening times of these minutes before the start.
    pub fn made(&self, from: i64, to: i64) -> Vec<Bar> {
        let symbol = NAMES[0].parse().unwrap();
        self.market().bars(symbol, START - from * MINUTE, START - to * MINUTE, usize::MAX)
    }

    pub fn post(&self, what: &str, body: &Value) {
        let url = format!("http://{}/sim/v1/{what}", self.sim.addr);
        let http = reqwest::Client::builder().no_proxy().build().unwrap();
        let asked = http.post(url).bearer_auth(&self.sim.token).body(body.to_string());
        let answer = self.runtime.block_on(asked.send()).unwrap();
        assert!(answer.status().is_success(), "{answer:?}");
    }

    pub fn end(self) {
        self.runtime.block_on(self.sim.stop()).unwrap();
    }

    pub fn socket(&self) -> SocketAddr {
        self.sim.addr
    }

    pub fn address(&self) -> String {
        format!("http://{}", self.sim.addr)
    }

    pub fn command(&self, out: &Path, more: &[&str]) -> Command {
        let mut command = Command::new(BINARY);
        command.args(["history", "fetch", "--address", &self.address()]);
        command.arg("--out").arg(out).args(more);
        command
    }

    pub fn fetch(&self, out: &Path, more: &[&str]) -> Output {
        output(&mut self.command(out, more))
    }

    pub fn fault(&self, kind: &str, at: &str, times: u64) {
        self.post("fault", &json!({"kind": kind, "at": at, "times": times}));
    }
}

pub fn bars_of(file: &Path) -> Vec<Bar> {
    read_bars(file, usize::MAX).unwrap().0
}

/// The minutes of the first symbol.
pub fn file(out: &Path) -> PathBuf {
    out.join(format!("{}_1m.csv.gz", NAMES[0]))
}

pub fn assert_same(found: &[Bar], wanted: &[Bar]) {
    let at = found.iter().zip(wanted).position(|(a, b)| a != b);
    let at = at.map(|at| (found[at], wanted[at]));
    assert!(at.is_none(), "{at:?}");
    assert_eq!(found.len(), wanted.len());
}

/// Minutes before the start, as a time on the command line.
pub fn at(minutes: i64) -> String {
    everwarm_words::text::instant(START - minutes * MINUTE)
}
