//! What a person does with a draft: look at a summary, rehearse, commit, discard.

use std::path::Path;
use std::process::Command;
use std::time::Instant;

use testkit::wire::Connection;
use testkit::{Database, Proxy, environment};

use crate::{number, numbers, percentile};

/// Each beside one bare UPDATE of the same rows; the last one is the commit again, in CPU time of
/// PostgreSQL alone, which a busy machine does not change.
const STEPS: [&str; 6] = [
    "draft",
    "diff summary",
    "rehearsal",
    "commit",
    "discard",
    "commit, CPU",
];

/// Milliseconds of one round: the bare UPDATE, its CPU time, and the steps.
#[derive(Default)]
struct Times {
    bare: Vec<f64>,
    bare_cpu: Vec<f64>,
    steps: [Vec<f64>; STEPS.len()],
}

/// Prints, for each number of changed rows, each step beside one bare UPDATE of the same rows, and what
/// memory the proxy has needed at most.
pub(crate) fn report(database: &Database, rows: usize) {
    let proxy = Proxy::start(database);
    println!("\ndrafts: median ms, and the ratio to one bare UPDATE of the same rows");
    print!("{:<22}{:>12}", "changed rows", "bare UPDATE");
    for step in STEPS {
        print!("{step:>18}");
    }
    println!("{:>14}", "proxy's peak");
    let sizes: Vec<usize> = numbers("CHANGES", "1000 100000 1000000")
        .into_iter()
        .map(|changed| changed.min(rows))
        .collect();
    for &changed in &sizes {
        let mut times = Times::default();
        for n in 0..number("SLOW", 3) {
            round(database, &proxy, changed, n, &mut times);
        }
        let (bare, cpu) = (median(times.bare), median(times.bare_cpu));
        print!("{changed:<22}{bare:>12.1}");
        for (step, measured) in times.steps.into_iter().enumerate() {
            let beside = if step + 1 == STEPS.len() { cpu } else { bare };
            cell(median(measured), beside);
        }
        println!("{:>11} MB", peak(proxy.pid()) / 1024);
    }
    agent_cow(database, &sizes);
}

fn median(mut times: Vec<f64>) -> f64 {
    percentile(&mut times, 0.5)
}

fn cell(ms: f64, beside: f64) {
    print!("{:>18}", format!("{ms:.1} {:.2}x", ms / beside));
}

fn round(database: &Database, proxy: &Proxy, changed: usize, n: usize, times: &mut Times) {
    let update = format!("UPDATE big SET n = n + 1, v = 'changed' WHERE id <= {changed}");
    let mut base = database.connect();
    // not the first statement of a connection, as the control plane's is not
    let own = base.value("SELECT pg_backend_pid() FROM big LIMIT 1");
    let before = cpu(std::slice::from_ref(&own));
    times.bare.push(timed(&mut base, &update));
    times.bare_cpu.push(cpu(&[own]) - before);
    let mut reviewer = Connection::open(&proxy.reviewer()).unwrap();
    for kind in ["COMMIT", "DISCARD"] {
        base.run("VACUUM big");
        let session = format!("{kind}-{changed}-{n}");
        let drafted = timed(&mut proxy.connect(&session), &update);
        if kind == "DISCARD" {
            times.steps[4].push(timed(
                &mut reviewer,
                &format!("DISCARD SESSION '{session}'"),
            ));
            continue;
        }
        times.steps[0].push(drafted);
        for (step, text) in [
            (1, format!("SHOW DIFF IN SESSION '{session}' SUMMARY")),
            (2, format!("REHEARSE SESSION '{session}'")),
        ] {
            times.steps[step].push(timed(&mut reviewer, &text));
        }
        base.run("VACUUM big");
        let before = cpu(&control(&mut base));
        times.steps[3].push(timed(&mut reviewer, &format!("COMMIT SESSION '{session}'")));
        times.steps[5].push(cpu(&control(&mut base)) - before);
    }
}

/// Process ids of the control plane's server connections.
fn control(base: &mut Connection) -> Vec<String> {
    let text = "SELECT string_agg(pid::text, ' ') FROM pg_stat_activity WHERE application_name = 'pgdraft control'";
    let pids = base.value(text);
    pids.split_whitespace().map(ToOwned::to_owned).collect()
}

/// Milliseconds that processes have computed; not a number where the system does not tell.
pub(crate) fn cpu(pids: &[String]) -> f64 {
    pids.iter()
        .map(|pid| {
            let told = std::fs::read_to_string(format!("/proc/{pid}/schedstat"));
            let first = told.ok().and_then(|t| t.split(' ').next()?.parse().ok());
            first.map_or(f64::NAN, |ns: f64| ns / 1e6)
        })
        .sum()
}

/// Kilobytes that a process has held at most.
fn peak(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let words = line.and_then(|line| line.split_whitespace().next());
    words.and_then(|kb| kb.parse().ok()).unwrap_or(0)
}

/// The same in agent-cow, once each, in the same database.
fn agent_cow(database: &Database, sizes: &[usize]) {
    let script = testkit::root().join("tests/bench/agent_cow.py");
    let python = environment("AGENT_COW_PYTHON").unwrap_or_else(|| "python3".to_owned());
    if !Path::new(&script).exists() {
        return;
    }
    let sizes: Vec<String> = sizes.iter().map(ToString::to_string).collect();
    let output = Command::new(&python)
        .arg(script)
        .arg(database.url())
        .args(sizes)
        .output();
    let said = match output {
        Ok(output) if output.status.success() => {
            String::from_utf8_lossy(&output.stdout).into_owned()
        }
        Ok(output) => {
            let error = String::from_utf8_lossy(&output.stderr).into_owned();
            println!(
                "agent-cow is left out: {}",
                error.lines().last().unwrap_or_default()
            );
            return;
        }
        Err(error) => return println!("agent-cow is left out: {python}: {error}"),
    };
    for line in said.lines() {
        let row: Vec<f64> = line.split(' ').filter_map(|n| n.parse().ok()).collect();
        let [changed, bare, draft, commit, discard, computed] = row.as_slice() else {
            panic!("{line}");
        };
        print!("{:<22}{bare:>12.1}", format!("agent-cow {changed}"));
        cell(*draft, *bare);
        print!("{:>18}{:>18}", "none", "none");
        cell(*commit, *bare);
        cell(*discard, *bare);
        println!("{computed:>18.1}");
    }
}

fn timed(connection: &mut Connection, text: &str) -> f64 {
    let begun = Instant::now();
    connection.run(text);
    begun.elapsed().as_secs_f64() * 1000.0
}
