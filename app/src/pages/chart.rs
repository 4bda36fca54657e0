//! The chart page, `/chart/{symbol}?tf=h1`. The address is its state: what changes it keeps the page and its chart.

use leptos::prelude::*;
use leptos_meta::Title;
use leptos_router::hooks::{use_navigate, use_params_map, use_query_map};
use tidemark_market::{Symbol, Timeframe};

use crate::browser::page;
use crate::browser::time_text::TimeText;
use crate::components::banner::BannerView;
use crate::components::bar_table::{BarTable, SpokenSummary};
use crate::components::chart::Chart;
use crate::components::header::Header;
use crate::components::legend::Legend;
use crate::components::quality::Quality;
use crate::components::settings::SettingsDialogue;
use crate::components::shortcuts::ShortcutList;
use crate::components::sidebar::Sidebar;
use crate::components::status_line::StatusLine;
use crate::components::strip::CoverageStrip;
use crate::components::symbol_search::SYMBOL_INPUT;
use crate::components::timeframes::Timeframes;
use crate::components::watchlist::WatchlistView;
use crate::components::watchlist::manage::ManageWatchlists;
use crate::problem::Problem;
use crate::response::set_status;
use crate::series::SeriesKey;
use crate::stores::chart_store::{ChartStore, Drawing};
use crate::stores::filling::Filling;
use crate::stores::quality::QualityStore;
use crate::stores::quotes::Quotes;
use crate::stores::search::Search;
use crate::stores::settings::use_settings;
use crate::stores::shortcuts::use_shortcuts;
use crate::stores::situation::{Banner, Situation, banner};
use crate::stores::standing::StandingStore;
use crate::stores::watchlists::Watchlists;
use crate::summary::summary;
use crate::visit::Visit;

const DEFAULT_TIMEFRAME: Timeframe = Timeframe::H1;

/// Sidebar, header, banner, chart and status line of the series that the address names.
#[component]
pub fn ChartPage() -> impl IntoView {
    let address = read_address();
    if let Err(problem) = address.get_untracked() {
        set_status(problem.status);
    }
    let visit = Signal::derive(move || address.get().ok());
    let series = Signal::derive(move || visit.get().map(|visit| visit.series));
    // Links keep what can be kept of an address that is half wrong.
    let timeframe = Signal::derive(move || series.get().map_or(DEFAULT_TIMEFRAME, |it| it.timeframe));
    let symbol = Signal::derive(move || series.get().map(|it| it.symbol));

    let store = ChartStore::new(visit);
    let standing = StandingStore::new(visit, store.drawing(), store.situation());
    let quality = QualityStore::new(series);
    let watchlists = Watchlists::new();
    let filling = Filling::new();
    let changed = Signal::derive(move || {
        let revision = store.situation().with(|situation| situation.confirmed);
        (series.get(), revision, filling.state().get())
    });
    let quotes = Quotes::new(watchlists.symbols(), timeframe, changed);
    let hovered = RwSignal::new(None::<usize>);
    let banner = Memo::new(move |_| match address.get() {
        Ok(visit) => store.situation().with(|situation| banner(&visit.series, situation)),
        Err(problem) => Banner::invalid(&problem),
    });
    let is_waiting = Signal::derive(move || banner.with(|it| it.state.is_waiting()));
    let navigate = use_navigate();
    let open = Callback::new(move |symbol: Symbol| {
        navigate(&SeriesKey { symbol, timeframe: timeframe.get_untracked() }.path(), Default::default());
    });
    let (is_listing_keys, is_setting, is_managing) = (RwSignal::new(false), RwSignal::new(false), RwSignal::new(false));
    let shortcuts = use_shortcuts();
    shortcuts.add("Page", &["/"], "Type a symbol", Callback::new(|()| page::focus(SYMBOL_INPUT)));
    let is_tabled = RwSignal::new(false);
    shortcuts.add("Chart", &["t"], "Show the bars as a table", Callback::new(move |()| is_tabled.set(true)));
    let summary = Memo::new(move |_| {
        let of = |drawing: &Drawing| {
            let times = TimeText::new(&drawing.series);
            standing
                .report()
                .with(|report| summary(&drawing.series, &drawing.picture.bars, report.as_ref(), |at| times.full(at)))
        };
        store.drawing().with(|drawing| drawing.as_ref().map_or_else(String::new, of))
    });
    shortcuts.add("Page", &[","], "Open the settings", Callback::new(move |()| is_setting.set(true)));
    let place = Signal::derive(move || series.get().map_or_else(String::new, |series| series.path()));
    let title = move || series.get().map_or_else(|| "Tidemark".to_owned(), |it| format!("{it} · Tidemark"));

    view! {
        <Title text=title />
        <div class="page">
            <Sidebar place>
                <WatchlistView
                    watchlists
                    quotes
                    filling
                    symbol
                    timeframe
                    on_near=Callback::new(move |symbol| {
                        store.prepare(SeriesKey { symbol, timeframe: timeframe.get_untracked() });
                    })
                    on_manage=Callback::new(move |()| is_managing.set(true))
                />
            </Sidebar>
            <main class="stage">
                <Header
                    symbol
                    search=Search::new()
                    open
                    on_shortcuts=Callback::new(move |()| is_listing_keys.set(true))
                    on_settings=Callback::new(move |()| is_setting.set(true))
                />
                <div class="toolbar">
                    <Timeframes symbol timeframe />
                    <button
                        type="button"
                        class="button"
                        data-testid="bar-table-open"
                        on:click=move |_| is_tabled.set(true)
                    >
                        "Table"
                    </button>
                </div>
                <BannerView
                    banner
                    revision=Signal::derive(move || store.situation().with(Situation::revision))
                    on_retry=Callback::new(move |()| store.retry())
                    on_cancel=Callback::new(move |()| series.get_untracked().into_iter().for_each(|it| store.cancel(it)))
                />
                <section class="board" aria-label="Chart">
                    <Legend drawing=store.drawing() hovered />
                    <Chart drawing=store.drawing() is_waiting hovered />
                    <SpokenSummary summary shortcuts />
                </section>
                <CoverageStrip
                    report=standing.report()
                    is_behind=standing.is_behind()
                    note=standing.note()
                    on_fetch=Callback::new(move |range| standing.fetch(range))
                />
                <StatusLine drawing=store.drawing()>
                    <Quality report=quality.report() load=Callback::new(move |()| quality.load()) />
                </StatusLine>
            </main>
            <ManageWatchlists watchlists open=is_managing />
            <BarTable drawing=store.drawing() summary open=is_tabled />
            <SettingsDialogue settings=use_settings() open=is_setting />
            <ShortcutList shortcuts open=is_listing_keys />
        </div>
    }
    .into_any()
}

fn read_address() -> Memo<Result<Visit, Problem>> {
    let (params, query) = (use_params_map(), use_query_map());
    Memo::new(move |_| {
        let symbol = params.with(|params| params.get("symbol")).unwrap_or_default();
        let asked = |name: &str| query.with(|query| query.get(name)).filter(|value| !value.is_empty());
        let timeframe = asked("tf");
        let timeframe = timeframe.as_deref().unwrap_or(DEFAULT_TIMEFRAME.as_str());
        Visit::parse(&symbol, timeframe, asked("as_of").as_deref(), asked("adjust").as_deref())
    })
}
