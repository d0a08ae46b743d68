use std::collections::BTreeMap;
use std::fs;

use serde_json::{Value, json};
use tempfile::TempDir;

use super::*;

const AT: &str = "pay_gateway.swiftpass.keys.main";
const OLD: &str = "0123456789abcdef0123456789abcdef";
const NEW: &str = "9d101c97133837e13dde2d32a5054abb";

/// Key files, by name.
struct Files(TempDir);

impl Files {
    fn new() -> Self {
        let vectors = include_str!("../../../fixtures/swiftpass/rsa.json");
        let vectors: Value = serde_json::from_str(vectors).unwrap();
        let keys: BTreeMap<String, BTreeMap<String, String>> =
            serde_json::from_value(vectors["keys"].clone()).unwrap();
        let files = Self(TempDir::new().unwrap());
        for (name, pair) in keys {
            for (half, pem) in pair {
                files.write(&format!("{name}.{half}"), &pem);
            }
        }
        files.write("old", &format!("{OLD}\n"));
        files.write("new", &format!(" {NEW}\r\n"));
        files.write("short", "secret");
        files.write("none", "");
        files
    }

    fn write(&self, name: &str, text: &str) {
        fs::write(self.0.path().join(name), text).unwrap();
    }

    fn path(&self, name: &str) -> String {
        self.0.path().join(name).display().to_string()
    }

    /// RSA with these two, and these fields beside them.
    fn rsa(&self, (private, public): (&str, &str), beside: Value) -> Value {
        let mut key = json!({
            "sign_type": "RSA_1_256",
            "private_key_file": self.path(private),
            "public_key_file": self.path(public),
        });
        let Value::Object(beside) = beside else {
            panic!("{beside}")
        };
        key.as_object_mut().unwrap().extend(beside);
        key
    }
}

fn signer(key: &Value) -> Result<Signer, String> {
    let key: KeyConfig = serde_json::from_value(key.clone()).map_err(|e| e.to_string())?;
    key.signer(AT)
}

fn sign_type(key: &Value) -> &'static str {
    signer(key).unwrap().sign_type()
}

#[track_caller]
fn assert_refused(key: &Value, place: &str, why: &str) {
    let error = signer(key).unwrap_err();
    assert!(error.starts_with(place) && error.contains(why), "{error}");
    assert!(!error.contains(NEW) && !error.contains("secret"), "{error}");
}

#[test]
fn a_key_comes_as_a_value_or_from_files() {
    let files = Files::new();
    let pair = ("app.private", "platform.public");
    assert_eq!(sign_type(&json!({ "value": NEW })), "MD5");
    assert_eq!(
        sign_type(&json!({ "sign_type": "MD5", "value": NEW })),
        "MD5"
    );
    assert_eq!(sign_type(&json!({ "file": files.path("new") })), "MD5");
    assert_eq!(sign_type(&files.rsa(pair, json!({}))), "RSA_1_256");
    let previous = json!([{ "value": OLD }, { "file": files.path("old") }]);
    let key = json!({ "file": files.path("new"), "previous": previous });
    assert_eq!(sign_type(&key), "MD5");
    let previous = json!({ "previous_public_key_files": [files.path("bits_3072.public")] });
    assert_eq!(sign_type(&files.rsa(pair, previous)), "RSA_1_256");
}

#[test]
fn a_file_signs_as_its_value_does_and_what_is_replaced_is_believed() {
    let files = Files::new();
    let previous = json!([{ "file": files.path("old") }]);
    let changing = json!({ "file": files.path("new"), "previous": previous });
    let changing = signer(&changing).unwrap();
    let mut fields = crate::channel::Fields::from_iter([("total_fee", "1")]);
    for (key, believed) in [(NEW, true), (OLD, true), ("f".repeat(32).as_str(), false)] {
        signer(&json!({ "value": key }))
            .unwrap()
            .sign(&mut fields)
            .unwrap();
        assert_eq!(changing.verify(&fields).is_ok(), believed);
    }
    changing.sign(&mut fields).unwrap();
    let new = signer(&json!({ "value": NEW })).unwrap();
    assert!(new.verify(&fields).is_ok());
}

