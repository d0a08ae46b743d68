//! What the store promises, on both engines: the same tests against SQLite and MariaDB.

mod batching;
mod cancel;
mod claims;
mod migrations;
mod schema;
mod serial;
mod smoke;
mod unknown;
mod values;
