//! Which key verifies and signs: a merchant's, its agent's, its chain's; MD5 or RSA.

use super::*;
use crate::{MerchantKey, Pem};

const NUMBER: &str = "W1709251528510010000";
const AGENT: &str = "075020000001";

/// The merchant's side of a pair, and the entry that names its other side.
fn pair(mch_id: &str) -> (Signer, MerchantKey) {
    let keys: serde_json::Value =
        serde_json::from_str(include_str!("../../fixtures/rsa.json")).unwrap();
    let pem = |side: &str, form: &str| {
        let pem = keys["keys"][side][form].as_str().unwrap();
        Pem::Value(pem.to_owned())
    };
    let key = Key::rsa_1_256(
        pem("app", "public_spki_pem"),
        pem("platform", "private_pkcs8_pem"),
    );
    let mch_id = mch_id.to_owned();
    (sign::rsa_pair().0, MerchantKey { mch_id, key })
}

async fn rig(mch_id: &str) -> (Rig, Signer) {
    let (merchant, entry) = pair(mch_id);
    let rig = Rig::with(|settings| settings.merchants = vec![entry]).await;
    (rig, merchant)
}

impl Rig {
    /// What a request is answered that is signed so.
    async fn sealed(&self, request: Fields, signer: &Signer) -> Fields {
        self.post(wire::write(&sign::sealed(request, signer))).await
    }
}

#[tokio::test]
async fn an_rsa_merchant_is_answered_and_notified_with_the_platforms_key() {
    let (mut rig, merchant) = rig(MCH).await;
    rig.notify();
    let mut shop = Merchant::new(&rig.net).await;
    shop.answer("success").await;
    let reply = rig.sealed(jspay(NUMBER, &shop.url), &merchant).await;
    assert_eq!(
        (reply["result_code"].as_str(), reply["sign_type"].as_str()),
        ("0", "RSA_1_256")
    );
    assert!(sign::verify(&reply, &merchant));
    let info: serde_json::Value = serde_json::from_str(&reply["pay_info"]).unwrap();
    assert_eq!(info["signType"], "RSA");
    rig.pay(NUMBER).await.unwrap();
    let letter = shop.letter().await;
    assert_eq!(letter["sign_type"], "RSA_1_256");
    assert!(sign::verify(&letter, &merchant));
    let refused = rig.sealed(about("unified.trade.close", NUMBER), &merchant);
    assert!(sign::verify(&refused.await, &merchant));
}

#[tokio::test]
async fn a_message_does_not_choose_its_kind_of_signature() {
    let (rig, merchant) = rig(MCH).await;
    let request = jspay(NUMBER, "127.0.0.1");
    let (_, platform) = sign::rsa_pair();
    for forged in [
        // Signed with the key that other merchants have.
        sign::sealed(request.clone(), &key()),
        sign::signed(request.clone(), &key()),
        // The kind left out, or another.
        sign::signed(request.clone(), &merchant),
        sign::signed(with(request.clone(), "sign_type", "MD5"), &merchant),
        sign::signed(with(request.clone(), "sign_type", "RSA_1_1"), &merchant),
        // Signed with the wrong key of the pair.
        sign::sealed(request, &platform),
    ] {
        let reply = rig.post(wire::write(&forged)).await;
        assert_eq!(reply["message"], "Signature error", "{}", forged["sign"]);
    }
    assert_eq!(rig.list(0, "").await.unwrap().charges, []);
}

#[tokio::test]
async fn an_agent_signs_for_the_merchant_in_both_ways() {
    let (rig, agent) = rig(AGENT).await;
    let through = |request: Fields| with(request, "sign_agentno", AGENT);
    for request in [
        jspay(NUMBER, "127.0.0.1"),
        micropay("W1709251528510020000", CODE),
        about("unified.trade.query", NUMBER),
        refund_of("W1709251528510020000", "R1", "100"),
    ] {
        let reply = rig.sealed(through(request.clone()), &agent).await;
        assert_eq!(reply["result_code"], "0", "{reply:?}");
        assert_eq!(reply["mch_id"], MCH);
        assert!(sign::verify(&reply, &agent) && !sign::verify(&reply, &key()));
        // The merchant's own key is not the agent's.
        let own = rig.sealed(through(request), &key()).await;
        assert_eq!(own["message"], "Signature error");
    }
}

#[tokio::test]
async fn a_chain_signs_for_the_merchant() {
    let chain = Signer::md5("the chain's key, of 32 bytes too");
    let rig = Rig::with(|settings| {
        settings.merchants = vec![MerchantKey {
            mch_id: "150".to_owned(),
            key: Key::new("the chain's key, of 32 bytes too"),
        }];
    })
    .await;
    let request = with(jspay(NUMBER, "127.0.0.1"), "groupno", "150");
    let reply = rig.sealed(request, &chain).await;
    assert!(reply["result_code"] == "0" && sign::verify(&reply, &chain));
}

#[tokio::test]
async fn an_rsa_merchants_notices_are_forged_with_the_keys_of_others() {
    let (mut rig, merchant) = rig(MCH).await;
    rig.notify();
    let forged = script("it", Misbehaviour::Forged(pb::ForgedNotice::default()));
    let notify = pb::Script {
        step: pb::Step::Notify.into(),
        ..forged
    };
    rig.set(notify).await.unwrap();
    let mut shop = Merchant::new(&rig.net).await;
    rig.sealed(jspay(NUMBER, &shop.url), &merchant).await;
    rig.pay(NUMBER).await.unwrap();
    let mut told = Vec::new();
    for _ in 0..3 {
        let letter = shop.letter().await;
        shop.answer("success").await;
        told.push((
            letter["sign_type"].clone(),
            sign::verify(&letter, &merchant),
        ));
    }
    let told = told.iter().map(|(kind, right)| (kind.as_str(), *right));
    let expected = [("RSA_1_256", false), ("MD5", false), ("RSA_1_256", true)];
    assert_eq!(told.collect::<Vec<_>>(), expected);
}
