//! The quality report in a dialog: what of the series is missing, was refused, corrected or looks wrong.

use leptos::prelude::*;
use tidemark_market::TimeRange;
use tidemark_market::quality::{Listed, QualityReport};

use super::dialogue::Dialogue;
use crate::stores::quality::Report;
use crate::text::{grouped, price};

/// How many of a kind are listed in the dialog; the API tells more.
const SHOWN: usize = 8;

/// A button that opens the report.
#[component]
pub fn Quality(
    /// The report; `None` while it is on its way.
    report: Signal<Report>,
    /// Asks for it.
    load: Callback<()>,
) -> impl IntoView {
    let open = RwSignal::new(false);
    let ask = move |_| {
        load.run(());
        open.set(true);
    };
    let body = move || match report.get() {
        None => view! { <p>"Looking through the series …"</p> }.into_any(),
        Some(Err(problem)) => view! { <p role="alert">{problem.detail}</p> }.into_any(),
        Some(Ok(report)) => view! { <Figures report /> }.into_any(),
    };
    view! {
        <button type="button" class="link" data-testid="quality-open" on:click=ask>
            "Data quality"
        </button>
        <Dialogue id="quality" title="Data quality" open>
            {body}
        </Dialogue>
    }
    .into_any()
}

/// One kind of finding: how many, and some of them.
struct Finding {
    id: &'static str,
    name: &'static str,
    count: u64,
    means: &'static str,
    examples: Vec<String>,
}

#[component]
fn Figures(report: QualityReport) -> impl IntoView {
    let title = format!(
        "{} {}, {} hours: {} of {} bars that the calendar allows.",
        report.symbol,
        report.timeframe,
        report.hours.as_str(),
        grouped(report.present_bars),
        grouped(report.expected_bars)
    );
    let row = |finding: Finding| {
        let examples = finding.examples.into_iter().map(|text| view! { <li>{text}</li> }).collect_view();
        view! {
            <div class="finding" data-testid=format!("quality-{}", finding.id) data-count=finding.count.to_string()>
                <dt>
                    <strong>{grouped(finding.count)}</strong>
                    " "
                    {finding.name}
                </dt>
                <dd>
                    {finding.means}
                    <ul>{examples}</ul>
                </dd>
            </div>
        }
    };
    view! {
        <p data-testid="quality-summary">{title}</p>
        <dl class="findings">{findings(&report).into_iter().map(row).collect_view()}</dl>
    }
    .into_any()
}

fn findings(report: &QualityReport) -> Vec<Finding> {
    let class = report.symbol.asset_class();
    let finding = |id, name, count, means, examples| Finding { id, name, count, means, examples };
    let spans = |id, name, listed: &Listed<TimeRange>, means| {
        finding(id, name, listed.count, means, listed.newest.iter().take(SHOWN).map(TimeRange::to_string).collect())
    };
    vec![
        spans("missing", "missing", &report.missing, "Session time that is not covered yet."),
        spans("empty", "empty", &report.empty, "Session time for which a provider answered no bars."),
        spans("outside", "out of reach", &report.outside, "Beyond the provider's plan or depth."),
        spans("failed", "failed", &report.failed, "Could not be fetched."),
        finding(
            "quarantined",
            "quarantined",
            report.quarantined.count,
            "Bars that were refused.",
            examples(&report.quarantined, |bar| format!("{}: {} from {}", bar.ts, bar.reason, bar.provider)),
        ),
        finding("corrected", "corrected", report.corrected, "Bars that have changed since they came.", Vec::new()),
        finding(
            "disagreements",
            "in disagreement",
            report.disagreements.count,
            "Settled bars that differ from the recent ones.",
            examples(&report.disagreements, |it| {
                let (recent, settled) = (price(class, it.intraday_close), price(class, it.historical_close));
                format!("{}: closed at {recent}, settled at {settled}", it.ts)
            }),
        ),
        finding(
            "suspicions",
            "suspicious",
            report.suspicions.count,
            "Bars that look wrong; they are shown as they came.",
            examples(&report.suspicions, |flag| {
                let what = flag.suspicion.as_str().replace('_', " ");
                format!("{}: {what}, {:.2} %", flag.ts, flag.relative_move * 100.0)
            }),
        ),
    ]
}

fn examples<T>(listed: &Listed<T>, write: impl Fn(&T) -> String) -> Vec<String> {
    listed.newest.iter().take(SHOWN).map(write).collect()
}
