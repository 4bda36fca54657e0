//! Indicators of stored bars, read with as many bars before the window as their values need.

use tidemark_app::backend::ChartRequest;
use tidemark_market::indicators::{Indicator, Spec};
use tidemark_market::time::DAY;
use tidemark_market::wire::{ChartData, bars_of};
use tidemark_market::{Bar, Layer, TimeRange, Timeframe, Timestamp, calendar, layer};

use crate::db;
use crate::error::Error;
use crate::service::Service;

/// Indicators over a window.
pub struct Computed {
    /// What was read: the window and the bars before it.
    pub data: ChartData,
    /// The window that was asked for, in whole bars.
    pub window: TimeRange,
    /// When the bars in the window begin.
    pub times: Vec<Timestamp>,
    /// The indicators over all that was read; the last values, as many as there are times, are the window's.
    pub indicators: Vec<Indicator>,
}

/// Computes `specs` over the window of `request`, so that values in it do not depend on where it starts; where fewer bars
/// are stored before it than that takes, from the first of them.
///
/// # Errors
/// As [`Service::read_chart`].
pub async fn compute(service: &Service, request: &ChartRequest, specs: &[Spec]) -> Result<Computed, Error> {
    let settings = db::series::settings(&service.pool, &request.series).await?;
    let timeframe = request.series.timeframe;
    let needed = specs.iter().map(|spec| spec.warm_up(timeframe)).max().unwrap_or_default();
    let (data, window) = read_with_bars_before(service, request, needed).await?;
    let bars = what_happened(&data);
    let over = |spec: &Spec| Indicator::over(*spec, settings.calendar(&request.series), timeframe, &bars);
    let times = bars.iter().map(|bar| bar.ts).filter(|at| *at >= window.start).collect();
    Ok(Computed { indicators: specs.iter().map(over).collect(), times, window, data })
}

/// Reads the window, and reaches back twice as far each time until there are `needed` bars before it or no more come.
async fn read_with_bars_before(
    service: &Service,
    request: &ChartRequest,
    needed: usize,
) -> Result<(ChartData, TimeRange), Error> {
    let mut data = service.read_chart(request).await?;
    let window = data.window;
    let mut reach = span_of(needed, data.timeframe);
    let mut found = None;
    loop {
        let before = what_happened(&data).partition_point(|bar| bar.ts < window.start);
        let is_all = data.window.start <= calendar::FIRST || found == Some(before);
        if before >= needed || is_all {
            return Ok((data, window));
        }
        found = (data.window != window).then_some(before);
        let start = window.start.plus(-reach).max(calendar::FIRST);
        data = service.read_chart(&ChartRequest { window: Some((start, window.end)), ..request.clone() }).await?;
        reach = reach.saturating_mul(2);
    }
}

/// About the time that so many bars span at an exchange that trades a quarter of the time, holidays reckoned in.
fn span_of(bars: usize, timeframe: Timeframe) -> i64 {
    let traded = i64::try_from(bars).unwrap_or(i64::MAX).saturating_mul(timeframe.millis());
    let closed = if timeframe < Timeframe::D1 { 4 } else { 1 };
    traded.saturating_mul(closed).saturating_add(7 * DAY)
}

fn what_happened(data: &ChartData) -> Vec<Bar> {
    let of = |layer| bars_of(&data.layers, layer);
    layer::merge(of(Layer::Historical), of(Layer::Intraday), &[])
}
