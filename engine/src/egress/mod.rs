//! The one door to the network: no other file of this program than `door.rs` opens a connection to another host.
//!
//! The door is shut until somebody opens it. An [`Egress`] refuses every host that no [`Consent`] names; offline it refuses
//! all of them; and what [`Egress::send`] takes out must carry a label that lets that very host see it. All of this is
//! decided before a socket exists. A command that the user typed is the consent for fetching a checkpoint; the settings of
//! a production are the consent for a provider.
//!
//! - **Labels.** A [`Payload`] is made of [`Labelled`] things only, and its label is the meet of theirs: there is no way
//!   to add a thing and forget its label. What belongs to a take but takes nothing out, a poll, a download, a call to stop,
//!   carries the label of the take. Local-only, which is what a thing without a label is, keeps even from this machine's own
//!   ports.
//! - **The log.** Whatever is about to leave stands in a log that shows tampering, on the disk, before the connection is
//!   opened; where it cannot be written nothing is sent. What was denied stands there too. See [`log`].
//! - **Redirects** are never followed unseen: each hop passes the same door and the same log, only questions that change
//!   nothing follow one, and a credential goes to the origin (scheme, host and port) it is for and to no other.
//! - **Addresses inside.** A host that was consented to only by a pattern must not turn out to be this machine, a private
//!   network or a link-local address. Which host a pattern fits, others decide; one that is named, the user or the card did.
//! - **Answers** are bounded: in bytes, in headers, in silence and in slowness; nothing in them is unpacked.
//! - **Secrets.** A [`Token`] is never printed; [`Keys`] says where one is found; [`redact`] takes keys out of what a server said before it reaches an error, a
//!   log or a manifest.
//! - **Pictures** leave as pixels alone. See [`upload`].
//! - No proxy is taken from the environment, because a proxy is another host.
//!
//! ```
//! use kinora_engine::egress::{Address, Egress, Get, Labelled, Payload, Purpose, Send};
//! use kinora_engine::privacy::Privacy;
//!
//! let door = Egress::new(false);
//! let address = Address::parse("https://huggingface.co/api/models/gpt2")?;
//! assert!(door.get(&Get::new(&address, Purpose::Checkpoint)).is_err());
//!
//! let prompt = Labelled::new("a cat".to_owned(), Privacy::LocalOnly);
//! let payload = Payload::of("prompt", &prompt);
//! assert!(door.send(&Send::post(&address, Purpose::Generation, &payload)).is_err());
//! # Ok::<(), kinora_engine::egress::Error>(())
//! ```

mod address;
mod answer;
mod ask;
mod door;
mod error;
mod keyring;
mod keys;
pub mod log;
mod payload;
mod policy;
mod secret;
pub mod upload;

pub use address::Address;
pub use answer::Answer;
pub use ask::{Body, Credential, Field, Get, Limits, Method, Send};
pub use door::Egress;
pub use error::{Error, Result};
pub use keyring::Keyring;
pub use keys::{KeyPlace, Keys, Wanted};
pub use payload::{Labelled, Part, Payload};
pub use policy::{Consent, Purpose};
pub use secret::{Token, redact};
