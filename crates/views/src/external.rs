//! Signals of external programs: the request that sends one, and its response.

use super::exit::{Exit, Failure};
use super::views::SignalView;
use everwarm_domain::bounds;
use everwarm_domain::external::{AGE_MAX_S, AGE_S, AHEAD_MS, ExternalSignal};
use everwarm_domain::id::Symbol;
use everwarm_domain::money::Decimal;
use everwarm_domain::order::Side;
use everwarm_domain::time::UtcMs;
use everwarm_words::shapes;
use everwarm_words::text::instant_of;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Maximum number of characters of a reason.
const REASON_MAX: usize = 500;

/// A signal of an external program.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ExternalSignalView {
    /// The id of the signal: 1 to 64 letters, digits, `.`, `_`, `-` or `:`. A repeated id has no
    /// effect and gives the first response.
    #[schema(pattern = "^[A-Za-z0-9._:-]{1,64}$")]
    pub id: String,
    /// The strategy, of the kind `external`.
    pub strategy: String,
    /// The symbol: `BTCUSDT`, or with the name of an exchange before it: `BINANCE:BTCUSDT`.
    #[schema(pattern = "^([A-Za-z0-9_]{1,32}:)?[A-Z0-9.-]{1,16}$")]
    pub symbol: String,
    /// A buy opens the lot of the strategy, a sell closes it.
    #[schema(value_type = shapes::Side)]
    pub side: Side,
    /// The reason, 1 to 500 characters; kept in the journal.
    #[schema(min_length = 1, max_length = 500, pattern = "\\S")]
    pub reason: String,
    /// When the signal was made, on the clock of the venue: `2026-01-05T07:00:00Z`, or UTC
    /// milliseconds as text. None: now.
    #[serde(default)]
    pub time: Option<String>,
    /// Age from which the signal is refused, seconds [default: 120].
    #[serde(default)]
    #[schema(minimum = 1, maximum = 3_600)]
    pub max_age_s: Option<u32>,
    /// Its confidence, from 0 to 1 [default: 1].
    #[serde(default)]
    #[schema(value_type = Option<String>, pattern = "^(0(\\.[0-9]{1,6})?|1)$")]
    pub confidence: Option<Decimal>,
    /// Only for a buy: price below which the lot is sold, quote units; none: the exit rules.
    #[serde(default)]
    #[schema(value_type = Option<String>, pattern = "^[0-9]{0,8}[1-9](\\.[0-9]{1,8})?$")]
    pub stop: Option<Decimal>,
    /// Only for a buy: price at which the lot is sold with a profit, quote units; none: the exit
    /// rules.
    #[serde(default)]
    #[schema(value_type = Option<String>, pattern = "^[0-9]{0,8}[1-9](\\.[0-9]{1,8})?$")]
    pub target: Option<Decimal>,
}

/// The response to a signal of an external program.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct TakenSignalView {
    /// The id of the signal.
    pub id: String,
    /// The fact with it, for `everwarm explain`.
    pub key: String,
    /// What the strategy signalled, and its outcome; none: not known yet.
    pub signal: Option<SignalView>,
}

fn usage(text: impl Into<String>) -> Failure {
    Failure::new(Exit::Usage, text)
}

/// A time as a program sends it: UTC milliseconds, or a date and a time in UTC.
fn time_of(text: &str) -> Option<UtcMs> {
    if let Some(time) = instant_of(text) {
        return Some(time);
    }
    // Seconds follow the minute, also with a fraction.
    let (minute, rest) = text.strip_suffix('Z').unwrap_or(text).split_at_checked(16)?;
    let (second, milli) = rest.strip_prefix(':')?.split_once('.').unwrap_or((&rest[1..], "0"));
    let digits = |text: &str, most: usize| {
        let fits = (1..=most).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit());
        if fits { text.parse::<i64>().ok() } else { None }
    };
    let second = digits(second, 2).filter(|second| *second < 60)?;
    let milli = digits(&format!("{milli:0<3}"), 3)?;
    Some(instant_of(minute)? + second * 1_000 + milli)
}

