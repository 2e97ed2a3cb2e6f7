//! The registry of tokens: changes that operators request, tokens with their newest prices, and
//! bars of their points.

pub mod import;

use super::exit::{Exit, Failure};
use everwarm_domain::fact::Operator;
use everwarm_domain::id::Symbol;
use everwarm_domain::money::Decimal;
use everwarm_domain::time::{DAY, Timeframe, UtcMs};
use everwarm_domain::token::{TOKENS_MAX, Token};
use everwarm_history::tokens::{PricePoint, Registered, Registry, each_newest_first};
use everwarm_runtime::clock::wall;
use everwarm_runtime::store::archive::Archive;
use everwarm_trading::trade_bars::{PointBar, PointBars};
use everwarm_words::shapes;
use everwarm_words::text::count;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;
use utoipa::ToSchema;

/// Most errors of one failure.
const ERRORS_SHOWN: usize = 20;
/// Most bars of one response: a week.
const BARS_MAX: usize = 10_080;

/// A token that an operator adds to the registry.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct TokenRequest {
    /// Its name, 1 to 16 of A-Z, 0-9, `.` and `-`.
    #[schema(pattern = "^[A-Z0-9.-]{1,16}$")]
    pub name: String,
    /// The chain, as the source names it, like `eth` or `solana`.
    #[schema(pattern = "^[a-z0-9_-]{1,32}$")]
    pub chain: String,
    /// The address of its contract.
    #[schema(pattern = "^[A-Za-z0-9:._-]{1,128}$")]
    pub contract: String,
    /// The address of the pool whose price counts.
    #[schema(pattern = "^[A-Za-z0-9:._-]{1,128}$")]
    pub pool: String,
    /// The decimals of its smallest unit, 0 to 36.
    #[schema(maximum = 36)]
    pub decimals: u8,
    /// Where it stands, like `line 3`; errors begin with its first 32 characters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub place: Option<String>,
}

impl TokenRequest {
    /// The token.
    ///
    /// # Errors
    /// Names the value that cannot be right.
    pub fn token(&self) -> Result<Token, String> {
        let TokenRequest { name, chain, contract, pool, decimals, place: _ } = self;
        let name = Symbol::named(name)?;
        let [chain, contract, pool] = [chain, contract, pool].map(String::clone);
        Token { name, chain, contract, pool, decimals: *decimals }.checked()
    }

    /// An error with its place and name.
    fn error(&self, why: &str) -> String {
        let place: String = self.place.iter().flat_map(|place| place.chars().take(32)).collect();
        if place.is_empty() { why.to_owned() } else { format!("{place}: {why}") }
    }
}

/// A change of the registry: all of it, or nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct TokensRequest {
    /// Names of tokens to remove. They are removed first.
    #[serde(default)]
    pub remove: Vec<String>,
    /// Tokens to add. One that is there with the same values stays.
    #[serde(default)]
    pub add: Vec<TokenRequest>,
}

/// What a change of the registry did.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct TokensChangedView {
    /// Removed tokens.
    #[schema(value_type = Vec<shapes::Symbol>)]
    pub removed: Vec<Symbol>,
    /// Added tokens.
    #[schema(value_type = Vec<shapes::Symbol>)]
    pub added: Vec<Symbol>,
    /// Number of tokens that were there before, with the same values.
    pub unchanged: u64,
    /// The same in words.
    pub text: String,
}

/// A token of the registry, with its newest price.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct TokenView {
    /// Its name.
    #[schema(value_type = shapes::Symbol)]
    pub name: Symbol,
    /// The chain.
    pub chain: String,
    /// The address of its contract.
    pub contract: String,
    /// The address of the pool.
    pub pool: String,
    /// The decimals of its smallest unit.
    pub decimals: u8,
    /// When it was added, UTC milliseconds of event time.
    pub since: UtcMs,
    /// Its newest price, US dollars; none: there is no point yet.
    pub price: Option<Decimal>,
    /// When this price was received, UTC milliseconds.
    pub time: Option<UtcMs>,
    /// The age of this price, seconds.
    pub age_s: Option<u64>,
    /// Number of points in the 24 hours up to the newest one.
    pub points: u64,
}

