//! Asking a provider over HTTP: one GET with the key, if there is one, in a header, bounded in time and size, judged in
//! one place.

use std::error::Error as _;
use std::fmt;
use std::time::Duration;

use reqwest::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderValue, InvalidHeaderValue};
use reqwest::redirect::Policy;
use reqwest::{Client, Response, StatusCode, Url};
use serde_json::Value;
use thiserror::Error;
use tidemark_market::Timestamp;

use super::error::{Failure, ProviderError};
use super::{Allowance, Limit, quota};

/// How much of an error's body is read; its text is cut further when it is quoted.
const MAX_ERROR_BODY_BYTES: usize = 64 * 1024;

/// How much of a provider's text a message quotes, in characters.
const MAX_QUOTE_CHARS: usize = 200;

/// A provider's secret. Its text can be had inside this folder alone; `Debug` and `Display` print `…`.
#[derive(Clone)]
pub struct ApiKey(String);

impl From<String> for ApiKey {
    /// White space around a key comes from the file it was kept in, and is left out.
    fn from(key: String) -> Self {
        Self(key.trim().to_owned())
    }
}

impl ApiKey {
    /// Whether `text` is this key; takes as long whichever character differs.
    #[must_use]
    pub fn matches(&self, text: &str) -> bool {
        let differences = self.0.bytes().zip(text.bytes()).fold(0, |differences, (a, b)| differences | (a ^ b));
        self.0.len() == text.len() && std::hint::black_box(differences) == 0
    }
}

impl fmt::Debug for ApiKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("…")
    }
}

impl fmt::Display for ApiKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("…")
    }
}

/// How to reach a provider.
#[derive(Clone, Debug)]
pub struct HttpSettings {
    /// As it is to be called in messages and in the database.
    pub name: String,
    /// Such as `https://api.polygon.io`; may have a path, which is put before every other.
    pub base_url: String,
    /// Sent as `Authorization: Bearer …`; `None` for a provider that asks for none.
    pub key: Option<ApiKey>,
    /// Whether the bars behind this URL are made up.
    pub synthetic: bool,
    /// How often it may be asked.
    pub limit: Limit,
    /// From the first packet to the connection, TLS included.
    pub connect_timeout: Duration,
    /// Without a byte from the provider.
    pub read_timeout: Duration,
    /// From the request to the last byte.
    pub total_timeout: Duration,
    /// The longest body that is read, after decompression.
    pub max_body_bytes: usize,
}

#[cfg(test)]
impl HttpSettings {
    /// Of a provider that nobody asks.
    pub(crate) fn stub(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            base_url: "http://127.0.0.1:9".to_owned(),
            key: Some(ApiKey::from("key".to_owned())),
            synthetic: true,
            limit: Limit::NONE,
            connect_timeout: Duration::from_secs(1),
            read_timeout: Duration::from_secs(1),
            total_timeout: Duration::from_secs(1),
            max_body_bytes: 1_000,
        }
    }
}

/// Settings that no request can be made with.
#[derive(Debug, Error)]
pub enum SettingsError {
    /// Not repeated in the message: a key may have been put into it.
    #[error(
        "The base URL of provider {0} is not one. Write it like https://api.polygon.io, without user, query or key."
    )]
    BaseUrl(String),
    /// A line break or the like.
    #[error(
        "The key of provider {0} has a character that no HTTP header may have. Copy it again, without line breaks."
    )]
    Key(String),
    /// A chain names a provider that has no adapter.
    #[error("TIDEMARK_CHAINS names the provider {name:?}, which is not set up. Name any of {known}, or set its key.")]
    Unconfigured {
        /// As written.
        name: String,
        /// Those that are set up, comma-separated.
        known: String,
    },
    /// TLS could not be set up.
    #[error("The connection to provider {0} can't be set up: {1}. Check the system's certificates.")]
    Client(String, reqwest::Error),
}

/// What a provider says instead of what was asked for.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Complaint {
    /// Where the body says more than the status does.
    pub failure: Option<Failure>,
    pub text: String,
}

/// A good answer.
#[derive(Debug)]
pub(super) struct Answer {
    pub body: Value,
    pub allowance: Option<Allowance>,
    /// When it was made, by the provider's clock.
    pub at: Timestamp,
}

