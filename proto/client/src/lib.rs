//! The client of the public API for other people's Rust programs.
//!
//! It adds to the generated messages what every program needs and easily gets wrong: request ids that make a change
//! safe to repeat, retries of UNAVAILABLE alone, errors with reasons, lists over pages, and a watch that misses and
//! repeats nothing. It knows no domain: requests and answers are the API's own messages.
//!
//! ```no_run
//! use windlass_client::{Client, Config};
//! use windlass_proto::v1::{CreateNetworkRequest, ListServersRequest, Network};
//!
//! # async fn run() -> Result<(), Box<dyn std::error::Error>> {
//! let client = Client::new(&Config::new(["http://127.0.0.1:7700"]))?;
//! let network = Network { display_name: "blue".into(), ..Default::default() };
//! let request =
//!     CreateNetworkRequest { parent: "projects/demo".into(), network: Some(network), ..Default::default() };
//! let operation = client.call(request).await?;
//! let ended = client.wait(&operation).await?;
//! println!("{} {:?}", ended.name, ended.result);
//!
//! let mut servers = client.list(ListServersRequest { parent: "projects/demo".into(), ..Default::default() });
//! while let Some(server) = servers.next().await? {
//!     println!("{}", server.display_name);
//! }
//! # Ok(())
//! # }
//! ```

mod client;
mod config;
mod error;
mod images;
mod inside;
pub mod limits;
mod line;
mod methods;
mod pages;
mod secret;
mod tail;
mod watch;

pub use client::Client;
pub use config::{Config, ConfigError, Retry};
pub use error::{ClientError, Failure, FieldViolation};
pub use methods::{List, Unary, unary_paths};
pub use pages::Pages;
pub use secret::{NewSecret, NoRandomness};
pub use tail::Tail;
pub use tonic::Code;
pub use watch::Watch;
pub use windlass_proto::v1;
