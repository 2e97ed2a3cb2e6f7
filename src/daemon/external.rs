//! Signals of external programs: appends them to the running journal and waits for their outcome.
//!
//! The sender names each signal. A repeated signal is not appended again if it is recent; its
//! strategy ignores every other repetition. So a sender that got no response may repeat its signal.

use super::operator_input::{NAME, Whole, ended, in_journal};
use super::watch::Watch;
use everwarm_domain::external::ExternalSignal;
use everwarm_domain::fact::{Body, Operator};
use everwarm_domain::id::Symbol;
use everwarm_domain::nearest::nearest;
use everwarm_domain::order::Side;
use everwarm_domain::settings::Settings;
use everwarm_edge::operation::reload::standing;
use everwarm_edge::world::World;
use everwarm_kernel::fact::Key;
use everwarm_runtime::clock;
use everwarm_runtime::journal::Journal;
use everwarm_trading::strategy::kind;
use everwarm_views::exit::{Exit, Failure};
use everwarm_views::external::{ExternalSignalView, TakenSignalView};
use everwarm_views::journal_reader::JournalFacts as _;
use everwarm_views::known_symbols::meant;
use everwarm_views::views::{Outcome, SignalView, SymbolView};
use std::collections::BTreeSet;
use std::ops::ControlFlow;
use std::time::Duration;
use tokio::runtime::Handle;

/// Number of facts in which an earlier signal with the same id is looked for.
const RECENT: u64 = 20_000;
/// How long a signal waits for its outcome. Without one, it responds what is known.
const PATIENCE: Duration = Duration::from_secs(5);
/// Time between two looks at the outcome.
const PAUSE: Duration = Duration::from_millis(20);

/// Appends a signal and returns its outcome, as far as it is known after some seconds.
///
/// # Errors
/// The signal is not valid or too old, its id belongs to another signal, or the journal has ended.
pub fn live(
    world: &World,
    watch: &Watch,
    listed: &[SymbolView],
    wanted: &ExternalSignalView,
) -> Result<TakenSignalView, Failure> {
    let now = world.now();
    let given = wanted.read(now)?;
    let from = world.journal.durable_row().saturating_sub(RECENT);
    let mut found = first(&world.journal, from, &given)?;
    if found.is_none() {
        allowed(world, listed, &given)?;
        wanted.check_age(given.time, now)?;
        let body = Body::Operator(Operator::Signalled(Box::new(given.clone())));
        in_journal(&world.journal, |journal| {
            let writer = journal.writer(NAME);
            let row = journal.append(&writer, world.now(), vec![body]).map_err(ended)?.row;
            Ok(((), row))
        })?;
        // Another request with this id may have been a moment earlier. The first one counts.
        found = first(&world.journal, from, &given)?;
    }
    let none = || Failure::new(Exit::StoreFailed, "the signal is not in the journal");
    let (key, stored) = found.ok_or_else(none)?;
    if !wanted.is(&stored) {
        let text = format!("the id {} belongs to another signal: {stored}. Use a new id", given.id);
        return Err(Failure::new(Exit::Refused, text));
    }
    let began = clock::now();
    loop {
        let signal = outcome(watch, key, &stored);
        let is_decided = signal.as_ref().is_some_and(|signal| signal.outcome != Outcome::Pending);
        if is_decided || began.elapsed() > PATIENCE {
            return Ok(TakenSignalView { id: stored.id, key: key.to_string(), signal });
        }
        Handle::current().block_on(tokio::time::sleep(PAUSE));
    }
}

/// The first fact from a row on with the id, for the same strategy and symbol.
fn first(
    journal: &Journal<Body>,
    from: u64,
    given: &ExternalSignal,
) -> Result<Option<(Key, ExternalSignal)>, Failure> {
    let mut found = None;
    Whole(journal).each(from, &mut |_, fact| {
        if let Body::Operator(Operator::Signalled(stored)) = &fact.body
            && (&stored.id, &stored.strategy) == (&given.id, &given.strategy)
        {
            found = Some((fact.key, (**stored).clone()));
            return ControlFlow::Break(());
        }
        ControlFlow::Continue(())
    })?;
    Ok(found)
}

/// What the strategy signalled at this input.
fn outcome(watch: &Watch, key: Key, of: &ExternalSignal) -> Option<SignalView> {
    watch.seen().memory.signals.at(key.n, &of.strategy, of.symbol).cloned()
}

/// Checks that the strategy takes such signals and may trade, and that the symbol is traded.
fn allowed(world: &World, listed: &[SymbolView], given: &ExternalSignal) -> Result<(), Failure> {
    let stands = standing(world);
    let is_off = stands.switches.strategies.contains_key(&given.strategy);
    let symbols: BTreeSet<Symbol> = listed.iter().map(|row| row.symbol).collect();
    check(&stands.now.content.settings(), is_off, &symbols, given)
}

/// The same by the settings, whether an operator disabled the strategy, and the symbols.
///
/// # Errors
/// The text says what cannot act, and what to do.
pub(super) fn check(
    settings: &Settings,
    is_off: bool,
    symbols: &BTreeSet<Symbol>,
    given: &ExternalSignal,
) -> Result<(), Failure> {
    let id = &given.strategy;
    let takes = |name: &str| kind(name).is_some_and(|kind| kind.external);
    let Some(one) = settings.strategy.0.get(id) else {
        let all = settings.strategy.0.iter().filter(|(_, one)| takes(&one.kind));
        let all: Vec<&str> = all.map(|(id, _)| id.as_str()).collect();
        let near = nearest(id, all.iter().copied());
        let more = match (near, all.is_empty()) {
            (Some(near), _) => format!("did you mean {near}?"),
            (None, true) => format!("add a section [strategy.NAME] with kind = {KIND:?}"),
            (None, false) => format!("the strategies that take signals are {}", all.join(", ")),
        };
        let text = format!("there is no strategy {:?}; {more}", shortened(id));
        return Err(Failure::new(Exit::Failed, text));
    };
    if !takes(&one.kind) {
        let text = format!(
            "the strategy {id} is of kind {}, which takes no signals: send them to one of kind \
             {KIND}",
            one.kind
        );
        return Err(Failure::new(Exit::Refused, text));
    }
    if (is_off || !one.enabled) && given.side == Side::Buy {
        let remedy = if one.enabled {
            format!("everwarm enable {id} --reason TEXT")
        } else {
            format!("set strategy.{id}.enabled = true")
        };
        let text = format!("the strategy {id} is off and opens nothing. To turn it on: {remedy}");
        return Err(Failure::new(Exit::Refused, text));
    }
    let symbol = given.symbol;
    if symbols.contains(&symbol) {
        return Ok(());
    }
    let near = meant(symbol, symbols.iter().copied())
        .unwrap_or_else(|| "; everwarm symbols list shows the traded symbols".to_owned());
    Err(Failure::new(Exit::Failed, format!("there is no symbol {symbol}{near}")))
}

/// Name of the built-in kind that takes signals.
const KIND: &str = "external";

/// The beginning of a text that a client sent.
fn shortened(text: &str) -> String {
    text.chars().take(40).collect()
}
