//! `[strategy.<id>]`: any number of instances, each with the settings of its kind. Each kind
//! defines and checks its settings; this file maps them to keys.

use super::checked::Values;
use super::keys::Kind;
use super::layers::Entry;
use super::values::{AUTO_SYMBOLS, MarketSource, Symbols};
use everwarm_domain::id::Symbol;
use everwarm_domain::nearest::nearest;
use everwarm_domain::order::{FIRST_STRATEGY, RESERVED};
use everwarm_domain::settings::{
    DriverRule, EntryRule, ExitRules, Instance, RegimeRule, Settings, Size, Strategies, WarmUp,
    confidence, drivers, warm_up,
};
use everwarm_domain::time::Timeframe;
use everwarm_sim::market::Seeded;
use everwarm_trading::STRATEGIES_MAX;
use everwarm_trading::strategy::{
    self, ENTRY, EXITS, Form, Kind as StrategyKind, SIZE, Setting, kind, kinds, of_every,
};
use everwarm_views::known_symbols::meant;
use everwarm_views::views::ValueView;
use figment::value::Value;
use serde_json::{Map, Value as Json, json};
use std::collections::BTreeSet;

/// The section above all strategies.
pub const KEY: &str = "strategy";
const KIND: &str = "kind";
const ENABLED: &str = "enabled";

/// The id and the setting in a key, if some kind has that setting.
#[must_use]
pub fn setting(key: &str) -> Option<(&str, &str)> {
    let (id, leaf) = key.strip_prefix(KEY)?.strip_prefix('.')?.split_once('.')?;
    (!id.is_empty() && leaves().any(|known| known == leaf)).then_some((id, leaf))
}

/// Whether a name is the section of an instance.
#[must_use]
pub fn section(name: &str) -> bool {
    let id = name.strip_prefix(KEY).and_then(|rest| rest.strip_prefix('.'));
    id.is_some_and(|id| !id.is_empty() && !id.contains('.'))
}

/// Similar keys for an unknown key below a section.
pub fn near(key: &str) -> impl Iterator<Item = String> {
    let above = key.rsplit_once('.').map(|(above, _)| above).filter(|above| section(above));
    above.into_iter().flat_map(|above| leaves().map(move |leaf| format!("{above}.{leaf}")))
}

/// The settings of all kinds.
fn leaves() -> impl Iterator<Item = &'static str> {
    let own = kinds().flat_map(|kind| kind.settings).chain(of_every());
    [KIND, ENABLED].into_iter().chain(own.map(|setting| setting.name))
}

/// The kind of a setting's value.
#[must_use]
pub fn form(form: Form) -> Kind {
    const WIDTHS: [&str; Timeframe::ALL.len()] = {
        let mut names = [""; Timeframe::ALL.len()];
        let mut at = 0;
        while at < names.len() {
            names[at] = Timeframe::ALL[at].name();
            at += 1;
        }
        names
    };
    match form {
        Form::Flag => Kind::Flag,
        Form::Whole { least, most } => Kind::Whole { least, most, unit: super::keys::Unit::Count },
        Form::Timeframe => Kind::OneOf(&WIDTHS),
        Form::Amount { zero } => Kind::Amount { zero },
        Form::OneOf(words) => Kind::OneOf(words),
        Form::Feature => super::keys::FEATURE,
        Form::Below => super::keys::BELOW,
        Form::Stop => super::keys::STOP,
        Form::Above => super::keys::ABOVE,
        Form::ProfitTable => super::keys::PROFIT_TABLE,
        Form::Size => super::keys::SIZE,
        Form::Entry => super::keys::ENTRY,
        Form::Part => super::keys::PART,
        Form::Regimes => super::keys::REGIMES,
        Form::RegimeSizes => super::keys::REGIME_SIZES,
        Form::Drivers => super::keys::DRIVERS,
    }
}

/// One instance while it is read.
struct Reading<'a> {
    values: &'a mut Values,
    id: &'a str,
    rows: &'a mut Vec<ValueView>,
}

