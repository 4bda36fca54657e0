//! What a simulator is started with, and why a start fails.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use thiserror::Error;
use tidemark_market::{Split, Symbol, Timestamp};

use crate::feed::Feed;

/// How a simulator behaves from its start on; most of it can be changed later by [`crate::Control`].
#[derive(Clone, Debug)]
pub struct SimulatorConfig {
    /// Where to listen; port 0 takes any free one.
    pub addr: SocketAddr,
    /// What the synthetic bars grow from: equal seeds give equal bars.
    pub seed: u64,
    /// How long each provider request waits before it is answered.
    pub latency: Duration,
    /// Requests that one key, or where none is asked for everyone together, may make of one provider in a minute; `None` sets no limit and sends no rate headers.
    pub requests_per_minute: Option<u32>,
    /// A folder of recorded bars and splits, files `SYMBOL_TIMEFRAME.csv` and `SYMBOL_splits.csv`; see [`crate::feed`].
    pub data_dir: Option<PathBuf>,
    /// The accepted keys; `None` accepts any key that is not empty.
    pub keys: Option<Vec<String>>,
    /// Recorded bars put in by code.
    pub feeds: Vec<Feed>,
    /// Splits put in by code. They tell nothing of the bars, which are as traded.
    pub splits: Vec<(Symbol, Split)>,
    /// What the time is, to the providers; `None` goes by the system's clock. No bar lies after it.
    pub clock: Option<Timestamp>,
}

impl Default for SimulatorConfig {
    fn default() -> Self {
        Self {
            addr: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            seed: 1,
            latency: Duration::ZERO,
            requests_per_minute: None,
            data_dir: None,
            keys: None,
            feeds: Vec::new(),
            splits: Vec::new(),
            clock: None,
        }
    }
}

/// Why a simulator does not start.
#[derive(Debug, Error)]
pub enum SimulatorError {
    /// The address is taken or not ours.
    #[error("The simulator can't listen on {addr}: {source}. Choose another address, or port 0 for any free port.")]
    Bind {
        /// The address asked for.
        addr: SocketAddr,
        /// The system's reason.
        source: std::io::Error,
    },
    /// A folder or file of recorded bars can't be read.
    #[error("The recorded bars in {} can't be read: {source}. Check the path and its permissions.", path.display())]
    Read {
        /// The folder or file.
        path: PathBuf,
        /// The system's reason.
        source: std::io::Error,
    },
    /// A file of recorded bars does not have the form that is read.
    #[error("{}, line {line}: {reason}. Correct the line, or move the file out of the data folder.", path.display())]
    Feed {
        /// The file.
        path: PathBuf,
        /// The line, counted from 1.
        line: usize,
        /// What is wrong with it.
        reason: String,
    },
}
