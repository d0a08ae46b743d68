//! `paymesh up`: every role in one process, over loopback gRPC, on embedded stores. There is
//! no second path: each service is reached through the mesh, as in separate processes.

use std::fs;
use std::path::Path;

use pay_gateway::KeyConfig;
use secrecy::SecretString;
use store::config::DatabaseConfig;

use super::sandbox;
use crate::cli::{Service, Up};
use crate::config::{Config, PeersConfig};
use crate::failure::Failure;
use crate::ground::Ground;
use crate::host::{self, Host};

/// The name merchant accounts of the simulator sign under.
const KEY: &str = "sandbox";

/// Fills in what an embedded mesh needs and the configuration leaves open.
pub fn prepare(config: &mut Config, up: &Up) -> Result<(), Failure> {
    if config.mesh.tls.is_on() {
        return Err(Failure::config(
            "mesh.tls: one process cannot be every service: leave it out, or serve each by itself",
        ));
    }
    let folder = &up.data_dir;
    let made = fs::create_dir_all(folder);
    made.map_err(|e| Failure::new("DATA_DIR_FAILED", format!("{}: {e}", folder.display())))?;
    let listen = &mut config.listen;
    let asked = [
        (&mut listen.grpc, &up.grpc),
        (&mut listen.callback, &up.callback),
        (&mut listen.admin, &up.admin),
        (&mut listen.sandbox, &up.sandbox),
    ];
    for (address, asked) in asked {
        if let Some(asked) = asked {
            address.clone_from(asked);
        }
    }
    let databases = [
        (Service::ShopCenter, &mut config.shop_center.database),
        (Service::Rate, &mut config.rate.database),
        (Service::Trade, &mut config.trade.database),
        (Service::PayGateway, &mut config.pay_gateway.database),
    ];
    for (service, database) in databases {
        embed(service, database, folder);
    }
    if config.sandbox.ledger == ::sandbox::SandboxSettings::default().ledger {
        config.sandbox.ledger = folder.join("sandbox.db");
    }
    Ok(())
}

fn embed(service: Service, database: &mut DatabaseConfig, folder: &Path) {
    if database.url.is_none() && database.url_file.is_none() {
        let file = folder.join(format!("{}.db", service.name()));
        database.url = Some(format!("sqlite://{}?mode=rwc", file.display()).into());
    }
}

pub async fn run(mut ground: Ground, up: &Up) -> Result<(), Failure> {
    let grpc = ground.listen("grpc", &ground.config.listen.grpc).await?;
    let callback = ground
        .listen("callback", &ground.config.listen.callback)
        .await?;
    let admin = ground.admin().await?;
    host::migrate(&ground, &host::ALL).await?;
    simulate(
        &mut ground.config,
        &up.data_dir,
        &callback.address().to_string(),
        &ground.ids.nonce(),
    )?;
    ground.config.peers = PeersConfig::all_at(&grpc.address().to_string());

    let channel = sandbox::open(&ground).await?;
    let http = sandbox::start(&ground, &channel).await?;
    ground.config.pay_gateway.swiftpass.gateway_url = format!("http://{http}/pay/gateway");
    let host = Host::open(&ground, &host::ALL).await?;
    if !up.no_workers {
        host.work()?;
    }
    host.receive(callback);
    let server = host.server("paymesh")?.add(channel.service());
    ground.lifecycle.ready();
    let (at, back) = (grpc.address(), &ground.config.pay_gateway.callback_url);
    let back = back.trim_start_matches("http://");
    println!("ready grpc={at} callback={back} admin={admin} sandbox={http}");
    server.serve(grpc).await?;

    host.close().await;
    channel.close().await;
    Ok(())
}

// The simulator and pay-gateway share a key, drawn once and kept with the data.
fn simulate(config: &mut Config, data: &Path, callback: &str, fresh: &str) -> Result<(), Failure> {
    let file = data.join("sandbox.key");
    let failed =
        |e: std::io::Error| Failure::new("DATA_DIR_FAILED", format!("{}: {e}", file.display()));
    if !file.exists() {
        // Whole or not at all, whenever the process dies.
        let draft = data.join("sandbox.key.new");
        fs::write(&draft, fresh).map_err(failed)?;
        fs::rename(&draft, &file).map_err(failed)?;
    }
    let key = fs::read_to_string(&file).map_err(failed)?;
    config.sandbox.partner_key = Some(::sandbox::Key::new(key.clone()));
    let secret = KeyConfig {
        value: Some(SecretString::from(key)),
        ..KeyConfig::default()
    };
    config
        .pay_gateway
        .swiftpass
        .keys
        .entry(KEY.to_owned())
        .or_insert(secret);
    if config.pay_gateway.callback_url.is_empty() {
        config.pay_gateway.callback_url = format!("http://{callback}");
    }
    Ok(())
}
