//! Reloads the configuration while the daemon trades: on SIGHUP, by the API and, if configured,
//! when a file changes. One reload runs at a time. A refused reload changes nothing.

mod listen;

pub use listen::actors;

use super::identity::{Traded, affordable, leaves_some};
use super::watch::Watch;
use everwarm_config::reloadable::{differences, is_live, running};
use everwarm_config::{CheckDepth, Config, Sources, VenueSource};
use everwarm_domain::instrument::Instrument;
use everwarm_edge::board::Board;
use everwarm_edge::operation::config::{Content, Standing};
use everwarm_edge::operation::reload::{Outcome, apply, standing};
use everwarm_edge::world::World;
use everwarm_runtime::clock::wall;
use everwarm_trading::reload::{Refusal, below_used};
use everwarm_trading::risk::limits::Counts;
use everwarm_trading::strategy;
use everwarm_views::changes::ReloadHow;
use everwarm_views::exit::{Exit, Failure};
use everwarm_views::views::{
    ReloadCountView, ReloadResult, ReloadView, ReloadsView, Trigger, ValueView,
};
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::runtime::Handle;

/// Results of the reloads so far, and what was loaded last.
#[derive(Debug, Default)]
struct State {
    last: Option<ReloadView>,
    last_success: Option<i64>,
    restart_pending: Vec<String>,
    counts: BTreeMap<(Trigger, ReloadResult), u64>,
    /// Content of the files when they were last loaded, by name.
    read: Files,
    /// Content of the files when they were last polled; none where nobody watches them.
    seen: Option<Files>,
    /// The filter that the log received last.
    filter: String,
}

/// Content of files, by name.
type Files = Vec<(String, Vec<u8>)>;

/// What a configuration is checked against, besides the journal.
pub struct Beside {
    /// The traded market, as a text.
    pub traded: String,
    /// Instruments known without a request.
    pub rules: Vec<Instrument>,
    /// Used parts of the daily limits.
    pub used: Box<dyn Fn() -> Counts + Send + Sync>,
}

/// Reloads the configuration.
pub struct Reloader {
    world: World,
    sources: Sources,
    /// The configuration of the start.
    started: Config,
    beside: Beside,
    turn: Mutex<()>,
    state: Mutex<State>,
}

/// The response to a refused reload.
const STAYS: &str = "the reload was refused; the earlier configuration stays in force";

/// Why a configuration was refused.
struct Refused {
    result: ReloadResult,
    reasons: Vec<String>,
    restart: Vec<String>,
}

impl Refused {
    fn rejected(reasons: Vec<String>) -> Refused {
        Refused { result: ReloadResult::Rejected, reasons, restart: Vec::new() }
    }

    fn restart(keys: Vec<String>) -> Refused {
        let reason = |key: &String| format!("{key}: takes a restart, so nothing is applied");
        let reasons = keys.iter().map(reason).collect();
        Refused { restart: keys, ..Refused::rejected(reasons) }
    }
}

fn refused(refusals: &[Refusal]) -> Refused {
    let reasons = refusals.iter().map(|r| format!("{}: {}", r.key, r.reason));
    Refused::rejected(reasons.collect())
}

/// Keys that differ between two texts of the stages' settings and need a restart. The selection of
/// symbols has another name there, and may always change.
fn restart_keys(one: &str, other: &str) -> Vec<String> {
    let read = |text: &str| serde_json::from_str::<Value>(text).unwrap_or_default();
    let (one, other) = (read(one), read(other));
    let mut found = Vec::new();
    for (section, keys) in one.as_object().into_iter().flatten() {
        for (key, value) in keys.as_object().into_iter().flatten() {
            let name = format!("{section}.{key}");
            if section != "universe" && other[section].get(key) != Some(value) && !is_live(&name) {
                found.push(name);
            }
        }
    }
    found
}

