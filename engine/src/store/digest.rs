//! What a file's content must hash to.

use sha1::Sha1;
use sha2::{Digest as _, Sha256};

use super::{Error, Result};

/// The name the hub gives a file's content: the hash of its bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Digest {
    /// SHA-256 of the bytes: large files.
    Sha256(String),
    /// SHA-1 of the bytes as a git blob: small files.
    GitSha1(String),
}

impl Digest {
    /// Reads the entity tag of a hub, `"…"` or `W/"…"` or bare.
    pub(super) fn from_etag(etag: &str) -> Option<Self> {
        let text = etag.trim().trim_start_matches("W/").trim_matches('"');
        let is_hex = text.bytes().all(|c| c.is_ascii_digit() || (b'a'..=b'f').contains(&c));
        match text.len() {
            64 if is_hex => Some(Self::Sha256(text.to_owned())),
            40 if is_hex => Some(Self::GitSha1(text.to_owned())),
            _ => None,
        }
    }

    /// Returns the hash in hexadecimal: a file name that needs no checking.
    pub(super) fn hex(&self) -> &str {
        match self {
            Self::Sha256(hex) | Self::GitSha1(hex) => hex,
        }
    }
}

/// Hashes a file while it arrives.
pub(super) struct Hasher {
    sha256: Sha256,
    git_sha1: Sha1,
}

impl Hasher {
    /// Begins a file of so many bytes.
    pub(super) fn new(len: u64) -> Self {
        Self { sha256: Sha256::new(), git_sha1: Sha1::new_with_prefix(format!("blob {len}\0")) }
    }

    /// Takes the next bytes, hashing only what `digest` needs; a card's SHA-256 is always at hand.
    pub(super) fn update(&mut self, digest: &Digest, bytes: &[u8]) {
        self.sha256.update(bytes);
        if matches!(digest, Digest::GitSha1(_)) {
            self.git_sha1.update(bytes);
        }
    }

    /// Ends the file.
    pub(super) fn finish(self) -> Hashes {
        Hashes { sha256: hex(&self.sha256.finalize()), git_sha1: hex(&self.git_sha1.finalize()) }
    }
}

/// What a file's bytes hash to.
#[derive(Debug, Clone)]
pub(super) struct Hashes {
    sha256: String,
    /// Of no meaning where the hub names the content by its SHA-256.
    git_sha1: String,
}

impl Hashes {
    /// Compares with what the hub announced and with what the card says.
    ///
    /// # Errors
    /// [`Error::Hash`] names the file, the expected and the found hash.
    pub(super) fn check(&self, file: &str, digest: &Digest, card: Option<&str>) -> Result<()> {
        let Self { sha256, git_sha1 } = self;
        let wrong = |algorithm, expected: &str, found: &str| {
            let (file, expected, found) = (file.to_owned(), expected.to_owned(), found.to_owned());
            Err(Error::Hash { file, algorithm, expected, found })
        };
        match card {
            Some(expected) if expected != *sha256 => return wrong("sha256", expected, sha256),
            _ => {}
        }
        match digest {
            Digest::Sha256(expected) if expected != sha256 => wrong("sha256", expected, sha256),
            Digest::GitSha1(expected) if expected != git_sha1 => {
                wrong("git sha1", expected, git_sha1)
            }
            Digest::Sha256(_) | Digest::GitSha1(_) => Ok(()),
        }
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `git hash-object` of a file that holds "hello\n".
    const GIT: &str = "ce013625030ba8dba906f756967f9e9ca394464a";
    const SHA256: &str = "5891b5b522d5df086d0ff0b110fbd9d21bb4fc7163af34d08286a2e846f6be03";

    fn check(digest: &Digest, card: Option<&str>) -> Result<()> {
        let mut hasher = Hasher::new(6);
        hasher.update(digest, b"hel");
        hasher.update(digest, b"lo\n");
        hasher.finish().check("f", digest, card)
    }

    #[test]
    fn both_hashes_and_the_card_hold() {
        for digest in [Digest::GitSha1(GIT.into()), Digest::Sha256(SHA256.into())] {
            assert!(check(&digest, None).is_ok());
            assert!(check(&digest, Some(SHA256)).is_ok());
            assert!(check(&digest, Some(&"0".repeat(64))).is_err());
        }
        assert!(check(&Digest::GitSha1("0".repeat(40)), None).is_err());
        assert!(check(&Digest::Sha256("0".repeat(64)), Some(SHA256)).is_err());
    }

    #[test]
    fn entity_tags() {
        for etag in [GIT.to_owned(), format!("\"{GIT}\""), format!("W/\"{GIT}\"")] {
            assert_eq!(Digest::from_etag(&etag), Some(Digest::GitSha1(GIT.into())));
        }
        for wrong in ["", "\"\"", "../../x", &GIT.to_uppercase(), &SHA256[1..]] {
            assert_eq!(Digest::from_etag(wrong), None, "{wrong}");
        }
    }
}
