//! Where each service is: a file of addresses for each, which clients of the mesh read again and
//! again (`file:///…`). Who keeps them writes down who is ready, and strikes out who is gone.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use super::role::{ALL, Role};

/// The lists, in a folder of their own.
pub(crate) struct Lists {
    folder: PathBuf,
    ready: Mutex<BTreeMap<String, (Role, u16)>>,
}

impl Lists {
    /// An empty list for each service.
    pub(crate) fn begin(folder: &Path) -> io::Result<Self> {
        fs::create_dir_all(folder)?;
        let lists = Self {
            folder: folder.to_owned(),
            ready: Mutex::default(),
        };
        for role in ALL.into_iter().filter(|role| role.is_called()) {
            lists.write(role, &BTreeMap::new())?;
        }
        Ok(lists)
    }

    /// What a client takes as its target.
    pub(crate) fn target(&self, role: Role) -> String {
        format!("file://{}", self.folder.join(role.name()).display())
    }

    /// The instance of this name takes calls at a port.
    pub(crate) fn enter(&self, name: &str, (role, port): (Role, u16)) -> io::Result<()> {
        self.change(role, |ready| {
            ready.insert(name.to_owned(), (role, port));
        })
    }

    /// The instance of this name takes no calls any more.
    pub(crate) fn strike(&self, name: &str, role: Role) -> io::Result<()> {
        self.change(role, |ready| {
            ready.remove(name);
        })
    }

    fn change(
        &self,
        role: Role,
        change: impl FnOnce(&mut BTreeMap<String, (Role, u16)>),
    ) -> io::Result<()> {
        if !role.is_called() {
            return Ok(());
        }
        let mut ready = self.ready.lock().unwrap_or_else(PoisonError::into_inner);
        change(&mut ready);
        self.write(role, &ready)
    }

    // Whole or not at all: somebody reads at any moment.
    fn write(&self, role: Role, ready: &BTreeMap<String, (Role, u16)>) -> io::Result<()> {
        let mut list = String::new();
        let of_role = ready.iter().filter(|(_, (other, _))| *other == role);
        for (name, (_, port)) in of_role {
            writeln!(list, "127.0.0.1:{port}  # {name}").map_err(io::Error::other)?;
        }
        let draft = self.folder.join(format!(".{}.new", role.name()));
        fs::write(&draft, list)?;
        fs::rename(draft, self.folder.join(role.name()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_has_who_is_ready_and_nobody_else() {
        let folder = tempfile::tempdir().unwrap();
        let lists = Lists::begin(folder.path()).unwrap();
        let list = |name: &str| fs::read_to_string(folder.path().join(name)).unwrap();
        assert_eq!((list("trade"), list("sandbox")), Default::default());
        lists.enter("trade-1", (Role::Trade, 7)).unwrap();
        lists.enter("trade-2", (Role::Trade, 8)).unwrap();
        lists.enter("rate-1", (Role::Rate, 9)).unwrap();
        lists.enter("callback-1", (Role::Callback, 6)).unwrap();
        let both = "127.0.0.1:7  # trade-1\n127.0.0.1:8  # trade-2\n";
        assert_eq!(list("trade"), both);
        lists.strike("trade-1", Role::Trade).unwrap();
        lists.enter("trade-2", (Role::Trade, 10)).unwrap();
        assert_eq!(list("trade"), "127.0.0.1:10  # trade-2\n");
        assert_eq!(list("rate"), "127.0.0.1:9  # rate-1\n");
        assert!(!folder.path().join("callback").exists());
    }

    #[test]
    fn a_target_names_its_list() {
        let folder = tempfile::tempdir().unwrap();
        let lists = Lists::begin(folder.path()).unwrap();
        let path = folder.path().join("pay-gateway");
        let target = lists.target(Role::PayGateway);
        assert_eq!(target, format!("file://{}", path.display()));
    }
}
