//! No providers: this program was built without them.

use super::provider::Provider;

/// The provider of a card: none.
pub fn provider(_: &str) -> Option<&'static dyn Provider> {
    None
}

/// All providers that this program knows: none.
pub fn providers() -> &'static [&'static dyn Provider] {
    &[]
}
