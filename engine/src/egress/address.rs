//! Web addresses, and which of them lie inside.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::door::Uri;
use super::{Error, Result};

/// A web address. Printed without what follows a `?`, where signed addresses carry keys.
#[derive(Clone, PartialEq, Eq)]
pub struct Address {
    secure: bool,
    host: String,
    path: String,
}

impl Address {
    /// Reads an address: `https://…`, or `http://…` on this machine.
    ///
    /// # Errors
    /// [`Error::Address`] for text that is no web address, [`Error::Insecure`] for plain http to another machine.
    pub fn parse(text: &str) -> Result<Self> {
        let wrong = || Error::Address { what: without_secrets(text) };
        let uri: Uri = text.parse().map_err(|_| wrong())?;
        let (Some(scheme), Some(authority)) = (uri.scheme_str(), uri.authority()) else {
            return Err(wrong());
        };
        let secure = match scheme {
            "https" => true,
            "http" => false,
            _ => return Err(wrong()),
        };
        // A name and password before an `@` would be sent to the host in clear text by some, by us never.
        if authority.as_str().contains('@') || authority.host().is_empty() {
            return Err(wrong());
        }
        let usual_port = if secure { 443 } else { 80 };
        let name = authority.host().to_ascii_lowercase();
        let host = match authority.port_u16() {
            Some(port) if port != usual_port => format!("{name}:{port}"),
            _ => name.clone(),
        };
        if !secure && !is_this_machine(&name) {
            return Err(Error::Insecure { host });
        }
        let path = uri.path_and_query().map_or("/", |path| path.as_str()).to_owned();
        Ok(Self { secure, host, path })
    }

    /// Returns the address below this one: `path` is appended, its letters escaped where an address needs it.
    #[must_use]
    pub fn below(&self, path: &str) -> Self {
        let mut joined = self.path.trim_end_matches('/').to_owned();
        for part in path.split('/') {
            joined.push('/');
            // The verb of a resource, as in `models/m:predict`, stays one.
            joined.push_str(&escaped(part).replace("%3A", ":"));
        }
        Self { path: joined, ..self.clone() }
    }

    /// Returns the address with a question at its end, `?name=value`, both escaped; never for secrets.
    #[must_use]
    pub fn query(&self, name: &str, value: &str) -> Self {
        let joint = if self.path.contains('?') { '&' } else { '?' };
        let path = format!("{}{joint}{}={}", self.path, escaped(name), escaped(value));
        Self { path, ..self.clone() }
    }

    /// Returns the host, with its port where that is not the usual one.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// Returns the path, without what follows a `?`.
    pub fn path(&self) -> &str {
        self.path.split('?').next().unwrap_or_default()
    }

    /// Whether both have the same scheme, host and port.
    pub fn is_same_origin(&self, other: &Self) -> bool {
        self.secure == other.secure && self.host == other.host
    }

    /// Returns where a `Location` header points that was received from this address.
    pub(super) fn follow(&self, location: &str) -> Result<Self> {
        let scheme = if self.secure { "https" } else { "http" };
        let next = if location.starts_with("//") {
            Self::parse(&format!("{scheme}:{location}"))?
        } else if location.starts_with('/') {
            Self::parse(&format!("{scheme}://{}{location}", self.host))?
        } else {
            Self::parse(location)?
        };
        if self.secure && !next.secure {
            return Err(Error::Insecure { host: next.host });
        }
        Ok(next)
    }

    /// All of it, for the connection alone.
    pub(super) fn whole(&self) -> String {
        let scheme = if self.secure { "https" } else { "http" };
        format!("{scheme}://{}{}", self.host, self.path)
    }

    /// The number of the host, where it has one instead of a name.
    pub(super) fn number(&self) -> Option<IpAddr> {
        let host = match self.host.strip_prefix('[') {
            Some(rest) => rest.split(']').next().unwrap_or_default(),
            None => self.host.split(':').next().unwrap_or_default(),
        };
        host.parse().ok()
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&without_secrets(&self.whole()))
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Address({self})")
    }
}

/// Leaves out what may be secret: all after `?` or `#`, and everything where a name and password may stand.
fn without_secrets(text: &str) -> String {
    let text = text.split(['?', '#']).next().unwrap_or_default();
    if text.contains('@') { "…@…".to_owned() } else { text.to_owned() }
}

fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            escaped.push(char::from(byte));
        } else {
            escaped.push_str(&format!("%{byte:02X}"));
        }
    }
    escaped
}

/// Returns whether a host name, without port, is this machine.
fn is_this_machine(name: &str) -> bool {
    let bare = name.trim_start_matches('[').trim_end_matches(']');
    name == "localhost" || bare.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

/// Whether an address is out in the open: not this machine, not a private network, not a link, not one of the ranges that
/// are set aside.
pub(super) fn is_public(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => is_public_v4(ip),
        IpAddr::V6(ip) => is_public_v6(ip),
    }
}

