//! The addresses of what the document loads.

use leptos::config::LeptosOptions;

/// Style sheet, scripts and WASM of one build.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Assets {
    /// The style sheet.
    pub style: String,
    /// What starts the WASM.
    pub script: String,
    /// The WASM.
    pub wasm: String,
    /// The chart library.
    pub charts: String,
    /// The service worker; `None` where this build has none, as while it is worked on.
    pub worker: Option<String>,
}

impl Assets {
    /// What cargo-leptos and `npm run build` write, under the names they give it.
    #[must_use]
    pub fn plain(options: &LeptosOptions) -> Self {
        let built = |ending: &str| format!("/{}/{}.{ending}", options.site_pkg_dir, options.output_name);
        Self {
            style: built("css"),
            script: built("js"),
            wasm: built("wasm"),
            charts: "/vendor/echarts.js".to_owned(),
            worker: None,
        }
    }

    /// The same under the names that `renamed` gives.
    #[must_use]
    pub fn renamed(self, renamed: impl Fn(&str) -> Option<String>) -> Self {
        let name = |plain: String| renamed(&plain).unwrap_or(plain);
        Self {
            style: name(self.style),
            script: name(self.script),
            wasm: name(self.wasm),
            charts: name(self.charts),
            worker: renamed(WORKER),
        }
    }
}

/// Where the service worker is served: at the root, since it may answer for what lies beside and below it alone.
const WORKER: &str = "/sw.js";
