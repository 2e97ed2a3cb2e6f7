//! Metrics of the process, the store and the API.

use super::{C, G, HTTP, Kind, LEVELS, REFUSALS, RESULTS, Row, STEPS, TRIGGERS, by, of, open, row};
use crate::emergency::NAMES;
use everwarm_runtime::meter::COMMIT;

/// Rows of the process.
pub const PROCESS: &[Row] = &[
    by(
        &[open("version"), open("revision")],
        row("everwarm_build_info", G, "", "Version and revision of the running program; always 1"),
    ),
    by(
        &[of("mode", &["live", "paper", "replay"])],
        row(
            "everwarm_mode_info",
            G,
            "",
            "1 for the mode: live (real money), paper (play money), replay (a recording)",
        ),
    ),
    row("everwarm_ready", G, "", "1 while the daemon is ready to trade, else 0"),
    by(
        &[open("check")],
        row("everwarm_ready_check", G, "", "1 while this condition of readiness holds"),
    ),
    row("everwarm_start_timestamp_seconds", G, "seconds", "When the process started, UTC"),
    by(
        &[of("step", STEPS)],
        row(
            "everwarm_start_step_seconds",
            G,
            "seconds",
            "Duration of one step of the start; 0: not done yet",
        ),
    ),
    row("process_cpu_seconds_total", C, "seconds", "CPU time of all threads"),
    row("process_resident_memory_bytes", G, "bytes", "Resident memory"),
    row("process_virtual_memory_bytes", G, "bytes", "Virtual memory"),
    row("process_threads", G, "", "Threads"),
    row("process_open_fds", G, "", "Open file descriptors"),
    row("process_max_fds", G, "", "Limit of open file descriptors"),
    row("process_start_time_seconds", G, "seconds", "When the process started, UTC"),
    row("everwarm_tokio_alive_tasks", G, "", "Tasks alive on the worker runtime"),
    row(
        "everwarm_tokio_global_queue_tasks",
        G,
        "",
        "Tasks in the global queue of the worker runtime",
    ),
    row("everwarm_tokio_workers", G, "", "Threads of the worker runtime"),
    row(
        "everwarm_tokio_busy_ratio",
        G,
        "ratio",
        "Busy share of the worker threads in the last second",
    ),
    row(
        "everwarm_tokio_timer_lag_seconds",
        Kind::Histogram(HTTP),
        "seconds",
        "Delay of a 100 ms timer on the worker runtime",
    ),
    row(
        "everwarm_supervision_lag_seconds",
        G,
        "seconds",
        "Response time of the root supervisor, or how long it has not responded",
    ),
    by(
        &[of("place", &["actor", "hook"])],
        row(
            "everwarm_panics_total",
            C,
            "",
            "Panics; actor: in actor handlers, injected ones too; hook: everywhere else",
        ),
    ),
    row(
        "everwarm_self_replay_successful",
        G,
        "",
        "0 if the decisions of the last day could not be repeated; before the first day: 1",
    ),
    row("everwarm_self_replay_inputs", G, "", "Inputs of the last repeated day; 0: none yet"),
    row(
        "everwarm_self_replay_differences",
        G,
        "",
        "Facts of that day that differ from the journal",
    ),
    row(
        "everwarm_self_replay_timestamp_seconds",
        G,
        "seconds",
        "When the decisions of a day were last repeated, UTC; before the first: this start",
    ),
    by(
        &[of("level", LEVELS)],
        row("everwarm_log_events_total", C, "", "Log events by level, suppressed ones too"),
    ),
    row("everwarm_log_suppressed_total", C, "", "Log events suppressed because they repeat"),
    row(
        "everwarm_metrics_render_duration_seconds",
        Kind::Histogram(HTTP),
        "seconds",
        "Time to render these metrics",
    ),
    by(
        &[open("metric")],
        row(
            "everwarm_metrics_rejected_total",
            C,
            "",
            "Values rejected because they are not finite",
        ),
    ),
];

