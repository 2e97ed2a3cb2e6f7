//! The public market data, which need no key.

use super::adapter::client;
use super::client::BinanceClient;
use super::hosts::Hosts;
use crate::PastBars;
use everwarm_domain::id::Symbol;
use everwarm_domain::instrument::SymbolRules;
use everwarm_domain::secret::Secret;
use everwarm_domain::time::UtcMs;
use everwarm_venue::Opening;
use everwarm_venue::port::{Bars, Pending};
use everwarm_venue::source::{BarRange, Source, SourceCapabilities};
use std::sync::Arc;

/// A client without a key. It makes no connection.
///
/// # Errors
/// The TLS set-up of this machine cannot be used.
pub(super) fn open(
    address: &str,
    _keys: &[Secret],
    opening: Opening,
) -> Result<Arc<dyn PastBars>, String> {
    let rest = address.to_owned();
    let hosts = Hosts { rest, streams: String::new(), ws_api: String::new() };
    Ok(Arc::new(client(hosts, None, opening)?))
}

impl PastBars for BinanceClient {
    fn capabilities(&self) -> SourceCapabilities {
        Source::capabilities(self)
    }

    fn bars(&self, range: BarRange) -> Pending<Bars> {
        Source::bars(self, range)
    }

    fn now(&self) -> Pending<UtcMs> {
        let it = self.clone();
        Box::pin(async move { it.server_time().await.map(|sample| sample.server) })
    }

    fn rules(&self, symbols: Vec<Symbol>) -> Pending<Vec<SymbolRules>> {
        let it = self.clone();
        Box::pin(async move {
            let rules = it.instruments(&symbols).await?;
            Ok(rules.into_iter().map(SymbolRules::from).collect())
        })
    }
}
