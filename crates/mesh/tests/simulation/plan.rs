//! What goes wrong in a simulation, and when: drawn from its seed.

use std::time::Duration;

use seam::{Ids, SeededIds};

pub(crate) const SERVERS: usize = 5;

// Milliseconds of the simulation's time.
const FIRST_FAULT: u64 = 1_000;
const LAST_FAULT: u64 = 6_500;

/// One seed's story, before it happens.
#[derive(Debug, Clone)]
pub(crate) struct Plan {
    pub(crate) seed: u64,
    /// One server at a time, and what fails says so: then no call that may be repeated fails.
    pub(crate) gentle: bool,
    /// Which servers allow few streams on a connection; they are none of ours.
    pub(crate) narrow: [bool; SERVERS],
    /// What a message to or from each takes, as long as nothing is wrong.
    pub(crate) distances: [Duration; SERVERS],
    pub(crate) faults: Vec<Fault>,
}

/// What is wrong with one server for a while.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Fault {
    pub(crate) server: usize,
    pub(crate) kind: Kind,
    pub(crate) from: Duration,
    pub(crate) to: Duration,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Its handlers answer so many of a thousand calls with UNAVAILABLE, at once.
    Fails(u64),
    /// Its handlers take so much longer.
    Slow(Duration),
    /// Its process ends, and later another one begins.
    Crash,
    /// It drains, and later another one begins.
    Drain,
    /// Nothing gets through between it and the client.
    Cut,
    /// What the client sends is lost.
    Deaf,
    /// What it sends is lost.
    Mute,
    /// It is frozen: all messages wait, and arrive in the end.
    Frozen,
    /// Each message takes so long.
    Far(Duration),
    /// The resolver fails; no server's own trouble.
    Nameless,
}

impl Kind {
    /// For how long it is felt after it has ended. TCP here never sends anything twice: a
    /// connection that has lost a message is dead until somebody notices.
    pub(crate) fn tail(self) -> Duration {
        Duration::from_millis(match self {
            Self::Cut | Self::Deaf | Self::Mute => 16_000,
            Self::Frozen | Self::Far(_) => 5_000,
            Self::Slow(_) => 3_000,
            Self::Fails(_) | Self::Crash | Self::Drain | Self::Nameless => 1_500,
        })
    }

    /// Whether a connection may end by it, or not be had.
    pub(crate) fn is_of_the_network(self) -> bool {
        !matches!(self, Self::Fails(_) | Self::Slow(_) | Self::Nameless)
    }
}

impl Fault {
    /// Whether it is felt at any time between the two.
    pub(crate) fn is_felt(&self, from: Duration, to: Duration) -> bool {
        self.from <= to && from <= self.to + self.kind.tail()
    }
}

impl Plan {
    pub(crate) fn of(seed: u64) -> Self {
        let dice = Dice::new(seed, 0);
        let narrow = narrow(&dice);
        let gentle = seed.is_multiple_of(2);
        let faults = match (gentle, dice.one_in(6)) {
            (true, _) => one_after_the_other(&dice, narrow),
            (false, true) => all_at_once(&dice),
            (false, false) => any(&dice, narrow),
        };
        Self {
            seed,
            gentle,
            narrow,
            distances: distances(seed),
            faults,
        }
    }

    /// When the last fault has ended.
    pub(crate) fn healed(&self) -> Duration {
        let ends = self.faults.iter().map(|fault| fault.to);
        ends.max().unwrap_or_default()
    }
}

/// The same for every message: tonic's server polls what may end a connection in an order of
/// chance that no seed reaches, so now and then it says in two messages what it says in one.
fn distances(seed: u64) -> [Duration; SERVERS] {
    let dice = Dice::new(seed, 1);
    std::array::from_fn(|_| dice.millis(1, 15))
}

/// None, one or all.
fn narrow(dice: &Dice) -> [bool; SERVERS] {
    let mut narrow = [dice.one_in(6); SERVERS];
    if dice.one_in(3) {
        narrow[dice.server()] = true;
    }
    narrow
}

fn one_after_the_other(dice: &Dice, narrow: [bool; SERVERS]) -> Vec<Fault> {
    let mut faults = Vec::new();
    let mut from = dice.between(FIRST_FAULT, FIRST_FAULT + 500);
    while from < LAST_FAULT {
        let server = dice.server();
        let kind = match dice.below(5) {
            0 => Kind::Fails(1_000),
            1 => Kind::Fails(dice.between(100, 400)),
            2 => Kind::Crash,
            3 if !narrow[server] => Kind::Drain,
            _ => Kind::Nameless,
        };
        let to = from + dice.between(300, 1_500);
        faults.push(Fault::new(server, kind, (from, to)));
        from = to + dice.between(300, 1_000);
    }
    faults
}

fn all_at_once(dice: &Dice) -> Vec<Fault> {
    let from = dice.between(2_000, 4_000);
    let to = from + dice.between(500, 3_000);
    let fails = |server| Fault::new(server, Kind::Fails(1_000), (from, to));
    (0..SERVERS).map(fails).collect()
}

fn any(dice: &Dice, narrow: [bool; SERVERS]) -> Vec<Fault> {
    let mut free = [FIRST_FAULT; SERVERS];
    let mut faults = Vec::new();
    for _ in 0..dice.between(2, 8) {
        let server = dice.server();
        let from = free[server] + dice.below(3_000);
        let to = from + dice.between(300, 4_000);
        let kind = dice.kind(narrow[server]);
        // Two faults of one server would end each other.
        if to < LAST_FAULT + 1_000 {
            faults.push(Fault::new(server, kind, (from, to)));
            free[server] = to + 500;
        }
    }
    faults
}

impl Fault {
    fn new(server: usize, kind: Kind, (from, to): (u64, u64)) -> Self {
        Self {
            server,
            kind,
            from: Duration::from_millis(from),
            to: Duration::from_millis(to),
        }
    }
}

/// Chance, the same for the same seed and thrower.
pub(crate) struct Dice(SeededIds);

impl Dice {
    pub(crate) fn new(seed: u64, thrower: u64) -> Self {
        Self(SeededIds::new(
            seed.wrapping_mul(1_000).wrapping_add(thrower),
        ))
    }

    pub(crate) fn below(&self, end: u64) -> u64 {
        self.0.bits() % end
    }

    pub(crate) fn between(&self, from: u64, to: u64) -> u64 {
        from + self.below(to - from)
    }

    pub(crate) fn millis(&self, from: u64, to: u64) -> Duration {
        Duration::from_millis(self.between(from, to))
    }

    pub(crate) fn one_in(&self, times: u64) -> bool {
        self.below(times) == 0
    }

    fn server(&self) -> usize {
        usize::try_from(self.below(SERVERS as u64)).unwrap()
    }

    fn kind(&self, narrow: bool) -> Kind {
        match self.below(11) {
            0 => Kind::Fails(1_000),
            1 => Kind::Fails(self.between(100, 900)),
            2 => Kind::Slow(self.millis(100, 3_000)),
            3 => Kind::Drain,
            4 => Kind::Cut,
            5 => Kind::Deaf,
            6 => Kind::Mute,
            7 => Kind::Frozen,
            8 => Kind::Far(self.millis(50, 1_500)),
            9 => Kind::Nameless,
            _ => Kind::Crash,
        }
        .unless_drained(narrow)
    }
}

impl Kind {
    // A narrow server is no `Server` of ours, and cannot drain.
    fn unless_drained(self, narrow: bool) -> Self {
        match self {
            Self::Drain if narrow => Self::Crash,
            kind => kind,
        }
    }
}
