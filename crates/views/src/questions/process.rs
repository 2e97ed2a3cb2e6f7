//! Queries of the process: version, state, problems, tree, configuration and log filter.

use super::columns::{column, megabytes, word};
use super::{Answer, Question, all, any, one, running};
use crate::backfill::BackfillView;
use crate::emergency::{self, EmergencyView};
use crate::health::disk_of;
use crate::storage::{self, Place, RetainRunView, StorageView};
use crate::views::{HealthView, LogLevelView, ReloadsView, StatusView, ValueView, VersionView};
use everwarm_runtime::clock::wall;

/// The query of the program's name and version.
pub const VERSION: Question = Question::new(
    "/api/v1/version",
    "Print the name and version of the program",
    one::<VersionView>,
    |context, _| Answer::of(&context.version()),
);

/// The query of the daemon's state on one screen.
pub const STATUS: Question = Question::new(
    "/api/v1/status",
    "Show the state of the daemon on one screen",
    one::<StatusView>,
    |context, _| Answer::of(&context.status()?),
);

/// The query of problems, for `doctor`.
pub const DOCTOR: Question = Question::new(
    "/api/v1/doctor",
    "List problems, since when, and what to do",
    one::<HealthView>,
    |context, _| Answer::of(&context.doctor()?),
);

/// The query of what the data directory holds.
pub const STORAGE: Question = Question {
    columns: &[
        column("part", "part", word),
        column(">files", "files", word),
        column(">MB", "bytes", megabytes),
        column(">MB a day", "per_day", megabytes),
        column(">days to full", "days_to_full", word),
        column(">MB due", "due", megabytes),
        column(">cost a month", "cost_per_month", word),
    ],
    ..Question::new(
        "/api/v1/storage",
        "Show what the data directory holds, how fast it grows, and when the disk is full",
        all::<StorageView>,
        |context, _| {
            let free = disk_of(context.data_dir()).map(|disk| disk.free);
            let (data_dir, rules) = (context.data_dir(), &context.storage_rules());
            let place = Place { data_dir, rules, history: Some(context.archive()) };
            Answer::of(&storage::of(&place, wall().utc(), free))
        },
    )
};

/// The query of the emergency of storage.
pub const EMERGENCY: Question = Question::new(
    "/api/v1/storage/emergency",
    "Show the emergency of storage: its state, its steps, and what they freed",
    one::<EmergencyView>,
    |context, _| Answer::of(&emergency::read(context.data_dir())),
);

/// The query of the last request to remove what is due.
pub const RETAIN: Question = Question::new(
    "/api/v1/storage/retain",
    "Show the request that removes facts and bars, or the last one",
    one::<RetainRunView>,
    |context, _| Answer::of(&running(context)?.retain()),
);

/// The query of the supervision tree.
pub const TREE: Question = Question::new(
    "/api/v1/tree",
    "Show the supervision tree of the running daemon",
    any,
    |context, _| Answer::of(running(context)?.tree().as_ref()),
);

/// The query of every configuration value and its origin.
pub const CONFIG: Question = Question {
    columns: &[
        column("key", "key", word),
        column("value", "value", ToString::to_string),
        column("origin", "origin", word),
    ],
    ..Question::new(
        "/api/v1/config",
        "List every configuration value of the process",
        all::<ValueView>,
        |context, _| Answer::of(&running(context)?.config()),
    )
};

/// The query of the JSON schema of a configuration file.
pub const SCHEMA: Question = Question::new(
    "/api/v1/config/schema",
    "Print the JSON schema of a configuration file",
    any,
    |context, _| Answer::of(&context.schema()),
);

/// The query of the configuration in force and the reloads.
pub const RELOADS: Question = Question::new(
    "/api/v1/config/reloads",
    "Show the configuration in force and the reloads",
    one::<ReloadsView>,
    |context, _| Answer::of(&running(context)?.reloads()),
);

/// The query of the backfill.
pub const BACKFILL: Question = Question::new(
    "/api/v1/backfill",
    "Show the backfill that runs, or the last one since the daemon started",
    one::<BackfillView>,
    |context, _| Answer::of(&running(context)?.backfill()),
);

/// The query of the log filter.
pub const LOG_LEVEL: Question =
    Question::new("/api/v1/log-level", "Show the log filter", one::<LogLevelView>, |context, _| {
        Answer::of(&running(context)?.log_level())
    });
