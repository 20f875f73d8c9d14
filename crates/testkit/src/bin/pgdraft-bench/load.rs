//! Many clients at once: pgbench's own scripts, large results, COPY and connecting.

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use testkit::Database;
use testkit::cluster::Cluster;
use testkit::wire::{Body, Connection, Login};

use crate::target::{Target, Targets};
use crate::{number, numbers, percentile};

/// What each client does over and over.
enum Work {
    /// A script that pgbench has built in.
    Pgbench(&'static [&'static str]),
    /// One statement by simple query on one connection.
    Statement(&'static str),
    /// The same with a new connection each time.
    Connect(&'static str),
}

const LOADS: &[(&str, Work)] = &[
    ("select-only simple", Work::Pgbench(&["-S", "-M", "simple"])),
    (
        "select-only prepared",
        Work::Pgbench(&["-S", "-M", "prepared"]),
    ),
    (
        "TPC-B simple",
        Work::Pgbench(&["-b", "tpcb-like", "-M", "simple"]),
    ),
    (
        "TPC-B prepared",
        Work::Pgbench(&["-b", "tpcb-like", "-M", "prepared"]),
    ),
    (
        "100k-row result",
        Work::Statement("SELECT id, k, v, n FROM big WHERE id <= 100000"),
    ),
    (
        "COPY out 100k rows",
        Work::Statement("COPY (SELECT id, k, v, n FROM big WHERE id <= 100000) TO STDOUT"),
    ),
    (
        "connect + select",
        Work::Connect("SELECT abalance FROM pgbench_accounts WHERE aid = 17"),
    ),
];

/// What one target did for one row.
#[derive(Default)]
struct Measured {
    /// Milliseconds of each transaction.
    times: Vec<f64>,
    /// CPU time of the process in between, in microseconds.
    cpu: f64,
    refused: Option<String>,
}

/// Prints a line for each load and number of clients.
pub(crate) fn report(database: &Database, rows: usize) {
    let targets = Targets::start(database, rows);
    println!(
        "\nload: direct has median and p99 in ms, the others their ratios to direct and, where a"
    );
    println!("process is in between, its CPU time in µs a transaction");
    print!("{:<22}{:>7}", "load", "clients");
    for target in &targets.all {
        print!("{:>24}", target.name);
    }
    println!();
    for (name, work) in LOADS.iter().filter(|(name, _)| crate::is_wanted(name)) {
        for clients in numbers("CLIENTS", "1 8 32") {
            row(database.cluster(), &targets.all, name, work, clients);
        }
    }
}

fn row(cluster: &Cluster, targets: &[Target], name: &str, work: &Work, clients: usize) {
    let mut measured: Vec<Measured> = targets.iter().map(|_| Measured::default()).collect();
    for _ in 0..number("SECONDS_EACH", 1) {
        for (target, measured) in targets.iter().zip(&mut measured) {
            match turn(cluster, target, work, clients) {
                Ok((times, cpu)) => {
                    measured.times.extend(times);
                    measured.cpu += cpu;
                }
                Err(why) if target.may_refuse => measured.refused = Some(why),
                Err(why) => panic!("{name}, {clients} clients, {}: {why}", target.name),
            }
        }
    }
    print!("{name:<22}{clients:>7}");
    let direct = [0.5, 0.99].map(|p| percentile(&mut measured[0].times, p));
    print!("{:>24}", format!("{:.3} {:.3}", direct[0], direct[1]));
    for measured in &mut measured[1..] {
        let cell = if measured.refused.is_some() {
            "refused".to_owned()
        } else {
            format!(
                "{:.2}x {:.2}x {:>6.0}µs",
                percentile(&mut measured.times, 0.5) / direct[0],
                percentile(&mut measured.times, 0.99) / direct[1],
                measured.cpu / measured.times.len() as f64
            )
        };
        print!("{cell:>24}");
    }
    println!();
    for (target, measured) in targets.iter().zip(measured) {
        if let Some(why) = measured.refused {
            println!("  {}: {why}", target.name);
        }
    }
}

/// One second of one target: milliseconds of each transaction, CPU time of the process in between.
fn turn(
    cluster: &Cluster,
    target: &Target,
    work: &Work,
    clients: usize,
) -> Result<(Vec<f64>, f64), String> {
    let before = target.pid.map_or(0.0, cpu);
    let times = match work {
        Work::Pgbench(arguments) => pgbench(cluster, &target.login, arguments, clients),
        Work::Statement(text) => hammer(&target.login, text, clients, false),
        Work::Connect(text) => hammer(&target.login, text, clients, true),
    }?;
    Ok((times, target.pid.map_or(0.0, cpu) - before))
}

/// Microseconds that all threads of a process have run, from `/proc/<pid>/stat` (proc(5); Linux
/// counts there in hundredths of a second).
fn cpu(pid: u32) -> f64 {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).expect("the process lives");
    let (_, fields) = stat.rsplit_once(')').expect("the name is in parentheses");
    let ticks = |n: usize| -> f64 { fields.split_whitespace().nth(n).unwrap().parse().unwrap() };
    (ticks(11) + ticks(12)) * 10_000.0
}

