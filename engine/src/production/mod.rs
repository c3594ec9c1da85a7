//! A production: a folder of TOML files, written by people, that says what a film is made of.
//!
//! `project.toml` makes a folder a production; `characters/*.toml` and `scenes/*.toml` may hold parts of it. [`Production::load`]
//! reads them and says of everything that is wrong in them where it stands. A value that several levels say comes from the
//! strongest: card < project < style < character < scene < cut < command line, and remembers which. Labels of privacy
//! are the exception: of them the strictest holds, and none may loosen what stands above it.

mod begin;
mod character;
mod check;
mod cut;
mod error;
mod label;
mod need;
mod order;
mod place;
mod project;
mod prompt;
mod reader;
mod render;
mod resolve;
mod settings;
mod want;

pub use character::{Adapter, Adapters, Character, Reference, Style};
pub use cut::{Cut, End, Picture, Scene};
pub use error::{Error, Result};
pub use label::Label;
pub use place::{Place, Problem, Said, nearest};
pub use project::{Budget, FILE, Production, SCHEMA, Server};
pub use render::{Progress, Rendered, Workshop};
pub use resolve::{Explained, ResolvedCut, is_for};
pub use settings::{Length, Level, Origin, Resolved, Settings, parse_size};
pub use want::{Want, Wants};
