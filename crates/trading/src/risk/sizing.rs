//! Computes the sizes of entries and order quantities under the venue's rules. Quantities are only
//! rounded down.
//!
//! A size is the fixed amount of the configuration, a share of the equity, or what its stop may
//! lose of the equity. Factors change it. The equity is that of the previous close. The text of a
//! size is its arithmetic, so that a person can follow it.

use everwarm_domain::fact::{BreakerLevel, Signal};
use everwarm_domain::instrument::Instrument;
use everwarm_domain::money::Decimal;
use everwarm_domain::settings::sizes::percent;
use everwarm_domain::settings::{Size, SizeRules};
use everwarm_domain::signal::Intent;

/// Fewest ticks between an entry and its stop for a size by risk. A nearer stop is hit by the
/// spread alone, and its quantity would be huge.
const TICKS_MIN: u32 = 3;
/// Decimals of quantities without a step, and of numbers in texts.
const PLACES: u32 = 8;

/// Why a quantity cannot be ordered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TooSmall(pub String);

/// Why an entry has no size.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NoSize {
    /// Machine-readable reason.
    pub code: &'static str,
    /// The reason in words.
    pub text: String,
}

/// One factor of a size.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Factor {
    /// Its name in the arithmetic.
    pub name: &'static str,
    /// 0 to 1; of an addition to a lot, 0 to 10.
    pub value: Decimal,
}

/// The value of a factor for a signal at a breaker level.
type Rule = fn(&Signal, BreakerLevel) -> Decimal;

/// Name of the factor that a signal gives.
const HINT: &str = "size of the signal";
/// The largest addition to a lot, in usual sizes.
pub const ADDITION_MAX: u32 = 10;

/// The factors of every size, by name.
const FACTORS: &[(&str, Rule)] = &[(HINT, hint), ("reduced", reduced)];

fn hint(signal: &Signal, _: BreakerLevel) -> Decimal {
    signal.terms.size_ppm.map_or(Decimal::ONE, |ppm| Decimal::new(i64::from(ppm), 6))
}

fn reduced(_: &Signal, level: BreakerLevel) -> Decimal {
    match level {
        BreakerLevel::Reduced => Decimal::new(5, 1),
        BreakerLevel::Normal | BreakerLevel::ExitsOnly | BreakerLevel::Halted => Decimal::ONE,
    }
}

/// The factors of the entry of a signal. They make it smaller; only the size of a signal that adds
/// to a lot may make it larger.
#[must_use]
pub fn factors(signal: &Signal, level: BreakerLevel) -> Vec<Factor> {
    let of = |(name, rule): &(&'static str, Rule)| {
        let adds = *name == HINT && signal.intent == Intent::Add;
        let most = if adds { Decimal::from(ADDITION_MAX) } else { Decimal::ONE };
        let value = rule(signal, level).clamp(Decimal::ZERO, most);
        (value != Decimal::ONE).then_some(Factor { name, value })
    };
    FACTORS.iter().filter_map(of).collect()
}

/// `amount` times all factors.
#[must_use]
pub fn scaled(amount: Decimal, factors: &[Factor]) -> Decimal {
    factors.iter().fold(amount, |amount, factor| amount.saturating_mul(factor.value))
}

/// What a size is computed from.
#[derive(Clone, Copy, Debug)]
pub struct Terms<'a> {
    /// The venue's rules.
    pub rule: &'a Instrument,
    /// The strategy, for texts.
    pub strategy: &'a str,
    /// The size of its entries.
    pub size: Size,
    /// Amount of an entry of fixed size, quote units.
    pub notional: Decimal,
    /// Equity of the previous close, quote units; none: not known yet.
    pub equity: Option<Decimal>,
    /// Price of the entry, quote units.
    pub price: Decimal,
    /// Price of the stop, quote units; none: there is none.
    pub stop: Option<Decimal>,
    /// The costs of a stop.
    pub rules: &'a SizeRules,
    /// The factors.
    pub factors: &'a [Factor],
}

/// The quantity of an entry before its caps, and its arithmetic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Computed {
    /// Base units, on the steps.
    pub quantity: Decimal,
    /// The arithmetic in words.
    pub words: String,
}

