//! The servers' process, as who measures sees it.

use std::net::SocketAddr;
use std::path::Path;
use std::process::Stdio;

use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};

use crate::error::BenchError;
use crate::fleet::NODES;
use crate::order::Order;

/// Five servers, and two bare ones; they end with their value.
pub(crate) struct Servers {
    _process: Child,
    tell: ChildStdin,
    said: Lines<BufReader<ChildStdout>>,
    /// The five.
    pub(crate) nodes: Vec<SocketAddr>,
    /// The five, behind a network that can be made bad.
    pub(crate) network: Vec<SocketAddr>,
    /// tonic's own server with 100 streams a connection.
    pub(crate) few_streams: SocketAddr,
    /// tonic's own server.
    pub(crate) bare: SocketAddr,
}

impl Servers {
    /// Starts them, this very program; with TLS on if there are certificates.
    pub(crate) async fn start(tls: Option<&Path>) -> Result<Self, BenchError> {
        let exe = std::env::current_exe().map_err(BenchError::io("who runs is not known"))?;
        let mut command = Command::new(exe);
        command.arg("serve");
        if let Some(folder) = tls {
            command.arg("--tls").arg(folder);
        }
        let spawned = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            // What they log costs what it costs anywhere, and nobody reads it.
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn();
        let mut process = spawned.map_err(BenchError::io("the servers do not start"))?;
        let (Some(tell), Some(said)) = (process.stdin.take(), process.stdout.take()) else {
            return Err(nonsense("start", "nothing"));
        };
        let mut said = BufReader::new(said).lines();
        let line = said.next_line().await;
        let line = line.map_err(BenchError::io("the servers say nothing"))?;
        let line = line.ok_or_else(|| nonsense("start", "nothing"))?;
        let addresses: Result<Vec<SocketAddr>, _> =
            line.split_whitespace().map(str::parse).collect();
        let addresses = addresses.map_err(|_| nonsense("start", &line))?;
        let (Some((nodes, rest)), true) = (
            addresses.split_at_checked(NODES),
            addresses.len() == 2 * NODES + 2,
        ) else {
            return Err(nonsense("start", &line));
        };
        let (network, bare) = rest.split_at(NODES);
        let [few_streams, bare] = bare else {
            return Err(nonsense("start", &line));
        };
        Ok(Self {
            _process: process,
            tell,
            said,
            nodes: nodes.to_vec(),
            network: network.to_vec(),
            few_streams: *few_streams,
            bare: *bare,
        })
    }

    /// Tells them something and waits until it is done.
    pub(crate) async fn tell(&mut self, order: Order) -> Result<(), BenchError> {
        match self.asked(order).await?.as_str() {
            "ok" => Ok(()),
            answer => Err(nonsense(&order.to_string(), answer)),
        }
    }

    /// How many calls each of the five has served.
    pub(crate) async fn counts(&mut self) -> Result<Vec<u64>, BenchError> {
        let answer = self.asked(Order::Counts).await?;
        let counts: Result<Vec<u64>, _> = answer.split_whitespace().map(str::parse).collect();
        counts.map_err(|_| nonsense("counts", &answer))
    }

    async fn asked(&mut self, order: Order) -> Result<String, BenchError> {
        let line = format!("{order}\n");
        let told = self.tell.write_all(line.as_bytes()).await;
        told.map_err(BenchError::io("the servers do not listen"))?;
        let answer = self.said.next_line().await;
        let answer = answer.map_err(BenchError::io("the servers say nothing"))?;
        answer.ok_or_else(|| nonsense(&order.to_string(), "nothing"))
    }
}

fn nonsense(order: &str, answer: &str) -> BenchError {
    BenchError::Servers {
        order: order.to_owned(),
        answer: answer.to_owned(),
    }
}
