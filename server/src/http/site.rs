//! The page's files: where they are, under which names, and how long browsers may keep them.

use std::collections::HashMap;
use std::convert::Infallible;
use std::path::Path;

use axum::body::Body;
use axum::extract::Request;
use axum::http::header::{CACHE_CONTROL, HeaderValue};
use axum::middleware::Next;
use axum::response::Response;
use leptos::config::LeptosOptions;
use tidemark_app::assets::Assets;
use tower::Service;
use tower_http::services::ServeDir;

/// What `scripts/pack.js` writes: the plain name of each renamed file, and its name.
const MANIFEST: &str = "assets.json";
const FOR_EVER: HeaderValue = HeaderValue::from_static("public, max-age=31536000, immutable");
const ASK_FIRST: HeaderValue = HeaderValue::from_static("no-cache");
const NEVER: HeaderValue = HeaderValue::from_static("no-store");

/// The addresses of the page's parts under the site's root: those of a packed site, else the plain ones.
#[must_use]
pub fn assets(options: &LeptosOptions) -> Assets {
    let plain = Assets::plain(options);
    match manifest(Path::new(&*options.site_root)) {
        Some(names) => plain.renamed(|name| names.get(name).cloned()),
        None => plain,
    }
}

/// A site that is not packed has none; one that can't be read is said, and served under its plain names.
fn manifest(site_root: &Path) -> Option<HashMap<String, String>> {
    let path = site_root.join(MANIFEST);
    let text = std::fs::read_to_string(&path).ok()?;
    serde_json::from_str(&text)
        .inspect_err(|error| tracing::error!(%error, path = %path.display(), "not readable; run `make build` again"))
        .ok()
}

/// Serves the files, in the compressed form the browser takes where there is one. What is no file goes to `missing`.
pub fn files<S>(options: &LeptosOptions, missing: S) -> ServeDir<S>
where
    S: Service<Request<Body>, Response = Response, Error = Infallible> + Clone + Send + 'static,
{
    ServeDir::new(&*options.site_root)
        .append_index_html_on_directories(false)
        .call_fallback_on_method_not_allowed(true)
        .precompressed_br()
        .precompressed_gzip()
        .fallback(missing)
}

/// Which files of a site never change under their name.
#[derive(Clone, Copy, Debug)]
pub enum Names {
    /// Those below `/pkg` and `/vendor`: their name tells their content.
    Hashed,
    /// None.
    Plain,
}

impl Names {
    /// Of a site with these assets.
    #[must_use]
    pub fn of(assets: &Assets) -> Self {
        if assets.worker.is_some() { Self::Hashed } else { Self::Plain }
    }

    fn keeps_for_ever(self, path: &str) -> bool {
        matches!(self, Self::Hashed) && (path.starts_with("/pkg/") || path.starts_with("/vendor/"))
    }
}

/// What has its content in its name is kept for ever; data never; the rest is asked for each time, and not sent again
/// where it is the same.
pub async fn cache_policy(names: Names, request: Request, next: Next) -> Response {
    let path = request.uri().path();
    let policy = match path {
        _ if path.starts_with("/api/") => NEVER,
        _ if names.keeps_for_ever(path) => FOR_EVER,
        _ => ASK_FIRST,
    };
    let mut response = next.run(request).await;
    let is_there = response.status().is_success() || response.status().is_redirection();
    let policy = if is_there || policy == NEVER { policy } else { ASK_FIRST };
    response.headers_mut().entry(CACHE_CONTROL).or_insert(policy);
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(site_root: &Path) -> LeptosOptions {
        LeptosOptions::builder().output_name("tidemark").site_root(site_root.display().to_string()).build()
    }

    #[test]
    fn a_site_is_read_under_its_hashed_names_once_it_is_packed() {
        let root = std::env::temp_dir().join(format!("tidemark-site-{}", std::process::id()));
        std::fs::create_dir_all(&root).unwrap();
        let plain = assets(&options(&root));
        assert_eq!((plain.wasm.as_str(), &plain.worker), ("/pkg/tidemark.wasm", &None));

        let names = r#"{"/pkg/tidemark.wasm": "/pkg/tidemark.4rT.wasm", "/sw.js": "/sw.js"}"#;
        std::fs::write(root.join(MANIFEST), names).unwrap();
        let packed = assets(&options(&root));
        assert_eq!((packed.wasm.as_str(), packed.worker.as_deref()), ("/pkg/tidemark.4rT.wasm", Some("/sw.js")));
        assert_eq!(packed.charts, plain.charts, "what was not renamed keeps its name");
        std::fs::remove_dir_all(&root).unwrap();
    }

    #[test]
    fn only_hashed_names_are_kept_for_ever() {
        assert!(Names::Hashed.keeps_for_ever("/pkg/tidemark.4rT.wasm"));
        assert!(!Names::Hashed.keeps_for_ever("/sw.js"));
        assert!(!Names::Plain.keeps_for_ever("/pkg/tidemark.wasm"));
    }
}