impl Terms<'_> {
    /// The quantity, rounded down to the steps, and its arithmetic.
    ///
    /// # Errors
    /// The equity is not known or not above zero. Or the size is by risk, and there is no stop, or
    /// one nearer than three ticks. Or the quantity is below the venue's minimums.
    pub fn quantity(&self) -> Result<Computed, NoSize> {
        let Terms { rule, price, size, .. } = *self;
        let (amount, per_unit, divisor, start) = match size {
            Size::Fixed => {
                let start = format!("notional {}", self.notional.normalize());
                (self.notional, price, shown(price), start)
            }
            Size::Equity(ppm) => {
                let (amount, start) = self.share(ppm)?;
                (amount, price, shown(price), start)
            }
            Size::Risk(ppm) => {
                let (amount, start) = self.share(ppm)?;
                let (per_unit, divisor) = self.loss_per_unit()?;
                (amount, per_unit, divisor, start)
            }
        };
        let amount = scaled(amount, self.factors);
        let wanted = amount.checked_div(per_unit).unwrap_or_default();
        let floored = market(rule, wanted, price).map_err(too_small)?;
        let quantity = match size {
            Size::Fixed => floored,
            Size::Equity(_) | Size::Risk(_) => {
                let fits = |quantity: Decimal| quantity.saturating_mul(per_unit) <= amount;
                market(rule, fitting(rule, floored, fits), price).map_err(too_small)?
            }
        };
        let factors = self.factors.iter().map(|Factor { name, value }| {
            let value = value.normalize();
            format!(" x {value} ({name})")
        });
        let (factors, wanted) = (factors.collect::<Vec<_>>().concat(), shown(wanted));
        let words = format!("{start}{factors} / {divisor} = {wanted}, down to {quantity}");
        Ok(Computed { quantity, words })
    }

    /// A share of the equity, and its text.
    fn share(&self, ppm: u32) -> Result<(Decimal, String), NoSize> {
        let Terms { size, strategy, .. } = self;
        let refuse = |why: String| {
            let text = format!("the size \"{size}\" of {strategy} needs the equity: {why}");
            Err(NoSize { code: "no-equity", text })
        };
        let Some(equity) = self.equity else {
            return refuse("it is known only after the first close".to_owned());
        };
        if equity <= Decimal::ZERO {
            return refuse(format!("it is {}, not above 0", equity.normalize()));
        }
        let amount = equity.saturating_mul(Decimal::new(ppm.into(), 6));
        Ok((amount, format!("equity {} x {}", equity.normalize(), percent(ppm))))
    }

    /// What a stop loses per base unit: the distance, the fees of both sides and the slippage.
    fn loss_per_unit(&self) -> Result<(Decimal, String), NoSize> {
        let Terms { rule, size, strategy, price, rules, .. } = *self;
        let Some(stop) = self.stop else {
            let text = format!("the size \"{size}\" of {strategy} needs a stop, and it has none");
            return Err(NoSize { code: "no-stop", text });
        };
        let distance = price.saturating_sub(stop);
        let least = rule.tick_size.saturating_mul(TICKS_MIN.into());
        if distance <= Decimal::ZERO || distance < least {
            let (price, distance) = (price.normalize(), distance.normalize());
            let (stop, least) = (stop.normalize(), least.normalize());
            let text = format!(
                "the stop {stop} is {distance} below the price {price}, at least {TICKS_MIN} \
                 ticks = {least} are needed"
            );
            return Err(NoSize { code: "stop-too-near", text });
        }
        let share = |ppm: u32, of: Decimal| of.saturating_mul(Decimal::new(ppm.into(), 6));
        let fees = share(rules.fee_ppm, price.saturating_add(stop));
        let slippage = share(rules.slippage_ppm, price);
        let per_unit = distance.saturating_add(fees).saturating_add(slippage);
        let text = format!(
            "({} - {} + {} fees + {} slippage)",
            price.normalize(),
            stop.normalize(),
            shown(fees),
            shown(slippage)
        );
        Ok((per_unit, text))
    }
}

fn too_small(TooSmall(text): TooSmall) -> NoSize {
    NoSize { code: TOO_SMALL, text }
}

/// Code of a refusal because the quantity is too small.
pub const TOO_SMALL: &str = "too-small";

/// A number for people, rounded down.
fn shown(number: Decimal) -> String {
    number.trunc_with_scale(PLACES).normalize().to_string()
}

/// The largest quantity on the steps that is at most `guess` and that `fits`, where `guess` is at
/// most one step too large. A division may round its last digit up.
fn fitting(rule: &Instrument, guess: Decimal, fits: impl Fn(Decimal) -> bool) -> Decimal {
    let quantity = rule.floor(guess);
    if fits(quantity) {
        return quantity;
    }
    let step = Some(rule.step()).filter(|step| !step.is_zero());
    let step = step.unwrap_or_else(|| Decimal::new(1, PLACES));
    rule.floor(quantity.saturating_sub(step).max(Decimal::ZERO))
}

/// The largest quantity on the steps whose `cost` is at most `room` quote units. `per_unit` is the
/// cost of one unit.
#[must_use]
pub fn within(
    rule: &Instrument,
    room: Decimal,
    per_unit: Decimal,
    cost: impl Fn(Decimal) -> Decimal,
) -> Decimal {
    let guess = room.checked_div(per_unit).unwrap_or_default();
    let guess = if rule.step().is_zero() { guess.trunc_with_scale(PLACES) } else { guess };
    let guess = guess.max(Decimal::ZERO);
    fitting(rule, guess, |quantity| cost(quantity) <= room)
}

/// The quantity of a market order for `wanted` base units. It is rounded down to the steps and
/// limited to the largest order. `price` is the expected price.
///
/// # Errors
/// The rounded quantity is below the venue's minimums.
pub fn market(rule: &Instrument, wanted: Decimal, price: Decimal) -> Result<Decimal, TooSmall> {
    let mut quantity = wanted;
    for most in [rule.max_quantity, rule.market_max_quantity] {
        if !most.is_zero() {
            quantity = quantity.min(most);
        }
    }
    let quantity = rule.floor(quantity);
    let short = |what: &str, least: Decimal| {
        let (wanted, least) = (wanted.round_dp(8).normalize(), least.normalize());
        let Instrument { base, symbol, .. } = rule;
        TooSmall(format!(
            "{wanted} {base} rounds down to {quantity}, {what} {least} that {symbol} asks for"
        ))
    };
    if quantity.is_zero() || quantity < rule.min_quantity {
        return Err(short("less than the quantity", rule.min_quantity.max(rule.step())));
    }
    if rule.min_notional_for_market && quantity.saturating_mul(price) < rule.min_notional {
        return Err(short("worth less than the", rule.min_notional));
    }
    Ok(quantity)
}

#[cfg(test)]
#[path = "sizing_tests.rs"]
mod tests;
