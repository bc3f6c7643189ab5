//! Compiles the protos without protoc: generated Rust and the encoded descriptor set, both into OUT_DIR.
//! The encoded set keeps custom options (permissions, codes), which `prost_types` descriptors would drop.

use std::error::Error;
use std::path::PathBuf;
use std::{env, fs};

/// Roots: every other file of ours is reached by their imports, which `tests/golden.rs` checks.
const AGENT: [&str; 3] = [
    "windlass/agent/v1/agent_service.proto",
    "windlass/agent/v1/blob_service.proto",
    "windlass/agent/v1/join_service.proto",
];

fn main() -> Result<(), Box<dyn Error>> {
    let root = PathBuf::from(env::var("CARGO_MANIFEST_DIR")?);
    let out = PathBuf::from(env::var("OUT_DIR")?);
    println!("cargo::rerun-if-changed=windlass");

    let public = protos(&root, "windlass/v1")?;
    let files: Vec<&str> = public.iter().map(String::as_str).chain(AGENT).collect();

    let mut bare = protox::Compiler::new([&root])?;
    bare.include_imports(true).include_source_info(false).open_files(&files)?;
    fs::write(out.join("descriptor.bin"), bare.encode_file_descriptor_set())?;

    let mut documented = protox::Compiler::new([&root])?;
    documented.include_imports(true).include_source_info(true).open_files(&files)?;
    let mut config = tonic_prost_build::Config::new();
    config.enable_type_names();
    tonic_prost_build::configure()
        .bytes(".windlass.agent.v1")
        .btree_map(".")
        .out_dir(&out)
        .compile_fds_with_config(documented.file_descriptor_set(), config)?;
    Ok(())
}

/// The proto files of a folder, relative to `root`, in order.
fn protos(root: &std::path::Path, folder: &str) -> Result<Vec<String>, Box<dyn Error>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(root.join(folder))? {
        let name = entry?.file_name();
        if let Some(name) = name.to_str().filter(|name| name.ends_with(".proto")) {
            names.push(format!("{folder}/{name}"));
        }
    }
    names.sort();
    Ok(names)
}
