//! Operator commands that turn something on or off, as inputs in the running journal or in the
//! files of a stopped daemon.

use super::operator_input::{NAME, Whole, ended, in_files, in_journal};
use super::tree_settings;
use everwarm_domain::fact::{Body, Operator};
use everwarm_domain::nearest::nearest;
use everwarm_domain::path::{FEEDS, GATEWAYS, PRIVATE, former};
use everwarm_domain::switch::{Switch, Switches};
use everwarm_edge::operation::reload::standing;
use everwarm_edge::world::World;
use everwarm_runtime::journal::Journal;
use everwarm_trading::strategy;
use everwarm_views::exit::{Exit, Failure};
use everwarm_views::journal_reader::JournalFacts as _;
use everwarm_views::sentences;
use everwarm_views::status_fold::StatusFold;
use everwarm_views::views::{SwitchRequest, SwitchedView, SwitchesView};
use std::ops::ControlFlow;
use std::path::Path;
use std::time::Duration;
use tokio::runtime::Handle;

/// Streams that may be turned off, because their reports are also requested: all feeds, one feed,
/// or the private stream.
const STREAMS: &str = "root/trading/feeds, root/trading/feeds/SOURCE and \
                       root/trading/gateways/VENUE/private";
/// Everything below this path may be turned off too, except the actor that turns branches on again.
const LOOKS: &str = "root/ops/";

/// How long a switch waits until it is shown as in force. Only the next switch depends on it.
const SHOWN: Duration = Duration::from_secs(2);

/// Whether the actor at a path may be turned off.
pub fn may_be_off(path: &str) -> bool {
    let looks = path.strip_prefix(LOOKS).is_some_and(|name| name != tree_settings::NAME);
    let source = path.strip_prefix(FEEDS).and_then(|below| below.strip_prefix('/'));
    let source = source.is_some_and(|name| !name.contains('/') && name != "feed");
    let private = path.strip_prefix(GATEWAYS).and_then(|below| below.strip_suffix(PRIVATE));
    // An empty venue: the path from versions with only one venue.
    let private = private.is_some_and(|venue| {
        let name = venue.strip_suffix('/').and_then(|venue| venue.strip_prefix('/'));
        venue == "/" || name.is_some_and(|name| !name.is_empty() && !name.contains('/'))
    });
    looks || path == FEEDS || source || private
}

/// The switch as it is stored: an actor turned off by its former path is turned on by that path.
fn stored(switch: &Switch, stands: &Switches) -> Switch {
    let Switch::Process { path, on } = switch else { return switch.clone() };
    let former = former(path).filter(|former| stands.processes.contains_key(former));
    Switch::Process { path: former.unwrap_or_else(|| path.clone()), on: *on }
}

/// Appends a switch to the files of a data directory.
///
/// # Errors
/// A process holds the files, they cannot be used, or the switch is not valid.
pub fn offline(data_dir: &Path, request: &SwitchRequest) -> Result<SwitchedView, Failure> {
    let reason = checked(request)?;
    in_files(data_dir, |journal| {
        let mut status = StatusFold::default();
        Whole(journal).each(0, &mut |_, fact| {
            status.fold(fact);
            ControlFlow::Continue(())
        })?;
        is_strategy(&request.switch, &status.switches().switches, status.strategies())?;
        let switch = stored(&request.switch, &status.switches().switches);
        append(journal, (i64::MIN, None), (&switch, &reason), status.switches())
    })
}

/// Appends a switch to the running journal; returns when it is on disk. `by` is appended before it
/// in the same commit, also where the switch changes nothing.
///
/// # Errors
/// The switch is not valid, or the journal has ended.
pub fn live(
    world: &World,
    request: &SwitchRequest,
    by: Option<Body>,
) -> Result<SwitchedView, Failure> {
    let reason = checked(request)?;
    let stands = standing(world);
    let settings = stands.now.content.settings();
    let stands = SwitchesView::of(&stands.switches, strategy::off(&settings));
    let strategies: Vec<String> = settings.strategy.0.into_keys().collect();
    is_strategy(&request.switch, &stands.switches, &strategies)?;
    let places = world.directory.readings().into_iter().map(|reading| reading.path).collect();
    let mut switch = request.switch.clone();
    if let Switch::Process { path, .. } = &mut switch {
        *path = world.places.present(path);
    }
    let switch = stored(&switch, &stands.switches);
    there(&switch, &stands.switches, places)?;
    let view = in_journal(&world.journal, |journal| {
        append(journal, (world.now(), by), (&switch, &reason), stands)
    })?;
    if view.changed {
        wait_until_shown(world, &switch);
    }
    Ok(view)
}

