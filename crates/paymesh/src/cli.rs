//! The command line.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;
use secrecy::SecretString;

const EXAMPLES: &str = "\
Examples:
  paymesh up                                everything in one process, data in ./data
  paymesh demo                              drive 500 orders through it and count the money
  paymesh trace W261120432000000000         what happened to an order
  paymesh explain pay-gateway               how that service is called, and how it does
  paymesh --config prod.toml serve trade    one service, for a deployment
  paymesh --config prod.toml task revoke    what a worker does, once, for a CronJob";

/// A payment aggregator's back end.
#[derive(Debug, Parser)]
#[command(name = "paymesh", version, before_help = EXAMPLES, max_term_width = 100)]
pub struct Cli {
    /// The configuration file (TOML); config/example.toml has every key
    #[arg(long, global = true, env = "PAYMESH_CONFIG", value_name = "FILE")]
    pub config: Option<PathBuf>,

    #[command(subcommand)]
    pub command: Command,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run every role in one process, on embedded stores, over loopback gRPC
    #[cfg(feature = "dev")]
    Up(Up),
    /// Run every role as processes of their own, two of each, on MySQL
    #[cfg(feature = "dev")]
    UpSplit(UpSplit),
    /// Serve one service's RPCs
    Serve {
        /// Which service
        service: Service,
    },
    /// Serve the channels' callbacks alone
    Callback,
    /// Work off what a service owes, continuously
    Work {
        /// Whose work
        service: Worker,
    },
    /// Simulate a payment channel
    #[cfg(feature = "dev")]
    Sandbox,
    /// Bring a service's database up to date
    Migrate {
        /// Whose database
        service: Service,
    },
    /// Start a mesh of its own, drive orders through it, and count the money
    #[cfg(feature = "dev")]
    Demo(Demo),
    /// Measure: orders with and without a storm of orders for shops that do not exist
    #[cfg(feature = "dev")]
    Bench(Bench),
    /// The bench's storm, which it starts as a process of its own
    #[cfg(feature = "dev")]
    #[command(hide = true)]
    Storm(Storm),
    /// Have a service work off what it owes, once: exit code 3 if some of it failed
    Task {
        /// Which; without one, all are listed
        name: Option<String>,
        /// Where its owner serves [default: its address in peers]
        #[arg(long, value_name = "HOST:PORT")]
        address: Option<String>,
    },
    /// Tell an order's story: exit code 3 if trade or pay-gateway told nothing
    Trace {
        /// The order's number (W and 18 digits), the number the channel knows one of its
        /// payments by (`outTradeNo`), or the channel's own number of one
        number: String,
        /// Where trade and pay-gateway are
        #[arg(long, default_value = "127.0.0.1:7400", value_name = "HOST:PORT")]
        address: String,
        /// Where pay-gateway is, if elsewhere
        #[arg(long, value_name = "HOST:PORT")]
        gateway: Option<String>,
    },
    /// Tell what a process's mesh knows: its peers, why they are picked or not, and its policies
    Explain {
        /// Which peers and methods: a service's name, or a part of an address or of a method's
        /// name [default: all that it calls or serves]
        service: Option<String>,
        /// The process's admin port [default: listen.admin, 127.0.0.1:7402]
        #[arg(long, value_name = "HOST:PORT")]
        address: Option<String>,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Ask a server whether it serves: exit code 0 if it does
    Healthcheck {
        /// The server's gRPC address
        #[arg(long, default_value = "127.0.0.1:7400", value_name = "HOST:PORT")]
        address: String,
        /// A service's full name; the whole server if left out
        #[arg(long, default_value = "")]
        service: String,
    },
    /// Print version and features
    Version,
    /// Print a completion script
    Completions {
        /// For which shell
        shell: Shell,
    },
}

/// Where `up` keeps its data and listens.
#[derive(Debug, Args)]
pub struct Up {
    /// Databases and the simulator's ledger; made if it is not there
    #[arg(long, default_value = "data", value_name = "FOLDER")]
    pub data_dir: PathBuf,
    /// All RPCs [default: listen.grpc, 127.0.0.1:7400]
    #[arg(long, value_name = "HOST:PORT")]
    pub grpc: Option<String>,
    /// The channels' callbacks [default: listen.callback, 127.0.0.1:7401]
    #[arg(long, value_name = "HOST:PORT")]
    pub callback: Option<String>,
    /// Metrics and health [default: listen.admin, 127.0.0.1:7402]
    #[arg(long, value_name = "HOST:PORT")]
    pub admin: Option<String>,
    /// The simulated channel's HTTP side [default: listen.sandbox, 127.0.0.1:7403]
    #[arg(long, value_name = "HOST:PORT")]
    pub sandbox: Option<String>,
    /// Leave what is owed to `paymesh task`
    #[arg(long)]
    pub no_workers: bool,
}

/// Where `up-split` keeps its data.
#[derive(Debug, Args)]
pub struct UpSplit {
    /// Configuration, lists of addresses, logs and the simulator's ledger; what an earlier mesh
    /// left there is replaced
    #[arg(long, default_value = "data/split", value_name = "FOLDER")]
    pub data_dir: PathBuf,
    /// Give everybody a certificate: the processes prove to each other who they are
    #[arg(long)]
    pub tls: bool,
    #[command(flatten)]
    pub servers: Servers,
}

/// Servers for databases that are made at the start and gone at the end.
#[derive(Debug, Args)]
pub struct Servers {
    /// A MySQL or MariaDB, as mysql://USER:PASSWORD@HOST:PORT/, whose user may create databases
    #[arg(
        long,
        env = "PAYMESH_TEST_MYSQL_URL",
        hide_env_values = true,
        value_name = "URL"
    )]
    pub mysql: Option<SecretString>,
    /// A Redis; it works without
    #[arg(
        long,
        env = "PAYMESH_TEST_REDIS_URL",
        hide_env_values = true,
        value_name = "URL"
    )]
    pub redis: Option<SecretString>,
}

