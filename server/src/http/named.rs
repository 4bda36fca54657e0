//! The page of a symbol that the page's own form asks for: what browsers send where no script answers it, or not yet.

use axum::extract::Query;
use axum::response::Redirect;
use reqwest::Url;
use serde::Deserialize;

/// What the form's fields are called.
#[derive(Debug, Deserialize)]
pub struct Asked {
    symbol: String,
    tf: Option<String>,
}

/// Leads to the symbol's page; what is no symbol is told there.
pub async fn page(Query(asked): Query<Asked>) -> Redirect {
    Redirect::to(&address(&asked).unwrap_or_else(|| "/".to_owned()))
}

fn address(Asked { symbol, tf }: &Asked) -> Option<String> {
    let mut url = Url::parse("http://page/chart").ok()?;
    url.path_segments_mut().ok()?.push(symbol.trim());
    if let Some(tf) = tf {
        url.query_pairs_mut().append_pair("tf", tf);
    }
    Some(url.as_str().strip_prefix("http://page")?.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_typed_becomes_one_part_of_the_path() {
        let of = |symbol: &str, tf: Option<&str>| {
            address(&Asked { symbol: symbol.to_owned(), tf: tf.map(str::to_owned) }).unwrap()
        };
        assert_eq!(of(" X:BTCUSD ", Some("m1")), "/chart/X:BTCUSD?tf=m1");
        assert_eq!(of("../a?b#c", None), "/chart/..%2Fa%3Fb%23c");
        assert_eq!(of("AAPL", Some("d1&x=//evil")), "/chart/AAPL?tf=d1%26x%3D%2F%2Fevil");
    }
}
