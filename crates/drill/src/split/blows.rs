//! What is done to a split mesh while orders flow: each role killed and each frozen, in turn.

use std::time::Duration;

use futures::future::try_join_all;
use seam::Ids;
use tokio::time::{Instant, sleep, timeout};

use super::Fleet;
use super::instance::Instance;
use super::probe;
use super::role::{ALL, Role};
use crate::chaos::respite;
use crate::error::DrillError;
use crate::flow::Flow;

// How long a process that was killed is away, more or less, with the pause before it.
const KILL: Duration = Duration::from_millis(2_500);
// What comes with a frost: a pause before it, and what it takes to thaw.
const AROUND_FROST: Duration = Duration::from_secs(1);

/// What is done to it.
#[derive(Debug, Clone, Copy)]
pub struct Blows {
    /// Each role is killed (SIGKILL): one of its processes, then all of them at once.
    pub kill_each: bool,
    /// One process of each role is frozen (SIGSTOP) for so long, and thaws; none is, if not set.
    pub freeze_each: Option<Duration>,
}

impl Blows {
    /// How many there are.
    pub(crate) fn count(&self) -> u32 {
        let kills: usize = ALL.into_iter().map(Role::instances).sum();
        let kills = if self.kill_each { kills } else { 0 };
        let frosts = if self.freeze_each.is_some() {
            ALL.len()
        } else {
            0
        };
        u32::try_from(kills + frosts).unwrap_or(u32::MAX)
    }

    /// How long they take together, more or less.
    pub fn lasting(&self) -> Duration {
        let frost = self.freeze_each.map(|frost| frost + AROUND_FROST);
        let frosts = frost.unwrap_or_default() * u32::try_from(ALL.len()).unwrap_or(u32::MAX);
        let kills = Self {
            freeze_each: None,
            ..*self
        };
        frosts + KILL * kills.count()
    }

    /// Deals them, once there are orders; ends only with trouble: when somebody does not come
    /// back, or ends by itself.
    pub(crate) async fn run(&self, fleet: &Fleet, flow: &Flow, ids: &dyn Ids) -> DrillError {
        let field = Field { fleet, flow, ids };
        tokio::select! {
            fell = fleet.fell() => fell,
            Err(trouble) = self.deal(&field) => trouble,
        }
    }

    // Ends only with trouble.
    async fn deal(&self, field: &Field<'_>) -> Result<(), DrillError> {
        if self.count() > 0 {
            field.flow.progress.first_created().await;
        }
        let roles = ALL.into_iter().filter(|_| self.kill_each);
        for role in roles {
            // One of them, then all.
            for many in 1..=role.instances() {
                field.kill(role, many).await?;
            }
        }
        for (role, frost) in ALL.into_iter().zip(self.freeze_each.into_iter().cycle()) {
            field.freeze(role, frost).await?;
        }
        field.flow.peers.calls.during("after");
        std::future::pending().await
    }
}

// Where it happens.
struct Field<'a> {
    fleet: &'a Fleet,
    flow: &'a Flow,
    ids: &'a dyn Ids,
}

impl Field<'_> {
    async fn kill(&self, role: Role, many: usize) -> Result<(), DrillError> {
        let which = match (role.instances(), many) {
            (1, _) => "",
            (_, 1) => "one ",
            _ => "both ",
        };
        let done = self.begin(format!("{which}{} killed", role.name())).await;
        let victims: Vec<_> = self.fleet.of(role).take(many).collect();
        let before = |victim: &Instance| victim.state().borrow().readied;
        let before: Vec<u32> = victims.iter().map(|victim| before(victim)).collect();
        for victim in &victims {
            victim.signal("KILL").await;
        }
        let back = victims.into_iter().zip(before);
        try_join_all(back.map(|(victim, before)| self.fleet.back(victim, before))).await?;
        self.end(&done);
        Ok(())
    }

    async fn freeze(&self, role: Role, frost: Duration) -> Result<(), DrillError> {
        let Some(victim) = self.fleet.of(role).last() else {
            return Ok(());
        };
        let name = format!("{} frozen for {} s", victim.name, frost.as_secs());
        let done = self.begin(name).await;
        let Some(at) = victim.state().borrow().at else {
            return Err(self.fleet.down(victim));
        };
        victim.signal("STOP").await;
        // Frozen is who does not answer any more; that may take a moment.
        while timeout(frost, probe::ready(at.admin)).await.is_ok() {
            if done.begun.elapsed() > frost {
                return Err(DrillError::Awake(victim.name.clone()));
            }
        }
        victim.signal("CONT").await;
        probe::ready(at.admin).await;
        self.end(&done);
        Ok(())
    }

    async fn begin(&self, name: String) -> Done {
        sleep(respite(self.ids)).await;
        self.flow.peers.calls.during(&name);
        Done {
            name,
            under_way: self.flow.progress.under_way(),
            begun: Instant::now(),
        }
    }

    fn end(&self, done: &Done) {
        let Done {
            name,
            under_way,
            begun,
        } = done;
        let took = begun.elapsed().as_millis();
        let progress = &self.flow.progress;
        progress.say(&format!(
            "{name} (orders under way: {under_way}), ready again after {took} ms"
        ));
        self.flow.kills.one_less();
    }
}

// What was done, and when.
struct Done {
    name: String,
    under_way: u64,
    begun: Instant,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_process_is_killed_and_one_of_each_role_is_frozen() {
        let none = Blows {
            kill_each: false,
            freeze_each: None,
        };
        assert_eq!((none.count(), none.lasting()), (0, Duration::ZERO));
        let all = Blows {
            kill_each: true,
            freeze_each: Some(Duration::from_secs(10)),
        };
        assert_eq!(all.count(), 15 + 8);
        assert_eq!(all.lasting(), KILL * 15 + Duration::from_secs(8 * 11));
    }
}