/// One second of pgbench; milliseconds of each transaction, from its log.
fn pgbench(
    cluster: &Cluster,
    login: &Login,
    arguments: &[&str],
    clients: usize,
) -> Result<Vec<f64>, String> {
    let folder = std::env::temp_dir().join(format!("pgdraft-pgbench-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let options = login.parameters.iter().find(|(n, _)| n == "options");
    let output = Command::new(cluster.program("pgbench"))
        .args(["-n", "-T", "1", "-l", "--log-prefix"])
        .arg(folder.join("log"))
        // A thread a client: one thread waits while it prepares for one client, and the others'
        // transactions, which may hold all server connections, wait with it.
        .args(["-c", &clients.to_string(), "-j", &clients.to_string()])
        .args(arguments)
        .args(["-h", "127.0.0.1", "-p", &login.port.to_string()])
        .args(["-U", &login.user, &login.database])
        .env("PGPASSWORD", &login.password)
        .env("PGOPTIONS", options.map_or("", |(_, value)| value))
        .output()
        .expect("pgbench is installed with PostgreSQL");
    let times = logged(&folder);
    std::fs::remove_dir_all(&folder).unwrap();
    if output.status.success() && !times.is_empty() {
        return Ok(times);
    }
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    let first = errors.lines().find(|l| l.contains("error"));
    Err(first.unwrap_or(&errors).to_owned())
}

/// The third field of each line is the transaction's time in microseconds.
fn logged(folder: &Path) -> Vec<f64> {
    let mut times = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let text = std::fs::read_to_string(entry.unwrap().path()).unwrap();
        times.extend(text.lines().map(|line| {
            let micros: f64 = line.split(' ').nth(2).unwrap().parse().unwrap();
            micros / 1000.0
        }));
    }
    times
}

/// One second of a statement, at least once a client; milliseconds of each.
fn hammer(login: &Login, text: &str, clients: usize, connect: bool) -> Result<Vec<f64>, String> {
    let open = || Connection::open(login).map_err(|e| e.to_string());
    let mut kept = Vec::new();
    for _ in 0..clients {
        kept.push(if connect { None } else { Some(open()?) });
    }
    let end = Instant::now() + Duration::from_secs(1);
    std::thread::scope(|scope| {
        let threads: Vec<_> = kept
            .into_iter()
            .map(|mut kept| {
                scope.spawn(move || {
                    let mut times = Vec::new();
                    while times.is_empty() || Instant::now() < end {
                        let begun = Instant::now();
                        match &mut kept {
                            Some(connection) => drain(connection, text)?,
                            None => drain(&mut open()?, text)?,
                        }
                        times.push(begun.elapsed().as_secs_f64() * 1000.0);
                    }
                    Ok::<_, String>(times)
                })
            })
            .collect();
        let mut all = Vec::new();
        for thread in threads {
            all.extend(thread.join().expect("the client does not panic")?);
        }
        Ok(all)
    })
}

/// Sends a query and reads its answer without keeping it.
fn drain(connection: &mut Connection, text: &str) -> Result<(), String> {
    connection
        .send(b'Q', Body::new().text(text))
        .map_err(|e| e.to_string())?;
    let mut failed = None;
    loop {
        let message = connection.receive().map_err(|e| e.to_string())?;
        match message.tag {
            b'E' => failed = Some(testkit::wire::Failure::parse(&message.body).to_string()),
            b'Z' => return failed.map_or(Ok(()), Err),
            _ => {}
        }
    }
}
