//! The process's log: structured lines on standard error, graded; `WINDLASS_LOG` says which.

use std::io::IsTerminal as _;

use tracing_subscriber::EnvFilter;

/// How log lines look.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Shape {
    /// For people.
    #[default]
    Text,
    /// One JSON object a line.
    Json,
}

/// Starts the log of this process; a second start changes nothing. `filter` is as `info` or `windlass_agents=debug,warn`.
///
/// # Errors
/// What is wrong with the filter.
pub fn start(shape: Shape, filter: &str) -> Result<(), String> {
    // What a storage library says of its files is nobody's concern, unless it is asked for by name.
    let directives = format!("fjall=warn,lsm_tree=warn,{filter}");
    let parsed = EnvFilter::try_new(directives).map_err(|error| format!("log filter {filter:?}: {error}"))?;
    let builder = tracing_subscriber::fmt()
        .with_env_filter(parsed)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal());
    // An error means that a log was started before: then that one goes on.
    match shape {
        Shape::Text => builder.try_init().ok(),
        Shape::Json => builder.json().try_init().ok(),
    };
    Ok(())
}
