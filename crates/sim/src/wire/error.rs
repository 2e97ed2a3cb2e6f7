//! Refusals in the form of the protocol.

use serde_json::{Value, json};

/// A refusal: the content of the status line and the body.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{code}: {msg}")]
pub struct ApiError {
    /// HTTP status.
    pub status: u16,
    /// The protocol's code.
    pub code: i32,
    /// The protocol's message.
    pub msg: String,
    /// Further data, if a request has more than one result.
    pub data: Option<Value>,
}

impl ApiError {
    /// A refusal with the status that belongs to its code.
    #[must_use]
    pub fn new(code: i32, msg: impl Into<String>) -> ApiError {
        let status = match code {
            -2014 | -2015 => 401,
            -1003 | -1015 | -1034 => 429,
            -1000 => 500,
            _ => 400,
        };
        ApiError { status, code, msg: msg.into(), data: None }
    }

    /// A mandatory parameter is missing or malformed.
    #[must_use]
    pub fn mandatory(name: &str) -> ApiError {
        let tail = "was not sent, was empty/null, or malformed.";
        ApiError::new(-1102, format!("Mandatory parameter '{name}' {tail}"))
    }

    /// One of two parameters must be sent.
    #[must_use]
    pub fn neither(one: &str, other: &str) -> ApiError {
        let tail = "must be sent, but both were empty/null!";
        ApiError::new(-1102, format!("Param '{one}' or '{other}' {tail}"))
    }

    /// A parameter has an invalid value.
    #[must_use]
    pub fn invalid(name: &str) -> ApiError {
        ApiError::new(-1130, format!("Data sent for parameter '{name}' is not valid."))
    }

    /// The books could not take the request. The client must treat its status as unknown.
    #[must_use]
    pub fn internal() -> ApiError {
        let msg = "An unknown error occurred while processing the request.";
        ApiError::new(-1000, msg)
    }

    /// The JSON body.
    #[must_use]
    pub fn body(&self) -> Value {
        let mut body = json!({"code": self.code, "msg": self.msg});
        if let Some(data) = &self.data {
            body["data"] = data.clone();
        }
        body
    }
}

impl From<(i32, String)> for ApiError {
    fn from((code, msg): (i32, String)) -> ApiError {
        ApiError::new(code, msg)
    }
}

impl From<(i32, &'static str)> for ApiError {
    fn from((code, msg): (i32, &'static str)) -> ApiError {
        ApiError::new(code, msg)
    }
}
