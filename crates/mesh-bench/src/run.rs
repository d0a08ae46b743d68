//! A whole run: every case, every contender, again and again.

use std::fs;
use std::path::Path;
use std::time::Instant;

use comfy_table::{Table, presets};

use crate::case::{CASES, Case};
use crate::contender::Contender;
use crate::cost::{Cost, MATCHUPS};
use crate::error::BenchError;
use crate::findings::{Findings, While};
use crate::ground::Ground;
use crate::instructions::Counter;
use crate::report;
use crate::scale::Scale;
use crate::target::{Target, targets};
use crate::trial::Trial;

const COST: &str = "cost";

/// Measures, prints what it finds and writes the page if it is told where.
pub(crate) async fn measure(
    scale: &Scale,
    only: Option<&str>,
    write: Option<&Path>,
) -> Result<(), BenchError> {
    let begun = Instant::now();
    let wanted = |name: &str| only.is_none_or(|only| name.contains(only));
    let mut ground = Ground::start().await?;
    let mut findings = Findings::default();
    for repetition in 0..scale.repetitions {
        for case in CASES.iter().filter(|case| wanted(case.name)) {
            trials(case, (repetition, scale), (&mut ground, &mut findings)).await?;
        }
    }
    if wanted(COST) {
        findings.counter = Counter::find().await;
        for matchup in MATCHUPS {
            let how = (scale, findings.counter);
            findings
                .costs
                .push(Cost::measure(matchup, &mut ground.plain, how).await?);
        }
    }
    println!("{}", summary(&findings));
    println!("{}", verdicts(&targets(&findings)));
    eprintln!("measured in {} s", begun.elapsed().as_secs());
    if let Some(path) = write {
        fs::write(path, report::page(&findings, scale))
            .map_err(BenchError::io("the page cannot be written"))?;
    }
    Ok(())
}

// Who goes first changes from one repetition to the next, and the direction as well.
async fn trials(
    case: &'static Case,
    (repetition, scale): (u32, &Scale),
    (ground, findings): (&mut Ground, &mut Findings),
) -> Result<(), BenchError> {
    let mut contenders = case.contenders.to_vec();
    let turns = usize::try_from(repetition).unwrap_or(0) % contenders.len().max(1);
    contenders.rotate_left(turns);
    if repetition % 2 == 1 {
        contenders.reverse();
    }
    for contender in contenders {
        let trial = Trial::run(case, contender, (ground, scale)).await?;
        eprintln!("{}", line(case, contender, &trial));
        findings.trials.push((case.name, contender, trial));
    }
    Ok(())
}

fn line(case: &Case, contender: Contender, trial: &Trial) -> String {
    let told = [("cold", trial.cold), ("warm", trial.warm)].map(|(name, window)| {
        format!(
            "{name} {:.0}/s, p50 {:.2}, p99 {:.2}, worst {:.0} ms, {} failed, {:.2} % to it",
            window.per_second, window.p50, window.p99, window.worst, window.failed, window.troubled
        )
    });
    format!("{}: {}: {}", case.name, contender.name(), told.join("; "))
}

fn summary(findings: &Findings) -> String {
    let mut table = Table::new();
    table.load_style(presets::UTF8_FULL_CONDENSED).set_header([
        "case",
        "contender",
        "",
        "calls/s",
        "p50 ms",
        "p99 ms",
        "failed %",
    ]);
    for case in findings.cases() {
        for contender in case.contenders {
            for of in While::BOTH {
                let median = |what: fn(&crate::window::Window) -> f64| {
                    let spread = findings.spread(case.name, (*contender, of), what);
                    spread.map_or(0.0, |spread| spread.median)
                };
                table.add_row([
                    case.name.to_owned(),
                    contender.name().to_owned(),
                    of.name().to_owned(),
                    format!("{:.0}", median(|window| window.per_second)),
                    format!("{:.2}", median(|window| window.p50)),
                    format!("{:.2}", median(|window| window.p99)),
                    format!("{:.2}", median(crate::window::Window::failed_share)),
                ]);
            }
        }
    }
    table.to_string()
}

fn verdicts(targets: &[Target]) -> String {
    let mut table = Table::new();
    table
        .load_style(presets::UTF8_FULL_CONDENSED)
        .set_header(["target", "wanted", "measured", ""]);
    for target in targets {
        table.add_row([
            target.what,
            target.wanted,
            &target.measured,
            target.verdict(),
        ]);
    }
    table.to_string()
}
