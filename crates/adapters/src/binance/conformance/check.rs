//! Compares responses with expectations. A step collects all its differences.

use everwarm_domain::money::{Decimal, parse_decimal};
use everwarm_venue::conformance::Difference;
use everwarm_venue::conformance::record::Http;
use serde_json::Value;
use std::fmt::Display;

/// Longest part of a text in a report, characters.
const SHOWN: usize = 160;

/// Why a step is not as expected.
#[derive(Clone, Debug)]
pub(super) enum Stop {
    /// The venue did something else.
    Differs(Vec<Difference>),
    /// The step cannot be judged, for this reason.
    NotTried(String),
}

/// What came, if it is as expected.
pub(super) type Outcome = Result<String, Stop>;

/// A single difference.
pub(super) fn differs(what: impl Display, expected: impl Display, came: impl Display) -> Stop {
    let text = |text: &dyn Display| shown(&text.to_string());
    let difference = Difference { what: text(&what), expected: text(&expected), came: text(&came) };
    Stop::Differs(vec![difference])
}

/// A step that cannot be judged.
pub(super) fn not_tried(why: impl Into<String>) -> Stop {
    Stop::NotTried(why.into())
}

/// The beginning of a text on one line.
pub(super) fn shown(text: &str) -> String {
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    match line.char_indices().nth(SHOWN) {
        Some((at, _)) => format!("{}...", &line[..at]),
        None => line,
    }
}

/// A JSON value as text.
fn value_text(value: Option<&Value>) -> String {
    value.map_or_else(|| "missing".to_owned(), |value| shown(&value.to_string()))
}

/// The differences of a step.
#[derive(Debug, Default)]
pub(super) struct Check(Vec<Difference>);

impl Check {
    pub(super) fn new() -> Check {
        Check::default()
    }

    /// Adds a difference.
    pub(super) fn differs(
        &mut self,
        what: impl Display,
        expected: impl Display,
        came: impl Display,
    ) {
        self.join(differs(what, expected, came));
    }

    /// Adds the differences of another comparison.
    pub(super) fn join(&mut self, stop: Stop) {
        if let Stop::Differs(more) = stop {
            self.0.extend(more);
        }
    }

    /// Compares two texts.
    pub(super) fn same(&mut self, what: impl Display, expected: impl Display, came: impl Display) {
        if expected.to_string() != came.to_string() {
            self.differs(what, expected, came);
        }
    }

    /// Whether something holds.
    pub(super) fn holds(
        &mut self,
        is_so: bool,
        what: impl Display,
        expected: impl Display,
        came: impl Display,
    ) {
        if !is_so {
            self.differs(what, expected, came);
        }
    }

    /// Compares a field with a text.
    pub(super) fn text(&mut self, of: &str, value: &Value, field: &str, expected: &str) {
        let came = value.get(field);
        if came.and_then(Value::as_str) != Some(expected) {
            self.differs(name(of, field), format!("{expected:?}"), value_text(came));
        }
    }

    /// A field with an integer.
    pub(super) fn integer(&mut self, of: &str, value: &Value, field: &str) -> Option<i64> {
        let came = value.get(field);
        let integer = came.and_then(Value::as_i64);
        if integer.is_none() {
            self.differs(name(of, field), "an integer", value_text(came));
        }
        integer
    }

    /// A field with a decimal in a string.
    pub(super) fn decimal(&mut self, of: &str, value: &Value, field: &str) -> Option<Decimal> {
        let came = value.get(field);
        let decimal = came.and_then(Value::as_str).and_then(|text| parse_decimal(text).ok());
        if decimal.is_none() {
            self.differs(name(of, field), "a decimal in a string", value_text(came));
        }
        decimal
    }

    /// A field with a list.
    pub(super) fn list<'v>(&mut self, of: &str, value: &'v Value, field: &str) -> &'v [Value] {
        let came = value.get(field);
        if let Some(list) = came.and_then(Value::as_array) {
            return list;
        }
        self.differs(name(of, field), "a list", value_text(came));
        &[]
    }

    /// A field with a decimal of this value.
    pub(super) fn amount(&mut self, of: &str, value: &Value, field: &str, expected: Decimal) {
        if let Some(came) = self.decimal(of, value, field)
            && came != expected
        {
            self.differs(name(of, field), expected.normalize(), came.normalize());
        }
    }

    /// The outcome: what came, unless something differs.
    pub(super) fn end(self, came: impl Into<String>) -> Outcome {
        if self.0.is_empty() { Ok(came.into()) } else { Err(Stop::Differs(self.0)) }
    }
}

fn name(of: &str, field: &str) -> String {
    format!("{field:?} of {of}")
}

/// A response.
#[derive(Clone, Debug)]
pub(super) struct Answer {
    /// The request and its response as they passed.
    pub http: Http,
    /// The body; null if it is no JSON.
    pub body: Value,
}

impl Answer {
    pub(super) fn of(http: Http) -> Answer {
        let body = serde_json::from_str(&http.body).unwrap_or(Value::Null);
        Answer { http, body }
    }

    /// The venue's error code; 0: none.
    pub(super) fn code(&self) -> i64 {
        self.body.get("code").and_then(Value::as_i64).unwrap_or(0)
    }

    /// The venue's error text.
    pub(super) fn msg(&self) -> &str {
        self.body.get("msg").and_then(Value::as_str).unwrap_or("")
    }

    /// The response as text: its status, and its error.
    pub(super) fn summary(&self) -> String {
        let status = self.http.status;
        match self.code() {
            0 if status == 200 => "HTTP 200".to_owned(),
            0 => format!("HTTP {status} {}", shown(&self.http.body)),
            code => format!("HTTP {status} with {code} {:?}", shown(self.msg())),
        }
    }

    /// The body of a success.
    pub(super) fn good(self) -> Result<Value, Stop> {
        if self.http.status == 200 && !self.body.is_null() {
            return Ok(self.body);
        }
        if self.code() == -2010 && self.msg().contains("insufficient balance") {
            let text = "the account has too little of the asset. Get test money at the venue.";
            return Err(not_tried(text));
        }
        let what = format!("the response to {}", self.http.request);
        if self.http.status == 200 {
            return Err(differs(what, "JSON", shown(&self.http.body)));
        }
        Err(differs(what, "HTTP 200", self.summary()))
    }

    /// The outcome of a request that must be refused with this code and a text that contains
    /// `words`.
    pub(super) fn refused(&self, code: i64, words: &str) -> Outcome {
        let mut check = Check::new();
        let request = &self.http.request;
        if self.code() == 0 {
            let expected = format!("an error with {code} {words:?}");
            return Err(differs(format!("the response to {request}"), expected, self.summary()));
        }
        check.same(format!("the error code of {request}"), code, self.code());
        check.holds(
            self.msg().contains(words),
            format!("the error text of {request}"),
            format!("{words:?}"),
            format!("{:?}", shown(self.msg())),
        );
        check.holds(
            (400..500).contains(&self.http.status),
            format!("the HTTP status of {request}"),
            "400 to 499",
            self.http.status,
        );
        check.end(self.summary())
    }
}
