//! The `tidemark` program as a child process: started as an operator starts it, killed and held as no operator would.

use std::fs::{self, File};
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

use serde_json::Value;
use sqlx::{ConnectOptions, PgPool};

use super::{eventually, provider_arguments};

/// What a process that serves pages prints before its address.
const ADDRESS: &str = "Tidemark is at ";

/// How much of a log is printed when the test fails, in bytes.
const PRINTED_LOG: usize = 20_000;

/// The URL of a test's database.
pub fn url_of(pool: &PgPool) -> String {
    pool.connect_options().to_url_lossy().to_string()
}

/// How to start a process.
#[derive(Clone)]
pub struct Launch {
    arguments: Vec<String>,
    variables: Vec<(String, String)>,
    ready: String,
}

impl Launch {
    /// `tidemark serve` on a free port, with the settings of [`config`](super::config).
    pub fn serve(database_url: &str, provider_url: &str) -> Self {
        let mut arguments =
            ["serve", "--database-url", database_url, "--addr", "127.0.0.1:0"].map(str::to_owned).to_vec();
        arguments.extend(provider_arguments(provider_url));
        Self { arguments, variables: Vec::new(), ready: ADDRESS.to_owned() }
    }

    /// An option with its value, such as `--lease-seconds`, in place of the one it has, if it has one.
    pub fn option(mut self, name: &str, value: &str) -> Self {
        match self.arguments.iter().position(|argument| argument == name) {
            Some(position) => value.clone_into(&mut self.arguments[position + 1]),
            None => self.arguments.extend([name.to_owned(), value.to_owned()]),
        }
        self
    }

    /// A variable of its environment.
    pub fn variable(mut self, name: &str, value: &str) -> Self {
        self.variables.push((name.to_owned(), value.to_owned()));
        self
    }

    /// What its log says once it is ready, where it serves no pages.
    pub fn ready_at(mut self, words: &str) -> Self {
        words.clone_into(&mut self.ready);
        self
    }

    /// Starts it and waits until it is ready.
    pub async fn start(&self) -> Process {
        let mut process = self.begin();
        process.says(&self.ready).await;
        process.url = process.told_url().unwrap_or_default();
        process
    }

    /// Starts it and waits for nothing.
    pub fn begin(&self) -> Process {
        static STARTED: AtomicU32 = AtomicU32::new(0);
        let number = STARTED.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("tidemark-test-{}-{number}.log", std::process::id()));
        let log = File::create(&path).unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_tidemark"));
        for (variable, _) in std::env::vars_os() {
            let name = variable.to_string_lossy();
            if name.starts_with("TIDEMARK_") || name.starts_with("LEPTOS_SITE") || name == "DATABASE_URL" {
                command.env_remove(variable);
            }
        }
        command.args(&self.arguments).env("RUST_LOG", "info,sqlx=warn").env("NO_COLOR", "1");
        command.envs(self.variables.iter().map(|(name, value)| (name, value)));
        command.stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log);
        let child = command.spawn().unwrap();
        Process { url: String::new(), child, log: path, number }
    }
}

/// A running `tidemark`. It is killed when dropped; its log is printed where the test has failed by then.
pub struct Process {
    /// Where it listens; empty for one that serves no pages, and until it is ready.
    pub url: String,
    child: Child,
    log: PathBuf,
    number: u32,
}

impl Process {
    /// The system's id of it.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// All that it has said.
    pub fn said(&self) -> String {
        String::from_utf8_lossy(&fs::read(&self.log).unwrap()).into_owned()
    }

    /// Waits until it has said `words`; fails where it ends before.
    pub async fn says(&self, words: &str) {
        let has_ended = eventually(|| async {
            let has_ended = is_gone(self.id());
            (has_ended || self.said().contains(words)).then_some(has_ended)
        });
        let has_ended = has_ended.await;
        assert!(!has_ended || self.said().contains(words), "process {} ended and never said {words:?}", self.number);
    }

    /// Whether it has not ended yet.
    pub fn is_alive(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }

    /// As `kill -9`: nothing of it runs afterwards.
    pub fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Asks it to stop (SIGTERM) and waits until it has.
    pub async fn terminate(&mut self) -> ExitStatus {
        self.signal("TERM");
        self.ended().await
    }

    /// Waits until it has ended.
    pub async fn ended(&mut self) -> ExitStatus {
        // The child can't be asked from within the closure, which may be called many times.
        let id = self.id();
        eventually(|| async { is_gone(id).then_some(()) }).await;
        self.child.wait().unwrap()
    }

    /// Holds it (SIGSTOP) as a machine that sleeps would.
    pub fn hold(&self) {
        self.signal("STOP");
    }

    /// Lets it go on (SIGCONT).
    pub fn go_on(&self) {
        self.signal("CONT");
    }

    /// Sends a signal by its name, such as `TERM`.
    pub fn signal(&self, name: &str) {
        signal(self.id(), name);
    }

    /// The most memory it has held, in bytes.
    pub fn peak_memory(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
        1_024 * line.trim().trim_end_matches(" kB").parse::<u64>().unwrap()
    }

    /// Asks it over HTTP.
    pub async fn get(&self, path: &str) -> (u16, Value) {
        super::answer(reqwest::get(format!("{}{path}", self.url)).await.unwrap()).await
    }

    /// Tells it over HTTP.
    pub async fn post(&self, path: &str, body: &Value) -> (u16, Value) {
        let request = reqwest::Client::new().post(format!("{}{path}", self.url)).json(body);
        super::answer(request.send().await.unwrap()).await
    }

    fn told_url(&self) -> Option<String> {
        let said = self.said();
        Some(said.split_once(ADDRESS)?.1.split_whitespace().next()?.to_owned())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if let Ok(None) = self.child.try_wait() {
            let killed = self.child.kill().and_then(|()| self.child.wait());
            assert!(std::thread::panicking() || killed.is_ok_and(|status| status.signal().is_some()));
        }
        if std::thread::panicking() {
            let said = self.said();
            let from = said.len().saturating_sub(PRINTED_LOG);
            let from = (from..=said.len()).find(|at| said.is_char_boundary(*at)).unwrap_or_default();
            eprintln!("== what process {} said:\n{}", self.number, &said[from..]);
        }
        drop(fs::remove_file(&self.log));
    }
}

/// Sends a signal by its name.
pub fn signal(id: u32, name: &str) {
    let sent = Command::new("sh").args(["-c", &format!("kill -{name} {id}")]).status().unwrap();
    assert!(sent.success(), "SIG{name} could not be sent to {id}");
}

/// Whether a process has ended; one that nobody waited for yet counts as ended.
pub fn is_gone(id: u32) -> bool {
    match fs::read_to_string(format!("/proc/{id}/stat")) {
        Ok(stat) => stat.rsplit(") ").next().is_some_and(|rest| rest.starts_with('Z')),
        Err(_) => true,
    }
}
