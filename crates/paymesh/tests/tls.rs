//! A service with certificates, as processes: who is served, who is not, and what they are told.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs;
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::sync::Arc;
use std::time::Duration;

use mesh::{Client, ClientSettings, Context, Tls, TlsSettings, reason_of};
use pki::{Files, Pki};
use proto::shop::v1::ListMerchantsRequest;
use proto::shop::v1::shop_service_client::ShopServiceClient;
use seam::net::Tcp;
use tempfile::TempDir;
use tonic::Code;

const HOUR: Duration = Duration::from_hours(1);

fn paymesh(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_paymesh"));
    command
        .args(args)
        .env_remove("PAYMESH_CONFIG")
        .stdin(Stdio::null());
    command
}

fn under(mut command: Command, files: &Files) -> Command {
    command
        .env("PAYMESH__MESH__TLS__CERT", &files.cert)
        .env("PAYMESH__MESH__TLS__KEY", &files.key)
        .env("PAYMESH__MESH__TLS__CA", &files.ca);
    command
}

fn said(output: &Output) -> String {
    let text = [&output.stdout[..], &output.stderr[..]].concat();
    String::from_utf8_lossy(&text).into_owned()
}

/// shop-center by itself; killed when the test ends.
struct Shops {
    pki: Pki,
    folder: TempDir,
    grpc: String,
    child: Child,
}

impl Shops {
    fn start() -> Self {
        let (pki, folder) = (Pki::new("paymesh").unwrap(), tempfile::tempdir().unwrap());
        let files = pki.issue("shop-center", HOUR, &folder.path().join("shop-center"));
        let database = format!("sqlite://{}/shops.db?mode=rwc", folder.path().display());
        let on = |args: &[&str]| {
            let mut command = paymesh(args);
            command.env("PAYMESH__SHOP_CENTER__DATABASE__URL", &database);
            command
        };
        let migrated = on(&["migrate", "shop-center"]).output().unwrap();
        assert!(migrated.status.success(), "{}", said(&migrated));
        let config = folder.path().join("shops.toml");
        let text = "[mesh.callers]\n\"paymesh.shop.v1.ShopService/ListMerchants\" = [\"till\"]\n";
        fs::write(&config, text).unwrap();
        let grpc = free_port();
        let args = ["--config", config.to_str().unwrap(), "serve", "shop-center"];
        let child = under(on(&args), &files.unwrap())
            .env("PAYMESH__LISTEN__GRPC", &grpc)
            .env("PAYMESH__LISTEN__ADMIN", "127.0.0.1:0")
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        Self {
            pki,
            folder,
            grpc,
            child,
        }
    }

    fn files(&self, name: &str) -> Files {
        let folder = self.folder.path().join(name);
        self.pki.issue(name, HOUR, &folder).unwrap()
    }

    fn healthcheck(&self, files: Option<&Files>) -> Output {
        let command = paymesh(&["healthcheck", "--address", &self.grpc]);
        let mut command = match files {
            Some(files) => under(command, files),
            None => command,
        };
        command.output().unwrap()
    }

    /// Waits until it serves those who may call.
    fn serving(self) -> Self {
        let operator = self.files("operator");
        let mut checked = self.healthcheck(Some(&operator));
        for _ in 0..50 {
            if checked.status.success() {
                return self;
            }
            std::thread::sleep(Duration::from_millis(100));
            checked = self.healthcheck(Some(&operator));
        }
        panic!("{}", said(&checked));
    }

    fn client(&self, name: &str) -> ShopServiceClient<Client> {
        let files = self.files(name);
        let tls = TlsSettings::new(&files.cert, &files.key, &files.ca, "paymesh");
        let settings = ClientSettings {
            tls: Some(Tls::load(&tls).unwrap()),
            peer: Some("shop-center".to_owned()),
            ..ClientSettings::new("test", &*self.grpc)
        };
        let policies = paymesh::ground::policies().unwrap();
        ShopServiceClient::new(Client::new(settings, Arc::new(Tcp), policies).unwrap())
    }
}

