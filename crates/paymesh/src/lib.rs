//! paymesh: one binary, every role. The library is what the binary is made of, so that
//! whole-mesh tests put the same parts together on other seams.

pub mod assemble;
pub mod cli;
pub mod config;
pub mod failure;
pub mod ground;
pub mod host;
pub mod role;
pub mod story;
pub mod task;

use std::process::ExitCode;

use clap::CommandFactory;

use cli::{Cli, Command};
use config::Config;
use failure::Failure;
use ground::Ground;

/// Does what the command line asks.
pub async fn run(cli: Cli) -> Result<ExitCode, Failure> {
    let config = || Config::load(cli.config.as_deref());
    let ground = || Ground::new(config()?);
    match cli.command {
        #[cfg(feature = "dev")]
        Command::Up(up) => {
            let mut config = config()?;
            role::up::prepare(&mut config, &up)?;
            role::up::run(Ground::new(config)?, &up).await?;
        }
        #[cfg(feature = "dev")]
        Command::UpSplit(up) => role::up_split::run(up).await?,
        Command::Serve { service } => role::serve::run(&ground()?, service).await?,
        Command::Callback => role::callback::run(&ground()?).await?,
        Command::Work { service } => role::work::run(&ground()?, service).await?,
        #[cfg(feature = "dev")]
        Command::Sandbox => role::sandbox::run(&ground()?).await?,
        Command::Migrate { service } => role::migrate::run(&ground()?, service).await?,
        #[cfg(feature = "dev")]
        Command::Bench(bench) => role::bench::run(bench).await?,
        #[cfg(feature = "dev")]
        Command::Storm(storm) => role::bench::storm(storm).await?,
        #[cfg(feature = "dev")]
        Command::Demo(demo) => return role::demo::run(demo).await,
        Command::Task { name, address } => {
            return role::task::run(&config()?, name.as_deref(), address.as_deref()).await;
        }
        Command::Trace {
            number,
            address,
            gateway,
        } => {
            let gateway = gateway.as_deref().unwrap_or(&address);
            return role::trace::run(&config()?, &number, (&address, gateway)).await;
        }
        Command::Explain {
            service,
            address,
            json,
        } => {
            let address = match address {
                Some(address) => address,
                None => config()?.listen.admin,
            };
            role::explain::run(service.as_deref(), &address, json).await?;
        }
        Command::Healthcheck { address, service } => {
            role::healthcheck::run(&config()?, &address, &service).await?;
        }
        Command::Version => version(),
        Command::Completions { shell } => {
            clap_complete::generate(
                shell,
                &mut Cli::command(),
                "paymesh",
                &mut std::io::stdout(),
            );
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn version() {
    println!("paymesh {}", env!("CARGO_PKG_VERSION"));
    println!(
        "commit {}",
        option_env!("PAYMESH_COMMIT").unwrap_or("unknown")
    );
    let known = [
        ("dev", cfg!(feature = "dev")),
        ("faults", cfg!(feature = "faults")),
        ("kubernetes", cfg!(feature = "kubernetes")),
        ("otlp", cfg!(feature = "otlp")),
    ];
    let on = known.into_iter().filter(|(_, on)| *on);
    let mut names: Vec<_> = on.map(|(name, _)| name).collect();
    if names.is_empty() {
        names.push("none");
    }
    println!("features {}", names.join(" "));
}