/// Rows of the store.
pub const STORE: &[Row] = &[
    by(
        &[of("durability", &["lazy", "synced"])],
        row(
            "everwarm_store_commit_duration_seconds",
            Kind::Histogram(COMMIT),
            "seconds",
            "Duration of one commit; lazy: without fsync, synced: with fsync",
        ),
    ),
    row("everwarm_store_uncommitted_seconds", G, "seconds", "Age of the oldest uncommitted fact"),
    row("everwarm_journal_head", G, "", "Number of the newest input"),
    row("everwarm_store_journal_pending", G, "", "Facts appended and not yet durable"),
    by(
        &[of("file", &["live", "segments", "history"])],
        row("everwarm_store_file_bytes", G, "bytes", "Size of a store file, or of all segments"),
    ),
    row(
        "everwarm_store_disk_free_bytes",
        G,
        "bytes",
        "Free space on the disk of the data directory",
    ),
    row(
        "everwarm_storage_emergency",
        G,
        "",
        "Emergency of storage; 0: none, 1: over, not lifted, 2: steps free space, 3: none can",
    ),
    by(
        &[of("step", NAMES)],
        row(
            "everwarm_storage_emergency_freed_bytes",
            G,
            "bytes",
            "Bytes that this step has freed in the emergency of storage",
        ),
    ),
    by(
        &[open("actor")],
        row(
            "everwarm_store_snapshot_timestamp_seconds",
            G,
            "seconds",
            "When the stage last saved its state, UTC; before the first save: this start",
        ),
    ),
    by(
        &[open("actor")],
        row(
            "everwarm_store_replay_events",
            G,
            "",
            "Inputs the stage replayed at its last recovery",
        ),
    ),
];

const RECEIVERS: &[&str] = &["webhook", "telegram", "heartbeat", "commands"];

/// Rows of the configuration and the API.
pub const API: &[Row] = &[
    row("everwarm_config_generation", G, "", "Generation of the configuration in force"),
    row(
        "everwarm_config_last_reload_successful",
        G,
        "",
        "1 if the last reload succeeded, or if there was none",
    ),
    row(
        "everwarm_config_last_reload_success_timestamp_seconds",
        G,
        "seconds",
        "When a reload last succeeded, UTC; before the first: this start",
    ),
    by(
        &[of("trigger", TRIGGERS), of("result", RESULTS)],
        row("everwarm_config_reloads_total", C, "", "Reloads, by trigger and result"),
    ),
    row(
        "everwarm_config_restart_pending",
        G,
        "",
        "1 if the configuration sources hold a change that needs a restart",
    ),
    row("everwarm_stream_clients", G, "", "Clients of the page's event stream"),
    row(
        "everwarm_stream_lagged_total",
        C,
        "",
        "Times a slow client was skipped ahead to a new snapshot",
    ),
    by(
        &[of("receiver", RECEIVERS)],
        row("everwarm_messages_total", C, "", "Messages and heartbeats that a receiver accepted"),
    ),
    by(
        &[of("result", &["answered", "done", "refused", "other_chat"])],
        row(
            "everwarm_chat_commands_total",
            C,
            "",
            "Commands of the chat by result; other_chat: messages of other chats",
        ),
    ),
    by(
        &[of("receiver", RECEIVERS)],
        row(
            "everwarm_messages_failing_seconds",
            G,
            "seconds",
            "How long the receiver has failed; 0: it works",
        ),
    ),
    by(
        &[of("receiver", RECEIVERS)],
        row(
            "everwarm_messages_refused",
            G,
            "",
            "Messages that the receiver rejected; the next start sends them once more",
        ),
    ),
    by(
        &[open("route"), open("method"), open("status")],
        row("everwarm_http_requests_total", C, "", "HTTP requests, by route pattern"),
    ),
    by(
        &[open("route")],
        row(
            "everwarm_http_request_duration_seconds",
            Kind::Histogram(HTTP),
            "seconds",
            "Response time",
        ),
    ),
    by(
        &[of("reason", REFUSALS)],
        row("everwarm_http_refused_total", C, "", "HTTP requests that the API refused, by reason"),
    ),
];
