//! Exit codes, and the failure of a command. Only this file has the numbers;
//! `docs/reference/exit-codes.md` is generated from it.

use crate::journal_reader::LIVE_FILE;
use everwarm_history::queries::HistoryError;
use everwarm_runtime::store::archive::ArchiveError;
use everwarm_words::text::shell_word;
use std::fmt;
use std::path::Path;
use std::process::{ExitCode, Termination};

/// Exit codes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Exit {
    /// Success; also a clean stop on SIGINT or SIGTERM.
    Fine = 0,
    /// A failure without a code of its own.
    Failed = 1,
    /// Usage or configuration is wrong.
    Usage = 2,
    /// No daemon could be reached.
    Unreachable = 3,
    /// A check found problems.
    Problems = 4,
    /// Refused by policy.
    Refused = 5,
    /// Another process holds the data directory.
    Held = 6,
    /// The store is newer than this program, damaged, or not from everwarm.
    Foreign = 7,
    /// The store failed while running.
    StoreFailed = 10,
    /// The disk is full.
    DiskFull = 11,
    /// The root of the supervision tree gave up.
    RootGaveUp = 12,
    /// The watchdog ended the process.
    Watchdog = 13,
    /// A second SIGINT ended the process immediately, or a proof was interrupted.
    Interrupted = 130,
    /// A second SIGTERM ended the process immediately.
    Terminated = 143,
}

impl Exit {
    /// All of them, ascending.
    pub const ALL: [Exit; 14] = [
        Exit::Fine,
        Exit::Failed,
        Exit::Usage,
        Exit::Unreachable,
        Exit::Problems,
        Exit::Refused,
        Exit::Held,
        Exit::Foreign,
        Exit::StoreFailed,
        Exit::DiskFull,
        Exit::RootGaveUp,
        Exit::Watchdog,
        Exit::Interrupted,
        Exit::Terminated,
    ];

    /// The number of [`Exit::Held`], in the type of a child's exit status.
    pub const HELD: i32 = Exit::Held as i32;

    /// The exit with this number; none if there is none.
    #[must_use]
    pub fn of(code: u8) -> Option<Exit> {
        Exit::ALL.into_iter().find(|exit| exit.code() == code)
    }

    /// Its meaning in words, for users.
    #[must_use]
    pub const fn about(self) -> &'static str {
        match self {
            Exit::Fine => "The command succeeded. Also a clean stop by Ctrl-C or SIGTERM.",
            Exit::Failed => "The command failed. No other code fits.",
            Exit::Usage => "The usage is wrong, or the configuration is invalid.",
            Exit::Unreachable => "No running daemon was found.",
            Exit::Problems => "A check found problems.",
            Exit::Refused => "A rule forbids it, for example real money without a confirmation.",
            Exit::Held => "Another daemon uses the data directory.",
            Exit::Foreign => {
                "The store is newer than this program, damaged or not its own, or its journal is \
                 missing. Restore a backup."
            }
            Exit::StoreFailed => "The store failed while the daemon ran.",
            Exit::DiskFull => "The disk is full.",
            Exit::RootGaveUp => "The root supervisor exceeded its restart budget.",
            Exit::Watchdog => "The watchdog ended a process that did not make progress.",
            Exit::Interrupted => {
                "A second Ctrl-C ended the process. Also an interrupted `chaos` or `conformance`."
            }
            Exit::Terminated => "A second SIGTERM ended the process.",
        }
    }

    /// Whether a person has to act before a restart can help.
    #[must_use]
    pub const fn needs_a_person(self) -> bool {
        matches!(self, Exit::Usage | Exit::Held | Exit::Foreign)
    }

    /// The number.
    #[must_use]
    pub const fn code(self) -> u8 {
        self as u8
    }
}

impl Termination for Exit {
    fn report(self) -> ExitCode {
        ExitCode::from(self.code())
    }
}

/// The failure of a command: a text for people, and the exit code.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// The exit code.
    pub exit: Exit,
    /// Text for people, without a full stop.
    pub text: String,
    /// Stable code for programs: what is missing, or what is wrong in the request; empty: any other
    /// failure.
    pub code: &'static str,
}

impl Failure {
    /// A failure without a stable code.
    pub fn new(exit: Exit, text: impl Into<String>) -> Failure {
        Failure { exit, text: text.into(), code: "" }
    }

    /// Code for an invalid parameter.
    pub const BAD_QUERY: &str = "bad-query";
    /// Code for an invalid body.
    pub const BAD_BODY: &str = "bad-body";
    /// Code for an unknown path.
    pub const NO_SUCH_PATH: &str = "no-such-path";
    /// Code for a history that is damaged. The journal can be whole.
    pub const DAMAGED_HISTORY: &str = "damaged-history";

    /// The same failure with this stable code.
    #[must_use]
    pub fn coded(self, code: &'static str) -> Failure {
        Failure { code, ..self }
    }
}

impl Failure {
    /// The failure that no daemon uses the data directory, with the command that starts one.
    #[must_use]
    pub fn no_daemon(data_dir: &Path) -> Failure {
        let dir = data_dir.display();
        let word = shell_word(&dir.to_string());
        let never = if data_dir.join(LIVE_FILE).exists() {
            ""
        } else {
            ", and none ran there before: it has no journal. Is the directory right? --data-dir \
             names another"
        };
        let text = format!(
            "no daemon is running on {dir}{never}. Start one: everwarm run --data-dir {word}"
        );
        Failure::new(Exit::Unreachable, text)
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl std::error::Error for Failure {}

impl From<ArchiveError> for Failure {
    fn from(error: ArchiveError) -> Failure {
        let exit = match error {
            ArchiveError::Held { .. } => Exit::Held,
            ArchiveError::Foreign { .. }
            | ArchiveError::Newer { .. }
            | ArchiveError::Torn { .. } => Exit::Foreign,
            ArchiveError::Full { .. } => Exit::DiskFull,
            ArchiveError::Io { .. } => Exit::StoreFailed,
        };
        if matches!(error, ArchiveError::Torn { .. }) {
            let text = format!("{error}{TORN_HISTORY}");
            return Failure::new(exit, text).coded(Failure::DAMAGED_HISTORY);
        }
        Failure::new(exit, error.to_string())
    }
}

/// Text: what to do about a damaged history.
const TORN_HISTORY: &str = ". Restore a backup, or move the file away: the next start makes \
    orders, fills, trades and equity again from the journal and fetches historical bars";

impl From<HistoryError> for Failure {
    fn from(error: HistoryError) -> Failure {
        match error {
            HistoryError::Archive(e) => e.into(),
            HistoryError::Damaged { .. } => Failure::new(Exit::Foreign, error.to_string()),
            HistoryError::Refused(_) => Failure::new(Exit::Failed, error.to_string()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_numbers_are_those_of_the_design() {
        let codes = Exit::ALL.map(Exit::code);
        assert_eq!(codes, [0, 1, 2, 3, 4, 5, 6, 7, 10, 11, 12, 13, 130, 143]);
        assert_eq!(Exit::of(6), Some(Exit::Held));
        assert_eq!(Exit::of(8), None);
    }
}
