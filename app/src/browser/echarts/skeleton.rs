//! What the chart consists of: two grids over one time axis, crosshair, zoom; and what of it changes with the bars and
//! with the colours, as JSON.

use charming::Chart;
use charming::component::{Axis, DataZoom, DataZoomType, FilterMode, Grid};
use charming::element::{
    AxisLabel, AxisLine, AxisPointer, AxisPointerLink, AxisPointerType, AxisTick, AxisType, BoundaryGap, Label,
    SplitLine, Tooltip, Trigger,
};
use serde_json::json;
use tidemark_market::Bar;

use super::zoom::Range;
use crate::browser::page::token;

const RIGHT: i64 = 72;
const LEFT: i64 = 12;
/// For the time axis and the zoom's slider.
const BELOW: i64 = 68;
const VOLUME: i64 = 88;
const FONT_SIZE: f64 = 11.0;

/// All that stays the same.
pub fn chart() -> Chart {
    Chart::new()
        .animation(false)
        .grid(Grid::new().left(LEFT).right(RIGHT).top(12).bottom(BELOW + VOLUME + 18))
        .grid(Grid::new().left(LEFT).right(RIGHT).height(VOLUME).bottom(BELOW))
        .x_axis(time_axis(0).axis_label(AxisLabel::new().show(false)).axis_pointer(pointer(false)))
        .x_axis(time_axis(1).axis_label(AxisLabel::new().font_size(FONT_SIZE)).axis_pointer(pointer(true)))
        .y_axis(value_axis(0).scale(true).axis_pointer(pointer(true)))
        .y_axis(value_axis(1).split_number(2).axis_pointer(pointer(false)))
        .axis_pointer(AxisPointer::new().link(vec![AxisPointerLink::new().x_axis_index("all")]))
        .tooltip(Tooltip::new().trigger(Trigger::Axis).axis_pointer(AxisPointer::new().type_(AxisPointerType::Cross)))
        .data_zoom(zoom(DataZoomType::Inside))
        .data_zoom(zoom(DataZoomType::Slider).bottom(10).left(LEFT).right(RIGHT).brush_select(false))
}

fn time_axis(grid: u8) -> Axis {
    Axis::new()
        .type_(AxisType::Category)
        .grid_index(grid)
        .boundary_gap(BoundaryGap::CategoryAxis(true))
        .axis_tick(AxisTick::new().show(false))
        .axis_line(AxisLine::new().on_zero(false))
}

fn value_axis(grid: u8) -> Axis {
    Axis::new()
        .type_(AxisType::Value)
        .grid_index(grid)
        .position("right")
        .axis_label(AxisLabel::new().font_size(FONT_SIZE))
        .axis_line(AxisLine::new().show(false))
        .axis_tick(AxisTick::new().show(false))
        .split_line(SplitLine::new().show(true))
}

fn pointer(has_label: bool) -> AxisPointer {
    AxisPointer::new().label(Label::new().show(has_label).font_size(FONT_SIZE))
}

fn zoom(type_: DataZoomType) -> DataZoom {
    DataZoom::new().type_(type_).x_axis_index(vec![0, 1]).filter_mode(FilterMode::Filter).min_value_span(8).throttle(0)
}

/// What changes with the bars. The caller fills in the data of axes and series.
pub fn series(last: Option<&Bar>, range: Range) -> String {
    let zoom = json!({ "startValue": range.start, "endValue": range.end });
    let level = last.map(|bar| json!({ "yAxis": bar.close })).into_iter().collect::<Vec<_>>();
    let volume = |id: &str| {
        json!({
            "id": id, "type": "bar", "xAxisIndex": 1, "yAxisIndex": 1, "barGap": "-100%", "barMaxWidth": 12,
            "large": true, "largeThreshold": 2000, "dimensions": ["place", id], "encode": { "x": "place", "y": id },
        })
    };
    json!({
        "xAxis": [{ "data": null }, { "data": null, "axisLabel": {}, "axisPointer": { "label": {} } }],
        "yAxis": [{ "axisLabel": {}, "axisPointer": { "label": {} } }, { "axisLabel": {} }],
        "dataZoom": [zoom, zoom],
        "tooltip": { "showContent": false },
        "series": [
            {
                "id": "price", "type": "candlestick", "barMaxWidth": 12, "large": true, "largeThreshold": 2000,
                "dimensions": ["place", "open", "close", "low", "high"],
                "encode": { "x": "place", "y": ["open", "close", "low", "high"] },
                "markLine": {
                    "symbol": "none", "silent": true, "animation": false, "data": level,
                    "label": { "position": "end", "fontSize": FONT_SIZE, "padding": [3, 5], "borderRadius": 3 },
                },
            },
            volume("up"),
            volume("down"),
            { "id": "forecast", "type": "line", "symbol": "none", "silent": true, "data": null },
        ],
    })
    .to_string()
}

/// What changes with the colours.
pub fn colours() -> String {
    let (up, down, accent) = (token("--up"), token("--down"), token("--accent"));
    let (ink, faint, line) = (token("--ink"), token("--ink-faint"), token("--line"));
    let (soft_up, soft_down) = (token("--up-soft"), token("--down-soft"));
    let (raised, on_accent) = (token("--raised"), token("--on-accent"));
    let pointer = json!({
        "lineStyle": { "color": faint, "type": "dashed" },
        "label": { "color": ink, "backgroundColor": raised, "borderColor": line, "borderWidth": 1 },
    });
    let time = json!({
        "axisLabel": { "color": faint }, "axisLine": { "lineStyle": { "color": line } }, "axisPointer": pointer,
    });
    let value = json!({
        "axisLabel": { "color": faint }, "splitLine": { "lineStyle": { "color": line } }, "axisPointer": pointer,
    });
    json!({
        "textStyle": { "fontFamily": token("--font") },
        "xAxis": [time, time],
        "yAxis": [value, value],
        "tooltip": { "axisPointer": { "crossStyle": { "color": faint } } },
        "dataZoom": [
            {},
            {
                "borderColor": line, "backgroundColor": "transparent", "fillerColor": token("--accent-soft"),
                "height": 26, "showDetail": false, "moveHandleSize": 0,
                "handleStyle": { "color": raised, "borderColor": accent },
                "dataBackground": { "lineStyle": { "color": line }, "areaStyle": { "color": line } },
                "selectedDataBackground": { "lineStyle": { "color": accent }, "areaStyle": { "color": accent } },
            },
        ],
        "series": [
            {
                "id": "price",
                "itemStyle": { "color": up, "borderColor": up, "color0": down, "borderColor0": down },
                "markLine": {
                    "lineStyle": { "color": accent, "type": "dashed", "width": 1 },
                    "label": { "color": on_accent, "backgroundColor": accent },
                },
            },
            { "id": "up", "itemStyle": { "color": soft_up } },
            { "id": "down", "itemStyle": { "color": soft_down } },
            { "id": "forecast", "lineStyle": { "color": accent, "type": "dashed", "width": 1.5 } },
        ],
    })
    .to_string()
}
