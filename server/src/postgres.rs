//! The private Postgres: found or downloaded, set up in a data directory, started, and stopped with the server.
//!
//! postgresql_embedded does the work. Two things are added. A Postgres that is on the machine is used instead of a
//! download. And as root, which Postgres refuses to run as, its programs are started through small scripts that step
//! down to an unprivileged user first.

use std::fs::{self, File, TryLockError};
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use postgresql_embedded::{PostgreSQL, Settings, SettingsBuilder};
use thiserror::Error;

const DATABASE: &str = "tidemark";
/// Where Debian, Fedora, Homebrew and others put versions of Postgres.
const INSTALL_FOLDERS: [&str; 4] = ["/usr/lib/postgresql", "/usr/pgsql", "/opt/homebrew/opt", "/usr/local/opt"];
/// How long one of its programs may take. After a crash Postgres recovers before it is there, which takes its time on a
/// busy machine; given up too early, the server would not start though the database does.
const PROGRAM_TIMEOUT: Duration = Duration::from_secs(120);
/// Programs that postgresql_embedded calls.
const PROGRAMS: [&str; 3] = ["initdb", "pg_ctl", "postgres"];
/// Who runs Postgres when the server is root, the first that exists.
const UNPRIVILEGED_USERS: [&str; 2] = ["postgres", "nobody"];

/// Why there is no private Postgres, and what to do.
#[derive(Debug, Error)]
pub enum PostgresError {
    /// Two servers on one data directory.
    #[error(
        "Another tidemark uses the data directory {0}. Stop it, or set DATABASE_URL so that both share one database, or TIDEMARK_DATA_DIR to a directory of its own."
    )]
    InUse(PathBuf),
    /// As root, and nothing installed.
    #[error(
        "There is no Postgres on this machine that root could start for you. Install it: apt-get install postgresql"
    )]
    NotInstalled,
    /// As root, and nobody to step down to.
    #[error(
        "Postgres refuses to run as root, and there is neither a user postgres nor nobody. Add one, or set DATABASE_URL."
    )]
    NoUser,
    /// A file could not be read or written.
    #[error("{path}: {source}. Make it readable and writable, or set TIDEMARK_DATA_DIR to another directory.")]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// Postgres itself.
    #[error(
        "The private Postgres in {path} does not start: {source}. Its log is start.log there. As root, each folder above it must be open to the user postgres: TIDEMARK_DATA_DIR names another place, DATABASE_URL another database."
    )]
    Start {
        /// Its data directory.
        path: PathBuf,
        /// Why.
        source: postgresql_embedded::Error,
    },
}

/// A running private Postgres. It outlives a killed server, and the next one takes it over.
pub struct PrivatePostgres {
    postgres: PostgreSQL,
    /// Held so that no second server uses the directory.
    _lock: File,
}

impl PrivatePostgres {
    /// Starts the one in `data_dir`, making it the first time.
    ///
    /// # Errors
    /// As [`PostgresError`] tells.
    pub async fn start(data_dir: &Path) -> Result<Self, PostgresError> {
        let home = data_dir.join("postgres");
        create_dir(&home)?;
        let lock = lock(&home)?;
        let user = if is_root() { Some(unprivileged_user()?) } else { None };
        let settings = settings(&home, user.as_ref())?;
        let mut postgres = PostgreSQL::new(settings);
        let failed = |source| PostgresError::Start { path: home.join("data"), source };
        postgres.setup().await.map_err(failed)?;
        if is_running(&postgres).await {
            tracing::info!("a private Postgres is running already, left by a server that was killed; taking it over");
        } else {
            postgres.start().await.map_err(failed)?;
        }
        if !postgres.database_exists(DATABASE).await.map_err(failed)? {
            postgres.create_database(DATABASE).await.map_err(failed)?;
        }
        Ok(Self { postgres, _lock: lock })
    }

    /// The database's URL, with its password.
    #[must_use]
    pub fn url(&self) -> String {
        self.postgres.settings().url(DATABASE)
    }

    /// Stops it, as after "stop all that use it".
    pub async fn stop(self) {
        if let Err(error) = self.postgres.stop().await {
            tracing::error!(%error, "the private Postgres could not be stopped; the next start takes it over");
        }
    }
}

/// The URL of the private Postgres in `data_dir` if one is running there.
#[must_use]
pub fn running_url(data_dir: &Path) -> Option<String> {
    let home = data_dir.join("postgres");
    let password = fs::read_to_string(home.join("password")).ok()?;
    let port = running_port(&home.join("data"))?;
    Some(base_settings(&home, password).port(port).build().url(DATABASE))
}

/// Where data is kept unless something else is said.
#[must_use]
pub fn default_data_dir() -> PathBuf {
    if is_root() {
        return PathBuf::from("/var/lib/tidemark");
    }
    let home = || std::env::home_dir().unwrap_or_else(|| PathBuf::from("."));
    std::env::var_os("XDG_DATA_HOME").map_or_else(|| home().join(".local/share"), PathBuf::from).join("tidemark")
}

fn lock(home: &Path) -> Result<File, PostgresError> {
    let path = home.join("lock");
    let file = File::create(&path).map_err(|source| PostgresError::File { path: path.clone(), source })?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(PostgresError::InUse(home.to_owned())),
        Err(TryLockError::Error(source)) => Err(PostgresError::File { path, source }),
    }
}

