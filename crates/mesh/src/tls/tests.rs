//! Files that are being replaced, and a certificate that grows old.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use jiff::Timestamp;
use pki::{Files, Flaw, Issued, Pki};
use seam::{Clock, ManualClock, SystemClock};

use super::{Duration, Tls, TlsError, TlsSettings};
use crate::logged::Logged;

const HOUR: Duration = Duration::from_hours(1);

fn at(files: &Files) -> TlsSettings {
    TlsSettings::new(&files.cert, &files.key, &files.ca, "paymesh")
}

fn written(issued: &Issued, folder: &Path) -> TlsSettings {
    at(&issued.write(folder).unwrap())
}

/// Whoever replaces the files has the key still to write when the time is asked for first.
struct Replacing {
    settings: TlsSettings,
    key: String,
    done: AtomicBool,
}

impl Clock for Replacing {
    fn now(&self) -> Timestamp {
        if !self.done.swap(true, Ordering::Relaxed) {
            fs::write(&self.settings.key, &self.key).unwrap();
        }
        SystemClock.now()
    }
}

#[test]
fn a_process_that_starts_while_files_are_replaced_waits_for_the_last_of_them() {
    let (pki, folder) = (Pki::new("paymesh").unwrap(), tempfile::tempdir().unwrap());
    let [old, new] = [1, 2].map(|_| pki.certify("rate", HOUR).unwrap());
    let half = Issued {
        key: old.key,
        ..new.clone()
    };
    let settings = written(&half, folder.path());
    let wrong = Tls::load(&settings).unwrap_err();
    assert!(matches!(wrong, TlsError::Key { .. }), "{wrong}");
    let clock = Arc::new(Replacing {
        settings: settings.clone(),
        key: new.key,
        done: AtomicBool::default(),
    });
    Tls::load_by(&settings, clock).unwrap();
}

#[test]
fn what_expires_unreplaced_is_told_ahead_and_then_shown_in_words_that_stay() {
    let (pki, folder) = (Pki::new("paymesh").unwrap(), tempfile::tempdir().unwrap());
    let clock = Arc::new(ManualClock::new(SystemClock.now()));
    let settings = written(&pki.certify("rate", HOUR).unwrap(), folder.path());
    let tls = Tls::load_by(&settings, clock.clone()).unwrap();
    let logged = Logged::start();
    let seen = |ahead, wrong| {
        assert_eq!(logged.count("our certificate ends soon"), ahead);
        assert_eq!(logged.count("our certificates cannot be used"), wrong);
    };
    clock.advance(HOUR * 7 / 10);
    tls.look();
    seen(0, 0);
    clock.advance(HOUR / 5);
    tls.look();
    tls.look();
    seen(1, 0);
    assert_eq!(tls.view().error, None);
    clock.advance(HOUR);
    for _ in 0..3 {
        tls.look();
        let why = tls.view().error.unwrap();
        let expired = super::at(tls.view().expires);
        assert!(
            why.starts_with(&format!("our certificate expired at {expired}")),
            "{why}"
        );
        clock.advance(HOUR / 60);
    }
    seen(1, 1);
    written(&pki.certify("rate", 4 * HOUR).unwrap(), folder.path());
    tls.look();
    assert_eq!(tls.view().error, None);
}

#[test]
fn what_was_refused_for_its_time_is_told_once() {
    let (pki, folder) = (Pki::new("paymesh").unwrap(), tempfile::tempdir().unwrap());
    let clock = Arc::new(ManualClock::new(SystemClock.now()));
    let settings = written(&pki.certify("rate", 9 * HOUR).unwrap(), folder.path());
    let tls = Tls::load_by(&settings, clock.clone()).unwrap();
    let logged = Logged::start();
    clock.advance(2 * HOUR);
    written(&pki.certify("rate", HOUR).unwrap(), folder.path());
    for _ in 0..3 {
        clock.advance(HOUR / 60);
        tls.look();
    }
    assert_eq!(logged.count("the last good certificates stay in use"), 1);
}

#[test]
fn what_peers_would_not_believe_is_not_loaded() {
    let (pki, folder) = (Pki::new("paymesh").unwrap(), tempfile::tempdir().unwrap());
    let flawed = |flaw| pki.certify_flawed("rate", flaw).unwrap();
    let good = pki.certify("rate", 40 * HOUR).unwrap();
    let leaf = Issued {
        ca: good.ca.clone() + &flawed(Flaw::ServerOnly).cert,
        ..good.clone()
    };
    let use_ = "tls.crt holds a certificate that was not issued for this use: it has to be for \
                servers and for clients";
    for (issued, why) in [
        (flawed(Flaw::ServerOnly), use_),
        (flawed(Flaw::ClientOnly), use_),
        (
            flawed(Flaw::Authority),
            "tls.crt holds a certificate that is that of an authority",
        ),
        (leaf, "ca.crt holds a certificate that is no authority's"),
    ] {
        let said = Tls::load(&written(&issued, folder.path())).unwrap_err();
        assert!(said.to_string().contains(why), "{said}");
    }
    // It lasts for a day.
    let clock = Arc::new(ManualClock::new(SystemClock.now()));
    let settings = written(&good, folder.path());
    clock.advance(30 * HOUR);
    let said = Tls::load_by(&settings, clock.clone())
        .unwrap_err()
        .to_string();
    assert!(
        said.contains("ca.crt holds a certificate that expired at 2"),
        "{said}"
    );
    clock.set(SystemClock.now() - 2 * HOUR);
    let said = Tls::load_by(&settings, clock).unwrap_err().to_string();
    assert!(
        said.contains("ca.crt holds a certificate that is not valid before 2"),
        "{said}"
    );
}
