//! The exchange of a rig: the real server in this process, over a disk in memory. It can be killed
//! at any moment and restarted from its books.

use super::interrupt;
use super::rig::runtime;
use crate::adapters;
use crate::daemon_run::Connection;
use everwarm_domain::order::{OrderIntent, SendAttempt};
use everwarm_domain::time::MINUTE;
use everwarm_edge::board::Board;
use everwarm_edge::world::{Passing, World};
use everwarm_runtime::chaos::faults::{Contents, FaultyDisk, Image};
use everwarm_runtime::store::Store;
use everwarm_sim::books::APPLICATION;
use everwarm_sim::faults::{Fault, prepare};
use everwarm_sim::market::Market;
use everwarm_sim::server::port::PortFile;
use everwarm_sim::{InitialBooks, SimHandle, SimOptions, start_on};
use everwarm_venue::port::VenueError;
use everwarm_venue::simulated::Admin;
use serde_json::Value;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::runtime::Runtime;

/// Wall time in which its tasks must end.
const END: Duration = Duration::from_secs(5);

/// Makes the market.
pub type Make = Arc<dyn Fn() -> Box<dyn Market> + Send + Sync>;

struct Running {
    runtime: Runtime,
    server: SimHandle,
    disk: FaultyDisk,
}

/// The exchange of a rig.
pub(super) struct Venue {
    market: Make,
    setup: InitialBooks,
    pace: everwarm_sim::Pace,
    /// The folder of its port file.
    dir: PathBuf,
    /// What a kill leaves of the disk with its books.
    left: Image,
    running: Mutex<Result<Running, String>>,
    /// The daemon to notify after a restart.
    daemon: Mutex<Option<(Admin, Arc<Board>)>>,
}

/// A run that is stuck is dropped by a worker, which must not wait for a runtime.
impl Drop for Venue {
    fn drop(&mut self) {
        let running = self.running.get_mut().unwrap_or_else(PoisonError::into_inner);
        if let Ok(Running { runtime, .. }) = std::mem::replace(running, Err("ended".to_owned())) {
            runtime.shutdown_background();
        }
    }
}

impl Venue {
    /// Starts the exchange.
    pub(super) fn start(
        (market, setup, pace): (Make, InitialBooks, everwarm_sim::Pace),
        dir: PathBuf,
        left: Image,
        faults: &[Fault],
    ) -> Result<Arc<Venue>, String> {
        prepare(&dir, faults).map_err(|e| e.to_string())?;
        let running = Mutex::new(Err("not started".to_owned()));
        let daemon = Mutex::default();
        let venue = Arc::new(Venue { market, setup, pace, dir, left, running, daemon });
        let running = venue.open(Contents::default(), 0)?;
        *venue.running() = Ok(running);
        Ok(venue)
    }

    fn open(&self, image: Contents, port: u16) -> Result<Running, String> {
        let disk = FaultyDisk::holding(image, None);
        let store = Store::on_disk(disk.clone(), APPLICATION).map_err(|e| e.to_string())?;
        let runtime = runtime(2)?;
        let options = SimOptions {
            data_dir: self.dir.clone(),
            port,
            pace: self.pace,
            market: (self.market)(),
            setup: self.setup.clone(),
            idle_exit: None,
        };
        let server = runtime.block_on(start_on(store, options)).map_err(|e| e.to_string())?;
        Ok(Running { runtime, server, disk })
    }

    /// Kills the exchange and restarts it at the same address. Returns when it responds.
    pub(super) fn outage(self: &Arc<Venue>) {
        let venue = Arc::clone(self);
        // The caller may be a worker, which must not wait for a runtime.
        drop(std::thread::spawn(move || venue.start_again()).join());
    }

    fn start_again(&self) {
        let mut running = self.running();
        let before = std::mem::replace(&mut *running, Err("killed".to_owned()));
        *running = before.and_then(|Running { runtime, server, disk }| {
            let port = server.addr.port();
            disk.kill();
            drop(server);
            runtime.shutdown_timeout(END);
            self.open(disk.image(self.left), port)
        });
        drop(running);
        self.notify();
    }

    /// Notifies this life of outages from here on.
    pub(super) fn set_daemon(&self, world: &World) {
        let daemon = world.admin.clone().map(|admin| (admin, Arc::clone(&world.board)));
        *self.daemon.lock().unwrap_or_else(PoisonError::into_inner) = daemon;
        self.notify();
    }

    fn notify(&self) {
        let daemon = self.daemon.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let (Some((admin, board)), Ok(running)) = (daemon, &*self.running()) {
            admin.set_token(&running.server.token);
            board.poke();
        }
    }

    /// The connection with which a daemon reaches the exchange.
    pub(super) fn connection(&self) -> Result<Connection, String> {
        let running = self.running();
        let server = &running.as_ref().map_err(Clone::clone)?.server;
        let protocol = self.setup.protocol;
        let file = PortFile::new(server.addr.port(), &server.token, "lockstep");
        let file = PortFile { protocol, ..file };
        let passing = match self.pace {
            everwarm_sim::Pace::Lockstep => Passing::Lockstep,
            everwarm_sim::Pace::Times(factor) => Passing::Scaled(factor),
        };
        adapters::simulated(&file, passing)
    }

    /// Waits until this many minutes of venue time have passed automatically.
    pub(super) fn pass(&self, minutes: i64) -> Result<(), String> {
        let admin = self.connection()?.admin.ok_or("a simulated exchange can be steered")?;
        runtime(1)?.block_on(async {
            let now = async || admin.status().await.map(|standing| standing.now);
            let failed = |e: VenueError| e.to_string();
            let until = now().await.map_err(failed)? + minutes * MINUTE;
            while now().await.map_err(failed)? < until {
                interrupt::check()?;
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
            Ok(())
        })
    }

    /// Places an order of another process with our API keys.
    pub(super) fn place(&self, order: &OrderIntent) -> Result<(), String> {
        let connection = self.connection()?;
        let admin = connection.admin.as_ref().ok_or("a simulated exchange can be steered")?;
        let recv_window = 5_000;
        runtime(1)?.block_on(async {
            let failed = |e: VenueError| e.to_string();
            let now = admin.status().await.map_err(failed)?.now;
            let venue = connection.ports(recv_window)?.venue;
            venue.clock().lock().set_manual(now);
            let (client_id, attempt, validity) = (order.client_id.clone(), 1, venue.validity(now));
            let attempt = SendAttempt { client_id, attempt, validity };
            let placed = venue.place(order, &attempt).await;
            placed.map(drop).map_err(failed)
        })
    }

    /// Ends the exchange and returns its ledger.
    pub(super) fn end(&self) -> Result<Value, String> {
        let Running { runtime, server, .. } =
            std::mem::replace(&mut *self.running(), Err("ended".to_owned()))?;
        let base = format!("http://127.0.0.1:{}", server.addr.port());
        let admin = Admin::new(&base, &server.token)?;
        let ledger = runtime.block_on(admin.ledger()).map_err(|e| e.to_string())?;
        runtime.block_on(server.stop()).map_err(|e| e.to_string())?;
        runtime.shutdown_timeout(END);
        Ok(ledger)
    }

    fn running(&self) -> MutexGuard<'_, Result<Running, String>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
