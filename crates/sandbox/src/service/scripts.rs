//! Setting, listing and ending scripts.

use proto::sandbox::v1::{
    ClearScriptsRequest, ClearScriptsResponse, ListScriptsResponse, SetScriptRequest,
    SetScriptResponse,
};
use tonic::Status;

use super::fault::{failed, invalid, refused_script};
use super::script;
use crate::mischief::{Script, Set};
use crate::{App, SandboxError};

/// Puts a script in force.
pub(super) async fn set(app: &App, request: SetScriptRequest) -> Result<SetScriptResponse, Status> {
    let told = request
        .script
        .ok_or_else(|| invalid("script", "say what is to happen"))?;
    let read = script::read(told)?;
    read.validate().map_err(wrong)?;
    let set = app.mischief.set(&app.ledger, read.clone()).await;
    match set.map_err(failed)? {
        Set::Done => Ok(SetScriptResponse {
            script: Some(script::message(&read, false)),
        }),
        Set::Configured => Err(refused_script(
            "SCRIPT_CONFIGURED",
            "the configuration has a script of this name; choose another",
        )),
        Set::TooMany => Err(refused_script(
            "TOO_MANY_SCRIPTS",
            "there are 1000 scripts already; clear some",
        )),
    }
}

/// The scripts in force.
pub(super) fn list(app: &App) -> ListScriptsResponse {
    let message = |script: &Script| {
        let configured = app.mischief.is_configured(&script.name);
        script::message(script, configured)
    };
    ListScriptsResponse {
        scripts: app.mischief.scripts().iter().map(message).collect(),
    }
}

/// Ends scripts.
pub(super) async fn clear(
    app: &App,
    request: ClearScriptsRequest,
) -> Result<ClearScriptsResponse, Status> {
    let cleared = app.mischief.clear(&app.ledger, request.names).await;
    let cleared = i32::try_from(cleared.map_err(failed)?).unwrap_or(i32::MAX);
    Ok(ClearScriptsResponse { cleared })
}

fn wrong(error: SandboxError) -> Status {
    match error {
        SandboxError::Script { field, problem, .. } => invalid(&format!("script.{field}"), problem),
        other => failed(other),
    }
}
