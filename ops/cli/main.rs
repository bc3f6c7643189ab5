//! The `windlass` command. One file a subcommand; data goes to standard output, everything else to standard error.

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a command's output is its product")]

mod about;
mod access;
mod agent;
mod app;
mod bench;
mod child;
mod columns;
mod console;
mod context;
mod demo;
mod diff;
mod doctor;
mod events;
mod exit;
mod explain;
mod fault;
mod held;
mod history;
mod host;
mod image;
mod init;
mod journal;
mod limits;
mod meter;
mod moment;
mod names;
mod nats;
mod network;
mod operation;
mod orchestrator;
mod output;
mod preview;
mod progress;
mod project;
mod rebuild;
mod recover;
mod replay;
mod resource;
mod seed;
mod serve;
mod server;
#[cfg(feature = "lab")]
mod sim;
mod tail;
mod timeline;
#[cfg(test)]
mod tree;
mod up;
mod volume;
mod wait;

use std::process::ExitCode;

use clap::Parser;

/// Up to so many cores a process that serves has one thread for all its tasks: journals, ledgers and stores have threads
/// of their own, and a hop between threads at every message costs more than a second thread brings.
const CORES_OF_ONE_THREAD: usize = 2;

/// A fold and a frame are many small things that come and go together: the C library's allocator gives their pages back
/// and fetches them again at every frame, which costs a third of a fold.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, std::num::NonZero::get)
}

fn main() -> ExitCode {
    let cli = app::Cli::parse();
    let mut builder = if cli.serves() && cores() > CORES_OF_ONE_THREAD {
        tokio::runtime::Builder::new_multi_thread()
    } else {
        tokio::runtime::Builder::new_current_thread()
    };
    let runtime = match builder.enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("error: the async runtime can't start: {error}");
            return ExitCode::from(exit::FAILED);
        }
    };
    match runtime.block_on(app::run(cli)) {
        Ok(code) => ExitCode::from(code),
        Err(error) => ExitCode::from(exit::report(&error)),
    }
}
