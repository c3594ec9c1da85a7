//! A production: a folder of TOML files, written by people, that says what a film is made of.
//!
//! `project.toml` makes a folder a production; `characters/*.toml` and `scenes/*.toml` may hold parts of it. [`Production::load`]
//! reads them and says of everything that is wrong in them where it stands. A value that several levels say comes from the
//! strongest: card < project < style < character < scene < cut < command line, and remembers which. Labels of privacy
//! are the exception: of them the strictest holds, and none may loosen what stands above it.
//!
//! [`Planner`] asks the router for a model for each cut that lacks takes; [`Production::render`] makes them.

mod begin;
mod character;
mod check;
mod crew;
mod cut;
mod error;
mod hashes;
mod hosted;
mod hosting;
mod label;
mod models;
mod need;
mod order;
mod owner;
mod pace;
mod place;
mod plan;
mod project;
mod prompt;
mod queue;
mod reader;
mod record;
mod render;
mod resolve;
mod round;
mod run;
mod server;
mod settings;
mod want;

pub use character::{Adapter, Adapters, Character, Reference, Style};
pub use cut::{Cut, End, Picture, Scene};
pub use error::{Error, Result, TooLarge};
pub use label::Label;
pub use place::{Place, Problem, Said, nearest};
pub use plan::{HostedWork, LocalWork, Planned, Planner, Work};
pub use project::{Budget, FILE, Production, SCHEMA};
pub use render::{Progress, Rendered, Workshop};
pub use resolve::{Explained, ResolvedCut, is_for};
pub use server::Server;
pub use settings::{Length, Level, Origin, Resolved, Settings, parse_size};
pub use want::{Pictures, Shown, Want, Wants};
