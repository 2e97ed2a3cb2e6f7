//! Requests of operators to trade by hand: appends them to the running journal and waits for their
//! results.
//!
//! The client names each request. A repeated request is not appended again if it is recent; the
//! decision declines every other repetition. So a client that got no answer may repeat its request.

use super::operator_input::{NAME, Whole, ended, in_journal};
use super::watch::{Seen, Watch};
use everwarm_domain::fact::{Body, Operator};
use everwarm_domain::manual::Request;
use everwarm_edge::world::World;
use everwarm_runtime::clock;
use everwarm_runtime::journal::Journal;
use everwarm_views::by_hand::{ByHandView, HandResult, HandResultView, check_id};
use everwarm_views::exit::{Exit, Failure};
use everwarm_views::journal_reader::JournalFacts as _;
use std::ops::ControlFlow;
use std::time::Duration;
use tokio::runtime::Handle;

/// Number of facts in which an earlier request with the same id is looked for.
const RECENT: u64 = 20_000;
/// How long a request waits for its result. Without one, it responds what is known.
const PATIENCE: Duration = Duration::from_secs(5);
/// Time between two looks at the journal.
const PAUSE: Duration = Duration::from_millis(20);

/// Appends a request and returns its result, as far as it is known after some seconds.
///
/// # Errors
/// The request is not valid, its id belongs to another request, or the journal has ended.
pub fn live(
    world: &World,
    watch: &Watch,
    id: &str,
    wanted: &ByHandView,
) -> Result<HandResultView, Failure> {
    check_id(id)?;
    let journal = &world.journal;
    let recent = journal.durable_row().saturating_sub(RECENT);
    let (known, mut from) = result(journal, id, recent)?;
    if let Some(known) = known.request() {
        same(id, wanted, known)?;
    } else {
        let (request, reason) = wanted.request(|order| {
            let mut seen = watch.seen();
            let Seen { memory, .. } = &mut *seen;
            memory.now().status.open_order(order)
        })?;
        let body = Operator::Manual { id: id.to_owned(), request, reason };
        from = in_journal(journal, |journal| {
            let (writer, bodies) = (journal.writer(NAME), vec![Body::Operator(body)]);
            let row = journal.append(&writer, world.now(), bodies).map_err(ended)?.row;
            Ok((row, row))
        })?;
    }
    let began = clock::now();
    loop {
        let (mut found, _) = result(journal, id, from)?;
        if found.is_repeated() {
            // The first request is older, or was appended a moment before this one.
            (found, from) = result(journal, id, 0)?;
            if let Some(known) = found.request() {
                same(id, wanted, known)?;
            }
        }
        if found.rests() || began.elapsed() > PATIENCE {
            let none = || Failure::new(Exit::StoreFailed, "the request is not in the journal");
            return found.view().ok_or_else(none);
        }
        Handle::current().block_on(tokio::time::sleep(PAUSE));
    }
}

/// Refuses an id that belongs to another request.
fn same(id: &str, word: &ByHandView, known: &Request) -> Result<(), Failure> {
    if word.is(known) {
        return Ok(());
    }
    let text = format!("the id {id} belongs to another request: {known}. Use a new id");
    Err(Failure::new(Exit::Refused, text))
}

/// The result of a request from the facts from a row on, and the row of the request.
fn result(journal: &Journal<Body>, id: &str, from: u64) -> Result<(HandResult, u64), Failure> {
    let (mut result, mut first) = (HandResult::new(id), from);
    Whole(journal).each(from, &mut |row, fact| {
        let new = result.request().is_none();
        result.take(fact);
        if new && result.request().is_some() {
            first = row;
        }
        ControlFlow::Continue(())
    })?;
    Ok((result, first))
}