/// The value in force of a key that may change while the daemon trades; none before a configuration
/// is in force.
pub fn in_force(board: &Board, key: &str) -> Option<serde_json::Value> {
    board.in_force(key).filter(|_| is_live(key))
}

/// The duration in force of a key.
pub fn seconds_in_force(board: &Board, key: &str) -> Option<Duration> {
    in_force(board, key)?.as_u64().map(Duration::from_secs)
}

/// The result of a reload, with its values.
type Attempt = Result<(ReloadResult, Vec<ValueView>), Refused>;

impl Reloader {
    /// For a process that was started with `started`, loaded from `sources`.
    #[must_use]
    pub fn new(world: World, sources: Sources, started: Config, beside: Beside) -> Arc<Reloader> {
        let state = State { read: sources.contents(), ..State::default() };
        let (turn, state) = (Mutex::default(), Mutex::new(state));
        let reloader = Arc::new(Reloader { world, sources, started, beside, turn, state });
        // No other configuration is in force yet: the log began with this filter.
        reloader.state().filter = reloader.filter();
        reloader
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Every value of the running process, and where it was set.
    #[must_use]
    pub fn values(&self) -> Vec<ValueView> {
        let Standing { now, .. } = &*standing(&self.world);
        running(&self.started.values, &now.content.values, &now.content.origins)
    }

    /// Absolute path of the configuration file.
    #[must_use]
    pub fn file(&self) -> Option<String> {
        let file = std::path::absolute(self.sources.file.as_ref()?).ok()?;
        Some(file.display().to_string())
    }

    /// The configuration in force, and the results of reloads.
    #[must_use]
    pub fn view(&self) -> ReloadsView {
        let state = self.state();
        let counts = Trigger::ALL.into_iter().flat_map(|trigger| {
            ReloadResult::COUNTED.into_iter().map(move |result| (trigger, result))
        });
        let count = |(trigger, result)| ReloadCountView {
            trigger,
            result,
            count: state.counts.get(&(trigger, result)).copied().unwrap_or_default(),
        };
        ReloadsView {
            generation: standing(&self.world).now.generation,
            restart_pending: state.restart_pending.clone(),
            last: state.last.clone(),
            last_success: state.last_success,
            counts: counts.map(count).collect(),
        }
    }

    /// Loads all sources, and puts them in force: all of them, or none. `dry` only reports the
    /// result. Blocks: do not call it on a worker.
    pub fn reload(&self, trigger: Trigger, dry: bool) -> ReloadView {
        let _turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        let before = self.values();
        let attempt = self.attempt(dry);
        self.note((trigger, dry), &before, attempt)
    }

    /// Puts the previous configuration in force again.
    pub fn rollback(&self, trigger: Trigger) -> ReloadView {
        let _turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        let before = self.values();
        let stands = standing(&self.world);
        let failed = |refused| Refused { result: ReloadResult::RollbackFailed, ..refused };
        let attempt = match &stands.before {
            Some(content) => {
                let back = || {
                    // An earlier run may have started with other values.
                    let restart = restart_keys(&content.text, &stands.now.content.text);
                    if !restart.is_empty() {
                        return Err(Refused::restart(restart));
                    }
                    self.put(content, &stands.now.source, false)
                };
                back().map_err(failed).map(|_| {
                    let Content { values, origins, .. } = content;
                    (ReloadResult::RolledBack, running(&self.started.values, values, origins))
                })
            }
            // This is no failed rollback: there is no earlier configuration.
            None => Err(Refused::rejected(vec![
                "there is no earlier configuration to roll back to".to_owned(),
            ])),
        };
        self.note((trigger, false), &before, attempt)
    }

    fn attempt(&self, dry: bool) -> Attempt {
        if !dry {
            self.state().read = self.sources.contents();
        }
        let config = self.sources.load(CheckDepth::World).map_err(|errors| Refused {
            result: ReloadResult::Invalid,
            reasons: errors.0.iter().map(ToString::to_string).collect(),
            restart: Vec::new(),
        })?;
        let restart = config.restart_keys(&self.started.values);
        if dry {
            // A dry run adds no keys, but removes those that the files no longer change.
            self.state().restart_pending.retain(|key| restart.contains(key));
        } else {
            self.state().restart_pending.clone_from(&restart);
        }
        if !restart.is_empty() {
            return Err(Refused::restart(restart));
        }
        self.harmless(&config)?;
        let content = self.content(&config)?;
        let result = self.put(&content, &content.digest(), dry)?;
        Ok((result, config.values))
    }

    /// Refuses to change the permission for injected faults under real money.
    fn harmless(&self, config: &Config) -> Result<(), Refused> {
        let disturbs = |of: &[ValueView]| {
            let chaos = of.iter().filter(|value| value.key.starts_with("chaos."));
            chaos.map(|value| value.value.clone()).collect::<Vec<_>>()
        };
        if self.world.live && disturbs(&self.values()) != disturbs(&config.values) {
            let text = "chaos.enabled: with real money this change needs a restart".to_owned();
            return Err(Refused::rejected(vec![text]));
        }
        Ok(())
    }

    /// The settings of the stages, with the names of the traded symbols.
    fn content(&self, config: &Config) -> Result<Content, Refused> {
        let symbols = |of: &[ValueView]| {
            let found = of.iter().find(|value| value.key == "market.symbols");
            found.map(|value| value.value.clone())
        };
        let mut settings = config.settings.clone();
        if symbols(&self.values()) == symbols(&config.values) {
            let now = standing(&self.world).now.content.settings();
            settings.universe.names = now.universe.names;
        } else {
            let failed = |failure: Failure| Refused::rejected(vec![failure.text]);
            let traded = match &config.venue {
                VenueSource::Simulated => Traded::simulated(config).map_err(failed)?,
                VenueSource::Remote(remote) => Traded::at(config, remote),
            };
            if traded.words != self.beside.traded {
                let text = "market.symbols: the symbols of the simulated exchange cannot change; \
                            to stop one, run `everwarm symbols remove SYMBOL`";
                return Err(Refused::rejected(vec![text.to_owned()]));
            }
            settings = traded.settings;
        }
        let now = standing(&self.world).now.clone();
        // Open positions are closed by their former settings, so the features of these are kept.
        let kept = strategy::retained(&now.content.settings(), &now.retained, &settings);
        let there = &self.beside.rules;
        // The venue may have listed more since the start.
        let traded = there.len().max(self.world.board.live().borrow().len());
        leaves_some(&settings.universe, there)
            .and_then(|()| affordable(config, &settings, &kept, traded))
            .map_err(|failure| Refused::rejected(vec![failure.text]))?;
        Ok(Content::new(&settings, config.origins(), config.live_values()))
    }

    fn put(&self, content: &Content, source: &str, dry: bool) -> Result<ReloadResult, Refused> {
        let (old, new) = (standing(&self.world).now.content.settings(), content.settings());
        let refusals = below_used(&(self.beside.used)(), &old.risk, &new.risk);
        if !refusals.is_empty() {
            return Err(refused(&refusals));
        }
        let done = Handle::current().block_on(apply(&self.world, content, source, dry));
        match done.map_err(|e| Refused::rejected(vec![e.to_string()]))? {
            Outcome::Unchanged => Ok(ReloadResult::Unchanged),
            Outcome::Applied(_) => Ok(ReloadResult::Applied),
            Outcome::Possible => Ok(ReloadResult::Possible),
            Outcome::Refused(refusals) => Err(refused(&refusals)),
        }
    }

    /// Remembers the result of a reload, and logs it in one line.
    fn note(
        &self,
        (trigger, dry): (Trigger, bool),
        before: &[ValueView],
        attempt: Attempt,
    ) -> ReloadView {
        let (result, changes, reasons, restart) = match attempt {
            Ok((result, values)) => (result, differences(before, &values), Vec::new(), Vec::new()),
            Err(refused) => (refused.result, Vec::new(), refused.reasons, refused.restart),
        };
        let generation = standing(&self.world).now.generation;
        let time = wall().utc();
        let view = ReloadView { time, trigger, result, generation, changes, reasons, restart };
        if !dry {
            let mut state = self.state();
            *state.counts.entry((trigger, result)).or_default() += 1;
            if result.is_success() {
                state.last_success = Some(time);
            }
            state.last = Some(view.clone());
        }
        let (trigger, result) = (trigger.name(), result.name());
        if view.result.is_success() {
            let keys: Vec<&str> = view.changes.iter().map(|change| change.key.as_str()).collect();
            tracing::info!(trigger, result, generation, changed = keys.join(", "), "reload");
        } else {
            tracing::warn!(trigger, result, generation, why = view.reasons.join("; "), "reload");
        }
        view
    }

    /// The response to a client: a refusal is a failure with all its reasons.
    ///
    /// # Errors
    /// The reload was refused.
    pub fn answer(view: ReloadView) -> Result<ReloadView, Failure> {
        let reasons = view.reasons.join("\n");
        let (exit, text) = match view.result {
            ReloadResult::Applied
            | ReloadResult::Unchanged
            | ReloadResult::RolledBack
            | ReloadResult::Possible => return Ok(view),
            ReloadResult::Invalid => (Exit::Usage, STAYS),
            ReloadResult::Rejected => (Exit::Refused, STAYS),
            ReloadResult::RollbackFailed => return Err(Failure::new(Exit::Refused, reasons)),
        };
        let text = format!("{text}\n{reasons}");
        Err(Failure::new(exit, text))
    }
}

impl Reloader {
    /// Reloads the configuration for a client of the API.
    ///
    /// # Errors
    /// The reload was refused.
    pub fn by_api(&self, how: ReloadHow) -> Result<ReloadView, Failure> {
        Reloader::answer(match how {
            ReloadHow::Apply => self.reload(Trigger::Api, false),
            ReloadHow::Dry => self.reload(Trigger::Api, true),
            ReloadHow::Rollback => self.rollback(Trigger::Api),
        })
    }

