//! Checks addresses that replace the usual ones of a venue.

use everwarm_venue::address::Address;

/// An environment of a venue, as the check of an address sees it.
pub(crate) struct Place<'a> {
    /// Its name.
    pub name: &'a str,
    /// Its own addresses.
    pub own: &'a [&'a str],
    /// Whether it has real money.
    pub live: bool,
}

impl Place<'_> {
    /// Checks an address that replaces `usual`, one of this environment's addresses. It must be
    /// encrypted unless it is on this machine. Without real money, it must be the environment's own
    /// or on this machine: any other host could trade real money.
    ///
    /// # Errors
    /// The reason why the address is not allowed.
    pub(crate) fn takes(&self, usual: &str, text: &str) -> Result<(), String> {
        let address = Address::read(text)?;
        let scheme = Address::read(usual)?.scheme;
        if address.scheme != scheme {
            let bare = scheme.strip_suffix('s').unwrap_or(scheme);
            if address.scheme != bare {
                return Err(format!("{text:?} is none of {scheme}"));
            }
            if !address.is_loopback() {
                let text = format!("{text:?} is not encrypted: only on this machine it may be so");
                return Err(format!("{text}; {scheme} everywhere else"));
            }
        }
        let same = |own: &&str| Address::read(own).is_ok_and(|own| own.host == address.host);
        if self.live || self.own.iter().any(same) || address.is_loopback() {
            return Ok(());
        }
        let (host, name) = (address.host, self.name);
        Err(format!(
            "{host} is no host of {name}: any other may be where money is real, and is for \
             environment = \"live\" alone"
        ))
    }
}
