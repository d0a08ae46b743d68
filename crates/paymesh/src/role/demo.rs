use std::process::ExitCode;
use crate::cli::Demo;
use crate::failure::Failure;
pub async fn run(_demo: Demo) -> Result<ExitCode, Failure> {
    Ok(ExitCode::FAILURE)
}
