//! Compiles the probe's file, which says how it may be called: the mesh reads that.

use std::{env, error::Error, fs, path::PathBuf};

fn main() -> Result<(), Box<dyn Error>> {
    let here = PathBuf::from(env::var("CARGO_MANIFEST_DIR")?);
    let includes = [here.join("proto"), here.join("../../proto")];
    for folder in &includes {
        println!("cargo:rerun-if-changed={}", folder.display());
    }
    let mut compiler = protox::Compiler::new(includes)?;
    compiler.include_imports(true).open_file("probe.proto")?;
    let out = PathBuf::from(env::var("OUT_DIR")?);
    fs::write(
        out.join("probe.binpb"),
        compiler.encode_file_descriptor_set(),
    )?;
    Ok(())
}
