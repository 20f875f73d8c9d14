//! `pgdraft demo`: a private PostgreSQL with a shop, pgdraft in front of it, and the story.

use std::path::Path;
use std::process::Stdio;

use crate::cli::{Demo, ServeFlags};
use crate::database::{self, Database};
use crate::embedded::Embedded;
use crate::failure::Failure;
use crate::runtime;
use crate::serve::{self, Server, Signals, client_url};
use crate::settings::{EmbeddedSettings, LogSettings, Secret, Settings, values::LogFormat};

const SHOP: &str = include_str!("../../../tests/demo/shop.sql");
const STORY: &str = include_str!("../../../tests/demo/story.py");
/// The shop's database, and the copy that production is compared with at the end.
const DATABASE: &str = "shop";
const COPY: &str = "shop_copy";

/// Runs the command.
pub(crate) fn run(arguments: &Demo) -> Result<(), Failure> {
    let quiet = LogSettings {
        format: LogFormat::Text,
        level: tracing::Level::ERROR,
    };
    crate::logs::install(quiet, "");
    runtime(0)?.block_on(tell(arguments))
}

async fn tell(arguments: &Demo) -> Result<(), Failure> {
    let mut signals = Signals::install()?;
    let driver = has_driver(&arguments.python).await;
    if !driver && !arguments.keep {
        return Err(Failure::unexpected(
            format!(
                "the scripted agent needs psycopg 3, and {} has none",
                arguments.python.display()
            ),
            "`make demo` fetches it; or `pip install 'psycopg[binary]'` and --python; or --keep, to play the agent yourself",
        ));
    }
    let settings = EmbeddedSettings {
        enabled: true,
        pg_bin: arguments.pg_bin.clone(),
        ..EmbeddedSettings::default()
    };
    println!("starting a private PostgreSQL");
    let embedded = Embedded::start_temporary(&settings, 100)?;
    println!("loading the shop: {} order lines", arguments.order_lines);
    load(&embedded, arguments.order_lines).await?;
    serve::initialise(&embedded.url(DATABASE)).await?;
    let scene = Scene::set(arguments, &embedded).await?;
    let address = scene.server.address();
    let urls = Urls::new(&scene, &embedded, address);
    let mut outcome = Ok(());
    let told = async {
        outcome = story(arguments, &urls, driver).await;
        if outcome.is_ok() && arguments.keep {
            urls.print(&embedded);
            std::future::pending::<()>().await;
        }
    };
    scene.server.serve(&mut signals, told).await?;
    embedded.stop()?;
    outcome
}

/// pgdraft, up, with an agent and a reviewer.
struct Scene {
    server: Server,
    agent: Secret,
    reviewer: Secret,
}

impl Scene {
    async fn set(arguments: &Demo, embedded: &Embedded) -> Result<Self, Failure> {
        let (agent, agent_password) = serve::generated("agent")?;
        let (reviewer, reviewer_password) = serve::generated("reviewer")?;
        let mut settings = Settings::load(&ServeFlags::without_file())?;
        settings.listen = arguments.listen;
        settings.metrics_listen = None;
        settings.upstream_url = Some(embedded.url(DATABASE));
        settings.agents = vec![agent];
        settings.reviewers = vec![reviewer];
        Ok(Self {
            server: Server::start(&settings, None).await?,
            agent: agent_password,
            reviewer: reviewer_password,
        })
    }
}

/// Everything to connect with.
struct Urls {
    production: Secret,
    copy: Secret,
    agent: Secret,
    reviewer: Secret,
}

impl Urls {
    fn new(scene: &Scene, embedded: &Embedded, address: std::net::SocketAddr) -> Self {
        let url =
            |user: &str, password| Secret::new(client_url(user, Some(password), address, DATABASE));
        Self {
            production: embedded.url(DATABASE),
            copy: embedded.url(COPY),
            agent: url("agent", &scene.agent),
            reviewer: url("reviewer", &scene.reviewer),
        }
    }

    fn print(&self, embedded: &Embedded) {
        println!(
            "\nEverything is left running. Ctrl-C stops it and removes {}.",
            embedded.dir().display()
        );
        println!(
            "  as an agent      psql '{}?options=-c%20pgdraft.session%3Dmine'",
            self.agent.reveal()
        );
        println!("  as a reviewer    psql '{}'", self.reviewer.reveal());
        println!("  production       psql '{}'", self.production.reveal());
        println!("  a plain copy     psql '{}'", self.copy.reveal());
    }
}

/// Makes the shop and its copy.
async fn load(embedded: &Embedded, order_lines: u32) -> Result<(), Failure> {
    let administration = database::connect(&embedded.url("postgres")).await?;
    run_sql(&administration, &format!("CREATE DATABASE {DATABASE}")).await?;
    let shop = database::connect(&embedded.url(DATABASE)).await?;
    run_sql(
        &shop,
        &SHOP.replace("{{order_lines}}", &order_lines.to_string()),
    )
    .await?;
    // A template must have no connections.
    drop(shop);
    for _ in 0..100 {
        let copy = format!("CREATE DATABASE {COPY} TEMPLATE {DATABASE}");
        match run_sql(&administration, &copy).await {
            Err(Failure::Refused(report)) if report.code == "55006" => {
                tokio::time::sleep(std::time::Duration::from_millis(50)).await;
            }
            outcome => return outcome,
        }
    }
    Err(Failure::unexpected(
        "the shop could not be copied",
        "try again",
    ))
}

async fn run_sql(database: &Database, text: &str) -> Result<(), Failure> {
    database
        .client
        .batch_execute(text)
        .await
        .map_err(|e| store::database_report(&e).into())
}

async fn has_driver(python: &Path) -> bool {
    let status = tokio::process::Command::new(python)
        .args(["-c", "import psycopg"])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .await;
    status.is_ok_and(|s| s.success())
}

/// Runs the scripted agent and the reviewer.
async fn story(arguments: &Demo, urls: &Urls, driver: bool) -> Result<(), Failure> {
    if !driver {
        println!("without psycopg 3 there is no scripted agent: play it yourself");
        return Ok(());
    }
    let binary = std::env::current_exe().map_err(|e| {
        Failure::unexpected(
            format!("could not find the program itself: {e}"),
            "try again",
        )
    })?;
    let status = tokio::process::Command::new(&arguments.python)
        .args(["-u", "-c", STORY])
        .env("PGDRAFT_DEMO_PRODUCTION_URL", urls.production.reveal())
        .env("PGDRAFT_DEMO_COPY_URL", urls.copy.reveal())
        .env("PGDRAFT_DEMO_AGENT_URL", urls.agent.reveal())
        .env("PGDRAFT_DEMO_REVIEWER_URL", urls.reviewer.reveal())
        .env("PGDRAFT_DEMO_BINARY", binary)
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .status()
        .await
        .map_err(|e| {
            let message = format!("could not run {}: {e}", arguments.python.display());
            Failure::unexpected(message, "name another Python with --python")
        })?;
    if status.success() {
        return Ok(());
    }
    Err(Failure::unexpected(
        format!("the story did not end well ({status})"),
        "the last line above that says WRONG, or the traceback, says why",
    ))
}
