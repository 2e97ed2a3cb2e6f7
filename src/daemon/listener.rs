//! Binds the addresses of the API.

use everwarm_api::Token;
use everwarm_cli::log::LogLevel;
use everwarm_config::Config;
use everwarm_views::exit::{Exit, Failure};
use std::io::ErrorKind;
use std::net::SocketAddr;
use tokio::net::{TcpListener, TcpSocket};
use tokio::runtime::Handle;
use tokio_rustls::TlsAcceptor;

/// The listeners and settings of the API.
pub struct ApiListener {
    /// Takes connections from this machine.
    pub listener: TcpListener,
    /// Takes connections from other machines, with TLS.
    pub beyond: Option<(TcpListener, TlsAcceptor)>,
    /// The token that changes need.
    pub token: Token,
    /// The level of the log.
    pub log: LogLevel,
    /// The runtime that serves it.
    pub on: Handle,
}

impl ApiListener {
    /// Binds the addresses before anything starts: the daemon must be reachable.
    ///
    /// # Errors
    /// An address cannot be used, or the token cannot be read or made.
    pub fn open(config: &Config, log: LogLevel, on: &Handle) -> Result<ApiListener, Failure> {
        let listener = listen(config.listen, on, "daemon.listen")?;
        let beyond = match config.beyond.as_ref().and_then(|b| Some((b.listen, b.tls.clone()?))) {
            Some((at, tls)) => Some((listen(at, on, "api.listen")?, tls)),
            None => None,
        };
        let token = Token::find_or_make(config.token.as_ref(), &config.data_dir)?;
        Ok(ApiListener { listener, beyond, token, log, on: on.clone() })
    }
}

/// Listens at the address of a key, with sockets on this runtime.
fn listen(at: SocketAddr, on: &Handle, key: &str) -> Result<TcpListener, Failure> {
    bind(at, on).map_err(|e| {
        let used = e.kind() == ErrorKind::AddrInUse;
        let why = if used { "another process uses the port".to_owned() } else { e.to_string() };
        let text = format!("the API cannot listen on {at}: {why}. Change {key}");
        Failure::new(Exit::Failed, text)
    })
}

fn bind(at: SocketAddr, on: &Handle) -> std::io::Result<TcpListener> {
    let _sockets = on.enter();
    let socket = if at.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    // An address that another process just released can be bound immediately.
    socket.set_reuseaddr(true)?;
    socket.bind(at)?;
    socket.listen(1024)
}