impl ExternalSignalView {
    /// The signal, checked by itself. `now` is the present time of the venue.
    ///
    /// # Errors
    /// A member is out of bounds.
    pub fn read(&self, now: UtcMs) -> Result<ExternalSignal, Failure> {
        ExternalSignal::check_id(&self.id).map_err(usage)?;
        let reason = self.reason.trim();
        if reason.is_empty() || reason.chars().count() > REASON_MAX {
            let text = format!("the reason must have 1 to {REASON_MAX} characters");
            return Err(usage(text));
        }
        let name = self.symbol.rsplit(':').next().unwrap_or_default();
        let symbol = Symbol::named(name).map_err(usage)?;
        let confidence = self.confidence.unwrap_or(Decimal::ONE);
        let million = Decimal::from(1_000_000);
        let ppm = (Decimal::ZERO..=Decimal::ONE).contains(&confidence);
        let ppm = ppm.then(|| confidence.saturating_mul(million).trunc());
        let ppm = ppm.and_then(|ppm| u32::try_from(ppm).ok());
        let confidence_ppm =
            ppm.ok_or_else(|| usage(format!("the confidence {confidence} is not from 0 to 1")))?;
        for (name, price) in [("the stop", self.stop), ("the target", self.target)] {
            let Some(price) = price else { continue };
            bounds::price(name, price).map_err(usage)?;
            if self.side == Side::Sell {
                return Err(usage("a sell closes the lot: it takes no stop and no target"));
            }
        }
        let time = match self.time.as_deref() {
            None => now,
            Some(text) => time_of(text).ok_or_else(|| {
                usage(format!(
                    "the time {:?} is neither UTC milliseconds nor like 2026-01-05T07:00:00Z",
                    text.chars().take(40).collect::<String>()
                ))
            })?,
        };
        bounds::time("the time", time).map_err(usage)?;
        Ok(ExternalSignal {
            id: self.id.clone(),
            strategy: self.strategy.clone(),
            symbol,
            side: self.side,
            confidence_ppm,
            stop: self.stop,
            target: self.target,
            time,
            reason: reason.to_owned(),
        })
    }

    /// Checks the age of the signal, made at `time`.
    ///
    /// # Errors
    /// It is too old, from the future, or the allowed age is out of bounds.
    pub fn check_age(&self, time: UtcMs, now: UtcMs) -> Result<(), Failure> {
        let most = self.max_age_s.unwrap_or(AGE_S);
        if !(1..=AGE_MAX_S).contains(&most) {
            return Err(usage(format!("max_age_s must be 1 to {AGE_MAX_S}, not {most}")));
        }
        let age = now.saturating_sub(time);
        if age < -AHEAD_MS {
            let ahead = age.saturating_neg() / 1_000;
            let text = format!("the time of the signal is {ahead} s after the time of the venue");
            return Err(usage(text));
        }
        if age > i64::from(most) * 1_000 {
            let age = age / 1_000;
            let text = format!(
                "the signal is too old: {age} s, {most} s are allowed. Send a new one, or a larger \
                 max_age_s"
            );
            return Err(Failure::new(Exit::Refused, text));
        }
        Ok(())
    }