/// A failure with what happened, as the middle of a sentence.
type Failed = (Failure, String);

/// The way to one provider.
pub(super) struct Http {
    settings: HttpSettings,
    base: Url,
    client: Client,
    authorization: Option<HeaderValue>,
    complaint: fn(&Value) -> Option<Complaint>,
}

impl Http {
    /// `complaint` tells a provider's error bodies from its answers; it sees those of every status.
    pub(super) fn new(
        settings: HttpSettings,
        complaint: fn(&Value) -> Option<Complaint>,
    ) -> Result<Self, SettingsError> {
        let base = base_url(&settings.base_url).ok_or_else(|| SettingsError::BaseUrl(settings.name.clone()))?;
        let authorization = settings.key.as_ref().map(authorization).transpose();
        let authorization = authorization.map_err(|_| SettingsError::Key(settings.name.clone()))?;
        let client = client(&settings, &base).map_err(|error| SettingsError::Client(settings.name.clone(), error))?;
        Ok(Self { settings, base, client, authorization, complaint })
    }

    pub(super) fn name(&self) -> &str {
        &self.settings.name
    }

    pub(super) const fn is_synthetic(&self) -> bool {
        self.settings.synthetic
    }

    pub(super) const fn limit(&self) -> Limit {
        self.settings.limit
    }

    /// The address of `path`, which begins with a slash, below the base URL.
    pub(super) fn url(&self, path: &str, query: &[(&str, &str)]) -> Url {
        let mut url = self.base.clone();
        url.set_path(&format!("{}{path}", self.base_path()));
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
        }
        url
    }

    /// The path and query of a link in an answer, at our own base URL: the key is never sent to where a body points to.
    /// A key in the link is left out.
    pub(super) fn follow(&self, link: &str) -> Option<Url> {
        let link = self.base.join(link).ok()?;
        let path = link.path().strip_prefix(self.base_path()).unwrap_or(link.path());
        let query: Vec<_> = link.query_pairs().filter(|(name, _)| !name.eq_ignore_ascii_case("apikey")).collect();
        let query: Vec<_> = query.iter().map(|(name, value)| (name.as_ref(), value.as_ref())).collect();
        Some(self.url(path, &query))
    }

    /// Asks for a JSON body. `subject` begins the message of an error, such as `AAPL h1 from … to …`.
    pub(super) async fn get(&self, url: Url, subject: &str) -> Result<Answer, ProviderError> {
        let key = self.authorization.iter().map(|value| (AUTHORIZATION, value.clone())).collect();
        let request = self.client.get(url).headers(key).header(ACCEPT, "application/json");
        let response = request.send().await.map_err(|error| {
            let (failure, detail) = transport_failure(error);
            self.error(failure, subject, &detail)
        })?;
        let (status, headers) = (response.status(), response.headers().clone());
        let limit = self.settings.max_body_bytes;
        let limit = if status.is_success() { limit } else { limit.min(MAX_ERROR_BODY_BYTES) };
        let body = read_body(response, limit).await;
        let (allowance, at) = (quota::allowance(&headers), quota::provider_time(&headers));
        match self.judge(status, &headers, body) {
            Ok(body) => Ok(Answer { body, allowance, at }),
            Err((failure, detail)) => {
                let retry_after = quota::retry_after(&headers, at);
                Err(ProviderError { retry_after, allowance, ..self.error(failure, subject, &detail) })
            }
        }
    }

    /// An error with its sentence: `detail` is the middle of it, and tells what the provider did.
    pub(super) fn error(&self, failure: Failure, subject: &str, detail: &str) -> ProviderError {
        let message = format!("{subject} could not be fetched from {}: {detail}. {}", self.name(), failure.advice());
        ProviderError { class: failure.class(), code: failure.code(), message, retry_after: None, allowance: None }
    }

    /// What an answer amounts to.
    fn judge(&self, status: StatusCode, headers: &HeaderMap, body: Result<Vec<u8>, Failed>) -> Result<Value, Failed> {
        if !status.is_success() {
            return Err(self.judge_refusal(status, &body.unwrap_or_default()));
        }
        let body = body?;
        if let Some(other) = other_content_type(headers) {
            let text = self.quoted(&String::from_utf8_lossy(&body));
            let detail = format!("it answered with the content type {other:?} instead of JSON{text}");
            return Err((Failure::Malformed, detail));
        }
        let body = serde_json::from_slice(&body)
            .map_err(|error| (Failure::Malformed, format!("its answer is not whole, valid JSON ({error})")))?;
        match (self.complaint)(&body) {
            Some(Complaint { failure, text }) => {
                let detail = format!("it answered with an error{}", self.quoted(&text));
                Err((failure.unwrap_or(Failure::BadRequest), detail))
            }
            None => Ok(body),
        }
    }

    /// The status counts even where the body is cut off or no JSON.
    fn judge_refusal(&self, status: StatusCode, body: &[u8]) -> Failed {
        let complaint = serde_json::from_slice(body).ok().as_ref().and_then(self.complaint);
        let (failure, text) = match complaint {
            Some(complaint) => (complaint.failure, complaint.text),
            None => (None, String::from_utf8_lossy(body).into_owned()),
        };
        let detail = format!("it answered HTTP {}{}", status.as_u16(), self.quoted(&text));
        (failure.unwrap_or_else(|| Failure::of_status(status)), detail)
    }

    /// The provider's words as `, "…"` on one line, without the key and cut; nothing where they are blank.
    fn quoted(&self, text: &str) -> String {
        let key = self.settings.key.as_ref().map(|key| key.0.as_str()).filter(|key| !key.is_empty());
        let text = key.map_or_else(|| text.to_owned(), |key| text.replace(key, "…"));
        let words = text.split(|c: char| c.is_whitespace() || c.is_control()).filter(|word| !word.is_empty());
        let line = words.collect::<Vec<_>>().join(" ");
        let cut: String = line.chars().take(MAX_QUOTE_CHARS).collect();
        let more = if cut.len() < line.len() { "…" } else { "" };
        if cut.is_empty() { cut } else { format!(", \"{cut}{more}\"") }
    }

    fn base_path(&self) -> &str {
        self.base.path().trim_end_matches('/')
    }
}