/// All instances and their values. Errors are added to `values`.
pub(super) fn read(values: &mut Values) -> (Strategies, Vec<ValueView>) {
    let keys = values.set.keys().chain(values.defaults.0.keys());
    let ids: BTreeSet<String> =
        keys.filter_map(|key| setting(key)).map(|(id, _)| id.to_owned()).collect();
    let (mut all, mut rows) = (Strategies::default(), Vec::new());
    for id in ids {
        let reading = Reading { values, id: &id, rows: &mut rows };
        if let Some(one) = reading.instance() {
            all.0.insert(id, one);
        }
    }
    (all, rows)
}

/// Adds an error if there are too many strategies, or if they need too much for `symbols` symbols.
pub(super) fn affordable(values: &mut Values, settings: &Settings, symbols: usize) {
    let others = || settings.strategy.0.keys().filter(|id| *id != FIRST_STRATEGY);
    if let Some(id) = others().nth(STRATEGIES_MAX) {
        let text = format!(
            "{} strategies are configured, and at most {STRATEGIES_MAX} are possible besides \
             {FIRST_STRATEGY}: remove sections",
            others().count()
        );
        values.wrong_section(&format!("{KEY}.{id}"), &text);
    }
    if let Err(wrong) = strategy::affordable(settings, &[], symbols) {
        values.wrong_section(&format!("{KEY}.{}", wrong.id), &wrong.text);
    }
}

/// Adds an error for each needed driver of a symbol that is surely not traded. The symbols of a
/// whole venue or recording are known only once it is opened. Then a declined entry has the reason.
pub(super) fn driven(
    values: &mut Values,
    settings: &Settings,
    market: &MarketSource,
    is_simulated: bool,
) {
    const LEVELS: &str = "risk.driver_levels";
    let excluded = |symbol: &Symbol| settings.universe.exclude.contains(symbol);
    let made = is_simulated && market.recording.is_none() && market.prices.is_none();
    let first = |count: u32| {
        let count = usize::try_from(count).unwrap_or(usize::MAX);
        made.then(|| Seeded::names().take(count).collect())
    };
    let traded: Option<Vec<Symbol>> = match &market.symbols {
        Symbols::Named(names) => Some(names.clone()),
        Symbols::Auto => first(AUTO_SYMBOLS),
        Symbols::First(count) => first(*count),
    };
    let of_strategies = settings.strategy.0.iter().flat_map(|(id, one)| {
        let key = format!("{KEY}.{id}.{}", drivers::MEMBERS[0]);
        one.drivers.only.keys().map(move |symbol| (key.clone(), symbol))
    });
    let levels = settings.risk.driver_levels.0.keys();
    for (key, symbol) in of_strategies.chain(levels.map(|symbol| (LEVELS.to_owned(), symbol))) {
        let known = traded.as_ref().is_none_or(|traded| traded.contains(symbol));
        if known && !excluded(symbol) {
            continue;
        }
        let others = traded.iter().flatten().filter(|symbol| !excluded(symbol)).copied();
        let why = if known { "market.universe.exclude has it" } else { "it is not traded" };
        let near = meant(*symbol, others).unwrap_or_default();
        values.wrong(&key, &format!("{symbol} has no driver: {why}{near}"));
    }
}

/// The keys of one section that are set.
fn set_in<'a>(values: &'a Values, id: &str) -> impl Iterator<Item = &'a String> {
    let above = format!("{KEY}.{id}.");
    let from = values.set.range(above.clone()..).map(|(key, _)| key);
    from.take_while(move |key| key.starts_with(&above))
}