/// What the demo does.
#[derive(Debug, Args)]
pub struct Demo {
    /// How many orders: half of them ordinary, the others each with trouble of its kind
    #[arg(long, default_value_t = 500, value_parser = clap::value_parser!(u32).range(1..))]
    pub orders: u32,
    /// How often to kill the mesh (SIGKILL) at a random moment and start it again
    #[arg(long, default_value_t = 0)]
    pub kills: u32,
    /// The seed of what is random
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// Keep the data here [default: a temporary folder]
    #[arg(long, value_name = "FOLDER")]
    pub data_dir: Option<PathBuf>,
    /// Tell one order's story for each kind of trouble
    #[arg(long)]
    pub stories: bool,
    /// Run the mesh without its workers, and call every task each second instead
    #[arg(long)]
    pub tasks_only: bool,
    #[command(flatten)]
    pub apart: Apart,
}

/// A demo on separate processes.
#[derive(Debug, Args)]
pub struct Apart {
    /// Run the mesh as up-split does: every role as processes of their own, on MySQL
    #[arg(long, conflicts_with_all = ["kills", "tasks_only"])]
    pub split: bool,
    /// With --split: give everybody a certificate
    #[arg(long, requires = "split")]
    pub tls: bool,
    /// With --split: kill (SIGKILL) one process of each role, then all of it, one role at a time
    #[arg(long, requires = "split")]
    pub kill_each: bool,
    /// With --split: freeze (SIGSTOP) a process of each role, one at a time, for so long [10 s]
    #[arg(
        long,
        requires = "split",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "10",
        value_name = "SECONDS"
    )]
    pub freeze_each: Option<u64>,
    #[command(flatten)]
    pub servers: Servers,
}

/// What the bench does.
#[derive(Debug, Args)]
pub struct Bench {
    /// Orders a second that are paid for
    #[arg(long, default_value_t = 50)]
    pub orders: u32,
    /// Orders a second for random shops that do not exist
    #[arg(long, default_value_t = 10_000)]
    pub storm: u32,
    /// Pairs of runs, one without the storm and one with it, after a pair that only warms
    #[arg(long, default_value_t = 7)]
    pub pairs: u32,
    /// How long a run lasts, in seconds
    #[arg(long, default_value_t = 20)]
    pub seconds: u64,
}

/// How the bench's storm blows.
#[derive(Debug, Args)]
pub struct Storm {
    /// Where the mesh listens
    #[arg(long, value_name = "ADDRESS:PORT")]
    pub grpc: SocketAddr,
    /// Requests a second
    #[arg(long)]
    pub per_second: u32,
    /// How long it lasts, in seconds
    #[arg(long)]
    pub seconds: u64,
}

/// A service.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Service {
    ShopCenter,
    Rate,
    Trade,
    PayGateway,
}

/// A service with background work.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Worker {
    Trade,
    PayGateway,
}
