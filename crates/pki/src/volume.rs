//! A folder as Kubernetes mounts a Secret: the files are links through `..data`, and a new
//! content comes into force by the exchange of that one link.

use std::fs;
use std::io;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use crate::{CA, CERT, Files, Issued, KEY};

const DATA: &str = "..data";

/// A mounted Secret.
#[derive(Debug)]
pub struct Volume {
    folder: PathBuf,
    versions: usize,
}

impl Volume {
    /// Mounts a first content in a folder, which is made.
    pub fn mount(folder: &Path, issued: &Issued) -> io::Result<Self> {
        fs::create_dir_all(folder)?;
        let mut volume = Self {
            folder: folder.to_owned(),
            versions: 0,
        };
        volume.swap(issued)?;
        for file in [CERT, KEY, CA] {
            symlink(Path::new(DATA).join(file), folder.join(file))?;
        }
        Ok(volume)
    }

    /// Where the files are.
    pub fn files(&self) -> Files {
        Files::within(&self.folder)
    }

    /// Replaces all files at once; the links to them stay as they are.
    pub fn swap(&mut self, issued: &Issued) -> io::Result<()> {
        let before = self.version();
        self.versions += 1;
        issued.write(&self.folder.join(self.version()))?;
        let draft = self.folder.join("..data_tmp");
        symlink(self.version(), &draft)?;
        fs::rename(&draft, self.folder.join(DATA))?;
        if self.versions > 1 {
            fs::remove_dir_all(self.folder.join(before))?;
        }
        Ok(())
    }

    fn version(&self) -> String {
        format!("..version_{}", self.versions)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Pki;
    use std::time::Duration;

    #[test]
    fn a_swap_changes_what_the_links_show_and_not_the_links() {
        let folder = tempfile::tempdir().unwrap();
        let pki = Pki::new("paymesh").unwrap();
        let [one, other] = [1, 2].map(|_| pki.certify("trade", Duration::from_hours(1)).unwrap());
        let mut volume = Volume::mount(folder.path(), &one).unwrap();
        let files = volume.files();
        let link = fs::read_link(&files.cert).unwrap();
        assert_eq!(fs::read_to_string(&files.cert).unwrap(), one.cert);
        volume.swap(&other).unwrap();
        assert_eq!(fs::read_to_string(&files.cert).unwrap(), other.cert);
        assert_eq!(fs::read_to_string(&files.key).unwrap(), other.key);
        assert_eq!(fs::read_link(&files.cert).unwrap(), link);
    }
}
