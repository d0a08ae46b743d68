//! The command line of paymesh.

use std::process::ExitCode;

use clap::Parser;
use mimalloc::MiMalloc;
use paymesh::cli::Cli;

// What a call allocates is often freed by another thread, which the system's allocator makes dear.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

#[tokio::main]
async fn main() -> ExitCode {
    match paymesh::run(Cli::parse()).await {
        Ok(code) => code,
        Err(failure) => {
            eprintln!("paymesh: {failure}");
            ExitCode::FAILURE
        }
    }
}
