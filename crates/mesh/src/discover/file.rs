//! Addresses from a file, one a line, read again at an interval. A file with a malformed line,
//! or without any, is not believed at all: it may be half written.

use std::path::Path;

use super::{DiscoverError, HostPort};

/// Reads the file; empty lines and `#` comments are passed over.
pub(super) async fn read(path: &Path) -> Result<Vec<HostPort>, DiscoverError> {
    let shown = || path.display().to_string();
    let text = tokio::fs::read_to_string(path).await;
    let text = text.map_err(|source| DiscoverError::File {
        path: shown(),
        source,
    })?;
    let names = parse(&text).map_err(|line| DiscoverError::Line {
        path: shown(),
        line,
    })?;
    // No wish to call nobody: it is being written.
    if names.is_empty() {
        return Err(DiscoverError::Empty { path: shown() });
    }
    Ok(names)
}

fn parse(text: &str) -> Result<Vec<HostPort>, String> {
    let lines = text
        .lines()
        .map(|line| line.split('#').next().unwrap_or_default().trim());
    let lines = lines.filter(|line| !line.is_empty());
    lines
        .map(|line| HostPort::parse(line).ok_or_else(|| line.to_owned()))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_has_an_address_a_line() {
        let names = parse("# peers\n10.0.0.1:80\n\n  trade:81  # the second\n").unwrap();
        assert_eq!(
            names.iter().map(ToString::to_string).collect::<Vec<_>>(),
            ["10.0.0.1:80", "trade:81"]
        );
        assert_eq!(parse("10.0.0.1:80\n10.0.0."), Err("10.0.0.".to_owned()));
    }
}