fn is_public_v4(ip: Ipv4Addr) -> bool {
    let [a, b, c, _] = ip.octets();
    let is_shared = a == 100 && b & 0xc0 == 64;
    let is_for_protocols = (a, b, c) == (192, 0, 0);
    let is_for_benchmarks = a == 198 && b & 0xfe == 18;
    !(a == 0
        || a >= 240
        || ip.is_loopback()
        || ip.is_private()
        || ip.is_link_local()
        || ip.is_multicast()
        || ip.is_documentation()
        || is_shared
        || is_for_protocols
        || is_for_benchmarks)
}

fn is_public_v6(ip: Ipv6Addr) -> bool {
    let parts = ip.segments();
    // Addresses that carry one of the other kind: mapped, translated (64:ff9b::/96), and 6to4 (2002::/16).
    let carried = match parts {
        [0, 0, 0, 0, 0, 0xffff, high, low]
        | [0x64, 0xff9b, 0, 0, 0, 0, high, low]
        | [0x2002, high, low, ..] => Some((high, low)),
        _ => None,
    };
    if let Some((high, low)) = carried {
        let [a, b] = high.to_be_bytes();
        let [c, d] = low.to_be_bytes();
        return is_public_v4(Ipv4Addr::new(a, b, c, d));
    }
    // Only 2000::/3 is given out; documentation and Teredo are not among what may be called.
    parts[0] & 0xe000 == 0x2000 && !(parts[0] == 0x2001 && (parts[1] == 0xdb8 || parts[1] == 0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses() {
        let address = |text: &str| Address::parse(text);
        assert_eq!(address("https://Hub.test:443/a?b=c").expect("right").host(), "hub.test");
        assert_eq!(address("https://hub.test:81").expect("right").host(), "hub.test:81");
        assert!(matches!(address("http://hub.test/"), Err(Error::Insecure { .. })));
        assert!(matches!(address("http://127.0.0.1.hub.test/"), Err(Error::Insecure { .. })));
        for local in ["http://localhost:1/", "http://127.0.0.1/", "http://[::1]:8080/"] {
            assert!(address(local).is_ok(), "{local}");
        }
        for wrong in ["", "hub.test", "/a", "ftp://hub.test/", "https://", "https:///a"] {
            assert!(matches!(address(wrong), Err(Error::Address { .. })), "{wrong}");
        }
        let below = address("https://hub.test/mirror/").expect("right").below("a b/ü?#%");
        assert_eq!(below.whole(), "https://hub.test/mirror/a%20b/%C3%BC%3F%23%25");
        let asked = below.query("ids", "a,b").query("n", "1");
        assert_eq!(asked.whole(), format!("{}?ids=a%2Cb&n=1", below.whole()));
        assert_eq!(asked.path(), below.path());
        assert_eq!(address("https://hub.test").expect("right").below("m:go").path(), "/m:go");
    }

    #[test]
    fn redirects_are_read_as_a_browser_would() {
        let from = Address::parse("https://hub.test/a/b").expect("right");
        for (location, whole) in [
            ("/c?d", "https://hub.test/c?d"),
            ("//cdn.test/c", "https://cdn.test/c"),
            ("https://cdn.test/c", "https://cdn.test/c"),
        ] {
            assert_eq!(from.follow(location).expect("right").whole(), whole);
        }
        assert!(matches!(from.follow("http://127.0.0.1/"), Err(Error::Insecure { .. })));
        assert!(matches!(from.follow("file:///etc/passwd"), Err(Error::Address { .. })));
    }

    #[test]
    fn an_origin_is_scheme_host_and_port() {
        let address = |text: &str| Address::parse(text).expect("right");
        let origin = address("https://localhost/a");
        assert!(origin.is_same_origin(&address("https://LOCALHOST:443/b?c")));
        for other in ["http://localhost/a", "https://localhost:444/a", "https://local.host/a"] {
            assert!(!origin.is_same_origin(&address(other)), "{other}");
        }
    }

    #[test]
    fn addresses_inside_are_known() {
        for (host, is_out) in [
            ("8.8.8.8", true),
            ("0.0.0.0", false),
            ("10.1.2.3", false),
            ("127.9.9.9", false),
            ("169.254.169.254", false),
            ("172.16.0.1", false),
            ("172.32.0.1", true),
            ("192.168.1.1", false),
            ("100.64.0.1", false),
            ("100.128.0.1", true),
            ("198.18.0.1", false),
            ("224.0.0.1", false),
            ("255.255.255.255", false),
            ("[2606:4700::1]", true),
            ("[::]", false),
            ("[::1]", false),
            ("[::ffff:127.0.0.1]", false),
            ("[::ffff:8.8.8.8]", true),
            ("[64:ff9b::a00:1]", false),
            ("[2002:7f00:1::]", false),
            ("[fe80::1]", false),
            ("[fc00::1]", false),
            ("[ff02::1]", false),
            ("[2001:db8::1]", false),
        ] {
            let address = Address::parse(&format!("https://{host}:8443/")).expect("right");
            assert_eq!(address.number().map(is_public), Some(is_out), "{host}");
        }
        assert_eq!(Address::parse("https://hub.test/").expect("right").number(), None);
    }
}