#[test]
fn what_cannot_work_is_refused_where_it_stands() {
    let files = Files::new();
    let at = |field: &str| format!("{AT}{field}");
    assert_refused(&json!({}), AT, "set value or file");
    let both = json!({ "value": NEW, "file": files.path("new") });
    assert_refused(&both, AT, "set value or file");
    assert_refused(&json!({ "value": "secret" }), AT, "32 bytes");
    assert_refused(&json!({ "file": files.path("short") }), AT, "32 bytes");
    assert_refused(
        &json!({ "file": files.path("away") }),
        &at(".file "),
        "away",
    );
    let previous = |key| json!({ "value": NEW, "previous": [{ "value": OLD }, key] });
    let (short, empty) = (json!({ "value": "secret" }), json!({}));
    assert_refused(&previous(short), &at(".previous[1]: "), "32 bytes");
    assert_refused(&previous(empty), &at(".previous[1]: "), "set value or file");
    let mixed = json!({ "value": NEW, "public_key_file": files.path("app.public") });
    assert_refused(&mixed, &at(".public_key_file "), "RSA_1_256");
    for unknown in ["RSA_1_1", "rsa", "md5", "none", ""] {
        let unknown = json!({ "sign_type": unknown, "value": NEW });
        assert_refused(&unknown, "unknown variant", "RSA_1_256");
    }
    assert_refused(&json!({ "key": NEW }), "unknown field", "private_key_file");
}

#[test]
fn rsa_keys_that_cannot_work_are_refused_where_they_stand() {
    let files = Files::new();
    let (app, platform) = ("app.private", "platform.public");
    let cases = [
        (
            ("bits_1024.private", platform),
            ".private_key_file: ",
            "2048",
        ),
        (("app.public", platform), ".private_key_file: ", "PKCS#8"),
        (("pkcs1.private", platform), ".private_key_file: ", "PKCS#8"),
        (("none", platform), ".private_key_file: ", "PKCS#8"),
        (("away", platform), ".private_key_file /", "away"),
        ((app, "bits_1024.public"), ".public_key_file: ", "1024 bits"),
        ((app, "bits_2047.public"), ".public_key_file: ", "2047 bits"),
        ((app, "elliptic.public"), ".public_key_file: ", "not an RSA"),
        ((app, "app.private"), ".public_key_file: ", "not an RSA"),
        ((app, "pkcs1.public"), ".public_key_file: ", "not an RSA"),
        ((app, "away"), ".public_key_file /", "away"),
    ];
    for (pair, place, why) in cases {
        let key = files.rsa(pair, json!({}));
        assert_refused(&key, &format!("{AT}{place}"), why);
    }
    let pair = (app, platform);
    let previous = [platform, "bits_1024.public"].map(|name| files.path(name));
    let previous = json!({ "previous_public_key_files": previous });
    let place = format!("{AT}.previous_public_key_files[1]: ");
    assert_refused(&files.rsa(pair, previous), &place, "1024 bits");
    let mixed = files.rsa(pair, json!({ "value": NEW }));
    assert_refused(&mixed, &format!("{AT}.value "), "sign_type MD5");
    let alone = json!({ "sign_type": "RSA_1_256", "private_key_file": files.path(app) });
    assert_refused(&alone, &format!("{AT}.public_key_file "), "must be set");
    let nothing = json!({ "sign_type": "RSA_1_256" });
    assert_refused(&nothing, &format!("{AT}.private_key_file "), "must be set");
}

#[test]
fn no_key_reaches_a_log() {
    let key = json!({ "value": NEW, "previous": [{ "value": OLD }] });
    let key: KeyConfig = serde_json::from_value(key).unwrap();
    let told = format!("{key:?} {:?}", key.signer(AT));
    assert!(!told.contains(NEW) && !told.contains(OLD), "{told}");
}
