//! Metrics of the process, the store and the API.

use super::{C, G, HTTP, Kind, LEVELS, REFUSALS, RESULTS, Row, STEPS, TRIGGERS, by, of, open, row};
use everwarm_runtime::meter::COMMIT;

/// Its rows.
pub const PROCESS: &[Row] = &[
    by(
        &[open("version"), open("revision")],
        row("everwarm_build_info", G, "", "The program that answers; always 1"),
    ),
    by(
        &[of("mode", &["live", "paper", "replay"])],
        row("everwarm_mode_info", G, "", "1 for what is traded: money, play money, a recording"),
    ),
    row("everwarm_ready", G, "", "1 where everything needed for trading is there, 0 where not"),
    by(&[open("check")], row("everwarm_ready_check", G, "", "1 where this condition of it holds")),
    row("everwarm_start_timestamp_seconds", G, "seconds", "When the process started, UTC"),
    by(
        &[of("step", STEPS)],
        row(
            "everwarm_start_step_seconds",
            G,
            "seconds",
            "How long a step of the start took; 0: not done",
        ),
    ),
    row("process_cpu_seconds_total", C, "seconds", "Processor time of all threads"),
    row("process_resident_memory_bytes", G, "bytes", "Memory in use"),
    row("process_virtual_memory_bytes", G, "bytes", "Addresses taken"),
    row("process_threads", G, "", "Threads"),
    row("process_open_fds", G, "", "Open descriptors"),
    row("process_max_fds", G, "", "Most descriptors that may be open"),
    row("process_start_time_seconds", G, "seconds", "When the process started, UTC"),
    row("everwarm_tokio_alive_tasks", G, "", "Tasks on the runtime of the workers"),
    row("everwarm_tokio_global_queue_tasks", G, "", "Tasks in its common queue"),
    row("everwarm_tokio_workers", G, "", "Its threads"),
    row("everwarm_tokio_busy_ratio", G, "ratio", "Busy share of its threads in the last second"),
    row(
        "everwarm_tokio_timer_lag_seconds",
        Kind::Histogram(HTTP),
        "seconds",
        "How late a timer of 100 ms was on the runtime of the workers",
    ),
    row(
        "everwarm_supervision_lag_seconds",
        G,
        "seconds",
        "How long the root supervisor took to answer, or has not answered",
    ),
    by(
        &[of("place", &["actor", "hook"])],
        row(
            "everwarm_panics_total",
            C,
            "",
            "Panics of handlers of actors, on purpose or not; and all others seen by the hook too",
        ),
    ),
    by(
        &[of("level", LEVELS)],
        row("everwarm_log_events_total", C, "", "Events logged or held back"),
    ),
    row(
        "everwarm_log_suppressed_total",
        C,
        "",
        "Events held back because they repeated themselves",
    ),
    row(
        "everwarm_metrics_render_duration_seconds",
        Kind::Histogram(HTTP),
        "seconds",
        "Time to render these metrics",
    ),
    by(
        &[open("metric")],
        row("everwarm_metrics_rejected_total", C, "", "Values refused because they are not finite"),
    ),
];

/// Its rows.
pub const STORE: &[Row] = &[
    by(
        &[of("durability", &["lazy", "synced"])],
        row(
            "everwarm_store_commit_duration_seconds",
            Kind::Histogram(COMMIT),
            "seconds",
            "One commit, without and with waiting for the disk",
        ),
    ),
    row(
        "everwarm_store_uncommitted_seconds",
        G,
        "seconds",
        "Age of the oldest fact that is not committed",
    ),
    row("everwarm_journal_head", G, "", "Number of the newest input"),
    row("everwarm_store_journal_pending", G, "", "Facts said and not yet on disk"),
    by(
        &[of("file", &["live", "segments", "history"])],
        row(
            "everwarm_store_file_bytes",
            G,
            "bytes",
            "Size of a file of the store, or of all segments",
        ),
    ),
    row("everwarm_store_disk_free_bytes", G, "bytes", "Room on the disk of the data directory"),
    by(
        &[open("actor")],
        row(
            "everwarm_store_snapshot_timestamp_seconds",
            G,
            "seconds",
            "When a stage's state was last saved for the next start, UTC; at first: this start",
        ),
    ),
    by(
        &[open("actor")],
        row(
            "everwarm_store_replay_events",
            G,
            "",
            "Inputs a stage went through at its last recovery",
        ),
    ),
];

const RECEIVERS: &[&str] = &["webhook", "telegram", "heartbeat"];

/// Its rows.
pub const API: &[Row] = &[
    row("everwarm_config_generation", G, "", "Generation of the configuration in force"),
    row(
        "everwarm_config_last_reload_successful",
        G,
        "",
        "1 where the last reload went well, and before the first",
    ),
    row(
        "everwarm_config_last_reload_success_timestamp_seconds",
        G,
        "seconds",
        "When a reload last went well, UTC; before the first: the start",
    ),
    by(
        &[of("trigger", TRIGGERS), of("result", RESULTS)],
        row(
            "everwarm_config_reloads_total",
            C,
            "",
            "Reloads, by who wanted them and what they came to",
        ),
    ),
    row(
        "everwarm_config_restart_pending",
        G,
        "",
        "1 where the sources hold a change that takes a restart",
    ),
    row("everwarm_stream_clients", G, "", "Who reads the stream of the page"),
    row("everwarm_stream_lagged_total", C, "", "Times a slow reader was skipped ahead"),
    by(
        &[of("receiver", RECEIVERS)],
        row("everwarm_messages_total", C, "", "Messages and signs of life a receiver took"),
    ),
    by(
        &[of("receiver", RECEIVERS)],
        row(
            "everwarm_messages_failing_seconds",
            G,
            "seconds",
            "For how long it takes nothing; 0: it does",
        ),
    ),
    by(
        &[of("receiver", RECEIVERS)],
        row(
            "everwarm_messages_refused",
            G,
            "",
            "Messages a receiver refused for good; they are sent once more at the next start",
        ),
    ),
    by(
        &[open("route"), open("method"), open("status")],
        row("everwarm_http_requests_total", C, "", "Requests answered, by pattern of the path"),
    ),
    by(
        &[open("route")],
        row(
            "everwarm_http_request_duration_seconds",
            Kind::Histogram(HTTP),
            "seconds",
            "Time to answer",
        ),
    ),
    by(
        &[of("reason", REFUSALS)],
        row("everwarm_http_refused_total", C, "", "Requests the API refused"),
    ),
];