impl Drop for Shops {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn free_port() -> String {
    let free = TcpListener::bind("127.0.0.1:0").unwrap();
    free.local_addr().unwrap().to_string()
}

#[tokio::test]
async fn a_service_with_certificates_serves_those_who_may_call() {
    let shops = Shops::start().serving();
    let list = async |name| {
        let mut client = shops.client(name);
        let asked = client.list_merchants(ListMerchantsRequest::default());
        let answer = Context::background(Duration::from_secs(5))
            .scope(asked)
            .await;
        answer.map(|_| ())
    };
    // The configuration stands above the method's own list.
    list("till").await.unwrap();
    let denied = list("operator").await.unwrap_err();
    assert_eq!(denied.code(), Code::PermissionDenied);
    assert_eq!(reason_of(&denied).as_deref(), Some("CALLER_NOT_ALLOWED"));
    let expected = "operator is not among the callers of paymesh.shop.v1.ShopService/ListMerchants";
    assert_eq!(denied.message(), expected);
}

#[test]
fn commands_show_their_certificate_and_say_what_is_wrong_with_it() {
    let shops = Shops::start().serving();
    let plain = said(&shops.healthcheck(None));
    assert!(plain.contains("it may want TLS"), "{plain}");
    let elsewhere = Pki::new("elsewhere").unwrap();
    let folder = shops.folder.path().join("elsewhere");
    let forged = elsewhere.certify_ids(&["spiffe://paymesh/operator"], HOUR);
    let forged = forged.unwrap().trusting(&shops.pki).write(&folder).unwrap();
    let refused = said(&shops.healthcheck(Some(&forged)));
    let expected = "refuses our certificate (spiffe://paymesh/operator): it does not trust the \
                    authority that issued it";
    assert!(refused.contains(expected), "{refused}");
    // Whoever answers must be the task's owner.
    let task = paymesh(&["task", "revoke", "--address", &shops.grpc]);
    let other = said(&under(task, &shops.files("task")).output().unwrap());
    let expected = "proves to be spiffe://paymesh/shop-center, and \"trade\" is expected there";
    assert!(other.contains(expected), "{other}");
}

fn refused(config: &str, command: &[&str], folder: &Path) -> String {
    let file = folder.join("wrong.toml");
    fs::write(&file, config).unwrap();
    let args = [&["--config", file.to_str().unwrap()], command].concat();
    let output = paymesh(&args).current_dir(folder).output().unwrap();
    assert_eq!(output.status.code(), Some(1), "{}", said(&output));
    said(&output)
}

#[test]
fn a_configuration_that_protects_nothing_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let why = |config: &str, command: &[&str]| refused(config, command, folder.path());
    let serve: &[&str] = &["serve", "rate"];
    let half = why("[mesh.tls]\ncert = \"tls.crt\"\n", serve);
    assert!(
        half.contains("CONFIG_INVALID: mesh.tls.key is missing"),
        "{half}"
    );
    let callers = "[mesh.callers]\n\"paymesh.rate.v1.RateService/Get\" = []\n";
    let unproved = why(callers, serve);
    let expected = "CONFIG_INVALID: mesh.callers needs mesh.tls";
    assert!(unproved.contains(expected), "{unproved}");
    let pki = Pki::new("paymesh").unwrap();
    let files = pki.issue("rate", HOUR, folder.path()).unwrap();
    let tls = format!(
        "[mesh.tls]\ncert = {:?}\nkey = {:?}\nca = {:?}\n",
        files.cert, files.key, files.ca
    );
    let nobody = why(&format!("{tls}{callers}"), serve);
    let expected = "CONFIG_INVALID: mesh.callers: \"paymesh.rate.v1.RateService/Get\" is no";
    assert!(nobody.contains(expected), "{nobody}");
    let up = why(&tls, &["up", "--data-dir", "data"]);
    assert!(up.contains("CONFIG_INVALID: mesh.tls: one process"), "{up}");
    for command in [&["serve", "trade"][..], &["work", "trade"], &["callback"]] {
        let other = why(&tls, command);
        let expected = "mesh.tls.cert is a certificate for spiffe://paymesh/rate, and this is ";
        assert!(other.contains(expected), "{other}");
    }
    let callers = "[mesh.callers]\n\"paymesh.rate.v1.RateService\" = [\"Operator\"]\n";
    let nobody = why(&format!("{tls}{callers}"), serve);
    let expected = "CONFIG_INVALID: mesh.callers: \"Operator\", for";
    assert!(nobody.contains(expected), "{nobody}");
    let elsewhere = why(&format!("{tls}trust_domain = \"elsewhere\"\n"), serve);
    assert!(
        elsewhere.contains("is not of the trust domain elsewhere"),
        "{elsewhere}"
    );
}
