//! Resource usage of this process, from the operating system.

use std::fs;
use std::path::Path;

/// Units of processor time per second in `/proc/self/stat`.
const TICKS: f64 = 100.0;

/// One reading. A value that cannot be read is none.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Process {
    /// Processor time of all threads, seconds.
    pub cpu: Option<f64>,
    /// Resident memory, bytes.
    pub resident: Option<f64>,
    /// Virtual memory, bytes.
    pub addressed: Option<f64>,
    /// Number of threads.
    pub threads: Option<f64>,
    /// Number of open file descriptors.
    pub fds: Option<f64>,
    /// Maximum number of open file descriptors.
    pub max_fds: Option<f64>,
}

impl Process {
    /// Reads the values now.
    #[must_use]
    pub fn look() -> Process {
        let read =
            |name: &str| fs::read_to_string(format!("/proc/self/{name}")).unwrap_or_default();
        let status = read("status");
        let field = |name: &str| first(status.lines().find_map(|line| line.strip_prefix(name))?);
        let kilobytes = |name: &str| field(name).map(|value| value * 1024.0);
        let limits = read("limits");
        let files = limits.lines().find_map(|line| line.strip_prefix("Max open files"));
        let open = fs::read_dir("/proc/self/fd").map(Iterator::count);
        #[expect(clippy::cast_precision_loss, reason = "a number of descriptors is small")]
        let fds = open.ok().map(|open| open as f64);
        Process {
            cpu: cpu(&read("stat")),
            resident: kilobytes("VmRSS:"),
            addressed: kilobytes("VmSize:"),
            threads: field("Threads:"),
            fds,
            max_fds: files.and_then(first),
        }
    }
}

fn first(text: &str) -> Option<f64> {
    text.split_whitespace().next()?.parse().ok()
}

/// Processor time, seconds. Its fields follow the name, which may contain any character.
fn cpu(stat: &str) -> Option<f64> {
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace().skip(11);
    let (user, system): (f64, f64) = (fields.next()?.parse().ok()?, fields.next()?.parse().ok()?);
    Some((user + system) / TICKS)
}

/// Bytes available to this process on the disk of `path`; none if it cannot be read.
#[must_use]
pub fn disk_free(path: &Path) -> Option<f64> {
    let disk = rustix::fs::statvfs(path).ok()?;
    #[expect(clippy::cast_precision_loss, reason = "nobody counts single bytes of a disk")]
    Some(disk.f_bavail.saturating_mul(disk.f_frsize) as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_sees_itself() {
        let Process { cpu, resident, threads, fds, max_fds, .. } = Process::look();
        assert!(cpu.unwrap() >= 0.0 && resident.unwrap() > 1e6 && threads.unwrap() >= 1.0);
        assert!(fds.unwrap() > 2.0 && max_fds.unwrap() >= fds.unwrap());
        assert!(disk_free(Path::new("/")).unwrap() > 0.0);
        assert_eq!(disk_free(Path::new("/no/such/folder")), None);
    }

    #[test]
    fn a_name_with_brackets_hides_nothing() {
        let fields = "1 (a) b) R 1 1 1 0 -1 4194304 100 0 0 0 250 50 0 0 20 0 1 0 100";
        assert_eq!(cpu(fields), Some(3.0));
    }
}
