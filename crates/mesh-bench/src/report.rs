//! The findings as a page of Markdown.

use std::fmt::Write;

use crate::case::Case;
use crate::contender::Contender;
use crate::cost::{Compared, Cost};
use crate::findings::{Findings, While};
use crate::machine;
use crate::scale::Scale;
use crate::statistics::Spread;
use crate::target::{Target, targets};

/// The whole page.
pub(crate) fn page(findings: &Findings, scale: &Scale) -> String {
    let mut page = introduction(scale);
    page.push_str(&wanted(&targets(findings)));
    for case in findings.cases() {
        page.push_str(&table(findings, case));
    }
    page.push_str(&costs(findings));
    page
}

fn introduction(scale: &Scale) -> String {
    let Scale {
        repetitions,
        cold,
        warm,
        ..
    } = scale;
    format!(
        "# The mesh beside bare tonic and tower's balancer\n\n\
         `make bench-mesh` (`crates/mesh-bench`) writes this page; release build. {machine}\n\n\
         Three clients call the same five servers, which are the mesh's own and run in one process, \
         each with a runtime of its own; the clients run in another. *tonic `balance_channel`* is tonic's \
         balanced channel, *tower p2c + PeakEWMA* is tower's balancer over a channel of tonic's for each \
         server, with the mesh's first guess (30 ms) and decay (10 s). All have a connect timeout of 1 s and \
         a deadline of 2 s a call and are otherwise as they come; so is the mesh, but where 400 calls are in \
         flight its bulkhead is set to let them pass. Logs and metrics are on, as in production. A call \
         echoes 100 bytes. The load is a closed loop: so many callers, each making its next call when the last \
         has ended.\n\n\
         Each case is run {repetitions} times by each contender, whose order changes from run to run, with a \
         fresh client every time and the trouble there before it. *Cold* is that client's first {cold} ms, \
         connecting included, *warm* the {warm} ms after them. A figure is the median of the runs, in brackets \
         the lowest and the highest; p50 and p99 are those of calls that were answered, failed calls are \
         counted apart. A ratio is taken run by run. A refused call is followed by the next one at once, so a \
         contender that fails quickly makes more calls.\n",
        machine = machine::words(),
        cold = cold.as_millis(),
        warm = warm.as_millis(),
    )
}

fn wanted(targets: &[Target]) -> String {
    let mut text = String::from("\n## Targets\n\n");
    let missed: Vec<&str> = targets
        .iter()
        .filter(|target| !target.met)
        .map(|target| target.what)
        .collect();
    let _ = match &*missed {
        [] => writeln!(text, "All of them are met.\n"),
        missed => writeln!(
            text,
            "**{} of {} are missed**: {}.\n",
            missed.len(),
            targets.len(),
            missed.join("; ")
        ),
    };
    text.push_str("| | wanted | measured | |\n|---|---|---|---|\n");
    for target in targets {
        let verdict = match target.verdict() {
            verdict if target.met => verdict.to_owned(),
            verdict => format!("**{verdict}**"),
        };
        let Target {
            what,
            wanted,
            measured,
            ..
        } = target;
        let _ = writeln!(text, "| {what} | {wanted} | {measured} | {verdict} |");
    }
    text
}

fn table(findings: &Findings, case: &Case) -> String {
    let mut text = format!("\n## {}\n\n{}\n\n", capital(case.name), case.what);
    let shared = case.trouble.is_of_one();
    text.push_str("| | | calls/s | p50 ms | p99 ms | failed % |");
    text.push_str(if shared { " sent to it % |\n" } else { "\n" });
    text.push_str("|---|---|---|---|---|---|");
    text.push_str(if shared { "---|\n" } else { "\n" });
    for of in While::BOTH {
        for contender in case.contenders {
            text.push_str(&row(findings, case, (*contender, of)));
        }
    }
    for of in While::BOTH {
        for other in case.contenders {
            if *other != Contender::Mesh {
                text.push_str(&ratios(findings, case, (*other, of)));
            }
        }
    }
    text
}

