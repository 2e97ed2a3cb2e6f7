//! What the process is, does, and is configured with.

use super::columns::{column, word};
use super::{Answer, Question, all, any, one, running};
use crate::views::{HealthView, LogLevelView, ReloadsView, StatusView, ValueView, VersionView};

/// The program.
pub const VERSION: Question = Question::new(
    "/api/v1/version",
    "Name and version of the program",
    one::<VersionView>,
    |context, _| Answer::of(&context.version()),
);

/// One screen.
pub const STATUS: Question = Question::new(
    "/api/v1/status",
    "One screen about the daemon",
    one::<StatusView>,
    |context, _| Answer::of(&context.status()?),
);

/// What is wrong.
pub const DOCTOR: Question = Question::new(
    "/api/v1/doctor",
    "What is wrong, since when, and what to do",
    one::<HealthView>,
    |context, _| Answer::of(&context.doctor()?),
);

/// The supervision tree.
pub const TREE: Question =
    Question::new("/api/v1/tree", "The supervision tree of a running daemon", any, |context, _| {
        Answer::of(running(context, "it has no tree")?.tree().as_ref())
    });

/// Every value of the configuration.
pub const CONFIG: Question = Question {
    columns: &[
        column("key", "key", word),
        column("value", "value", ToString::to_string),
        column("origin", "origin", word),
    ],
    ..Question::new(
        "/api/v1/config",
        "Every value the process runs with",
        all::<ValueView>,
        |context, _| Answer::of(&running(context, "it runs with no configuration")?.config()),
    )
};

/// The schema of a configuration file.
pub const SCHEMA: Question = Question::new(
    "/api/v1/config/schema",
    "The JSON schema of a configuration file",
    any,
    |context, _| Answer::of(&context.schema()),
);

/// The configuration in force.
pub const RELOADS: Question = Question::new(
    "/api/v1/config/reloads",
    "The configuration in force, and what became of reloads",
    one::<ReloadsView>,
    |context, _| Answer::of(&running(context, "nothing is configured")?.reloads()),
);

/// What the process logs.
pub const LOG_LEVEL: Question = Question::new(
    "/api/v1/log-level",
    "The filter of the log",
    one::<LogLevelView>,
    |context, _| Answer::of(&running(context, "nothing is logged")?.log_level()),
);
