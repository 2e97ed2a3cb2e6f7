//! Describes and checks the settings of a kind of strategy.

use crate::indicators::Feature;
use everwarm_domain::settings::confidence;
use everwarm_domain::settings::drivers;
use everwarm_domain::settings::entries;
use everwarm_domain::settings::exits::{self, MINUTES_MAX};
use everwarm_domain::settings::regimes;
use everwarm_domain::settings::sizes;
use everwarm_domain::settings::warm_up;
use everwarm_domain::settings::{DriverRule, EntryRule, RegimeRule, Size};
use everwarm_domain::time::Timeframe;
use serde_json::{Map, Value};
use std::ops::RangeInclusive;

/// One setting of a kind. The section's `Default` gives its default.
#[derive(Clone, Copy, Debug)]
pub struct Setting {
    /// Name within the section.
    pub name: &'static str,
    /// Allowed values.
    pub form: Form,
    /// Description in one sentence, for users.
    pub about: &'static str,
}

impl Setting {
    /// A setting that is a whole number within a range.
    #[must_use]
    pub const fn whole(
        name: &'static str,
        range: RangeInclusive<i64>,
        about: &'static str,
    ) -> Setting {
        let form = Form::Whole { least: *range.start(), most: *range.end() };
        Setting { name, form, about }
    }
}

/// A setting that a kind gained after its first release.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Added {
    /// Its name.
    pub name: &'static str,
    /// The first version of the kind that has it.
    pub version: u16,
}

/// The allowed values of a setting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// True or false.
    Flag,
    /// A whole number.
    Whole {
        /// Smallest value.
        least: i64,
        /// Largest value.
        most: i64,
    },
    /// A width of bars: `1m`.
    Timeframe,
    /// A decimal number that is not negative, as text.
    Amount {
        /// Whether it may be 0.
        zero: bool,
    },
    /// One of some words.
    OneOf(&'static [&'static str]),
    /// The name of a feature: `sma(20)@1h`.
    Feature,
    /// A share below 100 percent, as text: `5%`; or `none`.
    Below,
    /// A stop, as text: `5%`, `2 atr` or `none`.
    Stop,
    /// A share above the entry, as text: `10%`; or `none`.
    Above,
    /// A profit table, as text: `0: 4%, 60: 1%`.
    ProfitTable,
    /// The size of an entry, as text: `fixed`, `equity 10%` or `risk 1%`.
    Size,
    /// How an entry is ordered, as text: `market` or `limit 0.1%`.
    Entry,
    /// A part of one, as text: `0.4`.
    Part,
    /// Names of regimes, as text: `tight_smc, wide_structure`.
    Regimes,
    /// Parts of the size by regime, as text: `tight_smc: 0.5`.
    RegimeSizes,
    /// Drivers by symbol, as text: `BTCUSDT: up, extended`.
    Drivers,
}

/// The width of bars that a strategy runs on, for kinds that have one.
pub const TIMEFRAME: Setting = Setting {
    name: "timeframe",
    form: Form::Timeframe,
    about: "Bar width: 1m, 5m, 15m, 1h, 4h or 1d.",
};

/// The exit rules that each strategy has besides the settings of its kind.
pub const EXITS: &[Setting] = &[
    Setting {
        name: "stop",
        form: Form::Stop,
        about: "How far below its entry price a lot is sold, like \"5%\"; or \"2 atr\": this \
                multiple of the average true range of 14 bars. \"none\": no stop.",
    },
    Setting {
        name: "target",
        form: Form::Above,
        about: "How far above its entry price a lot is sold, like \"10%\". \"none\": never.",
    },
    Setting {
        name: "trail",
        form: Form::Below,
        about: "How far below the highest price since its entry a lot is sold. \"none\": never.",
    },
    Setting {
        name: "trail_from",
        form: Form::Above,
        about: "Profit from which `trail` counts. \"none\": from the entry on.",
    },
    Setting {
        name: "profit",
        form: Form::ProfitTable,
        about: "Net profit at which a lot is sold, by minutes since its entry: \"0: 4%, 60: 1%\". \
                Empty: never.",
    },
    Setting {
        name: "max_hold_minutes",
        form: Form::Whole { least: 0, most: MINUTES_MAX as i64 },
        about: "Minutes after its entry at which a lot is sold. 0: never.",
    },
];

/// The size that each strategy has besides the settings of its kind.
pub const SIZE: Setting = Setting {
    name: sizes::MEMBER,
    form: Form::Size,
    about: "Size of an entry: \"fixed\" is worth `trading.notional`; \"equity 10%\" is worth this \
            share of the equity; with \"risk 1%\" the stop loses this share of the equity.",
};