fn authorization(key: &ApiKey) -> Result<HeaderValue, InvalidHeaderValue> {
    let mut value = HeaderValue::from_str(&format!("Bearer {}", key.0))?;
    value.set_sensitive(true);
    Ok(value)
}

fn base_url(text: &str) -> Option<Url> {
    let url = Url::parse(text.trim()).ok()?;
    let is_plain = url.username().is_empty() && url.password().is_none();
    let has_tail = url.query().is_some() || url.fragment().is_some();
    (matches!(url.scheme(), "http" | "https") && url.has_host() && is_plain && !has_tail).then_some(url)
}

fn client(settings: &HttpSettings, base: &Url) -> reqwest::Result<Client> {
    let mut client = Client::builder()
        .user_agent(concat!("tidemark/", env!("CARGO_PKG_VERSION")))
        .redirect(Policy::none())
        .connect_timeout(settings.connect_timeout)
        .read_timeout(settings.read_timeout)
        .timeout(settings.total_timeout);
    if is_loopback(base) {
        client = client.no_proxy();
    }
    if base.scheme() == "http" {
        // No certificate is looked at, so a machine that has none can still reach the demo provider.
        client = client.tls_certs_only([]);
    }
    client.build()
}

fn is_loopback(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']);
    host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}

async fn read_body(mut response: Response, limit: usize) -> Result<Vec<u8>, Failed> {
    let too_large = || (Failure::TooLarge, format!("its answer is longer than the limit of {limit} bytes"));
    let announced = response.content_length().unwrap_or_default();
    if usize::try_from(announced).map_or(true, |announced| announced > limit) {
        return Err(too_large());
    }
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(transport_failure)? {
        if body.len() + chunk.len() > limit {
            return Err(too_large());
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

/// The innermost reason, which reads best, without the address.
fn transport_failure(error: reqwest::Error) -> Failed {
    let failure = Failure::of_transport(&error);
    let error = error.without_url();
    let innermost = std::iter::successors(error.source(), |inner| (*inner).source()).last();
    let reason = innermost.map_or_else(|| error.to_string(), ToString::to_string);
    let what = match failure {
        Failure::Timeout => "it did not answer in time",
        Failure::Malformed => "its answer broke off",
        Failure::BadRequest => "the request can't be made",
        _ => "it can't be reached",
    };
    (failure, format!("{what} ({reason})"))
}

/// The content type, where there is one and it is not JSON.
fn other_content_type(headers: &HeaderMap) -> Option<String> {
    let text = String::from_utf8_lossy(headers.get(CONTENT_TYPE)?.as_bytes()).to_ascii_lowercase();
    (!text.contains("json")).then(|| text.chars().take(MAX_QUOTE_CHARS).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn http(base_url: &str, key: &str) -> Result<Http, SettingsError> {
        let key = Some(ApiKey::from(key.to_owned()));
        let settings = HttpSettings { base_url: base_url.to_owned(), key, ..HttpSettings::stub("demo") };
        Http::new(settings, |_| None)
    }

    #[test]
    fn a_link_is_followed_at_our_own_base_without_its_key() {
        let link = "https://evil.example/v2/aggs/next?cursor=a%3D%3D&apiKey=stolen";
        let follow = |base| http(base, "k").unwrap().follow(link).unwrap().to_string();
        assert_eq!(follow("http://127.0.0.1:9"), "http://127.0.0.1:9/v2/aggs/next?cursor=a%3D%3D");
        assert_eq!(follow("http://127.0.0.1:9/polygon/"), "http://127.0.0.1:9/polygon/v2/aggs/next?cursor=a%3D%3D");
        let below = http("http://127.0.0.1:9/polygon", "k").unwrap();
        assert_eq!(below.follow("/polygon/v2/next").unwrap().path(), "/polygon/v2/next");
    }

    #[test]
    fn settings_that_cannot_work_are_refused_without_showing_them() {
        for base in ["", "api.polygon.io", "ftp://x", "https://k3y@x/", "https://x/?apiKey=k3y", "https://x/#k3y"] {
            let error = http(base, "k").err().unwrap().to_string();
            assert!(error.contains("base URL of provider demo") && !error.contains("k3y"), "{error}");
        }
        let error = http("http://127.0.0.1", "k3y\nk3y").err().unwrap().to_string();
        assert!(error.contains("key of provider demo") && !error.contains("k3y"), "{error}");
        assert!(http("http://127.0.0.1", " k3y\n").is_ok(), "white space around a key is no part of it");
    }

    #[test]
    fn a_key_is_not_shown_by_what_holds_it() {
        let key = ApiKey::from("k3y".to_owned());
        let shown = format!("{key} {key:?} {:?}", http("http://127.0.0.1", "k3y").unwrap().settings);
        assert!(!shown.contains("k3y"), "{shown}");
        let matches = ["k3y", "k3x", "k3", "k3yy", ""].map(|text| key.matches(text));
        assert_eq!(matches, [true, false, false, false, false]);
    }

    #[test]
    fn a_long_text_is_quoted_on_one_line_and_cut() {
        let http = http("http://127.0.0.1", "k3y").unwrap();
        assert_eq!(http.quoted(" \n "), "");
        assert_eq!(http.quoted("<h1>\r\n\tBad\u{0} gateway"), ", \"<h1> Bad gateway\"");
        assert_eq!(http.quoted(&"ä".repeat(300)).chars().count(), 200 + 5);
        let cut_through_the_key = format!("{}k3y", "x".repeat(MAX_QUOTE_CHARS - 2));
        assert!(!http.quoted(&cut_through_the_key).contains('k'));
    }

    #[test]
    fn numbers_that_json_does_not_have_make_a_body_malformed() {
        for body in [r#"{"c":NaN}"#, r#"{"c":Infinity}"#, r#"{"c":1e999}"#, r#"{"c":1"#, "", "{}{}"] {
            let http = http("http://127.0.0.1", "k").unwrap();
            let judged = http.judge(StatusCode::OK, &HeaderMap::new(), Ok(body.into()));
            assert_eq!(judged.unwrap_err().0, Failure::Malformed, "{body}");
        }
    }
}
