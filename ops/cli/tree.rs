//! Tests of the command tree as a whole: every RPC of the public API has its subcommand and every subcommand its RPC, each
//! has an example that reads, and what other texts say of commands is true.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use clap::{Command, CommandFactory, Parser};

use crate::app::Cli;

/// Which subcommand calls which RPC; tests/cli.rs runs each of them.
const METHODS: &str = include_str!("../../tests/golden/cli/methods.txt");

/// Commands that call no RPC of the public API by themselves.
const LOCAL: [&str; 11] = [
    "agent",
    "bench",
    "completion",
    "demo",
    "explain",
    "init",
    "orchestrator",
    "replay",
    "sim",
    "up",
    "up-guard",
];

fn rows() -> Vec<(&'static str, &'static str)> {
    let lines = METHODS.lines().filter(|line| !line.starts_with('#') && !line.is_empty());
    lines.map(|line| line.split_once(" = ").expect("METHOD = COMMAND")).collect()
}

/// Every command that is no group, by its words.
fn leaves() -> BTreeMap<String, Command> {
    let (mut found, mut open) = (BTreeMap::new(), vec![(String::new(), Cli::command())]);
    while let Some((words, command)) = open.pop() {
        if !command.has_subcommands() {
            found.insert(words, command);
            continue;
        }
        for inner in command.get_subcommands() {
            open.push((format!("{words} {}", inner.get_name()).trim_start().into(), inner.clone()));
        }
    }
    found
}

fn is_local(words: &str) -> bool {
    ["version", "events rebuild"].contains(&words)
        || LOCAL.contains(&words.split(' ').next().unwrap_or_default())
}

/// What stands behind "Example:" in the help.
fn example(command: &Command) -> Option<String> {
    let text = command.get_after_help()?.to_string();
    text.strip_prefix("Example: ").map(str::to_string)
}

/// The words of a command line: split at spaces, but for those in double quotes, up to a redirection.
fn words(line: &str) -> Vec<String> {
    let line = line.split(" > ").next().unwrap_or_default();
    let parts = line.split('"').enumerate();
    let words = parts.flat_map(|(place, part)| {
        let quoted = place % 2 == 1;
        if quoted { vec![part.to_string()] } else { part.split_whitespace().map(str::to_string).collect() }
    });
    words.collect()
}

#[test]
fn every_rpc_has_its_subcommand_and_every_subcommand_its_rpc() {
    let services = windlass_proto::pool().services().filter(|it| it.package_name() == "windlass.v1");
    let described: BTreeSet<String> = services
        .flat_map(|service| {
            service.methods().map(|it| format!("{}/{}", service.name(), it.name())).collect::<Vec<_>>()
        })
        .collect();
    assert!(described.len() > 50, "only {} RPCs: the search is broken", described.len());
    let (rows, leaves) = (rows(), leaves());
    for method in &described {
        assert!(rows.iter().any(|(it, _)| it == method), "no subcommand calls {method}");
    }
    for (method, command) in &rows {
        assert!(described.contains(*method), "{method} is no RPC of the API");
        assert!(leaves.contains_key(*command), "`windlass {command}` is no command");
    }
    for words in leaves.keys().filter(|words| !is_local(words)) {
        assert!(rows.iter().any(|(_, it)| it == words), "`windlass {words}` calls no RPC of the table");
    }
}

#[test]
fn the_tree_is_sound() {
    Cli::command().debug_assert();
}

/// A subcommand's option of the same name is read as the global one too: of another type it would end the command.
#[test]
fn no_command_takes_the_name_of_a_global_option_for_another_type() {
    let tree = Cli::command();
    let global: BTreeMap<&str, &clap::Arg> =
        tree.get_arguments().filter(|it| it.is_global_set()).map(|it| (it.get_id().as_str(), it)).collect();
    assert!(global.contains_key("at") && global.contains_key("journal"), "{global:?}");
    for (path, command) in leaves() {
        for own in command.get_arguments() {
            let Some(global) = global.get(own.get_id().as_str()) else { continue };
            let types = (own.get_value_parser().type_id(), global.get_value_parser().type_id());
            assert!(types.0 == types.1, "`windlass {path}` has a --{} of its own", own.get_id());
        }
    }
}

#[test]
fn every_command_says_what_it_does_and_has_an_example_that_reads() {
    for (path, command) in leaves() {
        // What agents and whole cells are run with has help of its own.
        if ["agent", "up", "up-guard", "demo", "bench", "orchestrator", "init", "sim"]
            .contains(&path.split(' ').next().unwrap_or_default())
        {
            continue;
        }
        assert!(command.get_about().is_some(), "`windlass {path}` does not say what it does");
        let example = example(&command).unwrap_or_else(|| panic!("`windlass {path}` has no example"));
        let words = words(&example);
        assert!(
            example.starts_with(&format!("windlass {path}")),
            "the example of `windlass {path}` is of another"
        );
        if let Err(error) = Cli::try_parse_from(&words) {
            panic!("the example of `windlass {path}` does not read: {error}");
        }
    }
}

/// Files that speak of commands.
fn texts(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).expect("a folder of the tree").flatten() {
        let path = entry.path();
        if path.is_dir() {
            texts(&path, found);
        } else if path.extension().is_some_and(|it| it == "md" || it == "rs") {
            found.push(path);
        }
    }
}

#[test]
fn the_commands_that_texts_speak_of_exist() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut files = vec![root.join("README.md")];
    for folder in ["ops/handbook", "ops/cli", "orchestrator/src", "agents/src"] {
        texts(&root.join(folder), &mut files);
    }
    let (tree, mut seen) = (Cli::command(), 0);
    for file in files {
        let text = std::fs::read_to_string(&file).expect("readable");
        for (at, _) in text.match_indices("`windlass ") {
            let line = text[at + 1..].split(['`', '\n']).next().unwrap_or_default();
            let mut command = &tree;
            for word in line
                .split_whitespace()
                .skip(1)
                .take_while(|it| it.bytes().all(|b| b.is_ascii_lowercase() || b == b'-'))
            {
                if !command.has_subcommands() || word.starts_with('-') {
                    break;
                }
                if command.get_name() == "windlass"
                    && LOCAL.contains(&word)
                    && command.find_subcommand(word).is_none()
                {
                    break;
                }
                command = command
                    .find_subcommand(word)
                    .unwrap_or_else(|| panic!("{}: `{line}` is no command", file.display()));
                seen += 1;
            }
        }
    }
    assert!(seen > 10, "only {seen} words seen: the search is broken");
}
