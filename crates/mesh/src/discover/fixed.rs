//! Addresses that were configured: `a:1,b:2`.

use super::HostPort;

/// Reads a list; none when it is empty or malformed.
pub(super) fn parse(list: &str) -> Option<Vec<HostPort>> {
    list.split(',')
        .map(|entry| HostPort::parse(entry.trim()))
        .collect()
}
