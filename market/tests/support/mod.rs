//! Bars of the fixtures, which are real and are not part of this repository.
#![expect(clippy::unwrap_used, reason = "what a test needs is there, or the test fails")]

use std::path::PathBuf;

use tidemark_market::{Bar, Timestamp};

/// The folder of fixtures.
pub struct Fixtures(PathBuf);

impl Fixtures {
    /// Where `TIDEMARK_FIXTURES` says; `None`, and one line that says so, where nothing is there.
    pub fn find() -> Option<Self> {
        let folder = std::env::var("TIDEMARK_FIXTURES").unwrap_or_else(|_| "../../shared/fixtures".to_owned());
        if !PathBuf::from(&folder).is_dir() {
            eprintln!("skipped: no fixtures in {folder}");
            return None;
        }
        Some(Self(folder.into()))
    }

    /// The bars of a CSV with the columns t,o,h,l,c,v.
    pub fn bars(&self, name: &str) -> Vec<Bar> {
        let path = self.0.join(name);
        let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        text.lines().skip(1).map(bar).collect()
    }
}

fn bar(line: &str) -> Bar {
    let (ts, values) = line.split_once(',').unwrap();
    let values: Vec<f64> = values.split(',').map(|value| value.parse().unwrap()).collect();
    Bar::new(Timestamp(ts.parse().unwrap()), values[0], values[1], values[2], values[3], values[4])
}