fn row(findings: &Findings, case: &Case, who: (Contender, While)) -> String {
    let spread = |what: fn(&crate::window::Window) -> f64| findings.spread(case.name, who, what);
    let cells = [
        shown(spread(|window| window.per_second), 0),
        shown(spread(|window| window.p50), 2),
        shown(spread(|window| window.p99), 2),
        shown(spread(crate::window::Window::failed_share), 2),
    ];
    let mut text = format!(
        "| {} | {} | {} |",
        who.0.name(),
        who.1.name(),
        cells.join(" | ")
    );
    if case.trouble.is_of_one() {
        let share = shown(spread(|window| window.troubled), 2);
        let _ = write!(text, " {share} |");
    }
    text + "\n"
}

fn ratios(findings: &Findings, case: &Case, who: (Contender, While)) -> String {
    let ratio = |what: fn(&crate::window::Window) -> f64| findings.ratio(case.name, who, what);
    let short = match who.0 {
        Contender::Tonic => "tonic",
        Contender::Tower => "tower",
        Contender::Mesh => "mesh",
    };
    let cells = [
        shown(ratio(|window| window.per_second), 2),
        shown(ratio(|window| window.p50), 2),
        shown(ratio(|window| window.p99), 2),
    ];
    let last = if case.trouble.is_of_one() {
        "  |  |"
    } else {
        "  |"
    };
    format!(
        "| *mesh / {short}* | {} | {} |{last}\n",
        who.1.name(),
        cells.join(" | ")
    )
}

fn costs(findings: &Findings) -> String {
    if findings.costs.is_empty() {
        return String::new();
    }
    let mut text = String::from(
        "\n## What a call costs\n\n\
         The mesh's client against one bare channel of tonic's, one server, 64 in flight, calls that take no \
         time; a client is a process of its own and its processor time is its own. Pairs of runs, each \
         side going first in turn; *more* is the mean difference within a pair, with its 95 % interval \
         (Student's t). The client and the server share the machine's cores, so the throughput is that of both.\n",
    );
    let _ = match findings.counter {
        Some(counter) => writeln!(
            text,
            "Instructions are the client's own in user mode, {}.",
            counter.words()
        ),
        None => writeln!(
            text,
            "Instructions could not be counted: this machine lets nobody ask its processor, and there is no emulator."
        ),
    };
    for cost in &findings.costs {
        text.push_str(&cost_table(cost));
    }
    text
}

fn cost_table(cost: &Cost) -> String {
    let mut text = format!(
        "\n### {}\n\n{} {} pairs.\n\n| | bare tonic | mesh | more % | 95 % interval |\n|---|---|---|---|---|\n",
        capital(cost.matchup.name),
        cost.matchup.what,
        cost.pairs.len()
    );
    let rows = [
        ("calls/s", 0, cost.throughput()),
        (
            "the client's processor time a call, µs",
            1,
            cost.processor(),
        ),
        ("the client's instructions a call", 0, cost.instructions()),
    ];
    for (name, digits, compared) in rows {
        if let Some(Compared { bare, mesh, more }) = compared {
            let (bare, mesh) = (shown(Some(bare), digits), shown(Some(mesh), digits));
            let _ = writeln!(
                text,
                "| {name} | {bare} | {mesh} | {:+.1} | {:+.1} to {:+.1} |",
                more.mean, more.lower, more.upper
            );
        }
    }
    text
}

fn shown(spread: Option<Spread>, digits: usize) -> String {
    let Some(Spread {
        median,
        lowest,
        highest,
    }) = spread
    else {
        return "-".to_owned();
    };
    format!("{median:.digits$} ({lowest:.digits$}-{highest:.digits$})")
}

fn capital(name: &str) -> String {
    let mut letters = name.chars();
    let first = letters.next().map(|letter| letter.to_ascii_uppercase());
    first.into_iter().chain(letters).collect()
}
