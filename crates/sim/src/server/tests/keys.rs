//! Tests of the account's Ed25519 key: signed requests, and connections that have logged on with
//! it.

use super::{Client, Dir, Method, Socket, ask, next, options};
use crate::server::port::PRIVATE_KEY_FILE;
use crate::server::{Pace, start};
use crate::testing::START;
use crate::wire::sign::{DEMO_ED25519_KEY, DEMO_KEY, DEMO_SECRET, demo_private_key, hmac_hex};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use ring::signature::Ed25519KeyPair;
use serde_json::{Value, json};

/// The signature of a text with the account's private key, in base64.
fn sign(text: &str) -> String {
    let pem = demo_private_key();
    let packed: String = pem.lines().filter(|line| !line.starts_with('-')).collect();
    let der = BASE64.decode(packed).expect("base64");
    let pair = Ed25519KeyPair::from_pkcs8_maybe_unchecked(&der).expect("the documented key");
    BASE64.encode(pair.sign(text.as_bytes()))
}

/// Signed parameters of a REST request.
fn signed(query: &str) -> String {
    let payload = format!("{query}recvWindow=5000&timestamp={START}");
    let signature = sign(&payload).replace('+', "%2B").replace('/', "%2F").replace('=', "%3D");
    format!("{payload}&signature={signature}")
}

/// The signature of a WebSocket request, over its parameters by name.
fn sign_ws(params: &[(&str, String)]) -> String {
    let mut sorted: Vec<String> = params.iter().map(|(k, v)| format!("{k}={v}")).collect();
    sorted.sort();
    sign(&sorted.join("&"))
}

#[tokio::test]
async fn requests_may_be_signed_with_ed25519() {
    let dir = Dir::new();
    let sim = start(options(&dir.0, Pace::Lockstep)).await.expect("started");
    let pem = std::fs::read_to_string(dir.0.join(PRIVATE_KEY_FILE)).expect("beside the books");
    assert_eq!(pem, demo_private_key());
    let client = Client::of(&sim);
    client.advance(START).await;
    let order = "symbol=BTCUSDT&side=BUY&type=LIMIT&timeInForce=GTC&quantity=1&price=90\
                 &newClientOrderId=a&";
    let send = async |key: &str, query: &str| {
        client.send(Method::POST, &format!("/api/v3/order?{query}"), key, "").await
    };
    let good = signed(order);
    let bad = |code, (status, body): (u16, Value)| assert_eq!((status, body["code"].clone()), code);
    // Wrong signatures: of another text, cut off, in hex, of the other key, in another case.
    let invalid = (400, json!(-1022));
    bad(invalid.clone(), send(DEMO_ED25519_KEY, &good.replace("quantity=1", "quantity=2")).await);
    bad(invalid.clone(), send(DEMO_ED25519_KEY, &good[..good.len() - 9]).await);
    bad(invalid.clone(), send(DEMO_KEY, &good).await);
    let payload = good.split("&signature=").next().expect("a payload");
    let by_hmac = format!("{payload}&signature={}", hmac_hex(DEMO_SECRET, payload));
    bad(invalid.clone(), send(DEMO_ED25519_KEY, &by_hmac).await);
    let (head, signature) = good.split_once("&signature=").expect("signed");
    let lower = format!("{head}&signature={}", signature.to_ascii_lowercase().replace("%3d", "="));
    bad(invalid, send(DEMO_ED25519_KEY, &lower).await);
    let (status, body) = send(DEMO_ED25519_KEY, &good).await;
    assert_eq!((status, &body["status"]), (200, &json!("NEW")), "{body}");

    let mine = signed("");
    let path = format!("/api/v3/openOrders?{mine}");
    let (_, open) = client.send(Method::GET, &path, DEMO_ED25519_KEY, "").await;
    assert_eq!(open.as_array().map(Vec::len), Some(1), "one account, two keys: {open}");
    sim.stop().await.expect("a clean end");
}