/// A bar of the points of one minute. A minute without a point has no bar.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PointBarView {
    /// Its start, UTC milliseconds.
    pub open_time: UtcMs,
    /// The first price, US dollars.
    pub open: Decimal,
    /// The highest price.
    pub high: Decimal,
    /// The lowest price.
    pub low: Decimal,
    /// The last price.
    pub close: Decimal,
    /// Number of points.
    pub points: u64,
    /// Whether its minute is over.
    pub closed: bool,
}

/// What a request adds to a registry and removes from it; none: nothing changes.
///
/// # Errors
/// A token cannot be added or removed. The text names every such token, with its place.
pub fn planned(
    registry: &Registry,
    request: &TokensRequest,
) -> Result<(Option<Operator>, TokensChangedView), Failure> {
    let mut plan = Plan::new(registry);
    for name in &request.remove {
        plan.remove(name);
    }
    for row in &request.add {
        plan.add(row);
    }
    plan.end()
}

/// A change of the registry, row by row.
struct Plan<'a> {
    registry: &'a Registry,
    removed: BTreeSet<Symbol>,
    added: BTreeMap<Symbol, Token>,
    unchanged: BTreeSet<Symbol>,
    errors: Vec<String>,
}

impl<'a> Plan<'a> {
    fn new(registry: &'a Registry) -> Plan<'a> {
        let (removed, added) = (BTreeSet::new(), BTreeMap::new());
        Plan { registry, removed, added, unchanged: BTreeSet::new(), errors: Vec::new() }
    }

    fn remove(&mut self, name: &str) {
        match Symbol::named(name) {
            Ok(name) if self.registry.get(name).is_some() => {
                self.removed.insert(name);
            }
            Ok(name) => self.errors.push(format!("there is no token {name}")),
            Err(why) => self.errors.push(why),
        }
    }

    fn add(&mut self, row: &TokenRequest) {
        let checked = row.token().and_then(|token| Ok((self.is_new(&token)?, token)));
        match checked {
            Ok((true, token)) => {
                self.added.insert(token.name, token);
            }
            Ok((false, token)) => {
                self.unchanged.insert(token.name);
            }
            Err(why) => self.errors.push(row.error(&why)),
        }
    }

    /// Whether the token is added. It is not if it is there with the same values.
    fn is_new(&self, token: &Token) -> Result<bool, String> {
        let name = token.name;
        if self.added.contains_key(&name) || self.unchanged.contains(&name) {
            return Err(format!("{name} is in the request twice"));
        }
        let stays = |row: &&Registered| !self.removed.contains(&row.token.name);
        let known = self.registry.get(name).filter(stays);
        if let Some(known) = known {
            let text = "is another token in the registry; remove that one first";
            let is_same = known.token == *token;
            return if is_same { Ok(false) } else { Err(format!("{name} {text}")) };
        }
        let there = self.registry.iter().filter(stays).map(|row| &row.token);
        let mut all = there.chain(self.added.values());
        if let Some(other) = all.find(|other| other.is_same_market(token)) {
            return Err(format!("{name} is the same contract and pool as {}", other.name));
        }
        Ok(true)
    }

    fn end(self) -> Result<(Option<Operator>, TokensChangedView), Failure> {
        let Plan { registry, removed, added, unchanged, mut errors } = self;
        let number = registry.len() + added.len() - removed.len();
        if errors.is_empty() && number > TOKENS_MAX {
            errors.push(format!("the registry would have {number} tokens, above {TOKENS_MAX}"));
        }
        if !errors.is_empty() {
            return Err(refused(Exit::Refused, &errors));
        }
        let removed: Vec<Symbol> = removed.into_iter().collect();
        let names: Vec<Symbol> = added.keys().copied().collect();
        let added: Vec<Token> = added.into_values().collect();
        let text = words(&removed, &names, unchanged.len());
        let unchanged = unchanged.len() as u64;
        let view = TokensChangedView { removed: removed.clone(), added: names, unchanged, text };
        let changes = !removed.is_empty() || !added.is_empty();
        Ok((changes.then_some(Operator::Tokens { removed, added }), view))
    }
}

/// The failure of a request with these errors: nothing is changed.
fn refused(exit: Exit, errors: &[String]) -> Failure {
    let shown = errors.iter().take(ERRORS_SHOWN).cloned().collect::<Vec<_>>().join("; ");
    let more = errors.len().saturating_sub(ERRORS_SHOWN);
    let more = if more == 0 { String::new() } else { format!("; and {more} more") };
    Failure::new(exit, format!("nothing is changed: {shown}{more}"))
}

fn words(removed: &[Symbol], added: &[Symbol], unchanged: usize) -> String {
    let part = |verb: &str, names: &[Symbol]| match names {
        [] => None,
        [one] => Some(format!("{one} is {verb}")),
        many => Some(format!("{} are {verb}", count(many.len() as u64, "token"))),
    };
    let same = count(unchanged as u64, "token");
    let same = (unchanged > 0).then(|| format!("{same} had the same values before"));
    let parts = [part("removed", removed), part("added", added), same];
    let parts: Vec<String> = parts.into_iter().flatten().collect();
    if parts.is_empty() { "the request has no token".to_owned() } else { parts.join("; ") }
}

/// The tokens of the registry with their newest prices, by name.
///
/// # Errors
/// The history could not be read.
pub fn tokens(archive: &Archive) -> Result<Vec<TokenView>, Failure> {
    let registry = Registry::read(archive)?;
    let now = wall().utc();
    registry.iter().map(|of| token(archive, of, now)).collect()
}

fn token(archive: &Archive, of: &Registered, now: UtcMs) -> Result<TokenView, Failure> {
    let (mut newest, mut points) = (None::<PricePoint>, 0);
    each_newest_first(archive, of, &mut |point| {
        let last = newest.get_or_insert(point).time;
        if point.time <= last - DAY {
            return ControlFlow::Break(());
        }
        points += 1;
        ControlFlow::Continue(())
    })?;
    let Registered { token, since, added: _ } = of.clone();
    let Token { name, chain, contract, pool, decimals } = token;
    let time = newest.map(|point| point.time);
    let age_s = time.map(|time| now.saturating_sub(time).max(0).unsigned_abs() / 1_000);
    let price = newest.map(|point| point.price);
    Ok(TokenView { name, chain, contract, pool, decimals, since, price, time, age_s, points })
}

/// The newest bars of a minute of a token, ascending.
///
/// # Errors
/// There is no such token, or the history could not be read.
pub fn bars(
    archive: &Archive,
    name: Symbol,
    limit: Option<usize>,
) -> Result<Vec<PointBarView>, Failure> {
    let registry = Registry::read(archive)?;
    let none = || {
        let text = format!("there is no token {name}; `everwarm tokens` lists the tokens");
        Failure::new(Exit::Failed, text).coded("no-such-symbol")
    };
    let of = registry.get(name).ok_or_else(none)?;
    let most = limit.unwrap_or(BARS_MAX).min(BARS_MAX);
    let (mut points, mut minutes, mut minute) = (Vec::new(), 0, None);
    each_newest_first(archive, of, &mut |point| {
        let open = Timeframe::M1.open_of(point.time);
        if minute.replace(open) != Some(open) {
            if minutes == most {
                return ControlFlow::Break(());
            }
            minutes += 1;
        }
        points.push(point);
        ControlFlow::Continue(())
    })?;
    let (mut bars, mut all) = (PointBars::default(), Vec::new());
    for PricePoint { time, price } in points.into_iter().rev() {
        let done = bars.take(time, price);
        all.extend(done.map_err(|why| Failure::new(Exit::Failed, format!("{name}: {why}")))?);
    }
    all.extend(bars.present());
    let now = wall().utc();
    Ok(all.iter().map(|bar| PointBarView::of(bar, now)).collect())
}

impl PointBarView {
    fn of(bar: &PointBar, now: UtcMs) -> PointBarView {
        let PointBar { open_time, open, high, low, close, count: points } = *bar;
        let closed = now >= open_time + Timeframe::M1.ms();
        PointBarView { open_time, open, high, low, close, points, closed }
    }
}

#[cfg(test)]
mod tests;
