//! The API for other machines: with TLS and the token, or not at all.

use super::api::request;
use crate::kit::{BINARY, Folder, Process, ask, plain};
use everwarm_api::{ApiFile, TOKEN_FILE};
use everwarm_venue::install_tls;
use reqwest::{Certificate, Client, RequestBuilder};
use serde_json::{Value, json};
use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

/// A certificate of this test's own for localhost, and its key, in files; the certificate as PEM.
fn certificate(dir: &Path) -> (String, String, String) {
    let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    let (cert, key) = (dir.join("cert.pem"), dir.join("key.pem"));
    fs::write(&cert, made.cert.pem()).unwrap();
    fs::write(&key, made.signing_key.serialize_pem()).unwrap();
    fs::set_permissions(&key, PermissionsExt::from_mode(0o600)).unwrap();
    let path = |path: &Path| path.to_str().unwrap().to_owned();
    (path(&cert), format!("file:{}", path(&key)), made.cert.pem())
}

fn daemon(dir: &Path, variables: &[(&str, &str)]) -> Process {
    let mut command = Command::new(BINARY);
    command.envs(variables.iter().map(|(name, value)| (format!("EVERWARM_{name}"), *value)));
    Process::of(command, dir, &["run"])
}

#[test]
fn other_machines_need_tls_and_the_token_for_reading_too() {
    install_tls();
    let folder = Folder::new("tls");
    let dir = folder.join("data");
    let (cert, key, pem) = certificate(&folder.0);
    let process = daemon(
        &dir,
        &[("API__LISTEN", "0.0.0.0:0"), ("API__TLS_CERT", &cert), ("API__TLS_KEY", &key)],
    );
    process.answers();
    let file = ApiFile::read(&dir).unwrap();
    let beyond = file.beyond.unwrap();
    assert!(file.addr.ip().is_loopback() && beyond.ip().is_unspecified());
    let token = fs::read_to_string(dir.join(TOKEN_FILE)).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let ours = Certificate::from_pem(pem.as_bytes()).unwrap();
    let client = Client::builder().no_proxy().tls_certs_only([ours]).build().unwrap();
    let base = format!("https://localhost:{}", beyond.port());
    let status = |request: RequestBuilder| {
        let answer = runtime.block_on(request.send()).unwrap();
        let status = answer.status().as_u16();
        (status, runtime.block_on(answer.text()).unwrap())
    };
    for path in ["/livez", "/metrics", "/api/v1/status", "/api/v1/openapi.json", "/nothing"] {
        let url = format!("{base}{path}");
        let (code, body) = status(client.get(&url));
        assert!(code == 401 && body.contains("no-token"), "{path}: {code} {body}");
        let (code, body) = status(client.get(&url).bearer_auth("guessed"));
        assert!(code == 401 && body.contains("wrong-token"), "{path}: {code} {body}");
        let (code, body) = status(client.get(&url).bearer_auth(&token));
        assert_eq!(code, if path == "/nothing" { 404 } else { 200 }, "{path}: {body}");
    }
    let change = client.put(format!("{base}/api/v1/log-level")).json(&json!({ "filter": "warn" }));
    assert_eq!(status(change.try_clone().unwrap()).0, 401);
    assert_eq!(status(change.bearer_auth(&token)).0, 200);
    // Without TLS there is no answer, and who does not know the certificate does not trust it.
    let mut plain = TcpStream::connect(("127.0.0.1", beyond.port())).unwrap();
    plain.write_all(b"GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
    let mut answer = Vec::new();
    drop(plain.read_to_end(&mut answer));
    assert!(!String::from_utf8_lossy(&answer).contains("HTTP/"), "{answer:?}");
    let stranger = Client::builder().no_proxy().build().unwrap();
    assert!(runtime.block_on(stranger.get(&base).send()).is_err());
    // This machine asks as before.
    assert!(ask(&dir, &["status"])["pid"].is_u64());
    process.signal("-INT");
    let (code, out, err) = process.result();
    assert_eq!(code, Some(0), "{out}{err}");
    assert!(!out.contains(token.trim()) && !err.contains(token.trim()));
}

#[test]
fn without_tls_a_start_beyond_this_machine_is_refused() {
    let folder = Folder::new("tlsless");
    let dir = folder.join("data");
    let (cert, key, _) = certificate(&folder.0);
    let refused = |variables: &[(&str, &str)], words: &str| {
        let (code, out, err) = daemon(&dir, variables).result();
        assert_eq!(code, Some(2), "{out}{err}");
        assert!(err.contains(words), "{words}: {err}");
        assert!(!err.contains("PRIVATE KEY"), "{err}");
    };
    let (listen, of_cert, of_key) = (
        ("API__LISTEN", "0.0.0.0:0"),
        ("API__TLS_CERT", cert.as_str()),
        ("API__TLS_KEY", key.as_str()),
    );
    refused(&[("DAEMON__LISTEN", "0.0.0.0:0")], "for other machines set api.listen");
    refused(&[listen], "api.tls_cert: is required, because api.listen is set");
    refused(&[listen, of_cert], "api.tls_key: is required, because api.listen is set");
    refused(&[of_cert, of_key], "api.tls_cert: needs api.listen, which is empty");
    refused(&[listen, ("API__TLS_CERT", "/nowhere.pem"), of_key], "/nowhere.pem: No such file");
    let swapped = format!("file:{cert}");
    fs::set_permissions(&cert, PermissionsExt::from_mode(0o600)).unwrap();
    let wrong = "its content is not a private key in PEM";
    refused(&[listen, of_cert, ("API__TLS_KEY", &swapped)], wrong);
    let other = folder.join("other");
    fs::create_dir_all(&other).unwrap();
    let (_, of_other, _) = certificate(&other);
    let unfit = "its content does not match the certificate";
    refused(&[listen, of_cert, ("API__TLS_KEY", &of_other)], unfit);
    let file = key.strip_prefix("file:").unwrap();
    fs::set_permissions(file, PermissionsExt::from_mode(0o644)).unwrap();
    refused(&[listen, of_cert, of_key], "other users can read it");
    assert!(!dir.exists(), "nothing was begun");
}

#[test]
fn the_description_is_the_same_by_command_and_by_the_daemon() {
    let output = plain(&["api-doc"]);
    assert_eq!(output.status.code(), Some(0));
    let document: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(document["openapi"], json!("3.1.0"));
    let folder = Folder::new("api-doc");
    let dir = folder.join("data");
    let process = Process::start(&dir, &["run"]);
    process.answers();
    let answered = request(&dir, &["GET /api/v1/openapi.json HTTP/1.1"], "");
    let body = answered.split("\r\n\r\n").nth(1).unwrap();
    assert_eq!(serde_json::from_str::<Value>(body).unwrap(), document);
    let list = ["POST /api/v1/symbols/refresh HTTP/1.1", "Content-Type: application/json"];
    let token = fs::read_to_string(dir.join(TOKEN_FILE)).unwrap();
    let bearer = format!("Authorization: Bearer {token}");
    let answered = request(&dir, &[list[0], list[1], &bearer], "[]");
    assert!(answered.starts_with("HTTP/1.1 400 ") && answered.contains("object"), "{answered}");
    process.kill();
}

#[test]
fn the_commands_ask_a_daemon_of_another_machine() {
    let folder = Folder::new("elsewhere");
    let dir = folder.join("data");
    let (cert, key, _) = certificate(&folder.0);
    let process = daemon(
        &dir,
        &[("API__LISTEN", "127.0.0.1:0"), ("API__TLS_CERT", &cert), ("API__TLS_KEY", &key)],
    );
    process.answers();
    let beyond = ApiFile::read(&dir).unwrap().beyond.unwrap();
    let base = format!("https://localhost:{}", beyond.port());
    let token = folder.join("host.token");
    fs::copy(dir.join(TOKEN_FILE), &token).unwrap();
    let token = token.to_str().unwrap();
    let flags = ["--remote", &base, "--token-file", token, "--ca-file", &cert];
    let result = |arguments: &[&str]| {
        let output = plain(arguments);
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        (output.status.code(), text(&output.stdout), text(&output.stderr))
    };

    // The flags may stand on both sides of the command.
    for arguments in
        [[&flags[..], &["status", "--json"]].concat(), [&["status", "--json"], &flags[..]].concat()]
    {
        let (code, out, err) = result(&arguments);
        assert_eq!(code, Some(0), "{err}");
        let status: Value = serde_json::from_str(&out).unwrap();
        assert_eq!(status["pid"], ask(&dir, &["status"])["pid"]);
    }
    let (code, _, err) = result(&[&["halt", "--reason", "afar", "--yes"], &flags[..]].concat());
    assert_eq!(code, Some(0), "{err}");
    assert!(ask(&dir, &["switches"]).to_string().contains("afar"));
    let backup = folder.join("one.backup");
    let (code, _, err) = result(&[&["backup", backup.to_str().unwrap()], &flags[..]].concat());
    assert!(code == Some(0) && backup.exists(), "{err}");

    let other = folder.join("other.token");
    fs::write(&other, "guessed-but-long-enough").unwrap();
    let open = |path: &Path, mode| fs::set_permissions(path, PermissionsExt::from_mode(mode));
    open(&other, 0o600).unwrap();
    let other = other.to_str().unwrap();
    let plain_base = base.replace("https", "http").replace("localhost", "trader.example");
    for (wrong, code, why) in [
        (vec!["status", "--remote", &base, "--token-file", other, "--ca-file", &cert], 5, "token"),
        (vec!["status", "--remote", &base, "--token-file", token], 3, "certificate"),
        (vec!["status", "--remote", &base], 2, "--token-file"),
        (vec!["status", "--token-file", token], 2, "--remote"),
        (vec!["status", "--remote", &plain_base, "--token-file", token], 2, "has no TLS"),
        (vec!["status", "--remote", &base, "--token-file", token, "--ca-file", token], 2, "PEM"),
        (vec!["stop", "--remote", &base, "--token-file", token], 2, "this machine only"),
        (
            vec!["status", "--remote", "https://localhost:1", "--token-file", token],
            3,
            "localhost:1",
        ),
    ] {
        let (exit, out, err) = result(&wrong);
        assert_eq!(exit, Some(code), "{wrong:?}: {out}{err}");
        assert!(err.contains(why), "{wrong:?}: {err}");
    }
    open(Path::new(token), 0o644).unwrap();
    let (code, _, err) = result(&[&["status"], &flags[..]].concat());
    assert!(code == Some(5) && err.contains("token"), "{code:?} {err}");
    process.kill();
}
