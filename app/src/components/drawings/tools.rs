//! The drawing tools beside the chart, and their keys.

use leptos::prelude::*;

use crate::chart::drawings::Kind;
use crate::chart::drawings::pen::Tool;
use crate::components::chart::Command;
use crate::components::icon_button::IconButton;
use crate::stores::drawings::Drawings;
use crate::stores::shortcuts::Shortcuts;

/// Each tool, Undo, and the list.
#[component]
pub fn DrawingTools(
    /// What is drawn.
    drawings: Drawings,
    /// Has the chart do something.
    command: RwSignal<Option<Command>>,
    /// Where keys are registered.
    shortcuts: Shortcuts,
    /// Opens the list.
    on_list: Callback<()>,
) -> impl IntoView {
    register(drawings, command, shortcuts, on_list);
    let tool = move |tool: Tool| {
        let is_in_hand = move || drawings.pen().with(|pen| pen.tool() == Some(tool));
        view! {
            <button
                type="button"
                class="icon-button"
                data-testid=format!("tool-{}", tool.as_str())
                aria-label=tool.label()
                title=format!("{} ({})", tool.label(), key(tool))
                aria-pressed=move || is_in_hand().to_string()
                on:click=move |_| drawings.toggle(tool)
            >
                <svg class="icon" viewBox="0 0 20 20" aria-hidden="true">
                    <path d=picture(tool) />
                </svg>
            </button>
        }
    };
    view! {
        <div class="draw-tools" role="group" aria-label="Drawing">
            {Tool::ALL.map(tool).collect_view()}
            <button
                type="button"
                class="icon-button"
                data-testid="drawings-undo"
                aria-label="Undo the last drawing step"
                title="Undo (Ctrl+Z)"
                disabled=move || !drawings.can_undo()
                on:click=move |_| drawings.undo()
            >
                <svg class="icon" viewBox="0 0 20 20" aria-hidden="true">
                    <path d="M7 4.5 3.5 8 7 11.5M4 8h7.5a4 4 0 0 1 0 8H8" />
                </svg>
            </button>
            <IconButton
                id="drawings-open"
                label="List the drawings"
                title="List the drawings (D)"
                path="M4 5h12M4 10h12M4 15h8"
                on_press=on_list
            />
        </div>
    }
    .into_any()
}

fn register(drawings: Drawings, command: RwSignal<Option<Command>>, shortcuts: Shortcuts, on_list: Callback<()>) {
    let add = |keys, label, act| shortcuts.add("Drawing", keys, label, act);
    let take = |tool| Callback::new(move |()| drawings.toggle(tool));
    let order = |what: Command| Callback::new(move |()| command.set(Some(what.clone())));
    add(&["Alt+h"], "Horizontal line at the crosshair or the last price", order(Command::AddLevel));
    add(&["Alt+t"], "Trend line", take(Tool::Draw(Kind::Trend)));
    add(&["Alt+r"], "Rectangle", take(Tool::Draw(Kind::Rectangle)));
    add(&["m"], "Measure", take(Tool::Measure));
    add(&["p"], "Set a point of the tool at the crosshair, on its bar's nearest price", order(Command::SetPoint));
    add(&["d"], "List the drawings, to edit them by numbers", on_list);
    add(&["Delete", "Backspace"], "Remove the selected drawing", Callback::new(move |()| drawings.remove_selected()));
    add(&["Ctrl+z"], "Undo the last drawing step", Callback::new(move |()| drawings.undo()));
}

const fn key(tool: Tool) -> &'static str {
    match tool {
        Tool::Measure => "M, or hold Shift",
        Tool::Draw(Kind::Level) => "Alt+H",
        Tool::Draw(Kind::Trend) => "Alt+T",
        Tool::Draw(Kind::Rectangle) => "Alt+R",
    }
}

const fn picture(tool: Tool) -> &'static str {
    match tool {
        Tool::Measure => "M2.5 13.5 13.5 2.5l4 4L6.5 17.5zM5.5 10.5l2 2M8.5 7.5l2 2M11.5 4.5l2 2",
        Tool::Draw(Kind::Level) => "M2 10h5M13 10h5M10 7a3 3 0 1 0 .01 0",
        Tool::Draw(Kind::Trend) => "M6 14 14 6M4.6 13.4a2 2 0 1 0 .01 0M15.4 2.6a2 2 0 1 0 .01 0",
        Tool::Draw(Kind::Rectangle) => {
            "M5.5 5h9M5.5 15h9M4 6.5v7M16 6.5v7M4 3.5a1.5 1.5 0 1 0 .01 0M16 3.5a1.5 1.5 0 1 0 .01 0M4 13.5a1.5 1.5 0 1 0 .01 0M16 13.5a1.5 1.5 0 1 0 .01 0"
        }
    }
}
