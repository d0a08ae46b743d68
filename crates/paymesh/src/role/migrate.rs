//! `paymesh migrate SERVICE`: brings a database up to date.

use crate::cli::Service;
use crate::failure::Failure;
use crate::ground::Ground;

pub async fn run(ground: &Ground, service: Service) -> Result<(), Failure> {
    let database = service.database(ground)?;
    let taken =
        store::migrate::migrate(service.name(), &database.url, service.migrations()).await?;
    println!("{}: {taken} migration(s) applied", service.name());
    Ok(())
}
