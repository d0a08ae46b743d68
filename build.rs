//! Compiles `proto/` once, for crates/proto: protox instead of protoc, and the
//! descriptor set written as it was parsed, so that method options survive.

use std::{env, error::Error, fs, path::PathBuf};

fn main() -> Result<(), Box<dyn Error>> {
    let root = PathBuf::from(env::var("CARGO_MANIFEST_DIR")?).join("../../proto");
    println!("cargo:rerun-if-changed={}", root.display());
    let mut compiler = protox::Compiler::new([&root])?;
    compiler.include_imports(true).include_source_info(true);
    compiler.open_files(proto_files(&root)?)?;
    let out = PathBuf::from(env::var("OUT_DIR")?);
    fs::write(
        out.join("paymesh.binpb"),
        compiler.encode_file_descriptor_set(),
    )?;
    tonic_prost_build::configure()
        .bytes(".")
        // They hold a payer's code; crates/proto writes their Debug.
        .skip_debug([".paymesh.gateway.v1.PayRequest", ".paymesh.trade.v1.PayOrderRequest"])
        .compile_fds(compiler.file_descriptor_set())?;
    Ok(())
}

fn proto_files(root: &PathBuf) -> Result<Vec<PathBuf>, Box<dyn Error>> {
    let mut found = Vec::new();
    let mut folders = vec![root.clone()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder)? {
            let path = entry?.path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|ending| ending == "proto") {
                found.push(path.strip_prefix(root)?.to_path_buf());
            }
        }
    }
    found.sort();
    Ok(found)
}
