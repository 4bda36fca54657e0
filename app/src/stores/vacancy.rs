//! Why there is no bar to draw, and what someone can do about it.

use super::situation::{Coverage, Situation};

/// What helps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Remedy {
    /// To ask again.
    Retry,
    /// Another symbol.
    Search,
    /// Other hours or layers.
    Show,
}

/// What stands in the chart's place. What exactly happened is the banner's to say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Vacancy {
    /// Why there is nothing.
    pub title: &'static str,
    /// What to do.
    pub advice: &'static str,
    /// What the button does.
    pub remedy: Remedy,
}

impl Vacancy {
    /// Where the address names no series.
    pub const INVALID: Self = Self::new(
        "This address names no chart",
        "One that does looks like /chart/AAPL?tf=h1. Type a symbol, or choose one of the watchlist.",
        Remedy::Search,
    );

    /// Where there are bars, and none of them is of what is to be shown.
    pub const HIDDEN: Self = Self::new(
        "None of its bars is shown",
        "Bars are held, but of hours or layers that are hidden. Show some of them.",
        Remedy::Show,
    );

    const fn new(title: &'static str, advice: &'static str, remedy: Remedy) -> Self {
        Self { title, advice, remedy }
    }
}

/// `None` where there are bars, or some may be on their way.
#[must_use]
pub fn vacancy(situation: &Situation) -> Option<Vacancy> {
    if situation.bars > 0 {
        return None;
    }
    if let Some(problem) = &situation.problem {
        return Some(because(&problem.code));
    }
    if situation.confirmed.is_none() || situation.coverage == Coverage::Asked {
        return None;
    }
    let Some(progress) = &situation.progress else { return Some(without_a_run(situation)) };
    match &progress.failure {
        _ if progress.is_active() || situation.is_behind() => None,
        Some(failure) if progress.failed > 0 => Some(because(&failure.code)),
        _ if progress.cancelled > 0 => Some(Vacancy::new(
            "Called off before a bar came",
            "What is queued was cancelled. Try again to have it fetched after all.",
            Remedy::Retry,
        )),
        _ => Some(without_a_run(situation)),
    }
}

fn without_a_run(situation: &Situation) -> Vacancy {
    if situation.as_of.is_some() {
        return Vacancy::new(
            "Nothing was known at that time",
            "The first bars of this series came later. Leave as_of out of the address to see them.",
            Remedy::Search,
        );
    }
    if situation.is_out_of_reach {
        return because("provider_plan");
    }
    Vacancy::new(
        "No bars in this window",
        "The provider was asked and has none. Try another timeframe or symbol, or ask once more.",
        Remedy::Retry,
    )
}

fn because(code: &str) -> Vacancy {
    match code {
        "server_unreachable" => Vacancy::new(
            "Not kept in this browser",
            "Charts that were opened here before can be seen without a server. This one needs it once; it opens by itself \
             when the server is back.",
            Remedy::Retry,
        ),
        "unknown_symbol" | "symbol_unknown" => Vacancy::new(
            "No such symbol",
            "No provider knows it. Search by name: Apple finds AAPL, bitcoin finds X:BTCUSD.",
            Remedy::Search,
        ),
        "no_provider" => Vacancy::new(
            "No provider for such a symbol",
            "None that is set up serves it. Set one up where the server runs (README, Real keys), or chart another symbol.",
            Remedy::Search,
        ),
        "provider_unauthorized" => Vacancy::new(
            "The provider refuses the key",
            "Set the right key where the server runs, restart it, then try again.",
            Remedy::Retry,
        ),
        "provider_plan" | "provider_restricted" => Vacancy::new(
            "Not within the provider's plan",
            "The key's plan or the provider's depth does not reach these bars. A coarser timeframe or another symbol may \
             be within it.",
            Remedy::Search,
        ),
        "provider_unavailable"
        | "provider_unreachable"
        | "provider_timeout"
        | "provider_server_error"
        | "provider_malformed"
        | "provider_throttled" => Vacancy::new(
            "The provider does not answer",
            "Nothing of this series is stored yet. Try again in a moment; what is stored of others can be seen meanwhile.",
            Remedy::Retry,
        ),
        "storage_unavailable" => Vacancy::new(
            "The server's database does not answer",
            "The server connects to it again by itself. Try again in a moment.",
            Remedy::Retry,
        ),
        _ => Vacancy::new(
            "The bars could not be had",
            "The line above says why. Try again, or chart another symbol.",
            Remedy::Retry,
        ),
    }
}

#[cfg(test)]
mod tests {
    use tidemark_market::progress::RunFailure;
    use tidemark_market::{SeriesProgress, TimeRange, Timestamp};

    use super::*;
    use crate::problem::Problem;

    fn answered() -> Situation {
        Situation { confirmed: Some(1), coverage: Coverage::Settled, ..Situation::default() }
    }

    fn ended(failure: Option<&str>) -> SeriesProgress {
        let slice = TimeRange { start: Timestamp(0), end: Timestamp(1) };
        let told = |code: &str| RunFailure { code: code.to_owned(), message: String::new(), slice };
        SeriesProgress {
            revision: 1,
            hydration: 1,
            failed: u32::from(failure.is_some()),
            failure: failure.map(told),
            ..Default::default()
        }
    }

    fn title(situation: &Situation) -> Option<&'static str> {
        vacancy(situation).map(|it| it.title)
    }

    #[test]
    fn nothing_is_said_while_bars_are_there_or_may_come() {
        assert_eq!(vacancy(&Situation::default()), None, "not answered yet");
        assert_eq!(vacancy(&Situation { coverage: Coverage::Asked, ..answered() }), None);
        assert_eq!(vacancy(&Situation { bars: 1, problem: Some(Problem::unreachable("")), ..answered() }), None);
        let mut now = answered();
        now.learn(SeriesProgress { queued: 1, ..ended(None) }, 0);
        assert_eq!(vacancy(&now), None);
        now = answered();
        now.learn(SeriesProgress { revision: 2, ..ended(None) }, 0);
        assert_eq!(vacancy(&now), None, "bars have been written that are not here yet");
    }

    #[test]
    fn what_is_empty_says_why() {
        assert_eq!(title(&answered()), Some("No bars in this window"));
        assert_eq!(title(&Situation { is_out_of_reach: true, ..answered() }), Some("Not within the provider's plan"));
        let then = Situation { as_of: Some(Timestamp(0)), ..answered() };
        assert_eq!(title(&then), Some("Nothing was known at that time"));
        let mut now = answered();
        now.learn(SeriesProgress { cancelled: 3, ..ended(None) }, 0);
        assert_eq!(title(&now), Some("Called off before a bar came"));
    }

    #[test]
    fn what_failed_says_what_helps() {
        let remedy =
            |problem: Problem| vacancy(&Situation { problem: Some(problem), ..Situation::default() }).unwrap().remedy;
        assert_eq!(remedy(Problem::unreachable("gone")), Remedy::Retry);
        assert_eq!(remedy(Problem::new(404, "unknown_symbol", "", "")), Remedy::Search);
        assert_eq!(remedy(Problem::new(418, "teapot", "", "")), Remedy::Retry);
        let mut now = answered();
        now.learn(ended(Some("provider_unauthorized")), 0);
        assert_eq!(title(&now), Some("The provider refuses the key"));
    }
}
