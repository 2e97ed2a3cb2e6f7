//! Compares responses with expectations. A step collects all its differences.

use super::Difference;
use super::record::Http;
use everwarm_domain::money::{Decimal, parse_decimal};
use serde_json::Value;
use std::fmt::Display;

/// Longest part of a text in a report, characters.
const SHOWN: usize = 160;

/// Why a step is not as expected.
#[derive(Clone, Debug)]
pub enum Stop {
    /// The venue did something else.
    Differs(Vec<Difference>),
    /// The step cannot be judged, for this reason.
    NotTried(String),
}

/// What came, if it is as expected.
pub type Outcome = Result<String, Stop>;

/// A single difference.
#[must_use]
pub fn differs(what: impl Display, expected: impl Display, came: impl Display) -> Stop {
    let text = |text: &dyn Display| shown(&text.to_string());
    let difference = Difference { what: text(&what), expected: text(&expected), came: text(&came) };
    Stop::Differs(vec![difference])
}

/// A step that cannot be judged.
#[must_use]
pub fn not_tried(why: impl Into<String>) -> Stop {
    Stop::NotTried(why.into())
}

/// The beginning of a text on one line.
#[must_use]
pub fn shown(text: &str) -> String {
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

/// A field as text.
#[must_use]
pub fn field(value: &Value, name: &str) -> String {
    value_text(value.get(name))
}

/// The differences of a step.
#[derive(Debug, Default)]
pub struct Check(Vec<Difference>);

impl Check {
    /// No difference yet.
    #[must_use]
    pub fn new() -> Check {
        Check::default()
    }

    /// Adds a difference.
    pub fn differs(&mut self, what: impl Display, expected: impl Display, came: impl Display) {
        self.join(differs(what, expected, came));
    }

    /// Adds the differences of another comparison.
    pub fn join(&mut self, stop: Stop) {
        if let Stop::Differs(more) = stop {
            self.0.extend(more);
        }
    }

    /// Compares two texts.
    pub fn same(&mut self, what: impl Display, expected: impl Display, came: impl Display) {
        if expected.to_string() != came.to_string() {
            self.differs(what, expected, came);
        }
    }

    /// Whether something holds.
    pub fn holds(
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
    pub fn text(&mut self, of: &str, value: &Value, field: &str, expected: &str) {
        let came = value.get(field);
        if came.and_then(Value::as_str) != Some(expected) {
            self.differs(name(of, field), format!("{expected:?}"), value_text(came));
        }
    }

    /// A field with an integer.
    pub fn integer(&mut self, of: &str, value: &Value, field: &str) -> Option<i64> {
        let came = value.get(field);
        let integer = came.and_then(Value::as_i64);
        if integer.is_none() {
            self.differs(name(of, field), "an integer", value_text(came));
        }
        integer
    }

    /// A field with a decimal in a string.
    pub fn decimal(&mut self, of: &str, value: &Value, field: &str) -> Option<Decimal> {
        let came = value.get(field);
        let decimal = came.and_then(Value::as_str).and_then(|text| parse_decimal(text).ok());
        if decimal.is_none() {
            self.differs(name(of, field), "a decimal in a string", value_text(came));
        }
        decimal
    }

    /// A field with a list.
    pub fn list<'v>(&mut self, of: &str, value: &'v Value, field: &str) -> &'v [Value] {
        let came = value.get(field);
        if let Some(list) = came.and_then(Value::as_array) {
            return list;
        }
        self.differs(name(of, field), "a list", value_text(came));
        &[]
    }

    /// A field with a decimal of this value.
    pub fn amount(&mut self, of: &str, value: &Value, field: &str, expected: Decimal) {
        if let Some(came) = self.decimal(of, value, field)
            && came != expected
        {
            self.differs(name(of, field), expected.normalize(), came.normalize());
        }
    }

    /// Compares a status of HTTP with the expected ones.
    fn status(&mut self, request: &str, expected: &[u16], came: u16) {
        let list: Vec<String> = expected.iter().map(u16::to_string).collect();
        let what = format!("the HTTP status of {request}");
        self.holds(expected.contains(&came), what, list.join(" or "), came);
    }

    /// The outcome: what came, unless something differs.
    ///
    /// # Errors
    /// The differences.
    pub fn end(self, came: impl Into<String>) -> Outcome {
        if self.0.is_empty() { Ok(came.into()) } else { Err(Stop::Differs(self.0)) }
    }
}

fn name(of: &str, field: &str) -> String {
    format!("{field:?} of {of}")
}

/// The form of a venue's errors.
#[derive(Clone, Copy, Debug)]
pub struct Errors {
    /// The field with the text.
    pub text: &'static str,
    /// The code of an order that the account cannot pay, and words of its text.
    pub lacking: (i64, &'static str),
}

/// A response.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The request and its response as they passed.
    pub http: Http,
    /// The body; null if it is no JSON.
    pub body: Value,
    errors: Errors,
}

impl Answer {
    /// A response of a venue with errors of this form.
    #[must_use]
    pub fn of(http: Http, errors: Errors) -> Answer {
        let body = serde_json::from_str(&http.body).unwrap_or(Value::Null);
        Answer { http, body, errors }
    }

