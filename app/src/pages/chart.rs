//! The chart page, `/chart/{symbol}?tf=h1`. The address is its state: what changes it keeps the page and its chart.

use leptos::prelude::*;
use leptos_meta::Title;
use leptos_router::NavigateOptions;
use leptos_router::hooks::{use_navigate, use_params_map, use_query_map};
use tidemark_market::quote::MOST_QUOTES;
use tidemark_market::time::DAY;
use tidemark_market::{AssetClass, Symbol, TimeRange, Timeframe, Timestamp};

use crate::browser::echarts::Move;
use crate::browser::page;
use crate::browser::time_text::TimeText;
use crate::chart::indicators::{name, panes_of};
use crate::chart::look::{Look, Part};
use crate::chart::readings::Readings;
use crate::components::banner::BannerView;
use crate::components::bar_table::{BarTable, SpokenSummary};
use crate::components::chart::{Chart, Command};
use crate::components::compare::{CompareDialogue, CompareLegend};
use crate::components::drawings::list::DrawingsDialogue;
use crate::components::drawings::tools::DrawingTools;
use crate::components::header::Header;
use crate::components::indicators::{IndicatorLegend, IndicatorsDialogue};
use crate::components::lack_note::LackNote;
use crate::components::legend::Legend;
use crate::components::pointed::PointedBar;
use crate::components::quality::Quality;
use crate::components::settings::SettingsDialogue;
use crate::components::shortcuts::ShortcutList;
use crate::components::shown::ShownDialogue;
use crate::components::sidebar::Sidebar;
use crate::components::skip_link::{BOARD, SkipLink};
use crate::components::status_line::StatusLine;
use crate::components::strip::CoverageStrip;
use crate::components::symbol_search::SYMBOL_INPUT;
use crate::components::timeframes::Timeframes;
use crate::components::toolbar::{ChartTools, LookTools, RangeTools};
use crate::components::vacancy::VacancyView;
use crate::components::watchlist::WatchlistView;
use crate::components::watchlist::manage::ManageWatchlists;
use crate::problem::Problem;
use crate::response::set_status;
use crate::series::SeriesKey;
use crate::stores::chart_store::{ChartStore, Drawing};
use crate::stores::compared::Compared;
use crate::stores::drawings::Drawings;
use crate::stores::filling::Filling;
use crate::stores::quality::QualityStore;
use crate::stores::quotes::Quotes;
use crate::stores::search::Search;
use crate::stores::settings::use_settings;
use crate::stores::shortcuts::use_shortcuts;
use crate::stores::shown::{self, shown};
use crate::stores::situation::{Banner, Situation, banner};
use crate::stores::standing::StandingStore;
use crate::stores::vacancy::{Vacancy, vacancy};
use crate::stores::watchlists::Watchlists;
use crate::summary::{comparison, summary};
use crate::visit::Visit;

const DEFAULT_TIMEFRAME: Timeframe = Timeframe::H1;