/// Waits until a switch is shown as in force. The next one is compared with that, so a `halt` right
/// after a `resume` would seem to change nothing.
fn wait_until_shown(world: &World, switch: &Switch) {
    // A new peak is no state that is shown.
    if matches!(switch, Switch::NewPeak) {
        return;
    }
    let mut config = world.board.config();
    let is_shown = config.wait_for(|stands| !stands.switches.would_change(switch));
    let shown = async { tokio::time::timeout(SHOWN, is_shown).await.is_ok_and(|end| end.is_ok()) };
    if !Handle::current().block_on(shown) {
        tracing::debug!("a switch is in the journal and not shown yet");
    }
}

/// Refuses a strategy that is not configured, unless it was turned off before.
fn is_strategy(switch: &Switch, stands: &Switches, ids: &[String]) -> Result<(), Failure> {
    let Switch::Strategy { name, .. } = switch else { return Ok(()) };
    if ids.contains(name) || stands.strategies.contains_key(name) {
        return Ok(());
    }
    let all = ids.join(", ");
    let text = format!(
        "there is no strategy {name:?}; the strategies are {all}. For a branch of the tree, give \
         its path, like {FEEDS}"
    );
    Err(Failure::new(Exit::Failed, text))
}

/// Refuses a path that is not in the tree, unless it was turned off before.
fn there(switch: &Switch, stands: &Switches, places: Vec<String>) -> Result<(), Failure> {
    let Switch::Process { path, .. } = switch else { return Ok(()) };
    if stands.processes.contains_key(path) || places.contains(path) {
        return Ok(());
    }
    let own = |path: &str| path.rsplit('/').next().unwrap_or_default().to_owned();
    let known: Vec<String> = places.into_iter().filter(|place| may_be_off(place)).collect();
    let names: Vec<String> = known.iter().map(|place| own(place)).collect();
    let near = nearest(&own(path), names.iter().map(String::as_str));
    let near = near.and_then(|near| known.iter().find(|place| own(place) == near));
    let near = near.map_or_else(|| ".".to_owned(), |near| format!("; did you mean {near}?"));
    let text = format!("there is no branch {path}{near} You can turn off: {}", known.join(", "));
    Err(Failure::new(Exit::Failed, text))
}

/// The reason of a switch; checks that the switch is allowed.
fn checked(request: &SwitchRequest) -> Result<String, Failure> {
    let reason = request.reason.trim();
    if reason.is_empty() {
        return Err(Failure::new(Exit::Usage, "the reason is missing: add --reason TEXT"));
    }
    match &request.switch {
        Switch::Halt
        | Switch::Resume
        | Switch::NewPeak
        | Switch::Flatten
        | Switch::Safe(_)
        | Switch::Strategy { .. } => {}
        Switch::Process { path, .. } => {
            if !may_be_off(path) {
                let (all, not) = (STREAMS, tree_settings::NAME);
                let text = format!(
                    "{path} cannot be turned off. You can turn off {all}, and every branch below \
                     {LOOKS} except {not}"
                );
                return Err(Failure::new(Exit::Refused, text));
            }
        }
    }
    Ok(reason.to_owned())
}

fn append(
    journal: &Journal<Body>,
    (time, by): (i64, Option<Body>),
    (switch, reason): (&Switch, &str),
    mut standing: SwitchesView,
) -> Result<(SwitchedView, u64), Failure> {
    let changed = standing.switches.would_change(switch);
    let text = sentences::answered(switch, &standing.configured_off);
    let body = || Operator::Switched { switch: switch.clone(), reason: reason.to_owned() };
    let switched = changed.then(|| Body::Operator(body()));
    let bodies: Vec<Body> = by.into_iter().chain(switched).collect();
    let mut row = 0;
    if !bodies.is_empty() {
        row = journal.append(&journal.writer(NAME), time, bodies).map_err(ended)?.row;
    }
    if !changed {
        let text = format!("{text}: no change");
        return Ok((SwitchedView { text, changed, standing }, row));
    }
    standing.switches.apply(switch, reason, time);
    let standing = SwitchesView::of(&standing.switches, standing.configured_off);
    Ok((SwitchedView { text, changed, standing }, row))
}