    /// The venue's error code; 0: none.
    #[must_use]
    pub fn code(&self) -> i64 {
        self.body.get("code").and_then(Value::as_i64).unwrap_or(0)
    }

    /// The venue's error text.
    #[must_use]
    pub fn msg(&self) -> &str {
        self.body.get(self.errors.text).and_then(Value::as_str).unwrap_or("")
    }

    /// The response as text: its status, and its error.
    #[must_use]
    pub fn summary(&self) -> String {
        let status = self.http.status;
        match self.code() {
            0 if status == 200 => "HTTP 200".to_owned(),
            0 => format!("HTTP {status} {}", shown(&self.http.body)),
            code => format!("HTTP {status} with {code} {:?}", shown(self.msg())),
        }
    }

    /// The body of a success.
    ///
    /// # Errors
    /// The response is an error, or no JSON.
    pub fn good(self) -> Result<Value, Stop> {
        if self.http.status == 200 && !self.body.is_null() {
            return Ok(self.body);
        }
        let (code, words) = self.errors.lacking;
        if self.code() == code && self.msg().contains(words) {
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
    ///
    /// # Errors
    /// It was not refused, or otherwise.
    pub fn refused(&self, code: i64, words: &str) -> Outcome {
        let mut check = Check::new();
        let request = &self.http.request;
        if self.code() == 0 {
            let expected = format!("an error with {code} {words:?}");
            return Err(differs(format!("the response to {request}"), expected, self.summary()));
        }
        self.error(&mut check, Some(code), words);
        check.holds(
            (400..500).contains(&self.http.status),
            format!("the HTTP status of {request}"),
            "400 to 499",
            self.http.status,
        );
        check.end(self.summary())
    }

    /// The outcome of a request that must be refused with one of these statuses, with this code if
    /// one is documented, and with a text that contains `words`.
    ///
    /// # Errors
    /// It was not refused, or otherwise.
    pub fn rejected(&self, statuses: &[u16], code: Option<i64>, words: &str) -> Outcome {
        let mut check = Check::new();
        check.status(&self.http.request, statuses, self.http.status);
        if self.http.status >= 400 {
            self.error(&mut check, code, words);
        }
        check.end(self.summary())
    }

    /// The outcome of a request that succeeds without a body.
    ///
    /// # Errors
    /// Another status, or a body.
    pub fn empty(&self, status: u16) -> Outcome {
        let mut check = Check::new();
        let request = &self.http.request;
        check.status(request, &[status], self.http.status);
        if self.http.status == status {
            let body = shown(&self.http.body);
            check.holds(body.is_empty(), format!("the body of {request}"), "empty", body);
        }
        check.end(format!("HTTP {status}"))
    }

    /// Compares the code and the text of an error.
    fn error(&self, check: &mut Check, code: Option<i64>, words: &str) {
        let request = &self.http.request;
        if let Some(code) = code {
            check.same(format!("the error code of {request}"), code, self.code());
        }
        check.holds(
            self.msg().contains(words),
            format!("the error text of {request}"),
            format!("{words:?}"),
            format!("{:?}", shown(self.msg())),
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ERRORS: Errors = Errors { text: "message", lacking: (403, "insufficient") };

    fn answer(status: u16, body: &str) -> Answer {
        let http = serde_json::json!({
            "request": "DELETE /order", "query": "", "sent": 0, "status": status, "body": body,
        });
        Answer::of(serde_json::from_value(http).unwrap(), ERRORS)
    }

    /// The differences as one text; empty: none.
    fn differences(outcome: Outcome) -> String {
        match outcome {
            Ok(_) => String::new(),
            Err(Stop::NotTried(why)) => format!("not tried: {why}"),
            Err(Stop::Differs(all)) => {
                all.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
            }
        }
    }

    #[test]
    fn a_rejection_is_compared_by_status_code_and_text() {
        let gone = answer(404, r#"{"code":7,"message":"order not found"}"#);
        assert_eq!(differences(gone.rejected(&[404], Some(7), "not found")), "");
        assert_eq!(differences(gone.rejected(&[401, 404], None, "")), "");
        assert_eq!(
            differences(gone.rejected(&[422], Some(8), "unknown")),
            "the HTTP status of DELETE /order is 404, expected is 422; the error code of DELETE \
             /order is 7, expected is 8; the error text of DELETE /order is \"order not found\", \
             expected is \"unknown\""
        );
        let done = answer(204, "");
        assert_eq!(
            differences(done.rejected(&[404], Some(7), "not found")),
            "the HTTP status of DELETE /order is 204, expected is 404"
        );
        assert_eq!(differences(done.empty(204)), "");
        let text = differences(answer(204, "{}").empty(204));
        assert_eq!(text, "the body of DELETE /order is {}, expected is empty");
        let text = differences(answer(200, "{}").empty(204));
        assert_eq!(text, "the HTTP status of DELETE /order is 200, expected is 204");
    }

    #[test]
    fn an_account_without_money_is_no_difference() {
        let poor = answer(403, r#"{"code":403,"message":"insufficient buying power"}"#);
        let why = differences(poor.good().map(|body| body.to_string()));
        assert!(why.starts_with("not tried: the account has too little"), "{why}");
    }
}
