//! What the store promises, on both engines: the same tests against SQLite and MariaDB.

#[cfg(test)]
mod batching;
#[cfg(test)]
mod cancel;
#[cfg(test)]
mod claims;
#[cfg(test)]
mod feed;
#[cfg(test)]
mod migrations;
#[cfg(test)]
mod schema;
#[cfg(test)]
mod serial;
#[cfg(test)]
mod smoke;
#[cfg(test)]
mod unknown;
#[cfg(test)]
mod values;
