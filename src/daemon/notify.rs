//! What the service manager is told: the protocol of `sd_notify`, over the socket it names in
//! `NOTIFY_SOCKET`. Where it names none, nothing is told.

use std::ffi::OsString;
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::time::Duration;

/// Variables that are meant for this process alone: a child must not speak for it.
pub const VARIABLES: [&str; 3] = ["NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"];
/// Longest text of a status, characters.
const STATUS_MAX: usize = 200;

/// The service manager, if there is one.
#[derive(Debug, Default)]
pub struct Notify {
    socket: Option<UnixDatagram>,
    /// How often it wants to hear from a process that is well.
    watchdog: Option<Duration>,
}

impl Notify {
    /// The one the environment of this process names.
    #[must_use]
    pub fn from_environment() -> Notify {
        Notify::of(|name| std::env::var_os(name))
    }

    /// The one that variables name.
    #[must_use]
    pub fn of(variable: impl Fn(&str) -> Option<OsString>) -> Notify {
        let [socket, interval, process] = VARIABLES.map(&variable);
        let number = |text: OsString| text.to_str()?.parse::<u64>().ok();
        let socket = socket.filter(|name| !name.is_empty()).and_then(|name| {
            let connected = connect(&name);
            connected.inspect_err(|e| tracing::warn!("NOTIFY_SOCKET: {e}")).ok()
        });
        let ours = process.and_then(number).is_none_or(|pid| pid == u64::from(std::process::id()));
        let watchdog = interval.and_then(number).filter(|micros| *micros > 0 && ours);
        Notify { socket, watchdog: watchdog.map(Duration::from_micros) }
    }

    /// How often it wants to hear from a process that is well; none: it does not ask.
    #[must_use]
    pub fn watchdog(&self) -> Option<Duration> {
        self.watchdog.filter(|_| self.socket.is_some())
    }

    /// What the process is doing, in words; `more` are lines of the protocol.
    pub fn tell(&self, status: &str, more: &[&str]) {
        let status: String = status.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
        let status = format!("STATUS={}", status.chars().take(STATUS_MAX).collect::<String>());
        self.send(&[&[status.as_str()], more].concat());
    }

    /// The process is well.
    pub fn alive(&self) {
        self.send(&["WATCHDOG=1"]);
    }

    fn send(&self, lines: &[&str]) {
        let Some(socket) = &self.socket else { return };
        if let Err(e) = socket.send(lines.join("\n").as_bytes()) {
            tracing::debug!("NOTIFY_SOCKET: {e}");
        }
    }
}

fn connect(name: &OsString) -> std::io::Result<UnixDatagram> {
    let address = match name.as_bytes() {
        [b'@', hidden @ ..] => SocketAddr::from_abstract_name(hidden)?,
        _ => SocketAddr::from_pathname(name)?,
    };
    let socket = UnixDatagram::unbound()?;
    socket.connect_addr(&address)?;
    // A manager that does not read is not in the way of trading.
    socket.set_nonblocking(true)?;
    Ok(socket)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sockets_with_a_name_and_without_a_file_are_told() {
        let name = format!("everwarm-notify-{}", std::process::id());
        let address = SocketAddr::from_abstract_name(&name).unwrap();
        let manager = UnixDatagram::bind_addr(&address).unwrap();
        let told = |manager: &UnixDatagram| {
            let mut text = [0; 1024];
            let length = manager.recv(&mut text).unwrap();
            String::from_utf8_lossy(&text[..length]).into_owned()
        };
        let with = |values: [Option<String>; 3]| {
            Notify::of(|name| {
                let at = VARIABLES.iter().position(|known| *known == name).unwrap();
                values[at].clone().map(OsString::from)
            })
        };
        let pid = std::process::id();
        let socket = || Some(format!("@{name}"));
        let notify = with([socket(), Some("4000000".into()), Some(pid.to_string())]);
        assert_eq!(notify.watchdog(), Some(Duration::from_secs(4)));
        notify.tell("going\non", &["READY=1"]);
        assert_eq!(told(&manager), "STATUS=going on\nREADY=1");
        notify.alive();
        assert_eq!(told(&manager), "WATCHDOG=1");
        // Meant for another process, or for nobody.
        let other = with([socket(), Some("4000000".into()), Some((pid + 1).to_string())]);
        assert_eq!(other.watchdog(), None);
        assert_eq!(with([None, Some("1".into()), None]).watchdog(), None);
        assert!(with([Some(String::new()), None, None]).socket.is_none());
        assert!(with([Some("/nowhere/at/all".into()), None, None]).socket.is_none());
    }
}
