//! The conditions for real money: the live environment, `trading.mode = "live"`, and an operator's
//! confirmation of the account and its caps in the journal. A missing condition is reported before
//! the daemon connects for trading.

use super::identity::{self, Traded};
use super::watch::Watch;
use super::{FOLLOWERS, elsewhere, files, runtime};
use crate::audit::{StoreFacts, store_failure};
use crate::daemon_run::{Connection, places};
use everwarm_config::{Config, Remote, VenueSource};
use everwarm_domain::fact::{Body, Operator};
use everwarm_history::projection::projected_through;
use everwarm_runtime::chaos::Chaos;
use everwarm_runtime::clock;
use everwarm_runtime::journal::{Journal, Options};
use everwarm_runtime::store::Store;
use everwarm_runtime::store::archive::Archive;
use everwarm_venue::port::{AccountPicture, ErrorClass, VenueError};
use everwarm_views::exit::{Exit, Failure};
use everwarm_views::journal_reader::JournalFacts;
use everwarm_views::memory::Memory;
use everwarm_views::views::{AccountView, LiveView};
use std::ops::ControlFlow;
use std::time::Duration;

/// Name of the operator as a writer.
const NAME: &str = "operator";
/// recvWindow of the request for the account of a key, milliseconds.
const RECV_WINDOW: i64 = 5_000;
/// The command to confirm.
const HOW: &str = "everwarm live confirm --per-order AMOUNT --per-day AMOUNT";

fn refused<T>(text: impl Into<String>) -> Result<T, Failure> {
    Err(Failure::new(Exit::Refused, text))
}

fn remote(config: &Config) -> Option<&Remote> {
    match &config.venue {
        VenueSource::Simulated => None,
        VenueSource::Remote(remote) => Some(remote),
    }
}

/// Checks that real money is intended at a live venue.
///
/// # Errors
/// The venue is live, and `trading.mode` is not.
pub fn meant(config: &Config) -> Result<(), Failure> {
    if !config.venue.is_live() || config.live {
        return Ok(());
    }
    refused(format!(
        "venue.environment is \"live\" (real money), but trading.mode is not \"live\". Nothing \
         was changed. To trade real money set trading.mode = \"live\" and confirm the account: \
         {HOW}"
    ))
}

/// The confirmation in force; none where money is not real.
///
/// # Errors
/// The venue is live, and no confirmation exists.
pub fn confirmed(
    config: &Config,
    (store, archive): (&Store, &Archive),
) -> Result<Option<LiveView>, Failure> {
    if !config.venue.is_live() {
        return Ok(None);
    }
    match last(store, archive)? {
        Some(confirmed) => Ok(Some(confirmed)),
        None => refused(format!(
            "no account is confirmed for real money in {}. Confirm one: {HOW}",
            config.data_dir.display()
        )),
    }
}

/// The last confirmation, from the saved memory and the facts after it. The daemon sends nothing
/// because of it alone: the gateway must find the confirmation in the journal.
fn last(store: &Store, archive: &Archive) -> Result<Option<LiveView>, Failure> {
    let mut memory = Memory::load(archive, projected_through(archive)?)?;
    StoreFacts(store.clone()).each_left(memory.next_row(), &mut |left| {
        memory.take(&left);
        ControlFlow::Continue(())
    })?;
    Ok(memory.now().status.view().live)
}