impl Reading<'_> {
    fn key(&self, leaf: &str) -> String {
        format!("{KEY}.{}.{leaf}", self.id)
    }

    fn entry(&self, leaf: &str) -> Option<&Entry> {
        let key = self.key(leaf);
        self.values.set.get(&key).or_else(|| self.values.defaults.0.get(&key))
    }

    /// Adds an error at a key, or at the first key of the section.
    fn wrong(&mut self, leaf: Option<&str>, text: &str) {
        let first = || set_in(self.values, self.id).find(|key| setting(key).is_some()).cloned();
        let key = leaf.map(|leaf| self.key(leaf)).or_else(first);
        self.values.wrong(&key.unwrap_or_else(|| self.key(KIND)), text);
    }

    /// The value of a setting; none if it is not set, or if it has an error, which is added.
    fn value(&mut self, leaf: &str, form: Kind) -> Option<Json> {
        let entry = self.entry(leaf)?;
        // Values of flags and variables are text.
        let read = match (&entry.value, entry.value_place.line) {
            (Value::String(_, text), None) => form.read(text),
            (value, _) => Ok(value.clone()),
        };
        match read.and_then(|value| form.check(&value).map(|()| value)) {
            Ok(value) if matches!(form, Kind::Amount { .. }) => {
                let number = super::keys::decimal(&value).unwrap_or_default();
                Some(Json::from(number.to_string()))
            }
            Ok(value) => Some(serde_json::to_value(value).unwrap_or_default()),
            Err(text) => {
                self.wrong(Some(leaf), &text);
                None
            }
        }
    }

    fn row(&mut self, leaf: &str, value: Json, default: Json) {
        let origin = self.values.set.get(&self.key(leaf)).map(|entry| entry.place.to_string());
        let origin = origin.unwrap_or_else(|| ValueView::DEFAULT.to_owned());
        self.rows.push(ValueView { key: self.key(leaf), value, default, origin });
    }

    fn instance(mut self) -> Option<Instance> {
        if !strategy::is_name(self.id) {
            let text = format!("the id {:?} is not 1 to 32 of a-z, 0-9, _", self.id);
            self.wrong(None, &text);
            return None;
        }
        if RESERVED.contains(&self.id) {
            let text = format!("the id {} is reserved: choose another id", self.id);
            self.wrong(None, &text);
            return None;
        }
        let of = self.kind()?;
        let enabled = self.value(ENABLED, Kind::Flag).and_then(|on| on.as_bool()).unwrap_or(true);
        self.row(KIND, json!(of.name), json!(self.id));
        self.row(ENABLED, json!(enabled), json!(true));
        self.strangers(of);
        let usual = (of.exits)();
        let mut exits = self.members(EXITS, &usual.members());
        // Each member was checked alone, and a wrong one has its default.
        let exits = ExitRules::take(&mut exits).unwrap_or(Some(usual));
        let mut size = self.members(&[SIZE], &default_size());
        let size = Size::take(&mut size).unwrap_or_default();
        let mut entry = self.members(ENTRY, &default_entry());
        let min_confidence_ppm = confidence::take(&mut entry).unwrap_or_default();
        let regimes = RegimeRule::take(&mut entry).unwrap_or_default();
        let drivers = DriverRule::take(&mut entry).unwrap_or_default();
        let warm_up = WarmUp::take(&mut entry).unwrap_or_default();
        let entry = EntryRule::take(&mut entry).unwrap_or_default();
        let defaults = serde_json::from_str(&(of.defaults)()).unwrap_or_default();
        let section = Json::Object(self.members(of.settings, &defaults)).to_string();
        match (of.read)(&section) {
            Ok(section) => {
                let kind = of.name.to_owned();
                Some(Instance {
                    kind,
                    enabled,
                    section,
                    exits,
                    size,
                    entry,
                    min_confidence_ppm,
                    regimes,
                    drivers,
                    warm_up,
                })
            }
            Err(wrong) => {
                let reported = |name: &&&str| self.values.is_wrong(&self.key(name));
                if !wrong.names.iter().any(|name| reported(&name)) {
                    // Report the error at a key that is set.
                    let set = |name: &&&str| self.values.set.contains_key(&self.key(name));
                    let at = wrong.names.iter().find(set).or(wrong.names.last()).copied();
                    self.wrong(at, &wrong.text);
                }
                None
            }
        }
    }

    /// The values of these settings, and their rows.
    fn members(&mut self, settings: &[Setting], defaults: &Map<String, Json>) -> Map<String, Json> {
        let mut members = Map::new();
        for setting in settings {
            let default = defaults.get(setting.name).cloned().unwrap_or_default();
            let value = self.value(setting.name, form(setting.form));
            let value = value.unwrap_or_else(|| default.clone());
            members.insert(setting.name.to_owned(), value.clone());
            self.row(setting.name, value, default);
        }
        members
    }

    fn kind(&mut self) -> Option<&'static StrategyKind> {
        let value = self.entry(KIND).map(|entry| entry.value.clone());
        let name = value.as_ref().and_then(Value::as_str).unwrap_or(self.id);
        if let Some(kind) = kind(name) {
            return Some(kind);
        }
        let names: Vec<&str> = kinds().map(|kind| kind.name).collect();
        let all = names.join(", ");
        let text = if value.is_some() {
            let near = nearest(name, names.iter().copied());
            let near = near.map_or(String::new(), |near| format!("; did you mean {near:?}?"));
            format!("unknown kind {name:?}; known kinds: {all}{near}")
        } else {
            format!("has no `kind`; add one of: {all}")
        };
        let place = self.entry(KIND).map(|_| KIND);
        self.wrong(place, &text);
        None
    }

    /// Adds an error for settings of other kinds.
    fn strangers(&mut self, of: &StrategyKind) {
        let own: Vec<&str> = of.settings.iter().map(|setting| setting.name).collect();
        let is_own = |leaf: &str| {
            let shared = of_every().any(|setting| setting.name == leaf);
            shared || [KIND, ENABLED].contains(&leaf) || own.contains(&leaf)
        };
        let keys: Vec<String> = set_in(self.values, self.id).cloned().collect();
        for key in keys {
            if let Some((id, leaf)) = setting(&key)
                && id == self.id
                && !is_own(leaf)
            {
                let text =
                    format!("is not a setting of {}; its settings are {}", of.name, own.join(", "));
                self.wrong(Some(leaf), &text);
            }
        }
    }
}

