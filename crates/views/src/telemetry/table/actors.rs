//! Metrics of actors and their supervisors.

use super::super::supervised::{EVENTS, FAULTS, REASONS, RESTART, SOURCES};
use super::{C, G, Kind, Row, by, of, open, row};
use everwarm_runtime::meter::{HANDLE, WAIT};

/// Its rows.
pub const ACTORS: &[Row] = &[
    by(
        &[open("actor"), open("message")],
        row("everwarm_actor_messages_total", C, "", "Messages handled, by kind; bar actors as one"),
    ),
    by(
        &[open("actor"), open("message")],
        row("everwarm_actor_message_failures_total", C, "", "Handlers that ended with an error"),
    ),
    by(
        &[open("actor")],
        row(
            "everwarm_actor_handle_duration_seconds",
            Kind::Histogram(HANDLE),
            "seconds",
            "Time in one handler; the rate of its sum is the busy share",
        ),
    ),
    by(
        &[open("actor")],
        row(
            "everwarm_actor_mailbox_wait_seconds",
            Kind::Histogram(WAIT),
            "seconds",
            "From being sent to being taken, of bars, words about orders, and wakes by the journal",
        ),
    ),
    by(
        &[open("actor")],
        row(
            "everwarm_actor_mailbox_messages",
            G,
            "",
            "Messages that wait, and inputs a stage has not passed",
        ),
    ),
    by(
        &[open("actor"), of("reason", &["stopped", "full"])],
        row(
            "everwarm_actor_send_failures_total",
            C,
            "",
            "Messages that found nobody, or no room; their news is fetched",
        ),
    ),
    by(
        &[open("actor")],
        row(
            "everwarm_actor_alive",
            G,
            "",
            "1 while an instance is up; of bar actors: while all are; none where it is turned off",
        ),
    ),
    by(
        &[open("actor")],
        row(
            "everwarm_actor_started_timestamp_seconds",
            G,
            "seconds",
            "When it was last up anew, UTC",
        ),
    ),
    by(
        &[open("actor")],
        row(
            "everwarm_actor_last_message_timestamp_seconds",
            G,
            "seconds",
            "When it last handled a message, UTC; 0: never",
        ),
    ),
    by(
        &[open("actor"), of("reason", REASONS)],
        row(
            "everwarm_actor_restarts_total",
            C,
            "",
            "Ends that nobody asked for, by cause, and restarts for the sake of a sibling",
        ),
    ),
    by(
        &[open("actor")],
        row(
            "everwarm_actor_restart_duration_seconds",
            Kind::Histogram(RESTART),
            "seconds",
            "From an end to being up again, recovery included",
        ),
    ),
    by(
        &[open("actor"), of("source", SOURCES)],
        row("everwarm_actor_recoveries_total", C, "", "Where a stage's state came from at a start"),
    ),
    by(
        &[
            open("supervisor"),
            of("state", &["running", "starting", "backoff", "stopping", "failed"]),
        ],
        row(
            "everwarm_supervisor_children",
            G,
            "",
            "Children by state, without those that are turned off",
        ),
    ),
    by(
        &[open("supervisor")],
        row(
            "everwarm_supervisor_intensity_ratio",
            G,
            "ratio",
            "Restarts within the period, of those allowed; above 1 it gives up",
        ),
    ),
    by(
        &[open("supervisor")],
        row("everwarm_supervisor_escalations_total", C, "", "Gave up, and failed upward"),
    ),
    by(
        &[open("supervisor"), open("child")],
        row(
            "everwarm_supervisor_backoff_seconds",
            G,
            "seconds",
            "Wait before the next try, 0 if none",
        ),
    ),
    by(
        &[of("event", EVENTS)],
        row("everwarm_supervision_events_total", C, "", "What became of actors"),
    ),
    by(
        &[of("fault", FAULTS)],
        row("everwarm_chaos_faults_total", C, "", "Faults injected on purpose"),
    ),
];
