//! The log, on standard error, so that it never mixes with data. A line is text for people or a
//! JSON object for programs. A line that repeats is suppressed after a few times, and counted.

use everwarm_config::LogFormat;
use everwarm_config::log_filter;
use everwarm_runtime::clock;
use everwarm_views::exit::{Exit, Failure};
use everwarm_views::telemetry::LEVELS;
use everwarm_views::views::LogLevelView;
use everwarm_words::text::{Paint, instant};
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::{IsTerminal, Write as _};
use std::ops::RangeInclusive;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::{Context, SubscriberExt as _};
use tracing_subscriber::util::SubscriberInitExt as _;

/// How often the same line is shown in one window. Further ones are suppressed.
const REPEATS: u32 = 5;
/// Length of a window.
const WINDOW: Duration = Duration::from_secs(10);
/// Number of different lines remembered. With more, all are forgotten.
const REMEMBERED: usize = 1024;

/// Allowed duration of a temporary log filter, seconds.
const HELD_S: RangeInclusive<u32> = 1..=604_800;

/// Numbers of lines logged and suppressed.
#[derive(Clone, Debug, Default)]
pub struct LogCounts(Arc<([AtomicU64; LEVELS.len()], AtomicU64)>);

impl LogCounts {
    /// Lines by level, suppressed or not.
    pub fn levels(&self) -> impl Iterator<Item = (&'static str, u64)> {
        LEVELS.iter().copied().zip(self.0.0.iter().map(|n| n.load(Ordering::Relaxed)))
    }

    /// Lines suppressed because they repeated.
    #[must_use]
    pub fn held_back(&self) -> u64 {
        self.0.1.load(Ordering::Relaxed)
    }
}

/// Sets a log filter. The error says what is wrong with it.
pub type SetLevel = dyn Fn(&str) -> Result<(), String> + Send + Sync;

/// Reads and changes the log filter.
#[derive(Clone)]
pub struct LogLevel {
    /// The current filter.
    pub get: Arc<dyn Fn() -> String + Send + Sync>,
    /// Sets the filter. The error says what is wrong with it.
    pub set: Arc<SetLevel>,
    /// Numbers of lines logged so far.
    pub counts: LogCounts,
    /// Generation of the current configuration, part of each JSON line; 0: none is loaded yet.
    pub generation: Arc<AtomicU64>,
    /// Remaining time of a temporary filter.
    pub hold: Hold,
}

impl LogLevel {
    /// The current filter, and how long it stays.
    #[must_use]
    pub fn view(&self) -> LogLevelView {
        let seconds = |left: Duration| {
            u32::try_from(left.as_millis().div_ceil(1_000).max(1)).unwrap_or(u32::MAX)
        };
        LogLevelView { filter: (self.get)(), for_s: self.hold.left().map(seconds) }
    }

    /// Sets the filter, for a while or until the daemon ends.
    ///
    /// # Errors
    /// The filter or the duration is not valid.
    pub fn change(&self, wanted: &LogLevelView) -> Result<LogLevelView, Failure> {
        let wrong = |why| Failure::new(Exit::Usage, why);
        if wanted.for_s.is_some_and(|seconds| !HELD_S.contains(&seconds)) {
            return Err(wrong("for_s is from 1 to 604800, a week".to_owned()));
        }
        (self.set)(&wanted.filter).map_err(wrong)?;
        self.hold.begin(wanted.for_s.map(|s| Duration::from_secs(s.into())));
        Ok(self.view())
    }
}

/// The end of a temporary filter.
#[derive(Clone, Debug, Default)]
pub struct Hold(Arc<Mutex<Option<Instant>>>);

impl Hold {
    fn end(&self) -> MutexGuard<'_, Option<Instant>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Starts the time of a temporary filter; none: the filter stays.
    pub fn begin(&self, time: Option<Duration>) {
        *self.end() = time.and_then(|time| clock::now().checked_add(time));
    }