    /// Whether a stored signal is this one. Its time is not compared: it may be that of the
    /// request.
    #[must_use]
    pub fn is(&self, stored: &ExternalSignal) -> bool {
        self.read(stored.time).is_ok_and(|read| {
            let ExternalSignal { strategy, symbol, side, stop, target, .. } = &read;
            (strategy, symbol, side) == (&stored.strategy, &stored.symbol, &stored.side)
                && (stop, target) == (&stored.stop, &stored.target)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use everwarm_domain::time::MINUTE;

    fn view() -> ExternalSignalView {
        ExternalSignalView {
            id: "a".to_owned(),
            strategy: "trend".to_owned(),
            symbol: "BINANCE:BTCUSDT".to_owned(),
            side: Side::Buy,
            reason: " a test ".to_owned(),
            time: None,
            max_age_s: None,
            confidence: None,
            stop: None,
            target: None,
        }
    }

    #[test]
    fn a_signal_is_read_as_chart_platforms_send_it() {
        let signal = view().read(5).unwrap();
        assert_eq!((signal.symbol.as_str(), signal.time), ("BTCUSDT", 5));
        assert_eq!((signal.confidence_ppm, signal.reason.as_str()), (1_000_000, "a test"));
        for (text, time) in [
            ("1767596400000", 1_767_596_400_000),
            ("2026-01-05T07:00:00Z", 1_767_596_400_000),
            ("2026-01-05T07:00:59Z", 1_767_596_459_000),
            ("2026-01-05 07:00", 1_767_596_400_000),
            ("2026-01-05T07:00:01.5Z", 1_767_596_401_500),
        ] {
            assert_eq!(time_of(text), Some(time), "{text}");
        }
        for text in ["", "now", "2026-01-05T07:00:60Z", "2026-01-05T07:00:0xZ", "2026-13-05 07:00"]
        {
            assert_eq!(time_of(text), None, "{text}");
        }
    }

    #[test]
    fn a_signal_out_of_bounds_is_refused_by_its_member() {
        type Change = fn(&mut ExternalSignalView);
        let rows: [(Change, &str); 7] = [
            (|view| view.id = "a b".to_owned(), "the id of a signal"),
            (|view| view.reason = "  ".to_owned(), "the reason"),
            (|view| view.symbol = "BINANCE:btcusdt".to_owned(), "Write BTCUSDT"),
            (|view| view.confidence = Some(Decimal::TWO), "the confidence 2"),
            (|view| view.stop = Some(Decimal::ZERO), "the stop"),
            (|view| view.time = Some("soon".to_owned()), "the time \"soon\""),
            (|view| (view.side, view.stop) = (Side::Sell, Some(Decimal::ONE)), "a sell closes"),
        ];
        for (change, why) in rows {
            let mut view = view();
            change(&mut view);
            let failure = view.read(0).unwrap_err();
            assert!(failure.text.contains(why), "{why}: {failure}");
            assert_eq!(failure.exit, Exit::Usage);
        }
    }

    #[test]
    fn an_old_signal_is_refused() {
        let (view, now) = (view(), 60 * MINUTE);
        assert_eq!(view.check_age(now - 120_000, now), Ok(()));
        let late = view.check_age(now - 121_000, now).unwrap_err();
        assert_eq!(late.exit, Exit::Refused);
        assert!(late.text.starts_with("the signal is too old: 121 s, 120 s are allowed"), "{late}");
        let patient = ExternalSignalView { max_age_s: Some(3_600), ..view.clone() };
        assert_eq!(patient.check_age(now - 121_000, now), Ok(()));
        assert_eq!(view.check_age(now + 60_000, now), Ok(()));
        assert_eq!(view.check_age(now + 61_000, now).unwrap_err().exit, Exit::Usage);
        let endless = ExternalSignalView { max_age_s: Some(3_601), ..view };
        assert_eq!(endless.check_age(now, now).unwrap_err().exit, Exit::Usage);
    }

    #[test]
    fn a_repeated_signal_is_the_same_if_it_trades_the_same() {
        let stored = view().read(5).unwrap();
        assert!(ExternalSignalView { reason: "again".to_owned(), ..view() }.is(&stored));
        assert!(!ExternalSignalView { side: Side::Sell, ..view() }.is(&stored));
        assert!(!ExternalSignalView { symbol: "ETHUSDT".to_owned(), ..view() }.is(&stored));
    }
}
