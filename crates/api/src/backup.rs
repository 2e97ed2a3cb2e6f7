//! A backup, or an export, over HTTP. It is sent while it is made, so it never is in memory as a
//! whole.

use super::problem::Refusal;
use super::routes::Api;
use super::writes::refused;
use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse as _, Response};
use everwarm_views::backup::Pack;
use std::io::{self, BufWriter, Write};
use std::sync::Arc;
use std::time::Duration;
use tokio::runtime::Handle;
use tokio::sync::mpsc;

/// Number of pieces that wait for the client.
const WAITING: usize = 4;
/// Bytes of a piece.
const PIECE: usize = 64 << 10;
/// How long the client may take to read a piece. Meanwhile the pages being copied stay pinned in
/// their file.
const PATIENCE: Duration = Duration::from_secs(30);

/// Sends a backup of the daemon's files to a client with the token.
pub async fn backup(State(api): State<Api>, request: Request) -> Response {
    let pack = Arc::clone(&api.changes.backup);
    packed(&api, pack, &request)
}

/// Sends an export of the daemon's files to a client with the token.
pub async fn export(State(api): State<Api>, request: Request) -> Response {
    let pack = Arc::clone(&api.changes.export);
    packed(&api, pack, &request)
}

fn packed(api: &Api, pack: Arc<Pack>, request: &Request) -> Response {
    if let Some(answer) = refused(api, request.headers()) {
        return answer;
    }
    let Ok(permit) = Arc::clone(&api.heavy).try_acquire_owned() else {
        return Refusal::Busy.answer("another client runs this now; try again later");
    };
    let (send, receive) = mpsc::channel(WAITING);
    tokio::task::spawn_blocking(move || {
        let _permit = permit;
        let errors = send.clone();
        let mut out = BufWriter::with_capacity(PIECE, ToReader(send));
        let packed = pack(&mut out).map_err(|f| io::Error::other(f.text));
        if let Err(e) = packed.and_then(|()| out.flush()) {
            tracing::error!("the backup or export failed: {e}");
            // If the client is still there, its response ends with an error, so that it sees the
            // backup is incomplete.
            drop(errors.try_send(Err(e)));
        }
    });
    let pieces = futures_util::stream::unfold(receive, |mut receive| async move {
        receive.recv().await.map(|piece| (piece, receive))
    });
    ([(CONTENT_TYPE, "application/octet-stream")], Body::from_stream(pieces)).into_response()
}

/// A writer that passes pieces to the stream. It is used from a thread that may block.
struct ToReader(mpsc::Sender<io::Result<Bytes>>);

impl Write for ToReader {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let piece = Ok(Bytes::copy_from_slice(bytes));
        let sent = async { tokio::time::timeout(PATIENCE, self.0.send(piece)).await };
        match Handle::current().block_on(sent) {
            Ok(Ok(())) => Ok(bytes.len()),
            Ok(Err(_)) => {
                Err(io::Error::new(io::ErrorKind::BrokenPipe, "the client closed the connection"))
            }
            Err(_) => Err(io::Error::new(io::ErrorKind::TimedOut, "the client does not read")),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