async fn call(socket: &mut Socket, method: &str, params: Value) -> Value {
    ask(socket, json!({"id": method, "method": method, "params": params})).await
}

fn logon(name: &str, sign: impl Fn(&[(&str, String)]) -> String) -> Value {
    let params = [("apiKey", name.to_owned()), ("timestamp", START.to_string())];
    json!({"apiKey": name, "timestamp": START, "signature": sign(&params)})
}

#[tokio::test]
async fn a_connection_that_has_logged_on_signs_no_more() {
    let dir = Dir::new();
    let sim = start(options(&dir.0, Pace::Lockstep)).await.expect("started");
    let client = Client::of(&sim);
    client.advance(START).await;
    let mut socket = client.socket("/ws-api/v3", "api").await;
    let code = |response: &Value| response["error"]["code"].clone();
    let user = "userDataStream.subscribe";
    assert_eq!(code(&call(&mut socket, user, json!({})).await), -2014, "nobody logged on");
    let hmac = logon(DEMO_KEY, |params| {
        let text: Vec<_> = params.iter().map(|(k, v)| format!("{k}={v}")).collect();
        hmac_hex(DEMO_SECRET, &text.join("&"))
    });
    assert_eq!(code(&call(&mut socket, "session.logon", hmac).await), -4056, "Ed25519 alone");
    let wrong = logon(DEMO_ED25519_KEY, |_| sign("something else"));
    assert_eq!(code(&call(&mut socket, "session.logon", wrong).await), -1022);
    let status = call(&mut socket, "session.status", json!({})).await["result"].clone();
    assert_eq!((&status["apiKey"], &status["authorizedSince"]), (&Value::Null, &Value::Null));

    let session = call(&mut socket, "session.logon", logon(DEMO_ED25519_KEY, sign_ws));
    let session = session.await["result"].clone();
    assert_eq!(
        (&session["apiKey"], &session["serverTime"]),
        (&json!(DEMO_ED25519_KEY), &json!(START))
    );
    assert!(session["authorizedSince"].is_i64() && session["connectedSince"].is_i64(), "{session}");
    let subscribed = call(&mut socket, user, json!({})).await;
    assert_eq!(subscribed["result"], json!({"subscriptionId": 0}));
    assert_eq!(code(&call(&mut socket, user, json!({})).await), -2035);
    let order = json!({"symbol": "BTCUSDT", "side": "BUY", "type": "MARKET", "quantity": "1",
        "timestamp": START});
    let mut received = vec![call(&mut socket, "order.place", order.clone()).await];
    let kind = |message: &Value, is: &str| message["event"]["e"] == is;
    while !received.iter().any(|message| kind(message, "outboundAccountPosition"))
        || received.iter().all(|message| message["id"].is_null())
    {
        received.push(next(&mut socket).await);
    }
    assert!(received.iter().any(|message| message["result"]["status"] == "FILLED"), "{received:?}");
    assert!(received.iter().any(|message| kind(message, "executionReport")), "{received:?}");

    // A request that names a key must be signed with it. Every request needs a timestamp.
    let mut named = order.clone();
    named["apiKey"] = DEMO_KEY.into();
    assert_eq!(code(&call(&mut socket, "order.place", named).await), -1102);
    let mut late = order.clone();
    late["timestamp"] = (START - 6_000).into();
    assert_eq!(code(&call(&mut socket, "order.place", late).await), -1021);
    let mut forged = order.clone();
    forged["signature"] = sign("something else").into();
    assert_eq!(code(&call(&mut socket, "order.place", forged).await), -1022);

    let out = call(&mut socket, "session.logout", json!({})).await;
    assert_eq!(out["result"]["apiKey"], Value::Null);
    assert_eq!(next(&mut socket).await["event"]["e"], "eventStreamTerminated");
    assert_eq!(code(&call(&mut socket, "order.place", order).await), -2014);
    sim.stop().await.expect("a clean end");
}
