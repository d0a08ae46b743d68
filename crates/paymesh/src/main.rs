//! The command line of paymesh.

use std::process::ExitCode;

use clap::Parser;
use paymesh::cli::Cli;

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
