//! The keys that may change while the daemon trades, and the differences of two configurations.

use super::checked::{Config, Sources};
use super::error::ConfigErrors;
use super::layers::drop_ins;
use super::strategies;
use everwarm_views::views::{DifferenceView, SetView, ValueView};
use std::path::PathBuf;

/// Keys that may change while the daemon trades. A dot at the end stands for all keys below. All
/// others need a restart.
const LIVE: &[&str] = &[
    "daemon.hang_limit_s",
    "daemon.log",
    "daemon.reload_on_change",
    "daemon.self_replay",
    "storage.",
    "history.",
    "market.symbols",
    "market.max_jump_percent",
    "market.alt",
    "market.universe.",
    "venue.compare_account_s",
    "trading.notional",
    "trading.max_positions",
    "trading.valid_for_s",
    "trading.recv_window_ms",
    "trading.stale_s",
    "risk.",
    "strategy.",
    "supervision.",
    "messages.leave_out",
    "messages.every_s",
    "messages.heartbeat_s",
    "chaos.",
];

/// Whether a key may change while the daemon trades.
#[must_use]
pub fn is_live(key: &str) -> bool {
    LIVE.iter().any(|live| *live == key || (live.ends_with('.') && key.starts_with(live)))
}

impl Sources {
    /// The content of every file of the sources, by name; empty if a file cannot be read.
    #[must_use]
    pub fn contents(&self) -> Vec<(String, Vec<u8>)> {
        let files: Vec<PathBuf> = self.file.iter().cloned().collect();
        let beside = files.iter().flat_map(|file| drop_ins(file, &mut ConfigErrors::default()));
        let all = beside.collect::<Vec<_>>().into_iter().chain(files.clone());
        all.map(|path| (path.display().to_string(), std::fs::read(&path).unwrap_or_default()))
            .collect()
    }
}

impl Config {
    /// The values that may change while the daemon trades, as JSON.
    #[must_use]
    pub fn live_values(&self) -> Vec<(String, String)> {
        let live = self.values.iter().filter(|value| is_live(&value.key));
        live.map(|value| (value.key.clone(), value.value.to_string())).collect()
    }

    /// Keys that differ from `running` and need a restart.
    #[must_use]
    pub fn restart_keys(&self, running: &[ValueView]) -> Vec<String> {
        let found = differences(running, &self.values);
        found.into_iter().map(|d| d.key).filter(|key| !is_live(key)).collect()
    }
}

/// The values that a process runs with: those of its start, replaced by the current ones of the
/// journal.
#[must_use]
pub fn running(
    started: &[ValueView],
    values: &[(String, String)],
    origins: &[(String, String)],
) -> Vec<ValueView> {
    let find = |of: &[(String, String)], key: &str| {
        of.iter().find(|(name, _)| name == key).map(|(_, text)| text.clone())
    };
    let mut all = started.to_vec();
    // Strategies come and go while the daemon trades. Values from an older version name none.
    let of_strategies = |key: &str| strategies::setting(key).is_some();
    if values.iter().any(|(key, _)| of_strategies(key)) {
        all.retain(|view| !of_strategies(&view.key) || find(values, &view.key).is_some());
    }
    let place = all.iter().position(|view| of_strategies(&view.key)).unwrap_or(all.len());
    let new = values
        .iter()
        .filter(|(key, _)| of_strategies(key) && started.iter().all(|view| view.key != *key));
    let new: Vec<ValueView> = new
        .map(|(key, text)| {
            let value: serde_json::Value = serde_json::from_str(text).unwrap_or_default();
            let (default, origin) = (value.clone(), ValueView::DEFAULT.to_owned());
            ValueView { key: key.clone(), value, default, origin }
        })
        .collect();
    all.splice(place..place, new);
    for view in all.iter_mut().filter(|view| is_live(&view.key)) {
        let value = find(values, &view.key).and_then(|text| serde_json::from_str(&text).ok());
        if let Some(value) = value {
            let origin = find(origins, &view.key);
            view.value = value;
            view.origin = origin.unwrap_or_else(|| ValueView::DEFAULT.to_owned());
        }
    }
    all
}

/// Keys with different values. A program of another version may have other keys.
#[must_use]
pub fn differences(running: &[ValueView], now: &[ValueView]) -> Vec<DifferenceView> {
    let find = |values: &[ValueView], key: &str| {
        let found = values.iter().find(|value| value.key == key);
        found.map(|v| SetView { value: v.value.clone(), origin: v.origin.clone() })
    };
    let only_running = running.iter().filter(|value| find(now, &value.key).is_none());
    let keys = now.iter().chain(only_running).map(|value| &value.key);
    keys.map(|key| DifferenceView {
        key: key.clone(),
        running: find(running, key),
        now: find(now, key),
    })
    .filter(|d| d.running.as_ref().map(|s| &s.value) != d.now.as_ref().map(|s| &s.value))
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keys::KEYS;
    use crate::{CheckDepth, Given, Sources};

    fn config(flags: &[(&str, &str)]) -> Config {
        let given = |(key, text): &(&str, &str)| Given {
            key: (*key).to_owned(),
            text: (*text).to_owned(),
            place: "a flag".to_owned(),
        };
        let flags = flags.iter().map(given).collect();
        Sources { flags, ..Sources::default() }.load(CheckDepth::Words).unwrap()
    }

    #[test]
    fn every_live_key_is_one_and_what_names_the_venue_or_the_store_is_none() {
        let used =
            |live: &str| live == "strategy." || KEYS.iter().any(|key| key.name.starts_with(live));
        let unused: Vec<&str> = LIVE.iter().copied().filter(|live| !used(live)).collect();
        assert_eq!(unused, Vec::<&str>::new());
        for key in [
            "daemon.data_dir",
            "daemon.listen",
            "daemon.token",
            "venue.kind",
            "venue.key",
            "trading.mode",
            "trading.quote_asset",
            "market.pace",
            "messages.webhook",
            "messages.heartbeat",
        ] {
            assert!(!is_live(key), "{key}");
        }
    }

    #[test]
    fn what_is_in_force_lies_over_what_was_started_with() {
        let started = config(&[("daemon.workers", "3"), ("risk.max_trades_per_day", "4")]);
        let newer = config(&[("daemon.workers", "5"), ("trading.notional", "7")]);
        assert_eq!(newer.restart_keys(&started.values), ["daemon.workers"]);
        let values = running(&started.values, &newer.live_values(), &newer.origins());
        let of = |key: &str| {
            let value = values.iter().find(|value| value.key == key).unwrap();
            (value.value.to_string(), value.origin.as_str())
        };
        assert_eq!(of("daemon.workers"), ("3".to_owned(), "a flag"));
        assert_eq!(of("risk.max_trades_per_day"), ("0".to_owned(), "default"));
        assert_eq!(of("trading.notional"), ("\"7\"".to_owned(), "a flag"));
        let changed: Vec<_> =
            differences(&values, &newer.values).into_iter().map(|d| d.key).collect();
        assert_eq!(changed, ["daemon.workers"]);
    }
}
