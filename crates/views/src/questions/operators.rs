//! Queries of operators' actions, and of problems that wait for them.

use super::columns::{column, time, word};
use super::{Answer, LIMITED, Question, all, one, remembered};
use crate::audit::audit;
use crate::views::{AuditView, QuarantineView, ReconcileView, SwitchesView};

/// The query of quarantined inputs.
pub const QUARANTINE: Question = Question {
    none: "no quarantined inputs",
    ..Question::new(
        "/api/v1/quarantine",
        "List quarantined inputs, at which a stage failed three times",
        all::<QuarantineView>,
        |context, _| Answer::of(&remembered(context, |memory| memory.now().status.quarantines())?),
    )
};

/// The query of the switches in force.
pub const SWITCHES: Question = Question::new(
    "/api/v1/switches",
    "List what operators have turned off, and why",
    one::<SwitchesView>,
    |context, _| Answer::of(&context.switches()?),
);

/// The query of the account compared with the books.
pub const RECONCILE: Question = Question::new(
    "/api/v1/reconcile",
    "Compare the account at the venue with the books",
    one::<ReconcileView>,
    |context, _| Answer::of(&context.reconcile()?),
);

/// The query of the audit log.
pub const AUDIT: Question = Question {
    query: LIMITED,
    columns: &[
        column("time (UTC)", "time", time),
        column("what", "what", word),
        column("result", "result", word),
        column("sent", "body", ToString::to_string),
    ],
    ..Question::new(
        "/api/v1/audit",
        "List the changes requested through the API, newest last",
        all::<AuditView>,
        |context, asked| Answer::of(&audit(context.data_dir(), asked.limit()?)?),
    )
};
