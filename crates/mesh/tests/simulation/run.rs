//! Lets a plan happen: builds the hosts, moves time on, and does what the plan says.

use std::sync::Arc;
use std::time::Duration;

use metrics_exporter_prometheus::PrometheusBuilder;
use turmoil::Sim;

use crate::plan::{Fault, Kind, Plan, SERVERS};
use crate::world::{Call, World};
use crate::{caller, server};

const CLIENT: &str = "client";
const TICK: Duration = Duration::from_millis(10);
/// Nothing lasts longer, or it hangs.
const LONGEST: Duration = Duration::from_mins(4);
/// How soon every server is called again when nothing is wrong any more.
const RECOVERED_WITHIN: Duration = Duration::from_mins(2);
/// So many calls prove it.
const ENOUGH: usize = 2;
/// What a server may take to end when it has nothing to do.
const STOPPED_WITHIN: Duration = Duration::from_secs(5);

/// What came of a plan.
pub(crate) struct Story {
    pub(crate) plan: Plan,
    pub(crate) calls: Vec<Call>,
    /// By call: which servers executed it.
    pub(crate) executed: std::collections::BTreeMap<u64, Vec<usize>>,
    /// Servers that were not called again.
    pub(crate) forgotten: Vec<usize>,
    pub(crate) left: Vec<String>,
    /// Calls that ended with a drain's time; the last, when nobody calls, must find none.
    pub(crate) aborted_at_last: usize,
    pub(crate) metrics: String,
    pub(crate) lasted: Duration,
    /// Each event, with its time.
    pub(crate) text: String,
}

pub(crate) fn tell(plan: &Plan) -> Story {
    let recorder = PrometheusBuilder::new().build_recorder();
    let mut story = metrics::with_local_recorder(&recorder, || Simulation::new(plan).run());
    story.metrics = recorder.handle().render();
    story
}

struct Simulation {
    world: Arc<World>,
    sim: Sim<'static>,
    forgotten: Vec<usize>,
}

fn name(place: usize) -> String {
    format!("server-{place}")
}

impl Simulation {
    fn new(plan: &Plan) -> Self {
        let world = World::new(plan.clone());
        let mut sim = turmoil::Builder::new()
            .rng_seed(plan.seed)
            .tick_duration(TICK)
            .simulation_duration(LONGEST)
            .build();
        for place in 0..SERVERS {
            let own = world.clone();
            sim.host(name(place), move || server::run(own.clone(), place));
            let address = (sim.lookup(name(place)), 80).into();
            world.state().addresses.push(address);
        }
        sim.client(CLIENT, caller::run(world.clone()));
        for (place, distance) in plan.distances.iter().enumerate() {
            sim.set_link_latency(CLIENT, name(place), *distance);
        }
        Self {
            world,
            sim,
            forgotten: Vec::new(),
        }
    }

    fn run(mut self) -> Story {
        let healed = self.world.plan.healed();
        let mut deeds = deeds(&self.world.plan);
        while let Some((at, fault, begins)) = deeds.pop() {
            self.until(at);
            self.change(&fault, begins);
        }
        self.until(healed);
        self.world.state().healed = true;
        self.note("all is well again");
        self.recover(healed + RECOVERED_WITHIN);
        self.world.state().over = true;
        self.note("it is over");
        while !self.step() {}
        self.stop();
        self.story()
    }

    /// Moves on; whether the client's host has ended.
    fn step(&mut self) -> bool {
        let seed = self.world.plan.seed;
        self.sim
            .step()
            .unwrap_or_else(|error| panic!("seed {seed}: {error}"))
    }

    fn until(&mut self, at: Duration) {
        while self.sim.elapsed() < at {
            self.step();
        }
    }

    fn note(&self, what: &str) {
        self.world
            .diary
            .note_at(self.sim.elapsed(), format_args!("{what}"));
    }