/// The size of a section that sets none.
#[must_use]
pub fn default_size() -> Map<String, Json> {
    [(SIZE.name.to_owned(), json!(Size::default().to_string()))].into_iter().collect()
}

/// The entry rule, least confidence, regimes and drivers of a section that sets none.
#[must_use]
pub fn default_entry() -> Map<String, Json> {
    let mut members = EntryRule::default().members();
    members.insert(confidence::MEMBER.to_owned(), json!(confidence::text(0)));
    members.extend(RegimeRule::default().members());
    members.extend(DriverRule::default().members());
    members.insert(warm_up::MEMBER.to_owned(), json!(WarmUp::default().name()));
    members
}

/// The schema of all instances.
#[must_use]
pub fn schema() -> Json {
    let of = |kind: &StrategyKind, named: bool| {
        let mut section = super::schema::section();
        let mut defaults: Map<String, Json> =
            serde_json::from_str(&(kind.defaults)()).unwrap_or_default();
        defaults.extend((kind.exits)().members());
        defaults.extend(default_size());
        defaults.extend(default_entry());
        let own = kind.settings.iter().chain(of_every()).map(|setting| {
            let mut node = super::schema::of(form(setting.form));
            node["description"] = json!(setting.about);
            node["default"] = defaults.get(setting.name).cloned().unwrap_or_default();
            (setting.name.to_owned(), node)
        });
        let mut all: Map<String, Json> = own.collect();
        let about = "Kind of the strategy. Default: the id.";
        all.insert(
            KIND.to_owned(),
            json!({
                "const": kind.name, "default": kind.name, "description": about,
            }),
        );
        let about = "Whether the strategy opens positions. It closes what it holds in any case.";
        let on = json!({ "type": "boolean", "default": true, "description": about });
        all.insert(ENABLED.to_owned(), on);
        section["properties"] = Json::Object(all);
        if named {
            section["required"] = json!([KIND]);
        }
        section
    };
    let own = kinds().map(|kind| (kind.name.to_owned(), of(kind, false)));
    let any: Vec<Json> = kinds().map(|kind| of(kind, true)).collect();
    json!({
        "type": "object",
        "properties": own.collect::<Map<String, Json>>(),
        "propertyNames": { "pattern": "^[a-z0-9_]{1,32}$", "not": { "enum": RESERVED } },
        "additionalProperties": { "anyOf": any },
    })
}
