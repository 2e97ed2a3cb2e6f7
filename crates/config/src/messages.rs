//! The receivers and terms of messages, checked.

use super::checked::Values;
use super::receiver::{Receiver, check};
use everwarm_domain::secret::Secret;
use everwarm_views::news::Topic;
use std::collections::BTreeSet;
use std::time::Duration;

/// The terms of messages: topics and interval. They may change at any time.
#[derive(Clone, Debug, Default)]
pub struct Terms {
    /// Topics that are left out.
    pub without: BTreeSet<Topic>,
    /// Minimum time between two messages to one receiver.
    pub every: Duration,
}

/// The receivers and terms of messages, and the heartbeat.
#[derive(Clone, Debug, Default)]
pub struct Messages {
    /// The receivers; empty if secrets were not loaded.
    pub receivers: Vec<Receiver>,
    /// Whether the Telegram chat may send commands.
    pub commands: bool,
    /// The terms.
    pub terms: Terms,
    /// The URL of the heartbeat.
    pub heartbeat: Option<Secret>,
    /// Time between two heartbeats.
    pub beat_every: Duration,
}

/// Key of the topics left out.
pub const LEAVE_OUT: &str = "messages.leave_out";
/// Key of the minimum time between two messages, seconds.
pub const EVERY: &str = "messages.every_s";
/// Key of the time between two heartbeats, seconds.
pub const BEAT_EVERY: &str = "messages.heartbeat_s";
const WEBHOOK: &str = "messages.webhook";
const WEBHOOK_TOKEN: &str = "messages.webhook_token";
const TELEGRAM_TOKEN: &str = "messages.telegram_token";
const TELEGRAM_CHAT: &str = "messages.telegram_chat";
const TELEGRAM_API: &str = "messages.telegram_api";
const TELEGRAM_COMMANDS: &str = "messages.telegram_commands";
const HEARTBEAT: &str = "messages.heartbeat";

impl Values {
    /// The checked section, without the receivers.
    pub(super) fn messages(&mut self) -> Messages {
        let has = |values: &Values, key: &str| !values.text(key).is_empty();
        if has(self, WEBHOOK_TOKEN) && !has(self, WEBHOOK) {
            self.wrong(
                WEBHOOK_TOKEN,
                &format!("needs {WEBHOOK}, which is empty: set it, or remove this key"),
            );
        }
        match (has(self, TELEGRAM_TOKEN), has(self, TELEGRAM_CHAT)) {
            (true, false) => self.wrong(TELEGRAM_TOKEN, &format!("needs {TELEGRAM_CHAT} too")),
            (false, true) => self.wrong(TELEGRAM_CHAT, &format!("needs {TELEGRAM_TOKEN} too")),
            (true, true) | (false, false) => {}
        }
        let commands = self.get(TELEGRAM_COMMANDS);
        if commands && !has(self, TELEGRAM_TOKEN) {
            self.wrong(TELEGRAM_COMMANDS, &format!("needs {TELEGRAM_TOKEN} too"));
        }
        let chat = self.text(TELEGRAM_CHAT);
        if commands && chat.parse::<i64>().is_err() {
            let why = format!("needs the number of the chat in {TELEGRAM_CHAT}, not {chat:?}");
            self.wrong(TELEGRAM_COMMANDS, &why);
        }
        Messages {
            receivers: Vec::new(),
            commands,
            terms: Terms {
                without: Topic::listed(&self.text(LEAVE_OUT)).unwrap_or_default(),
                every: Duration::from_secs(self.get(EVERY)),
            },
            heartbeat: None,
            beat_every: Duration::from_secs(self.get(BEAT_EVERY)),
        }
    }

    /// Reads the receivers.
    pub(super) fn read_receivers(
        &mut self,
        messages: &mut Messages,
        environment: &[(String, String)],
    ) {
        if let Some(url) = self.url(WEBHOOK, environment) {
            let token = self.secret(WEBHOOK_TOKEN, environment);
            messages.receivers.push(Receiver::Webhook { url, token });
        }
        if let Some(token) = self.secret(TELEGRAM_TOKEN, environment) {
            let base = self.text(TELEGRAM_API).trim_end_matches('/').to_owned();
            let chat = self.text(TELEGRAM_CHAT);
            messages.receivers.push(Receiver::Telegram { base, token, chat });
        }
        messages.heartbeat = self.url(HEARTBEAT, environment);
    }

    /// Reads a URL that is a secret.
    fn url(&mut self, key: &str, environment: &[(String, String)]) -> Option<Secret> {
        let url = self.secret(key, environment)?;
        if let Err(e) = check(url.expose()) {
            self.wrong(key, &format!("its content {e}"));
            return None;
        }
        Some(url)
    }
}