    /// The remaining time; none: the filter stays.
    #[must_use]
    pub fn left(&self) -> Option<Duration> {
        self.end().map(|end| end.saturating_duration_since(clock::now()))
    }

    /// Whether the time is over. It returns true once.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.end().take_if(|end| *end <= clock::now()).is_some()
    }
}

/// Starts logging with `filter`, and returns the handle that changes it. Call it once in a process.
///
/// # Errors
/// The filter is wrong, or logging was started before.
pub fn start(filter: &str, format: LogFormat) -> Result<LogLevel, Failure> {
    let parsed = log_filter::parse(filter).map_err(|e| Failure::new(Exit::Usage, e))?;
    let (filter, handle) = tracing_subscriber::reload::Layer::new(parsed);
    let terminal = std::io::stderr().is_terminal();
    let json = match format {
        LogFormat::Auto => !terminal,
        LogFormat::Text => false,
        LogFormat::Json => true,
    };
    let color = terminal && super::print::colors_welcome();
    let counts = LogCounts::default();
    let generation = Arc::new(AtomicU64::new(0));
    let lines = Lines {
        json,
        color,
        counts: counts.clone(),
        generation: Arc::clone(&generation),
        repeats: Mutex::default(),
    };
    tracing_subscriber::registry()
        .with(filter)
        .with(lines)
        .try_init()
        .map_err(|e| Failure::new(Exit::Failed, format!("log: {e}")))?;
    let reader = handle.clone();
    let get = move || reader.with_current(ToString::to_string).unwrap_or_default();
    let set = move |text: &str| {
        let filter = log_filter::parse(text)?;
        handle.reload(filter).map_err(|e| format!("log: {e}"))
    };
    let (get, set) = (Arc::new(get), Arc::new(set));
    Ok(LogLevel { get, set, counts, generation, hold: Hold::default() })
}

/// The layer that writes events to standard error.
struct Lines {
    json: bool,
    color: bool,
    counts: LogCounts,
    /// Generation of the current configuration; 0: none is loaded yet.
    generation: Arc<AtomicU64>,
    repeats: Mutex<Repeats>,
}

impl<S: Subscriber> Layer<S> for Lines {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let mut fields = Fields::default();
        event.record(&mut fields);
        let (level, target) = (*event.metadata().level(), event.metadata().target());
        self.counts.0.0[index(level)].fetch_add(1, Ordering::Relaxed);
        let passed = self
            .repeats
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .pass(&(index(level), target, &fields), clock::now());
        let Some(held) = passed else {
            self.counts.0.1.fetch_add(1, Ordering::Relaxed);
            return;
        };
        if held > 0 {
            fields.0.push(("held_back", Value::from(held)));
        }
        let line = if self.json {
            let generation = self.generation.load(Ordering::Relaxed);
            object((level, target, generation), fields, clock::wall().utc())
        } else {
            text(level, target, &fields, clock::wall().utc(), self.color)
        };
        // If standard error is closed, there is no reader left: ignore it.
        drop(std::io::stderr().lock().write_all(line.as_bytes()));
    }
}

const fn index(level: Level) -> usize {
    match level {
        Level::ERROR => 0,
        Level::WARN => 1,
        Level::INFO => 2,
        Level::DEBUG => 3,
        Level::TRACE => 4,
    }
}

/// The fields of an event, in their order.
#[derive(Debug, Default)]
struct Fields(Vec<(&'static str, Value)>);

impl Hash for Fields {
    fn hash<H: Hasher>(&self, state: &mut H) {
        for (name, value) in &self.0 {
            name.hash(state);
            value.to_string().hash(state);
        }
    }
}

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        self.0.push((field.name(), Value::from(format!("{value:?}"))));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.0.push((field.name(), Value::from(value)));
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.0.push((field.name(), Value::from(value)));
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.0.push((field.name(), Value::from(value)));
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.0.push((field.name(), Value::from(value)));
    }
}