    /// Until every server has been called again, or should have been.
    fn recover(&mut self, limit: Duration) {
        loop {
            let state = self.world.state();
            let served = state.servers.iter().map(|server| server.served);
            let forgotten = served.enumerate().filter(|(_, served)| *served < ENOUGH);
            self.forgotten = forgotten.map(|(place, _)| place).collect();
            drop(state);
            if self.forgotten.is_empty() || self.sim.elapsed() > limit {
                return;
            }
            self.step();
        }
    }

    /// Nobody calls: the servers have nothing to finish.
    fn stop(&mut self) {
        let limit = self.sim.elapsed() + STOPPED_WITHIN;
        for server in &mut self.world.state().servers {
            server.aborted = 0;
            server.away = false;
            if let Some(lifecycle) = &server.lifecycle {
                lifecycle.stop();
            }
        }
        let running = |sim: &mut Sim<'_>| {
            let places = (0..SERVERS).filter(|place| sim.is_host_running(name(*place)));
            places.collect::<Vec<_>>()
        };
        while !running(&mut self.sim).is_empty() && self.sim.elapsed() < limit {
            self.step();
        }
        let mut state = self.world.state();
        for place in running(&mut self.sim) {
            state
                .left
                .push(format!("server {place}, which did not end"));
        }
        if state.running > 0 {
            let left = format!("{} handlers", state.running);
            state.left.push(left);
        }
    }

    fn story(self) -> Story {
        let lasted = self.sim.elapsed();
        let text = self.world.diary.text();
        let mut state = self.world.state();
        let aborted = state.servers.iter().map(|server| server.aborted);
        Story {
            plan: self.world.plan.clone(),
            aborted_at_last: aborted.sum(),
            calls: std::mem::take(&mut state.calls),
            executed: std::mem::take(&mut state.executed),
            left: std::mem::take(&mut state.left),
            forgotten: self.forgotten,
            metrics: String::new(),
            lasted,
            text,
        }
    }

    fn change(&mut self, fault: &Fault, begins: bool) {
        let (place, name) = (fault.server, name(fault.server));
        let verb = if begins { "begins" } else { "ends" };
        self.note(&format!("{:?} of server {place} {verb}", fault.kind));
        match fault.kind {
            Kind::Fails(share) => {
                self.world.state().servers[place].fails = if begins { share } else { 0 };
            }
            Kind::Slow(time) => {
                let slow = if begins { time } else { Duration::ZERO };
                self.world.state().servers[place].slow = slow;
            }
            Kind::Nameless => self.world.state().nameless = begins,
            Kind::Drain => self.drain(place, begins),
            Kind::Crash if begins => self.sim.crash(name),
            Kind::Crash => self.sim.bounce(name),
            Kind::Cut if begins => self.sim.partition(CLIENT, name),
            Kind::Cut => self.sim.repair(CLIENT, name),
            Kind::Deaf if begins => self.sim.partition_oneway(CLIENT, name),
            Kind::Deaf => self.sim.repair_oneway(CLIENT, name),
            Kind::Mute if begins => self.sim.partition_oneway(name, CLIENT),
            Kind::Mute => self.sim.repair_oneway(name, CLIENT),
            Kind::Frozen if begins => self.sim.hold(CLIENT, name),
            Kind::Frozen => self.sim.release(CLIENT, name),
            Kind::Far(time) => {
                let near = self.world.plan.distances[place];
                let latency = if begins { time } else { near };
                self.sim.set_link_latency(CLIENT, name, latency);
            }
        }
    }

    fn drain(&self, place: usize, begins: bool) {
        let server = &mut self.world.state().servers[place];
        server.away = begins;
        if begins && let Some(lifecycle) = &server.lifecycle {
            lifecycle.stop();
        }
    }
}

/// What begins and ends, the first of it last.
fn deeds(plan: &Plan) -> Vec<(Duration, Fault, bool)> {
    let both = |fault: &Fault| [(fault.from, *fault, true), (fault.to, *fault, false)];
    let mut deeds: Vec<_> = plan.faults.iter().flat_map(both).collect();
    deeds.sort_by_key(|(at, fault, begins)| (*at, fault.server, *begins));
    deeds.reverse();
    deeds
}
