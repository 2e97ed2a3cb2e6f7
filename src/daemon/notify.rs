//! Reports to the service manager, by the protocol of `sd_notify`, over the socket that it names in
//! `NOTIFY_SOCKET`. Where it names none, nothing is sent.

use sd_notify::NotifyState;
use std::ffi::OsStr;
use std::io;
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::Duration;

/// Variables for this process alone: a child must not report for it.
pub const VARIABLES: [&str; 3] = ["NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"];
/// Longest text of a status, characters.
const STATUS_MAX: usize = 200;
/// Reports that wait for a slow service manager, at most; further ones are dropped.
const WAITING_MAX: usize = 16;

/// One report: a status, and another state of the protocol.
#[derive(Debug)]
struct Report {
    status: Option<String>,
    state: Option<NotifyState<'static>>,
}

/// The service manager, if there is one.
#[derive(Debug, Default)]
pub struct Notify {
    reports: Option<SyncSender<Report>>,
    /// How often the service manager expects a report of a healthy process.
    watchdog: Option<Duration>,
}

impl Notify {
    /// The service manager that the environment of this process names.
    #[must_use]
    pub fn from_environment() -> Notify {
        let socket = std::env::var_os("NOTIFY_SOCKET").filter(|name| !name.is_empty());
        let Some(socket) = socket else { return Notify::default() };
        // A slow service manager does not delay trading: only this thread waits for it.
        let (sender, reports) = sync_channel(WAITING_MAX);
        let thread = std::thread::Builder::new().name("notify".to_owned());
        let reports = match thread.spawn(move || send(&socket, &reports)) {
            Ok(_) => Some(sender),
            Err(e) => {
                tracing::warn!("nothing is reported to the service manager: {e}");
                None
            }
        };
        let watchdog = sd_notify::watchdog_enabled().filter(|every| !every.is_zero());
        Notify { watchdog: watchdog.filter(|_| reports.is_some()), reports }
    }

    /// How often the service manager expects a report of a healthy process; none: it expects none.
    #[must_use]
    pub fn watchdog(&self) -> Option<Duration> {
        self.watchdog
    }

    /// Reports what the process does, as a text, and another state of the protocol.
    pub fn report(&self, status: &str, state: Option<NotifyState<'static>>) {
        self.put(Report { status: Some(words(status)), state });
    }

    /// Reports that the process is healthy.
    pub fn alive(&self) {
        self.put(Report { status: None, state: Some(NotifyState::Watchdog) });
    }

    fn put(&self, report: Report) {
        if let Some(Err(e)) = self.reports.as_ref().map(|reports| reports.try_send(report)) {
            tracing::debug!("the service manager does not read: {e}");
        }
    }
}

/// A status as one line of the protocol.
fn words(status: &str) -> String {
    let plain = |c: char| if c.is_control() { ' ' } else { c };
    status.chars().map(plain).take(STATUS_MAX).collect()
}

/// Sends reports until all senders are dropped.
fn send(socket: &OsStr, reports: &Receiver<Report>) {
    let mut failed = false;
    for Report { status, state } in reports {
        let status = status.as_deref().map(NotifyState::Status);
        let report: Vec<NotifyState<'_>> = status.into_iter().chain(state).collect();
        match notify(socket, &report) {
            Err(e) if !failed => {
                tracing::warn!("NOTIFY_SOCKET: {e}");
                failed = true;
            }
            Err(e) => tracing::debug!("NOTIFY_SOCKET: {e}"),
            Ok(()) => failed = false,
        }
    }
}

/// Sends states in one datagram. A socket name that begins with `@` has no file; the crate supports
/// only sockets with one.
fn notify(socket: &OsStr, states: &[NotifyState<'_>]) -> io::Result<()> {
    let [b'@', name @ ..] = socket.as_bytes() else { return sd_notify::notify(states) };
    let lines: Vec<String> = states.iter().map(ToString::to_string).collect();
    let address = SocketAddr::from_abstract_name(name)?;
    UnixDatagram::unbound()?.send_to_addr(lines.join("\n").as_bytes(), &address).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sockets_with_a_name_and_without_a_file_are_told() {
        let name = format!("everwarm-notify-{}", std::process::id());
        let address = SocketAddr::from_abstract_name(&name).unwrap();
        let manager = UnixDatagram::bind_addr(&address).unwrap();
        let socket = format!("@{name}");
        let states = [NotifyState::Status("going on"), NotifyState::Ready];
        notify(OsStr::new(&socket), &states).unwrap();
        let mut text = [0; 1024];
        let length = manager.recv(&mut text).unwrap();
        assert_eq!(&text[..length], b"STATUS=going on\nREADY=1");
        assert!(notify(OsStr::new("@everwarm-nobody"), &states).is_err());
    }

    #[test]
    fn a_status_is_one_line_that_is_not_too_long() {
        assert_eq!(words("going\non"), "going on");
        assert_eq!(words(&"ä".repeat(300)).chars().count(), STATUS_MAX);
    }
}