/// How each strategy orders its entries, besides the settings of its kind.
pub const ENTRY: &[Setting] = &[
    Setting {
        name: "entry",
        form: Form::Entry,
        about: "How an entry is ordered: \"market\", or \"limit 0.1%\", a limit order this far \
                below the close. Its unfilled part is cancelled after `entry_minutes`.",
    },
    Setting {
        name: "entry_minutes",
        form: Form::Whole { least: 1, most: entries::MINUTES_MAX as i64 },
        about: "Minutes that a limit order of an entry works. They are judged at closes.",
    },
    Setting {
        name: "entry_orders",
        form: Form::Whole { least: 1, most: entries::ORDERS_MAX as i64 },
        about: "Most limit orders for one signal. One that ends without any fill is replaced, at \
                the new close.",
    },
    Setting {
        name: confidence::MEMBER,
        form: Form::Part,
        about: "Least confidence of a signal that opens or adds to a lot, from 0 to 1, like \
                \"0.4\". Exits need none.",
    },
    Setting {
        name: regimes::MEMBERS[0],
        form: Form::Regimes,
        about: "Regimes in which it opens or adds to a lot, like \"tight_smc, wide_structure\". \
                Empty: all. Exits need none.",
    },
    Setting {
        name: regimes::MEMBERS[1],
        form: Form::RegimeSizes,
        about: "Size of an entry by regime, a part of the usual one, like \"tight_smc: 0.5\". \
                Other regimes: the usual size.",
    },
    Setting {
        name: drivers::MEMBERS[0],
        form: Form::Drivers,
        about: "Drivers of symbols in which it opens or adds to a lot, like \"BTCUSDT: up, \
                extended; ETHUSDT: up\": all of them must have one. Empty: any. Exits need none.",
    },
    Setting {
        name: drivers::MEMBERS[1],
        form: Form::OneOf(&drivers::BIASES),
        about: "With \"long\" it opens or adds to a lot only if the symbol closed its newest day \
                above its average of 200 days. \"any\": always. Exits need none.",
    },
    Setting {
        name: warm_up::MEMBER,
        form: Form::OneOf(&warm_up::NAMES),
        about: "Bars that its features need before it opens or adds to a lot: \"first\", those of \
                their first values; \"settled\", those after which earlier bars weigh at most 1 %. \
                Exits need none.",
    },
];

/// The settings that each strategy has besides those of its kind.
pub fn of_every() -> impl Iterator<Item = &'static Setting> {
    EXITS.iter().chain([&SIZE]).chain(ENTRY)
}

/// What is wrong with a section as a whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wrong {
    /// Names of the settings concerned.
    pub names: &'static [&'static str],
    /// What is wrong with them.
    pub text: String,
}

/// Checks each member of a section alone.
///
/// # Errors
/// The member, and what is wrong with it.
pub(super) fn check(settings: &[Setting], section: &Map<String, Value>) -> Result<(), String> {
    for (name, value) in section {
        let Some(setting) = settings.iter().find(|setting| setting.name == name) else {
            return Err(format!("there is no setting {name}"));
        };
        let fits = match setting.form {
            Form::Flag => value.is_boolean(),
            Form::Whole { least, most } => {
                value.as_i64().is_some_and(|number| (least..=most).contains(&number))
            }
            Form::Timeframe => {
                let known = |text| Timeframe::ALL.iter().any(|width| width.name() == text);
                value.as_str().is_some_and(known)
            }
            Form::Amount { zero } => {
                let number = value.as_str().and_then(|text| text.parse().ok());
                number.is_some_and(|number: everwarm_domain::money::Decimal| {
                    !number.is_sign_negative() && (zero || !number.is_zero())
                })
            }
            Form::OneOf(words) => value.as_str().is_some_and(|word| words.contains(&word)),
            Form::Feature => match value.as_str().map(Feature::check) {
                Some(Err(why)) => return Err(format!("{name}: {why}")),
                Some(Ok(())) => true,
                None => false,
            },
            Form::Below => value.as_str().is_some_and(|text| exits::below_all(text).is_ok()),
            Form::Stop => value.as_str().is_some_and(|text| exits::stop(text).is_ok()),
            Form::Above => value.as_str().is_some_and(|text| exits::above(text).is_ok()),
            Form::ProfitTable => value.as_str().is_some_and(|text| exits::table(text).is_ok()),
            Form::Size => value.as_str().is_some_and(|text| Size::read(text).is_ok()),
            Form::Entry => value.as_str().is_some_and(|text| EntryRule::read(text).is_ok()),
            Form::Part => value.as_str().is_some_and(|text| confidence::read(text).is_ok()),
            Form::Regimes => value.as_str().is_some_and(|text| RegimeRule::list(text).is_ok()),
            Form::RegimeSizes => value.as_str().is_some_and(|text| RegimeRule::sizes(text).is_ok()),
            Form::Drivers => value.as_str().is_some_and(|text| DriverRule::list(text).is_ok()),
        };
        if !fits {
            return Err(format!("{name} {value} is not possible"));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_feature_is_named_as_it_is_computed_or_refused_with_what_is_meant() {
        let settings = [Setting { name: "trend", form: Form::Feature, about: "" }];
        let checked = |text: &str| {
            let value = Value::from(text);
            check(&settings, &[("trend".to_owned(), value)].into_iter().collect())
        };
        assert_eq!(checked("sma(50)@1h"), Ok(()));
        let why = |text: &str| checked(text).unwrap_err();
        assert!(why("smaa(50)@1h").ends_with("did you mean `sma`?"), "{}", why("smaa(50)@1h"));
        assert!(why("sma(0)@1h").contains("from 1 to 10000"));
        assert!(why("sma(123456789012)@1h").contains("from 1 to 10000"));
        assert!(why("sma(50)@2h").contains("there are no 2h bars, but 1m, 5m"));
        assert_eq!(why("sma( 50 )@1h"), "trend: `sma( 50 )@1h` is written `sma(50)@1h`");
        assert!(why("sma(50)").contains("names no width of bars"));
    }
}
