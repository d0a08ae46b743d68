//! `paymesh task NAME`: a worker's code, run once by the service that owns the task.

use std::io::{IsTerminal, stderr};
use std::process::ExitCode;
use std::time::Duration;

use ::mesh::{Client, Context, reason_of};
use indicatif::ProgressBar;
use proto::task::v1::task_service_client::TaskServiceClient;
use proto::task::v1::{RunTaskRequest, RunTaskResponse};
use tokio::time::Instant;
use tonic::Status;

use crate::cli::Service;
use crate::config::{Config, PeersConfig};
use crate::failure::Failure;
use crate::ground::visitor;
use crate::task::{self, Entry};

// Some of it failed; it is tried again, and whoever looks may see why.
pub(super) const IN_PART: u8 = 3;
// The policy of RunTask ends it before.
const LONGEST: Duration = Duration::from_hours(1);
const TICK: Duration = Duration::from_millis(100);
// Between two plain lines.
const PACE: Duration = Duration::from_secs(1);

/// Runs the task at its owner and tells how far it is; without a name, lists them.
pub async fn run(
    config: &Config,
    name: Option<&str>,
    address: Option<&str>,
) -> Result<ExitCode, Failure> {
    let Some(name) = name else {
        list();
        return Ok(ExitCode::SUCCESS);
    };
    let entry = task::find(name).ok_or_else(|| {
        let there = task::names();
        Failure::new(
            "TASK_NOT_FOUND",
            format!("no task {name:?}; there is: {there}"),
        )
    })?;
    let address = address.unwrap_or_else(|| owner(&config.peers, entry));
    let client = visitor(config, "task", address, Some(entry.owner.name()))?;
    let run = follow(TaskServiceClient::new(client), entry.name);
    let ended = Context::background(LONGEST).scope(run).await;
    let ended = ended.map_err(|status| failure(entry, address, &status))?;
    println!("{}: {}", entry.name, counts(&ended));
    Ok(code(&ended))
}

fn list() {
    for Entry {
        name,
        owner,
        description,
        ..
    } in task::ALL
    {
        println!("{name:<15} {:<12} {description}", owner.name());
    }
}

fn owner<'a>(peers: &'a PeersConfig, entry: &Entry) -> &'a str {
    match entry.owner {
        Service::Trade => &peers.trade,
        Service::PayGateway => &peers.pay_gateway,
        Service::ShopCenter => &peers.shop_center,
        Service::Rate => &peers.rate,
    }
}

async fn follow(
    mut tasks: TaskServiceClient<Client>,
    name: &str,
) -> Result<RunTaskResponse, Status> {
    let request = RunTaskRequest {
        name: name.to_owned(),
    };
    let mut answers = tasks.run_task(request).await?.into_inner();
    let mut shown = Shown::new(name);
    while let Some(answer) = answers.message().await? {
        if answer.finished {
            return Ok(answer);
        }
        shown.show(&counts(&answer));
    }
    Err(Status::unavailable("the server went away"))
}

// A bar on a terminal, plain lines elsewhere; gone when the task has ended.
struct Shown {
    name: String,
    bar: Option<ProgressBar>,
    next: Instant,
}

impl Shown {
    fn new(name: &str) -> Self {
        let bar = stderr().is_terminal().then(ProgressBar::new_spinner);
        if let Some(bar) = &bar {
            bar.enable_steady_tick(TICK);
        }
        Self {
            name: name.to_owned(),
            bar,
            next: Instant::now(),
        }
    }

    fn show(&mut self, counts: &str) {
        if let Some(bar) = &self.bar {
            bar.set_message(format!("{}: {counts}", self.name));
        } else if Instant::now() >= self.next {
            self.next = Instant::now() + PACE;
            eprintln!("{}: {counts}", self.name);
        }
    }
}

impl Drop for Shown {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

fn counts(answer: &RunTaskResponse) -> String {
    let RunTaskResponse {
        done,
        postponed,
        failed,
        ..
    } = answer;
    format!("{done} done, {postponed} put off, {failed} failed")
}

fn code(ended: &RunTaskResponse) -> ExitCode {
    if ended.failed == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::from(IN_PART)
    }
}

fn failure(entry: &Entry, address: &str, status: &Status) -> Failure {
    let reason = reason_of(status).unwrap_or_else(|| status.code().to_string());
    let (name, owner) = (entry.name, entry.owner.name());
    let text = format!(
        "{name} at {address}: {reason}: {}; its owner is {owner}",
        status.message()
    );
    Failure::new("TASK_FAILED", text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_given_up_has_an_exit_code_of_its_own() {
        let ended = |failed| RunTaskResponse {
            done: 4,
            failed,
            finished: true,
            ..RunTaskResponse::default()
        };
        assert_eq!(code(&ended(0)), ExitCode::SUCCESS);
        assert_eq!(code(&ended(1)), ExitCode::from(3));
        assert_eq!(counts(&ended(1)), "4 done, 0 put off, 1 failed");
    }

    #[test]
    fn each_task_is_called_at_its_owner() {
        let peers = PeersConfig {
            trade: "trade:1".to_owned(),
            pay_gateway: "gateway:2".to_owned(),
            ..PeersConfig::all_at("elsewhere:3")
        };
        for entry in task::ALL {
            let address = owner(&peers, &entry);
            assert!(["trade:1", "gateway:2"].contains(&address), "{address}");
        }
        let revoke = task::find("revoke").unwrap();
        assert_eq!(owner(&peers, revoke), "trade:1");
    }
}