fn object((level, target, generation): (Level, &str, u64), fields: Fields, time: i64) -> String {
    let mut line = Map::new();
    line.insert("time".into(), Value::from(time));
    line.insert("level".into(), Value::from(level.as_str()));
    line.insert("target".into(), Value::from(target));
    if generation > 0 {
        line.insert("generation".into(), Value::from(generation));
    }
    line.extend(fields.0.into_iter().map(|(name, value)| (name.to_owned(), value)));
    format!("{}\n", Value::Object(line))
}

fn text(level: Level, target: &str, fields: &Fields, time: i64, color: bool) -> String {
    let paint = match level {
        Level::ERROR => Paint::Red,
        Level::WARN => Paint::Yellow,
        Level::INFO => Paint::Green,
        Level::DEBUG | Level::TRACE => Paint::Dim,
    };
    let level = paint.on(&format!("{:>5}", level.as_str()), color);
    let mut line = format!("{} {level} {target}:", instant(time));
    for (name, value) in &fields.0 {
        let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        // Line breaks in a value would split the line.
        let value = value.replace(['\n', '\r'], " ");
        let written = match *name {
            "message" => write!(line, " {value}"),
            name => write!(line, " {name}={value}"),
        };
        written.expect("a text takes all");
    }
    line.push('\n');
    line
}

/// How often lines came in their window.
#[derive(Debug, Default)]
struct Repeats(BTreeMap<u64, Repeat>);

#[derive(Clone, Copy, Debug)]
struct Repeat {
    since: Instant,
    times: u32,
}

impl Repeats {
    /// Returns the number of equal lines suppressed since the last one, or nothing if this line is
    /// suppressed.
    fn pass(&mut self, line: &impl Hash, now: Instant) -> Option<u32> {
        let mut hasher = DefaultHasher::new();
        line.hash(&mut hasher);
        if self.0.len() >= REMEMBERED {
            self.0.clear();
        }
        let fresh = Repeat { since: now, times: 0 };
        let repeat = self.0.entry(hasher.finish()).or_insert(fresh);
        let mut held = 0;
        if now.saturating_duration_since(repeat.since) >= WINDOW {
            held = repeat.times.saturating_sub(REPEATS);
            *repeat = fresh;
        }
        repeat.times = repeat.times.saturating_add(1);
        (repeat.times <= REPEATS).then_some(held)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_that_repeats_itself_is_held_back_and_counted() {
        let mut repeats = Repeats::default();
        let now = clock::now();
        let shown = |repeats: &mut Repeats, line: &str, at: Duration| repeats.pass(&line, now + at);
        let passed: Vec<_> = (0..9).map(|_| shown(&mut repeats, "a", Duration::ZERO)).collect();
        assert_eq!(passed.iter().filter(|shown| shown.is_some()).count(), 5, "{passed:?}");
        assert_eq!(shown(&mut repeats, "b", Duration::ZERO), Some(0), "another one");
        assert_eq!(shown(&mut repeats, "a", WINDOW), Some(4), "shows how many were held back");
        assert_eq!(shown(&mut repeats, "a", WINDOW), Some(0));
    }

    #[test]
    fn lines_for_people_and_for_programs_show_the_same() {
        let fields = || {
            Fields(vec![
                ("message", Value::from("it\ndoes not answer")),
                ("tries", Value::from(3)),
                ("why", Value::from("closed")),
            ])
        };
        let line = text(Level::WARN, "everwarm_edge", &fields(), 1_610_107_380_000, false);
        let want = "2021-01-08 12:03  WARN everwarm_edge: it does not answer tries=3 why=closed\n";
        assert_eq!(line, want);
        let value = |generation| -> Value {
            let line = object((Level::WARN, "everwarm_edge", generation), fields(), 7);
            serde_json::from_str(&line).unwrap()
        };
        let mut want = serde_json::json!({
            "time": 7, "level": "WARN", "target": "everwarm_edge",
            "message": "it\ndoes not answer", "tries": 3, "why": "closed",
        });
        assert_eq!(value(0), want, "no configuration is in force yet");
        want["generation"] = Value::from(3);
        assert_eq!(value(3), want);
    }
}
