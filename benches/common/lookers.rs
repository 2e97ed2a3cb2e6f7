//! Clients of the daemon during a soak: an open operator page, and a Prometheus that scrapes.

use everwarm_api::ApiFile;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// Seconds between scrapes: a third of what the shipped Prometheus uses, and in a short run so many
/// that some fall between two closes.
const SCRAPE: (u64, u64) = (5, 1);
/// Read timeout of a request.
const SILENCE: Duration = Duration::from_secs(1);

/// What the clients received.
#[derive(Clone, Copy, Debug, Default)]
pub struct Seen {
    /// Bytes of the page's stream.
    pub streamed: usize,
    /// Scrapes.
    pub scrapes: usize,
    /// Bytes of the last scrape.
    pub scraped: usize,
}

fn ask(data: &Path, path: &str, more: &str) -> Option<TcpStream> {
    let mut stream = TcpStream::connect(ApiFile::read(data)?.addr).ok()?;
    stream.set_read_timeout(Some(SILENCE)).ok()?;
    let request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n{more}\r\n");
    stream.write_all(request.as_bytes()).ok()?;
    Some(stream)
}

/// The value of a metric without labels.
fn value(page: &str, name: &str) -> Option<u64> {
    let line = page.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '))?;
    line.parse().ok()
}

/// Starts the clients of a daemon, which run until `ended`. `tasks` receives the number of its
/// tasks.
pub fn begin(data: &Path, ended: &Arc<AtomicBool>, tasks: &Arc<AtomicU64>) -> JoinHandle<Seen> {
    let (data, ended, tasks) = (data.to_owned(), Arc::clone(ended), Arc::clone(tasks));
    std::thread::spawn(move || {
        let (mut seen, mut page) = (Seen::default(), None);
        let between = Duration::from_secs(super::sized(SCRAPE.0, SCRAPE.1));
        let (mut last, mut piece) = (Instant::now(), vec![0; 64 << 10]);
        while !ended.load(Relaxed) {
            if page.is_none() {
                page = ask(&data, "/api/v1/events", "");
            }
            match page.as_mut().map(|stream| stream.read(&mut piece)) {
                Some(Ok(0)) => page = None,
                Some(Ok(count)) => seen.streamed += count,
                // The timeout passed, or the daemon does not respond yet.
                Some(Err(_)) => {}
                None => std::thread::sleep(SILENCE / 10),
            }
            if last.elapsed() >= between {
                last = Instant::now();
                let mut response = String::new();
                if let Some(mut stream) = ask(&data, "/metrics", "Connection: close\r\n")
                    && stream.read_to_string(&mut response).is_ok()
                {
                    (seen.scrapes, seen.scraped) = (seen.scrapes + 1, response.len());
                    value(&response, "everwarm_tokio_alive_tasks")
                        .inspect(|n| tasks.store(*n, Relaxed));
                }
            }
        }
        seen
    })
}
