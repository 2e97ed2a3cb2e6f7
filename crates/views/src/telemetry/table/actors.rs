//! Metrics of actors and their supervisors.

use super::super::supervised::{EVENTS, FAULTS, REASONS, RESTART, SOURCES};
use super::{C, G, Kind, Row, by, of, open, row};
use everwarm_runtime::meter::{HANDLE, WAIT};

/// Rows of actors and supervision.
pub const ACTORS: &[Row] = &[
    by(
        &[open("actor"), open("message")],
        row(
            "everwarm_actor_messages_total",
            C,
            "",
            "Messages handled, by kind; all bar actors count as one actor",
        ),
    ),
    by(
        &[open("actor"), open("message")],
        row("everwarm_actor_message_failures_total", C, "", "Handlers that returned an error"),
    ),
    by(
        &[open("actor")],
        row(
            "everwarm_actor_handle_duration_seconds",
            Kind::Histogram(HANDLE),
            "seconds",
            "Time of one handler call; the rate of its sum is the busy share",
        ),
    ),
    by(
        &[open("actor")],
        row(
            "everwarm_actor_mailbox_wait_seconds",
            Kind::Histogram(WAIT),
            "seconds",
            "Time between send and receipt, for bars, order reports and journal wake-ups",
        ),
    ),
    by(
        &[open("actor")],
        row(
            "everwarm_actor_mailbox_messages",
            G,
            "",
            "Messages in the mailbox; for a stage, inputs that it has not processed",
        ),
    ),
    by(
        &[open("actor"), of("reason", &["stopped", "full"])],
        row(
            "everwarm_actor_send_failures_total",
            C,
            "",
            "Undelivered messages: actor stopped or mailbox full; their content is fetched again",
        ),
    ),
    by(
        &[open("actor")],
        row(
            "everwarm_actor_alive",
            G,
            "",
            "1 while the actor runs; bar actors: 1 while all run; no series while it is turned off",
        ),
    ),
    by(
        &[open("actor")],
        row(
            "everwarm_actor_started_timestamp_seconds",
            G,
            "seconds",
            "When the actor last started, UTC",
        ),
    ),
    by(
        &[open("actor")],
        row(
            "everwarm_actor_last_message_timestamp_seconds",
            G,
            "seconds",
            "When the actor last handled a message, UTC; 0: never",
        ),
    ),
    by(
        &[open("actor"), of("reason", REASONS)],
        row(
            "everwarm_actor_restarts_total",
            C,
            "",
            "Restarts by cause; reason=sibling: another child of the supervisor failed",
        ),
    ),
    by(
        &[open("actor")],
        row(
            "everwarm_actor_restart_duration_seconds",
            Kind::Histogram(RESTART),
            "seconds",
            "Time from a failure until the actor runs again, recovery included",
        ),
    ),
    by(
        &[open("actor"), of("source", SOURCES)],
        row(
            "everwarm_actor_recoveries_total",
            C,
            "",
            "Starts of a stage, by the source of its state",
        ),
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
            "Children by state; children that are turned off do not count",
        ),
    ),
    by(
        &[open("supervisor")],
        row(
            "everwarm_supervisor_intensity_ratio",
            G,
            "ratio",
            "Restarts within the period, as a share of those allowed; above 1 it gives up",
        ),
    ),
    by(
        &[open("supervisor")],
        row(
            "everwarm_supervisor_escalations_total",
            C,
            "",
            "Times the supervisor gave up and failed its parent",
        ),
    ),
    by(
        &[open("supervisor"), open("child")],
        row(
            "everwarm_supervisor_backoff_seconds",
            G,
            "seconds",
            "Wait before the next start of the child; 0: none",
        ),
    ),
    by(
        &[of("event", EVENTS)],
        row("everwarm_supervision_events_total", C, "", "Events of supervision, by kind"),
    ),
    by(&[of("fault", FAULTS)], row("everwarm_chaos_faults_total", C, "", "Injected faults")),
];