fn base_settings(home: &Path, password: String) -> SettingsBuilder {
    SettingsBuilder::new()
        .data_dir(home.join("data"))
        .password_file(home.join("password"))
        .password(password.trim())
        .host("127.0.0.1")
        .temporary(false)
        .timeout(Some(PROGRAM_TIMEOUT))
        .config("listen_addresses", "127.0.0.1")
        .config("unix_socket_directories", "''")
        // The crate starts Postgres with -F, which gives up durability; what is acknowledged must be kept.
        .config("fsync", "on")
        // Some ten processes may share it, each with twenty connections.
        .config("max_connections", "300")
}

fn settings(home: &Path, user: Option<&User>) -> Result<Settings, PostgresError> {
    let password = password(home, user)?;
    let settings = base_settings(home, password);
    let settings = match (installed(), user) {
        (Some(bin), Some(user)) => {
            let wrapped = wrap_programs(home, &bin, user)?;
            settings.installation_dir(wrapped).trust_installation_dir(true)
        }
        (Some(bin), None) => {
            let folder = bin.parent().map(Path::to_owned).unwrap_or(bin);
            settings.installation_dir(folder).trust_installation_dir(true)
        }
        (None, Some(_)) => return Err(PostgresError::NotInstalled),
        (None, None) => {
            tracing::info!("no Postgres on this machine; downloading one (once, some 10 MB)");
            settings.installation_dir(home.join("install"))
        }
    };
    let settings = match running_port(&home.join("data")) {
        Some(port) => settings.port(port),
        None => settings.port(0),
    };
    Ok(settings.build())
}

fn password(home: &Path, user: Option<&User>) -> Result<String, PostgresError> {
    let path = home.join("password");
    let in_file = |source| PostgresError::File { path: path.clone(), source };
    if !path.exists() {
        fs::write(&path, Settings::default().password).map_err(in_file)?;
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).map_err(in_file)?;
        if let Some(user) = user {
            for owned in [home, path.as_path()] {
                chown(owned, Some(user.uid), Some(user.gid)).map_err(in_file)?;
            }
        }
    }
    fs::read_to_string(&path).map_err(in_file)
}

/// The folder of Postgres's programs, where one is installed: `pg_config`'s, else the newest in the usual places.
fn installed() -> Option<PathBuf> {
    let told = Command::new("pg_config").arg("--bindir").output().ok();
    let told = told.and_then(|output| String::from_utf8(output.stdout).ok()).map(|text| PathBuf::from(text.trim()));
    let found = INSTALL_FOLDERS.iter().filter_map(|folder| fs::read_dir(folder).ok()).flatten().flatten();
    let mut found: Vec<_> = found.map(|version| version.path().join("bin")).collect();
    found.sort_by_key(|bin| version_of(bin));
    found.into_iter().rev().chain(told).find(|bin| PROGRAMS.iter().all(|program| bin.join(program).exists()))
}

/// `…/15/bin` is 15, `…/postgresql@16/bin` is 16.
fn version_of(bin: &Path) -> u32 {
    let folder = bin.parent().and_then(Path::file_name).map(|name| name.to_string_lossy().into_owned());
    let digits = |text: String| text.chars().filter(char::is_ascii_digit).collect::<String>();
    folder.and_then(|name| digits(name).parse().ok()).unwrap_or(0)
}

/// Scripts of the programs' names that run them as `user`; the folder that holds their `bin`.
fn wrap_programs(home: &Path, bin: &Path, user: &User) -> Result<PathBuf, PostgresError> {
    let folder = home.join("as-user");
    create_dir(&folder.join("bin"))?;
    for program in PROGRAMS {
        let path = folder.join("bin").join(program);
        let (uid, gid, target) = (user.uid, user.gid, bin.join(program));
        let script = format!(
            "#!/bin/sh\ncd / && exec setpriv --reuid={uid} --regid={gid} --clear-groups -- '{}' \"$@\"\n",
            target.display()
        );
        let in_file = |source| PostgresError::File { path: path.clone(), source };
        fs::write(&path, script).map_err(in_file)?;
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).map_err(in_file)?;
    }
    Ok(folder)
}

/// The port in the fourth line of `postmaster.pid`, where there is one.
fn running_port(data: &Path) -> Option<u16> {
    fs::read_to_string(data.join("postmaster.pid")).ok()?.lines().nth(3)?.trim().parse().ok()
}

async fn is_running(postgres: &PostgreSQL) -> bool {
    let url = postgres.settings().url("postgres");
    running_port(&postgres.settings().data_dir).is_some()
        && <sqlx::PgConnection as sqlx::Connection>::connect(&url).await.is_ok()
}

struct User {
    uid: u32,
    gid: u32,
}

fn unprivileged_user() -> Result<User, PostgresError> {
    let passwd = fs::read_to_string("/etc/passwd").unwrap_or_default();
    let user = |name: &str| {
        let line = passwd.lines().find(|line| line.split(':').next() == Some(name))?;
        let mut fields = line.split(':').skip(2);
        Some(User { uid: fields.next()?.parse().ok()?, gid: fields.next()?.parse().ok()? })
    };
    UNPRIVILEGED_USERS.iter().find_map(|name| user(name)).ok_or(PostgresError::NoUser)
}

/// `/proc/self` belongs to whom the process runs as.
fn is_root() -> bool {
    use std::os::unix::fs::MetadataExt;
    fs::metadata("/proc/self").is_ok_and(|own| own.uid() == 0)
}

fn create_dir(path: &Path) -> Result<(), PostgresError> {
    fs::create_dir_all(path).map_err(|source| PostgresError::File { path: path.to_owned(), source })
}
