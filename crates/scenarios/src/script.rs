//! What the channel is told to do wrong.

use proto::sandbox::v1::script::Misbehaviour;
use proto::sandbox::v1::{
    ClearScriptsRequest, ListMisbehavioursRequest, OrderFilter, Script, SetScriptRequest,
};

use crate::TestMesh;

impl TestMesh {
    /// From now on the channel misbehaves so, with all orders.
    pub async fn script(&self, name: &str, misbehaviour: Misbehaviour) {
        self.script_for(OrderFilter::default(), name, misbehaviour)
            .await;
    }

    /// The same with these orders only.
    pub async fn script_for(&self, orders: OrderFilter, name: &str, misbehaviour: Misbehaviour) {
        let script = Script {
            name: name.to_owned(),
            orders: Some(orders),
            misbehaviour: Some(misbehaviour),
            ..Script::default()
        };
        let request = SetScriptRequest {
            script: Some(script),
        };
        self.payers()
            .set_script(request)
            .await
            .expect("a valid script");
    }

    /// From now on the channel behaves.
    pub async fn clear_scripts(&self) {
        let all = ClearScriptsRequest::default();
        let cleared = self.payers().clear_scripts(all).await;
        cleared.expect("the scripts are cleared");
    }

    /// How often the channel did so to a payment.
    pub async fn misbehaved(&self, script: &str, out_trade_no: &str) -> i32 {
        let request = ListMisbehavioursRequest {
            out_trade_no: out_trade_no.to_owned(),
            ..ListMisbehavioursRequest::default()
        };
        let answer = self.payers().list_misbehaviours(request).await;
        let done = answer.expect("the ledger").into_inner().misbehaviours;
        let done = done.iter().filter(|done| done.script == script);
        done.map(|done| done.times).sum()
    }
}