    /// The objects that the actors of the edge share.
    #[must_use]
    pub fn world(&self) -> &World {
        &self.world
    }

    /// The value in force of a key, else the value of the start.
    #[must_use]
    pub fn value(&self, key: &str) -> serde_json::Value {
        let started = || self.started.values.iter().find(|value| value.key == key);
        let value = in_force(&self.world.board, key);
        value.or_else(|| started().map(|value| value.value.clone())).unwrap_or_default()
    }

    fn watches(&self) -> bool {
        self.value("daemon.reload_on_change") == true
    }

    fn filter(&self) -> String {
        self.value("daemon.log").as_str().unwrap_or_default().to_owned()
    }
}

/// What a reload is checked against.
pub fn beside(traded: &Traded, watch: &Watch) -> Beside {
    let seen = watch.clone();
    Beside {
        traded: traded.words.clone(),
        rules: traded.rules.clone(),
        used: Box::new(move || seen.seen().memory.now().counts.used().clone()),
    }
}

#[cfg(test)]
mod tests {
    use super::restart_keys;
    use everwarm_domain::settings::Settings;

    #[test]
    fn what_takes_a_restart_is_told_of_two_texts_of_the_settings() {
        let one = Settings::default();
        let mut other = one.clone();
        other.trading.max_positions += 1;
        other.risk.max_trades_per_day += 1;
        other.universe.quote = "EUR".to_owned();
        assert_eq!(restart_keys(&one.to_text(), &other.to_text()), Vec::<String>::new());
        other.trading.quote_asset = "ETH".to_owned();
        assert_eq!(restart_keys(&one.to_text(), &other.to_text()), ["trading.quote_asset"]);
    }
}