/// Sidebar, header, banner, chart and status line of the series that the address names.
#[component]
pub fn ChartPage() -> impl IntoView {
    let address = read_address();
    if let Err(problem) = address.get_untracked() {
        set_status(problem.status);
    }
    // Each tells of its own changes alone: another series leaves most of the page as it is.
    let visit = memo(move || address.get().ok());
    let series = memo(move || visit.get().map(|visit| visit.series));
    // Links keep what can be kept of an address that is half wrong.
    let timeframe = memo(move || series.get().map_or(DEFAULT_TIMEFRAME, |it| it.timeframe));
    let symbol = memo(move || series.get().map(|it| it.symbol));
    let class = memo(move || symbol.get().map_or(AssetClass::Equity, |symbol| symbol.asset_class()));

    let settings = use_settings();
    let looks = read_look();
    let look = memo(move || {
        let look = looks.get().unwrap_or_default();
        match symbol.get() {
            Some(symbol) => look.without(&symbol),
            None => look,
        }
    });
    let clock = memo(move || look.get().clock.unwrap_or(settings.clock().get()));

    let part = Memo::new(move |_| look.get().part);
    let store = ChartStore::new(visit, part);
    let compared = Compared::new(visit, look, part);
    let standing = StandingStore::new(visit, store.drawing(), store.situation());
    let quality = QualityStore::new(series);
    let watchlists = Watchlists::new();
    let filling = Filling::new();
    let changed = Signal::derive(move || {
        let revision = store.situation().with(|situation| situation.confirmed);
        (series.get(), revision, filling.state().get())
    });
    let quotes = Quotes::new(quoted(watchlists, look), timeframe, changed);
    let hovered = RwSignal::new(None::<usize>);
    let banner = Memo::new(move |_| match address.get() {
        Ok(visit) => match looks.get() {
            Ok(_) => store.situation().with(|situation| banner(&visit.series, situation)),
            Err(problem) => Banner::invalid(&problem),
        },
        Err(problem) => Banner::invalid(&problem),
    });
    let is_waiting = Signal::derive(move || banner.with(|it| it.state.is_waiting()));
    let drawn = store.drawing();
    let drawing = shown(drawn, Memo::new(move |_| look.with(shown::Choice::of)), standing.report());
    let has_bars = Memo::new(move |_| drawn.with(|it| it.as_ref().is_some_and(|it| !it.picture.bars.is_empty())));
    let is_hidden = Memo::new(move |_| has_bars.get() && drawing.with(|it| it.as_ref().is_some_and(is_blank)));
    let vacancy = Memo::new(move |_| match address.get() {
        Ok(_) if is_hidden.get() => Some(Vacancy::HIDDEN),
        Ok(_) if has_bars.get() => None,
        Ok(_) => store.situation().with(vacancy),
        Err(_) => Some(Vacancy::INVALID),
    });
    let navigate = use_navigate();
    let go = navigate.clone();
    let open_series = Callback::new(move |(series, leave): (SeriesKey, Option<Callback<()>>)| {
        let (address, go) = (look.get_untracked().address(&series), go.clone());
        store.open(series, move |is_last| {
            // Nothing is left to be done where the page is gone.
            leave.and_then(|leave| leave.try_run(()));
            if is_last {
                go(&address, NavigateOptions::default());
            }
        });
    });
    let prepare = Callback::new(move |symbol| {
        store.prepare(SeriesKey { symbol, timeframe: timeframe.get_untracked() });
    });
    let open = Callback::new(move |(symbol, leave)| {
        open_series.run((SeriesKey { symbol, timeframe: timeframe.get_untracked() }, Some(leave)));
    });
    // What is chosen can be gone back from; where the view was moved by hand, the address only keeps up.
    let show = move |look: Look, replace: bool| {
        if let Some(visit) = visit.get_untracked() {
            let to = format!("{}{}", visit.path(), look.query());
            navigate(&to, NavigateOptions { replace, scroll: false, ..NavigateOptions::default() });
        }
    };
    let keep_up = show.clone();
    let choose = Callback::new(move |look: Look| show(look, false));
    let moves = StoredValue::new(0_u32);
    let on_moved = Callback::new(move |part: Part| {
        moves.update_value(|moves| *moves += 1);
        let (mine, keep_up) = (moves.get_value(), keep_up.clone());
        let later = move || {
            let is_last = moves.try_get_value() == Some(mine);
            let now = look.try_get_untracked().filter(|now| is_last && now.part != part);
            now.into_iter().for_each(|now| keep_up(Look { part, ..now }, true));
        };
        set_timeout(later, std::time::Duration::from_millis(250));
    });
    let command = RwSignal::new(None::<Command>);
    let behind = Signal::derive(move || store.situation().with(|situation| situation.behind));
    let on_near_oldest = Callback::new(move |sight| {
        store.near_oldest(sight);
        compared.near_oldest(sight);
    });
    let on_picture = Callback::new(move |()| {
        if let Some(series) = series.get_untracked() {
            let names = look.with_untracked(|look| {
                look.indicators.iter().map(|spec| format!("{} · ", name(spec))).collect::<String>()
            });
            let title = format!("{series} · {names}{} · Tidemark", Timestamp(page::now_ms() / 1_000 * 1_000));
            command.set(Some(Command::Picture { title, name: format!("{series}.png").replace([' ', ':'], "-") }));
        }
    });
    let in_view = RwSignal::new(None::<TimeRange>);
    let readings = RwSignal::new(Readings::default());
    let lacking = RwSignal::new(None);
    let on_bars = Callback::new(move |()| {
        if let Some(series) = series.get_untracked() {
            command.set(Some(Command::Bars(format!("{series}.csv").replace([' ', ':'], "-"))));
        }
    });
    let on_day = Callback::new(move |day: String| {
        let Some(day) = Timestamp::parse(&format!("{day}T00:00:00Z")) else { return };
        let half = in_view.get_untracked().map_or(DAY, |range| (range.millis() / 2).max(DAY));
        let around = TimeRange { start: day.plus(DAY / 2 - half), end: day.plus(DAY / 2 + half) };
        choose.run(Look { part: Part::Between(around), ..look.get_untracked() });
    });
    let (is_listing_keys, is_setting, is_managing) = (RwSignal::new(false), RwSignal::new(false), RwSignal::new(false));
    let shortcuts = use_shortcuts();
    shortcuts.add("Page", &["/"], "Type a symbol", Callback::new(|()| page::focus(SYMBOL_INPUT)));
    for (keys, label, next) in [
        (&["["][..], "A shorter timeframe", Timeframe::shorter as fn(Timeframe) -> Timeframe),
        (&["]"], "A longer timeframe", Timeframe::longer),
    ] {
        let go = move |()| {
            let Some(SeriesKey { symbol, timeframe }) = series.get_untracked() else { return };
            if next(timeframe) != timeframe {
                open_series.run((SeriesKey { symbol, timeframe: next(timeframe) }, None));
            }
        };
        shortcuts.add("Page", keys, label, Callback::new(go));
    }
    for (keys, label, step) in [
        (&["ArrowLeft"][..], "Towards older bars", Move::Pan(-0.1)),
        (&["ArrowRight"], "Towards newer bars", Move::Pan(0.1)),
        (&["+", "="], "Zoom in", Move::Zoom(0.8, 0.5)),
        (&["-"], "Zoom out", Move::Zoom(1.25, 0.5)),
        (&["Home"], "The oldest bars that are held", Move::Oldest),
        (&["End"], "The newest bars", Move::Newest),
        (&["f"], "All bars", Move::Fit),
        (&["r"], "As at first", Move::Reset),
    ] {
        shortcuts.add("Chart", keys, label, Callback::new(move |()| command.set(Some(Command::Go(step)))));
    }
    for (keys, label, bars) in [
        (&["Shift+ArrowLeft"][..], "Crosshair to the bar before", -1.0),
        (&["Shift+ArrowRight"], "Crosshair to the next bar", 1.0),
    ] {
        shortcuts.add("Chart", keys, label, Callback::new(move |()| command.set(Some(Command::StepPointer(bars)))));
    }
    let drawings = Drawings::new(symbol);
    let is_listing_drawings = RwSignal::new(false);
    let list_drawings = Callback::new(move |()| is_listing_drawings.set(true));
    let lift = Callback::new(move |()| {
        if !drawings.escape() {
            command.set(Some(Command::LiftPointer));
        }
    });
    let put_away = "Put the tool, measure, selection or crosshair away";
    shortcuts.add("Chart", &["Escape"], put_away, lift);
    let is_choosing = RwSignal::new(false);
    let choose_indicators = Callback::new(move |()| is_choosing.set(true));
    shortcuts.add("Chart", &["i"], "Choose indicators", choose_indicators);
    let is_showing = RwSignal::new(false);
    shortcuts.add("Chart", &["l"], "Choose hours and layers", Callback::new(move |()| is_showing.set(true)));
    let is_comparing = RwSignal::new(false);
    let choose_compared = Callback::new(move |()| is_comparing.set(true));
    shortcuts.add("Chart", &["c"], "Compare with other symbols", choose_compared);
    let is_tabled = RwSignal::new(false);
    shortcuts.add("Chart", &["t"], "Show the bars as a table", Callback::new(move |()| is_tabled.set(true)));
    let besides = compared.besides();
    let summary = Memo::new(move |_| {
        let of = |drawing: &Drawing| {
            let times = TimeText::new(&drawing.series);
            let (series, picture) = (&drawing.series, &drawing.picture);
            let own = standing.report().with(|report| summary(series, picture, report.as_ref(), |at| times.full(at)));
            let bars = &picture.bars;
            let beside = besides.with(|list| comparison(series, bars, list, in_view.get(), |at| times.full(at)));
            beside.map_or_else(|| own.clone(), |beside| format!("{own} {beside}"))
        };
        drawing.with(|drawing| drawing.as_ref().map_or_else(String::new, of))
    });
    shortcuts.add("Page", &[","], "Open the settings", Callback::new(move |()| is_setting.set(true)));
    let lines = move || look.with(|look| look.indicators.len() + look.compared.len()).to_string();
    let panes = move || look.with(|look| panes_of(&look.indicators)).to_string();
    let place = Signal::derive(move || series.get().map_or_else(String::new, |series| series.path()));
    let title = move || series.get().map_or_else(|| "Tidemark".to_owned(), |it| format!("{it} · Tidemark"));

    view! {
        <Title text=title />
        <div class="page">
            <SkipLink />
            <Sidebar place>
                <WatchlistView
                    watchlists
                    quotes
                    filling
                    symbol
                    timeframe
                    look
                    store
                    on_manage=Callback::new(move |()| is_managing.set(true))
                />
            </Sidebar>
            <main class="stage">
                <Header
                    symbol
                    timeframe
                    search=Search::new()
                    open
                    on_near=prepare
                    on_shortcuts=Callback::new(move |()| is_listing_keys.set(true))
                    on_settings=Callback::new(move |()| is_setting.set(true))
                />
                <div class="toolbar">
                    <Timeframes symbol timeframe look store />
                    <div class="tool-strip">
                        <ChartTools
                            on_indicators=choose_indicators
                            on_compare=choose_compared
                            on_table=Callback::new(move |()| is_tabled.set(true))
                        />
                        <LookTools look clock choose on_shown=Callback::new(move |()| is_showing.set(true)) on_picture on_bars />
                    </div>
                </div>
                <BannerView
                    banner
                    revision=Signal::derive(move || store.situation().with(Situation::revision))
                    on_retry=Callback::new(move |()| store.retry())
                    on_cancel=Callback::new(move |()| series.get_untracked().into_iter().for_each(|it| store.cancel(it)))
                />
                <section id=BOARD class="board" tabindex="-1" aria-label="Chart" style:--panes=panes style:--lines=lines>
                    <Legend class drawing hovered />
                    <IndicatorLegend class look choose readings on_open=choose_indicators />
                    <CompareLegend symbol look choose compared readings on_open=choose_compared />
                    <DrawingTools drawings command shortcuts on_list=list_drawings />
                    <Chart
                        drawing
                        compared=besides
                        is_waiting
                        hovered
                        look
                        clock
                        command
                        in_view
                        readings
                        lacking
                        on_moved
                        behind
                        on_near_oldest
                        drawings
                        on_list=list_drawings
                    />
                    <LackNote pointed=lacking.into() series report=standing.report() clock />
                    <VacancyView
                        vacancy
                        on_retry=Callback::new(move |()| store.retry())
                        on_show=Callback::new(move |()| is_showing.set(true))
                    />
                    <PointedBar drawing hovered command clock />
                    <SpokenSummary summary shortcuts />
                </section>
                <RangeTools look choose on_day command />
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
            <IndicatorsDialogue look choose open=is_choosing />
            <ShownDialogue look choose drawing=drawn open=is_showing />
            <DrawingsDialogue drawings shown=drawing in_view open=is_listing_drawings />
            <CompareDialogue symbol look choose compared quotes readings open=is_comparing />
            <BarTable drawing besides summary open=is_tabled />
            <SettingsDialogue settings=use_settings() open=is_setting />
            <ShortcutList shortcuts open=is_listing_keys />
        </div>
    }
    .into_any()
}

/// Whether nothing of it is to be seen.
fn is_blank(drawing: &Drawing) -> bool {
    drawing.picture.bars.is_empty() && drawing.picture.forecast.is_empty()
}

/// Whose prices and names are asked for: the watchlist's, then those that are compared.
fn quoted(watchlists: Watchlists, look: Signal<Look>) -> Signal<Vec<Symbol>> {
    let symbols = Memo::new(move |_| {
        let mut symbols = watchlists.symbols().get();
        let compared = look.with(|look| look.compared.clone());
        symbols.extend(compared.into_iter().filter(|symbol| !watchlists.symbols().with(|it| it.contains(symbol))));
        symbols.truncate(MOST_QUOTES);
        symbols
    });
    symbols.into()
}

fn memo<T: Clone + PartialEq + Send + Sync + 'static>(of: impl Fn() -> T + Send + Sync + 'static) -> Signal<T> {
    Memo::new(move |_| of()).into()
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

fn read_look() -> Memo<Result<Look, Problem>> {
    let query = use_query_map();
    Memo::new(move |_| {
        let asked = |name: &str| query.with(|query| query.get(name)).filter(|value| !value.is_empty());
        Look::parse(asked)
    })
}
