//! The sentences of switches.

use crate::operations::enables;
use everwarm_domain::switch::{SafeStep, Switch};

/// The sentence of a switch.
#[must_use]
pub fn switched(switch: &Switch) -> String {
    let may = |on: &bool| if *on { "is enabled" } else { "opens no more positions" };
    match switch {
        Switch::Halt => "an operator stops entries".to_owned(),
        Switch::Resume => "an operator resumes trading".to_owned(),
        Switch::NewPeak => "an operator resumes trading, with a new peak of the equity".to_owned(),
        Switch::Flatten => "an operator closes all positions".to_owned(),
        Switch::Safe(SafeStep::Collect) => "safe start: only data is collected".to_owned(),
        Switch::Safe(SafeStep::Exits) => "safe start: only exits are allowed".to_owned(),
        Switch::Safe(SafeStep::Trade) => "safe start ended: trading is allowed".to_owned(),
        Switch::Strategy { name, on } => format!("{name} {}", may(on)),
        Switch::Process { path, on: true } => format!("{path} is turned on"),
        Switch::Process { path, on: false } => format!("{path} is turned off"),
    }
}

/// The same as a response to the operator. A strategy that the configuration turned off stays off;
/// the response includes that.
#[must_use]
pub fn answered(switch: &Switch, configured_off: &[String]) -> String {
    match switch {
        Switch::Strategy { name, on: true } if configured_off.contains(name) => format!(
            "no operator has {name} off now, but the configuration has it off: {} = false",
            enables(name)
        ),
        Switch::Strategy { .. }
        | Switch::Halt
        | Switch::Resume
        | Switch::NewPeak
        | Switch::Flatten
        | Switch::Safe(_)
        | Switch::Process { .. } => switched(switch),
    }
}