/// Requests the account of the key until the venue responds.
///
/// # Errors
/// The key is of another account than the confirmed one, or the venue refuses it.
pub async fn allowed(
    connection: &Connection,
    confirmed: &LiveView,
    watch: &Watch,
) -> Result<(), Failure> {
    let began = clock::now();
    let mut wait = Duration::from_millis(50);
    let picture = loop {
        let why = match ask(connection).await {
            Ok(picture) => break picture,
            Err(e) if is_no(&e) => return Err(no(&e)),
            Err(e) => e,
        };
        let detail = format!("{why}; retrying in {} ms", wait.as_millis());
        watch.step("query the account", began.elapsed(), detail);
        tokio::time::sleep(wait).await;
        wait = (wait * 2).min(Duration::from_secs(30));
    };
    let account = number(picture)?;
    if account != confirmed.account {
        return refused(format!(
            "the API key is of account {account}, but account {} is confirmed for real money. To \
             confirm this one: {HOW}",
            confirmed.account
        ));
    }
    let (order, day) = (confirmed.per_order.normalize(), confirmed.per_day.normalize());
    let detail = format!("account {account}, at most {order} an entry, {day} a day");
    watch.step("query the account", began.elapsed(), detail);
    Ok(())
}

async fn ask(connection: &Connection) -> Result<AccountPicture, VenueError> {
    let failed = |text| VenueError { class: ErrorClass::NotSent, code: 0, text };
    let venue = connection.ports(RECV_WINDOW).map_err(failed)?.venue;
    venue.server_time().await?;
    venue.account().await
}

fn is_no(error: &VenueError) -> bool {
    error.class.is_final()
}

fn no(error: &VenueError) -> Failure {
    Failure::new(Exit::Failed, format!("the venue rejects the API key: {error}"))
}

fn number(picture: AccountPicture) -> Result<String, Failure> {
    let untold =
        || Failure::new(Exit::Refused, "the venue does not report the account of the API key");
    picture.id.ok_or_else(untold)
}

/// Requests the account of the configured key from the venue.
///
/// # Errors
/// The venue is not live, or does not name the account.
pub fn account(config: &Config) -> Result<AccountView, Failure> {
    let Some(remote) = remote(config).filter(|_| config.venue.is_live()) else {
        return refused("nothing to confirm: venue.environment is not \"live\"");
    };
    everwarm_venue::install_tls();
    let connection = elsewhere(config, remote)?;
    let picture = runtime(1, "control")?.block_on(ask(&connection));
    let picture = picture.map_err(|e| {
        if is_no(&e) { no(&e) } else { Failure::new(Exit::Unreachable, format!("the venue: {e}")) }
    })?;
    let quote = &config.settings.trading.quote_asset;
    let held = picture.balances.iter().filter(|balance| balance.asset == *quote);
    let (can_trade, quote) = (picture.can_trade, held.map(|b| b.free + b.locked).sum());
    Ok(AccountView { account: number(picture)?, can_trade, quote })
}

/// Appends an operator's confirmation, in a data directory that no process holds.
///
/// # Errors
/// A process holds it, it trades another market, or it cannot be written.
pub fn confirm(config: &Config, live: &LiveView) -> Result<(), Failure> {
    let Some(remote) = remote(config) else {
        return refused("nothing to confirm: venue.environment is not \"live\"");
    };
    let traded = Traded::at(config, remote);
    identity::check(&config.data_dir, &traded.words)?;
    let opened = files::open_now(config, &Watch::new(None, clock::now()), &Chaos::off())?;
    let store = opened.store.clone();
    identity::note(&config.data_dir, &traded.words)?;
    let options = Options { followers: FOLLOWERS, ..Options::new(|_| ()) };
    let roster = store.roster().map_err(|e| store_failure(&e))?;
    let specs = everwarm_trading::specs_joined(roster.iter().map(|member| &member.who));
    let journal = Journal::open(store, places(&specs), options);
    let journal = journal.map_err(|e| store_failure(&e))?;
    let writer = journal.writer(NAME);
    let LiveView { account, per_order, per_day } = live.clone();
    let body =
        Body::Operator(Operator::LiveConfirmed { account, per_order, per_day, venue: remote.id });
    let appended = journal.append(&writer, i64::MIN, vec![body]);
    journal.close();
    let appended = appended.map_err(|e| Failure::new(Exit::StoreFailed, e.to_string()))?;
    if appended.row > journal.durable_row() {
        return Err(Failure::new(Exit::StoreFailed, "the journal could not be written"));
    }
    Ok(())
}
